//! What happens on an engine, as it happens.

use std::collections::BTreeMap;

use bollard::Docker;
use bollard::models::EventMessageTypeEnum;
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::TryStreamExt as _;
use jiff::Timestamp;

use super::Failure;

/// Who something happened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    /// A container; its labels are told.
    Container,
    /// A network; its name is told.
    Network,
}

/// What takes a container away from those who use it.
const EVENTS: [&str; 5] = ["destroy", "die", "disconnect", "oom", "pause"];

/// Waits until a container was taken away from those who use it, since a moment of the engine's clock, that `matters`: it
/// ended, was frozen, removed, or taken off a network. Ends too when the engine does.
///
/// # Errors
/// When the engine does not answer.
pub async fn loss(
    docker: &Docker,
    since: Timestamp,
    matters: impl Fn(Whom, &BTreeMap<String, String>) -> bool,
) -> Result<(), Failure> {
    let filters = [("type", vec!["container", "network"]), ("event", EVENTS.to_vec())].into();
    let since = format!("{}.{:09}", since.as_second(), since.subsec_nanosecond());
    let options = EventsOptionsBuilder::new().since(&since).filters(&filters).build();
    let mut events = std::pin::pin!(docker.events(Some(options)));
    while let Some(event) = events.try_next().await? {
        let whom = match event.typ {
            Some(EventMessageTypeEnum::NETWORK) => Whom::Network,
            _ => Whom::Container,
        };
        let attributes = event.actor.and_then(|actor| actor.attributes).unwrap_or_default();
        if matters(whom, &attributes.into_iter().collect()) {
            return Ok(());
        }
    }
    Ok(())
}
