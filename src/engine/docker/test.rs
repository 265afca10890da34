//! Runs an image's tests in containers of the engine.

use std::time::Duration;

use bollard::Docker;

use crate::engine::{BuiltImage, Error, TestVerdict};
use crate::event::Sink;
use crate::model::TestSpec;

/// Runs what `spec` asks for. Containers carry the label [`super::LABEL_RUN`] with `run` as its value, by which
/// [`crate::engine::Engine::clean_up`] finds them; one that is kept for inspection does not.
#[expect(clippy::unused_async, reason = "asking the engine is async")]
pub(super) async fn run(
    _docker: &Docker,
    image: &BuiltImage,
    spec: &TestSpec,
    _timeout: Duration,
    _events: &dyn Sink,
    _run: &str,
) -> Result<TestVerdict, Error> {
    if spec.is_empty() {
        return Ok(TestVerdict { results: Vec::new(), kept: None });
    }
    Err(Error::Unsupported {
        message: format!("`{}` asks for tests, which this engine does not run", image.image),
        hint: "leave `test` away".to_owned(),
    })
}
