//! What tests leave on the engine until it is removed.

use bollard::Docker;
use bollard::errors::Error;
use bollard::query_parameters::{InspectContainerOptions, ListImagesOptionsBuilder, RemoveImageOptionsBuilder};

use super::{LABEL_MADE_OF, LABEL_RUN};
use crate::docker::{Failure, commands, find};

/// Containers and images that have to go. Dropping it sets their removal going where it can, so that an interrupted
/// run ends clean soon; [`crate::engine::Engine::clean_up`] is what makes sure of it.
pub(super) struct Leftovers {
    docker: Docker,
    containers: Vec<String>,
    images: Vec<String>,
}

impl Leftovers {
    pub(super) fn new(docker: &Docker) -> Self {
        Self { docker: docker.clone(), containers: Vec::new(), images: Vec::new() }
    }

    pub(super) fn add_container(&mut self, id: String) {
        self.containers.push(id);
    }

    /// Takes an image that was made of a container; it goes after those that were made of it.
    pub(super) fn add_image(&mut self, id: String) {
        self.images.push(id);
    }

    /// Leaves a container where it is, and the images that it may stand on.
    pub(super) fn leave(&mut self, container: &str) {
        self.containers.retain(|id| id != container);
        self.images.clear();
    }

    pub(super) async fn remove_all_but(&mut self, spared: Option<&str>) -> Result<(), Failure> {
        let (stay, go): (Vec<_>, Vec<_>) = self.containers.iter().cloned().partition(|id| Some(id.as_str()) == spared);
        remove_each(&self.docker, &go, &self.images).await?;
        self.containers = stay;
        self.images.clear();
        Ok(())
    }

    pub(super) async fn remove_all(&mut self) -> Result<(), Failure> {
        self.remove_all_but(None).await
    }
}

impl Drop for Leftovers {
    fn drop(&mut self) {
        if self.containers.is_empty() && self.images.is_empty() {
            return;
        }
        // A runtime that is going away runs no task; `clean_up` is left then, as it is where removing fails.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let docker = self.docker.clone();
        let (containers, images) = (std::mem::take(&mut self.containers), std::mem::take(&mut self.images));
        runtime.spawn(async move { remove_each(&docker, &containers, &images).await });
    }
}

/// Removes containers, then images from the last to the first.
async fn remove_each(docker: &Docker, containers: &[String], images: &[String]) -> Result<(), Failure> {
    for id in containers {
        commands::remove(docker, id).await?;
    }
    for id in images.iter().rev() {
        remove_image(docker, id).await?;
    }
    Ok(())
}

/// Removes the container that has a name, with the images that tests made for it, if it is an older run's. Tells
/// whether the name is free then: it is not where somebody else's container has it.
pub(super) async fn make_room(docker: &Docker, name: &str) -> Result<bool, Failure> {
    let older = match docker.inspect_container(name, None::<InspectContainerOptions>).await {
        Ok(older) => older,
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => return Ok(true),
        Err(error) => return Err(error.into()),
    };
    let labels = older.config.and_then(|config| config.labels).unwrap_or_default();
    if !labels.contains_key(LABEL_RUN) {
        return Ok(false);
    }
    commands::remove(docker, name).await?;
    let mut image = older.image.map(image_id);
    while let Some(id) = image.take() {
        let Some(found) = find(docker, &id).await? else { break };
        let labels = found.config.and_then(|config| config.labels).unwrap_or_default();
        if labels.contains_key(LABEL_RUN) {
            remove_image(docker, &id).await?;
            image = labels.get(LABEL_MADE_OF).cloned();
        }
    }
    Ok(true)
}

/// An image's id with its algorithm, without which Podman takes one that is not there for a bad name.
pub(super) fn image_id(id: String) -> String {
    if id.contains(':') { id } else { format!("sha256:{id}") }
}

/// Removes the images that the tests of a run made, save those that a kept container stands on.
pub(in crate::engine::docker) async fn remove_images(docker: &Docker, run: &str) -> Result<(), Failure> {
    let filters = [("label", vec![format!("{LABEL_RUN}={run}")])].into();
    let options = ListImagesOptionsBuilder::new().all(true).filters(&filters).build();
    let images = docker.list_images(Some(options)).await?;
    let mut left: Vec<String> = images.into_iter().map(|image| image.id).collect();
    loop {
        let mut in_use = Vec::new();
        for id in &left {
            if !remove_image(docker, id).await? {
                in_use.push(id.clone());
            }
        }
        // What another image stood on may go now; where nothing went, a container stands on it.
        if in_use.len() == left.len() {
            return Ok(());
        }
        left = in_use;
    }
}

/// Removes an image and not those it was made of, unless a container or another image stands on it: it tells so.
async fn remove_image(docker: &Docker, id: &str) -> Result<bool, Failure> {
    let options = RemoveImageOptionsBuilder::new().noprune(true).build();
    match docker.remove_image(id, Some(options), None).await {
        Ok(_) | Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(true),
        Err(Error::DockerResponseServerError { status_code: 409, .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
