//! What happens on an engine, as it happens.

use std::collections::BTreeMap;

use bollard::Docker;
use bollard::models::EventMessageTypeEnum;
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use nix::sys::signal::Signal;

use super::Failure;
use super::answer::answer;

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
    let options = EventsOptionsBuilder::new().since(&shown(since)).filters(&filters).build();
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

/// Whether somebody had the engine stop a container, which has ended by now, since a moment of the engine's clock: what ends
/// by itself has no such event before its end. `stop_signal` is what asks it to stop, where that is not SIGTERM.
///
/// # Errors
/// When the engine does not answer.
pub async fn was_stopped(
    docker: &Docker,
    id: &str,
    since: Timestamp,
    stop_signal: Option<&str>,
) -> Result<bool, Failure> {
    let now = answer(docker, docker.info()).await?.system_time;
    let Some(now) = now.and_then(|now| now.parse().ok()) else { return Ok(false) };
    let filters = [("container", vec![id]), ("event", vec!["kill"])].into();
    let options = EventsOptionsBuilder::new().since(&shown(since)).until(&shown(now)).filters(&filters).build();
    let events = answer(docker, docker.events(Some(options)).try_collect::<Vec<_>>()).await?;
    let stop_signal = stop_signal.and_then(number);
    Ok(events.into_iter().any(|event| {
        let signal = event.actor.and_then(|actor| actor.attributes?.remove("signal")?.parse().ok());
        // Any other tells it something, of which it should not end. Podman does not say which one it was.
        signal.is_some_and(|signal| ENDING.map(|ending| ending as i32).contains(&signal) || Some(signal) == stop_signal)
    }))
}

/// The signals by which people end things.
const ENDING: [Signal; 4] = [Signal::SIGINT, Signal::SIGKILL, Signal::SIGQUIT, Signal::SIGTERM];

/// The number that engines know a signal by: `SIGTERM`, `term`, `15`, `SIGRTMIN+3`.
fn number(name: &str) -> Option<i32> {
    let name = name.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let from = |first: i32, sign: i32, text: &str| Some(first + sign * text.parse::<i32>().ok()?);
    match (name.strip_prefix("RTMIN+"), name.strip_prefix("RTMAX-")) {
        (Some(text), _) => from(34, 1, text),
        (None, Some(text)) => from(64, -1, text),
        (None, None) => name.parse().ok().or_else(|| Some(format!("SIG{name}").parse::<Signal>().ok()? as i32)),
    }
}

/// A time as the engine reads it.
fn shown(time: Timestamp) -> String {
    format!("{}.{:09}", time.as_second(), time.subsec_nanosecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_the_numbers_of_the_engine() {
        let numbers = ["SIGTERM", "term", "15", "SIGRTMIN+3", "RTMAX-1", "SIGWINCH", "SIGNONE", ""].map(number);
        assert_eq!(numbers, [Some(15), Some(15), Some(15), Some(37), Some(63), Some(28), None, None]);
    }
}
