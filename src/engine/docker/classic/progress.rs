//! What the classic builder tells of a build, as events. It tells all in one stream of text, its own words and the
//! output of what it runs.

use bollard::models::BuildInfo;

use super::super::outline::Place;
use crate::engine::lines::Lines;
use crate::event::{Event, Stream};
use crate::model::ImageName;

/// What was told so far.
pub(super) struct Progress {
    image: ImageName,
    /// The step that began last, which is told of when it is known whether it was cached.
    untold: Option<Step>,
    stdout: Lines,
    stderr: Lines,
    /// The step that began last.
    at: Option<Step>,
    /// How many steps began since the first `FROM`; Podman's own numbers begin anew with each stage.
    nth: Option<usize>,
    /// The image that came out last.
    pub(super) id: Option<String>,
}

#[derive(Clone)]
struct Step {
    number: (usize, usize),
    name: String,
}

/// What Docker puts around output from standard error.
const STDERR_BEGIN: &str = "\u{1b}[91m";
const STDERR_END: &str = "\u{1b}[0m";

impl Progress {
    pub(super) fn of(image: &ImageName) -> Self {
        Self {
            image: image.clone(),
            untold: None,
            stdout: Lines::default(),
            stderr: Lines::default(),
            at: None,
            nth: None,
            id: None,
        }
    }

    /// What is new in a message.
    pub(super) fn take(&mut self, message: BuildInfo) -> Vec<Event> {
        if let Some(id) = message.aux.and_then(|aux| aux.id) {
            self.id = Some(id);
        }
        let Some(text) = message.stream else { return Vec::new() };
        let mut events = Vec::new();
        if let Some(step) = step(&text).filter(|step| self.is_next(step)) {
            events.extend(self.end());
            let from = step.name.get(..5).is_some_and(|head| head.eq_ignore_ascii_case("from "));
            self.nth = self.nth.map(|nth| nth + 1).or(from.then_some(0));
            self.at = Some(step.clone());
            self.untold = Some(step);
            return events;
        }
        match own_word(&text) {
            Some(Word::Cached) => events.extend(self.tell_step(true)),
            // A line end comes behind the step's line.
            Some(Word::LineEnd) if self.untold.is_some() => {}
            Some(Word::Noise) => events.extend(self.tell_step(false)),
            Some(Word::Warning(warning)) => events.push(Event::Warning(format!("{}: {warning}", self.image))),
            Some(Word::LineEnd) | None => {
                events.extend(self.tell_step(false));
                events.extend(self.output(&text));
            }
        }
        events
    }

    /// What was still held back.
    pub(super) fn end(&mut self) -> Vec<Event> {
        let mut events: Vec<Event> = self.tell_step(false).into_iter().collect();
        let (stdout, stderr) = (self.stdout.end(), self.stderr.end());
        events.extend(stdout.map(|line| self.line(Stream::Stdout, line)));
        events.extend(stderr.map(|line| self.line(Stream::Stderr, line)));
        events
    }

    /// The place of the step that began last, and the instruction as the builder has it.
    pub(super) fn at(&self) -> (Place<'_>, Option<&str>) {
        let Some(step) = &self.at else { return (Place::Unknown, None) };
        (self.nth.map_or(Place::Unknown, Place::Nth), Some(&step.name))
    }

    /// Output that looks like a step's line does not count on.
    fn is_next(&self, step: &Step) -> bool {
        let last = self.at.as_ref().map_or(0, |step| step.number.0);
        step.number.0 <= step.number.1 && (step.number.0 == last + 1 || step.number.0 == 1)
    }

    fn tell_step(&mut self, cached: bool) -> Option<Event> {
        let Step { number, name } = self.untold.take()?;
        Some(Event::Step { image: self.image.clone(), number: Some(number), name, cached })
    }

    fn output(&mut self, text: &str) -> Vec<Event> {
        let coloured = text.strip_prefix(STDERR_BEGIN).and_then(|rest| rest.strip_suffix(STDERR_END));
        let (stream, lines) = match coloured {
            Some(text) => (Stream::Stderr, self.stderr.take(text.as_bytes())),
            None => (Stream::Stdout, self.stdout.take(text.as_bytes())),
        };
        lines.into_iter().map(|line| self.line(stream, line)).collect()
    }

    fn line(&self, stream: Stream, line: String) -> Event {
        Event::Output { image: self.image.clone(), stream, line }
    }
}

/// What the builder says for itself.
enum Word<'a> {
    /// The step's result is taken from an earlier build.
    Cached,
    /// The end of a line, or an empty line of output.
    LineEnd,
    /// Ids of layers and containers that nobody asked for.
    Noise,
    /// A warning.
    Warning(&'a str),
}

