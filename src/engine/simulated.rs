//! An engine in memory: builds nothing, and answers as a real one does. For tests of what drives engines.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::{BuildRequest, BuiltImage, Engine, Error, StoredImage, TestVerdict};
use crate::event::Sink;
use crate::model::{Digest, ImageDigest, ImageId, ImageName, Reference, TestSpec};

/// What happens in a simulated engine's world, besides what is asked of it.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// The images whose build fails.
    pub broken: BTreeSet<ImageName>,
    /// The images whose tests fail.
    pub failing: BTreeSet<ImageName>,
    /// The images whose build finds the engine gone.
    pub unreachable: BTreeSet<ImageName>,
}

/// An engine in memory.
#[derive(Debug, Default)]
pub struct SimulatedEngine {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    world: World,
    images: BTreeMap<ImageId, BTreeMap<String, String>>,
    names: BTreeMap<String, ImageId>,
    calls: Vec<String>,
}

impl SimulatedEngine {
    /// Changes the world.
    pub fn set_world(&self, world: World) {
        self.lock().world = world;
    }

    /// What was asked that changes the engine, since the last time that this was called.
    pub fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().calls)
    }

    /// Every name and what it stands for.
    pub fn names(&self) -> BTreeMap<String, ImageId> {
        self.lock().names.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A real engine takes its time, in which others go on.
async fn a_while() {
    tokio::task::yield_now().await;
}

impl Engine for SimulatedEngine {
    async fn build(&self, request: &BuildRequest<'_>, _events: &dyn Sink) -> Result<BuiltImage, Error> {
        a_while().await;
        let state = &mut *self.lock();
        state.calls.push(format!("build {}", request.image));
        if state.world.unreachable.contains(request.image) {
            return Err(Error::Unreachable(anyhow::anyhow!("the engine is gone")));
        }
        if state.world.broken.contains(request.image) {
            return Err(Error::Image { message: "`RUN false` exited with 1".to_owned(), line: Some(2), hint: None });
        }
        let mut hash = Sha256::new();
        for part in [request.dockerfile, &format!("{:?} {:?}", request.context, request.labels)] {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        let id = ImageId::new(Digest::from_bytes(hash.finalize().into()));
        state.images.insert(id, request.labels.clone());
        state.names.insert(request.tag.to_string(), id);
        Ok(BuiltImage { image: request.image.clone(), id })
    }

    async fn test(
        &self,
        image: &BuiltImage,
        _spec: &TestSpec,
        _timeout: Duration,
        _events: &dyn Sink,
    ) -> Result<TestVerdict, Error> {
        a_while().await;
        let state = &mut *self.lock();
        state.calls.push(format!("test {}", image.image));
        let failure = state.world.failing.contains(&image.image).then(|| "exited with 1".to_owned());
        Ok(TestVerdict { results: vec![("Command Test: it runs".to_owned(), failure)], kept: None })
    }

    async fn find(&self, reference: &Reference) -> Result<Option<StoredImage>, Error> {
        a_while().await;
        let state = self.lock();
        let id = state.names.get(&reference.to_string()).copied();
        Ok(id.map(|id| StoredImage { id, labels: state.images[&id].clone(), repo_digests: Vec::new() }))
    }

    async fn tag(&self, id: &ImageId, reference: &Reference) -> Result<(), Error> {
        a_while().await;
        let state = &mut *self.lock();
        state.calls.push(format!("tag {reference}"));
        state.names.insert(reference.to_string(), *id);
        Ok(())
    }

    async fn untag(&self, reference: &Reference) -> Result<(), Error> {
        a_while().await;
        let state = &mut *self.lock();
        state.calls.push(format!("untag {reference}"));
        state.names.remove(&reference.to_string());
        Ok(())
    }

    async fn pull(&self, reference: &Reference, _events: &dyn Sink) -> Result<StoredImage, Error> {
        Err(Error::Unreachable(anyhow::anyhow!("`{reference}` can't be pulled: no registry is simulated")))
    }

    async fn push(&self, _: &ImageName, reference: &Reference, _: &dyn Sink) -> Result<ImageDigest, Error> {
        Err(Error::Unreachable(anyhow::anyhow!("`{reference}` can't be pushed: no registry is simulated")))
    }

    fn takes_checksums(&self, _frontend: Option<&str>) -> bool {
        true
    }

    async fn clean_up(&self) -> Result<(), Error> {
        Ok(())
    }
}
