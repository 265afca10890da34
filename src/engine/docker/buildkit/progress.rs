//! What BuildKit tells of a build, as events.

use std::collections::{BTreeMap, BTreeSet};

use bollard_buildkit_proto::moby::buildkit::v1::{StatusResponse, Vertex};

use crate::engine::lines::Lines;
use crate::event::{Event, Stream};
use crate::model::ImageName;

/// What was told so far.
pub(super) struct Progress {
    image: ImageName,
    begun: BTreeSet<String>,
    output: BTreeMap<(String, i64), Lines>,
    /// The step that failed first, by its name.
    pub(super) failed: Option<String>,
}

impl Progress {
    pub(super) fn of(image: &ImageName) -> Self {
        Self { image: image.clone(), begun: BTreeSet::new(), output: BTreeMap::new(), failed: None }
    }

    /// What is new in a message.
    pub(super) fn take(&mut self, message: StatusResponse) -> Vec<Event> {
        let mut events = Vec::new();
        for vertex in &message.vertexes {
            if vertex.started.is_some() && self.begun.insert(vertex.digest.clone()) {
                events.push(self.step(vertex));
            }
        }
        for log in message.logs {
            let lines = self.output.entry((log.vertex, log.stream)).or_default().take(&log.msg);
            events.extend(lines.into_iter().map(|line| output(&self.image, log.stream, line)));
        }
        for vertex in message.vertexes {
            if vertex.completed.is_some() {
                events.extend(self.end_of(&vertex.digest));
            }
            if !vertex.error.is_empty() && self.failed.is_none() {
                self.failed = Some(vertex.name);
            }
        }
        for warning in message.warnings {
            let text = String::from_utf8_lossy(&warning.short).into_owned();
            events.push(Event::Warning(format!("{}: {text}", self.image)));
        }
        events
    }

    /// The output that had no line end.
    fn end_of(&mut self, vertex: &str) -> Vec<Event> {
        let image = &self.image;
        let unended = self.output.range_mut((vertex.to_owned(), i64::MIN)..=(vertex.to_owned(), i64::MAX));
        unended.filter_map(|((_, stream), lines)| lines.end().map(|line| output(image, *stream, line))).collect()
    }

    fn step(&self, vertex: &Vertex) -> Event {
        let (number, name) = numbered(&vertex.name);
        Event::Step { image: self.image.clone(), number, name, cached: vertex.cached }
    }
}

fn output(image: &ImageName, stream: i64, line: String) -> Event {
    let stream = if stream == 2 { Stream::Stderr } else { Stream::Stdout };
    Event::Output { image: image.clone(), stream, line }
}

/// Parts `[2/5] RUN make` and `[stage 2/5] RUN make` into number and instruction; a stage's name stays with it.
pub(super) fn numbered(name: &str) -> (Option<(usize, usize)>, String) {
    let whole = || (None, name.to_owned());
    let Some((head, instruction)) = name.strip_prefix('[').and_then(|rest| rest.split_once("] ")) else {
        return whole();
    };
    let (stage, numbers) = head.rsplit_once(' ').map_or((None, head), |(stage, numbers)| (Some(stage), numbers));
    let parse = |text: &str| text.parse::<usize>().ok();
    match numbers.trim().split_once('/').map(|(n, of)| (parse(n), parse(of))) {
        Some((Some(n), Some(of))) => {
            let stage = stage.map(|stage| format!("[{}] ", stage.trim())).unwrap_or_default();
            (Some((n, of)), format!("{stage}{instruction}"))
        }
        _ => whole(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_out_of_names() {
        let cases = [
            ("[2/5] RUN make", Some((2, 5)), "RUN make"),
            ("[build 1/3] FROM debian", Some((1, 3)), "[build] FROM debian"),
            ("[stage-1  2/12] COPY a [b] c", Some((2, 12)), "[stage-1] COPY a [b] c"),
            ("[linux/amd64 build 1/3] FROM a", Some((1, 3)), "[linux/amd64 build] FROM a"),
            ("[internal] load build context", None, "[internal] load build context"),
            ("exporting to image", None, "exporting to image"),
            ("[", None, "["),
        ];
        for (text, number, name) in cases {
            assert_eq!(numbered(text), (number, name.to_owned()), "{text}");
        }
    }
}