fn own_word(text: &str) -> Option<Word<'_>> {
    let line = text.strip_suffix('\n').unwrap_or(text);
    let is_id = |id: &str| id.len() >= 11 && id.bytes().all(|b| b.is_ascii_hexdigit());
    if line.is_empty() {
        return Some(Word::LineEnd);
    }
    if let Some(warning) = line.strip_prefix("[Warning] ").or_else(|| line.strip_prefix(" ---> [Warning] ")) {
        return Some(Word::Warning(warning));
    }
    // Docker's arrow has a blank before it and three dashes, Podman's two.
    if let Some(said) = line.strip_prefix(" ---> ").or_else(|| line.strip_prefix("--> ")) {
        let cached = said == "Using cache" || said.strip_prefix("Using cache ").is_some_and(is_id);
        let running = said.strip_prefix("Running in ").is_some_and(is_id);
        let noise = said.is_empty() || is_id(said) || running;
        return if cached { Some(Word::Cached) } else { noise.then_some(Word::Noise) };
    }
    let after = |prefix: &str| line.strip_prefix(prefix);
    let noise = after("Removing intermediate container ").is_some_and(is_id)
        || after("Successfully built ").is_some_and(is_id)
        || after("Successfully tagged ").is_some()
        || after("COMMIT ").is_some();
    noise.then_some(Word::Noise)
}

/// Reads `Step 2/3 : RUN make`, or `STEP 2/3: RUN make` and `[1/2] STEP 2/3: RUN make` as Podman writes it.
fn step(text: &str) -> Option<Step> {
    let line = text.trim_end_matches('\n');
    let (numbers, name) = match line.strip_prefix("Step ") {
        Some(rest) => rest.split_once(" : ")?,
        None => {
            let rest = line.strip_prefix('[').and_then(|rest| rest.split_once("] ")).map_or(line, |(_, rest)| rest);
            rest.strip_prefix("STEP ")?.split_once(": ")?
        }
    };
    let (n, of) = numbers.split_once('/')?;
    Some(Step { number: (n.parse().ok()?, of.parse().ok()?), name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use bollard::models::ImageId;
    use expect_test::{Expect, expect};

    use super::*;

    fn check(messages: &[&str], expected: &Expect) {
        let mut progress = Progress::of(&"api".parse().unwrap());
        let message = |text: &&str| BuildInfo { stream: Some((*text).to_owned()), ..BuildInfo::default() };
        let mut events: Vec<Event> = messages.iter().flat_map(|text| progress.take(message(text))).collect();
        events.extend(progress.end());
        let shown: Vec<String> = events
            .iter()
            .map(|event| match event {
                Event::Step { number, name, cached, .. } => format!("{number:?} {name} {cached}"),
                Event::Output { stream, line, .. } => format!("{stream:?} {line:?}"),
                other => format!("{other:?}"),
            })
            .collect();
        expected.assert_eq(&shown.join("\n"));
    }

    #[test]
    fn docker_s_words_are_told_from_output() {
        check(
            &[
                "Step 1/3 : FROM base",
                "\n",
                " ---> 98b551e73dd8\n",
                "Step 2/3 : RUN a",
                "\n",
                " ---> Using cache\n",
                " ---> fc0698e205fb\n",
                "Step 3/3 : RUN b",
                "\n",
                " ---> Running in 6974485cc5c2\n",
                "\u{1b}[91mun\u{1b}[0m",
                "two\n\n lin",
                "es\n",
                "\n",
                "Step 9/9 : no step\n",
                "\u{1b}[91mended\u{1b}[0m",
                "Removing intermediate container 6974485cc5c2\n",
                " ---> d95e5ad1e691\n",
                "[Warning] One or more build-args [Q] were not consumed\n",
                "Successfully built d95e5ad1e691\n",
                "Successfully tagged a:latest\n",
            ],
            &expect![[r#"
                Some((1, 3)) FROM base false
                Some((2, 3)) RUN a true
                Some((3, 3)) RUN b false
                Stdout "two"
                Stdout ""
                Stdout " lines"
                Stdout ""
                Stdout "Step 9/9 : no step"
                Warning("api: One or more build-args [Q] were not consumed")
                Stderr "unended""#]],
        );
    }

    #[test]
    fn podman_s_words_are_told_from_output() {
        check(
            &[
                "STEP 1/2: FROM scratch\n",
                "STEP 2/2: RUN a\n",
                "--> Using cache 98b551e73dd898b551e73dd8\n",
                "--> 98b551e73dd\n",
                "[2/2] STEP 1/1: FROM a\n",
                "COMMIT a\n",
                "--> 98b551e73dd8\n",
            ],
            &expect![[r#"
                Some((1, 2)) FROM scratch false
                Some((2, 2)) RUN a true
                Some((1, 1)) FROM a false"#]],
        );
    }

    #[test]
    fn the_last_image_is_the_one() {
        let mut progress = Progress::of(&"api".parse().unwrap());
        for id in ["sha256:a", "sha256:b"] {
            progress.take(BuildInfo { aux: Some(ImageId { id: Some(id.to_owned()) }), ..BuildInfo::default() });
        }
        assert_eq!(progress.id.as_deref(), Some("sha256:b"));
    }
}
