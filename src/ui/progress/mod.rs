//! Shows a run while it goes on, one file a way of showing, and keeps what must be said again at its end.

mod github;
pub(super) mod json;
mod lines;
mod live;
mod record;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::{Progress, Ui, output};
use crate::event::{Event, Sink};

pub(super) use github::annotation;
pub use record::{Record, Recorded};

/// Tries for one reason that are told as one if they come within this time of each other. Arbitrary: longer than it takes
/// to ask for all images of a project.
const RETRIES_ARE_ONE_WITHIN: Duration = Duration::from_secs(3);

/// A place that lines of talk go to.
type Talk = Box<dyn Write + Send>;

/// One way of showing events. Called under a lock, in the order in which the events came.
trait Show: Send {
    /// Shows one event, `at` this time since the program started. `record` has taken the event in already.
    fn show(&mut self, event: &Event, record: &Record, at: Duration) -> io::Result<()>;

    /// Whether a program reads it, which is spared nothing.
    fn is_for_programs(&self) -> bool {
        false
    }

    /// Takes whatever is drawn off the screen.
    fn end(&mut self) {}
}

/// Shows nothing.
struct Silence;

impl Show for Silence {
    fn show(&mut self, _event: &Event, _record: &Record, _at: Duration) -> io::Result<()> {
        Ok(())
    }
}

struct Inner {
    record: Record,
    show: Box<dyn Show>,
    /// When people were last told of each reason to try again, and of which try.
    retries: BTreeMap<(String, u32), Duration>,
}

impl Inner {
    fn new(show: Box<dyn Show>) -> Self {
        Self { record: Record::default(), show, retries: BTreeMap::new() }
    }

    /// Whether it was just told that something else is tried again for this very reason: one registry that does not
    /// answer is one piece of news, however many images are looked up there.
    fn is_told(&mut self, event: &Event, at: Duration) -> bool {
        let Event::Retrying { what: _, why, attempt } = event else { return false };
        let before = self.retries.insert((why.clone(), *attempt), at);
        before.is_some_and(|before| at.saturating_sub(before) < RETRIES_ARE_ONE_WITHIN)
    }
}

/// The sink that shows a run in the way that was asked for.
pub struct Reporter {
    inner: Mutex<Inner>,
    clock: Arc<dyn Fn() -> Duration + Send + Sync>,
}

impl Reporter {
    /// Shows events of `n_images` images on standard error.
    pub fn new(ui: &Ui, n_images: usize) -> Self {
        let stderr = || -> Talk { Box::new(io::stderr()) };
        let show: Box<dyn Show> = match ui.progress {
            Progress::Tty => Box::new(live::Live::new(n_images, ui.color)),
            Progress::Plain => Box::new(lines::Lines::new(stderr(), ui.color)),
            Progress::Github => Box::new(github::Github::new(stderr())),
            Progress::Json => Box::new(json::Json::new(stderr())),
            Progress::Quiet => Box::new(Silence),
        };
        Self { inner: Mutex::new(Inner::new(show)), clock: Arc::clone(&ui.clock) }
    }

    /// Ends the showing and returns what is known of every image.
    pub fn end(&self) -> Record {
        let mut inner = self.lock();
        inner.show.end();
        std::mem::take(&mut inner.record)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic of another holder leaves at worst a half-told line.
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Sink for Reporter {
    fn send(&self, event: Event) {
        let at = (self.clock)();
        let inner = &mut *self.lock();
        inner.record.take(&event, at);
        if !inner.show.is_for_programs() && inner.is_told(&event, at) {
            return;
        }
        if inner.show.show(&event, &inner.record, at).is_err() {
            // Standard error is gone: the run goes on in silence, and its result is told by the exit code.
            inner.show = Box::new(Silence);
        }
    }
}

/// Says again, whole and at the end, what led to each failure.
pub fn failures(record: &Record, ui: &Ui) {
    if ui.progress == Progress::Json {
        return;
    }
    output::talk(&record::failures(record, ui.color));
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::event::{Failure, Outcome, Phase, Stream};
    use crate::model::ImageName;
    use crate::ui::Color;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn events() -> Vec<Event> {
        let name = |text: &str| -> ImageName { text.parse().unwrap() };
        let (base, api) = (name("base"), name("api"));
        let output = |line: &str| Event::Output { image: base.clone(), stream: Stream::Stderr, line: line.to_owned() };
        let step = |number, text: &str| Event::Step {
            image: base.clone(),
            number: Some((number, 2)),
            name: text.to_owned(),
            cached: number == 1,
        };
        let retrying = |what: &str| Event::Retrying {
            what: format!("looking up `{what}`"),
            why: "nobody is there".to_owned(),
            attempt: 2,
        };
        let failure = Failure {
            phase: Phase::Build,
            message: "`make` exited with 2".to_owned(),
            place: Some(("images/base/Dockerfile".to_owned(), Some(3))),
            hint: Some("mend the make file".to_owned()),
        };
        vec![
            Event::Started { image: base.clone(), phase: Phase::Build },
            step(1, "FROM scratch"),
            output("from the cache"),
            step(2, "RUN make"),
            output("10%\r20%\r::error::not a command"),
            output("no rule: 100% wrong"),
            Event::Finished { image: base.clone(), outcome: Outcome::Failed(failure) },
            Event::Finished { image: api, outcome: Outcome::Blocked(vec![base]) },
            Event::Warning("two\nlines".to_owned()),
            retrying("one"),
            retrying("another"),
        ]
    }

    fn check(show: impl FnOnce(Talk) -> Box<dyn Show>, expect: &Expect) {
        let written = Written::default();
        let inner = Inner::new(show(Box::new(written.clone())));
        let reporter = Reporter { inner: Mutex::new(inner), clock: Arc::new(|| Duration::from_secs(1)) };
        events().into_iter().for_each(|event| reporter.send(event));
        let mut text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        text.push_str(&record::failures(&reporter.end(), Color::Never));
        expect.assert_eq(&text);
    }

    #[test]
    fn plain_lines_and_the_failed_step_whole_at_the_end() {
        check(
            |out| Box::new(lines::Lines::new(out, Color::Never)),
            &expect![[r#"
                base | building
                base | [1/2] FROM scratch (cached)
                base |   from the cache
                base | [2/2] RUN make
                base |   ::error::not a command
                base |   no rule: 100% wrong
                base | failed after 0.0s: `make` exited with 2
                api | blocked by `base`
                warning: two
                lines
                looking up `one`: nobody is there; try 2

                error: `base` failed: `make` exited with 2
                  --> images/base/Dockerfile:3
                  step: RUN make
                  | ::error::not a command
                  | no rule: 100% wrong
                hint: mend the make file
            "#]],
        );
    }

    #[test]
    fn github_groups_an_image_and_marks_the_line() {
        check(
            |out| Box::new(github::Github::new(out)),
            &expect![[r#"
                ::group::base: failed after 0.0s: `make` exited with 2
                base | building
                base | [1/2] FROM scratch (cached)
                base |   from the cache
                base | [2/2] RUN make
                base |   ::error::not a command
                base |   no rule: 100% wrong
                ::endgroup::
                ::error file=images/base/Dockerfile,line=3::base: `make` exited with 2
                api: blocked by `base`
                ::warning::two%0Alines
                looking up `one`: nobody is there; try 2

                error: `base` failed: `make` exited with 2
                  --> images/base/Dockerfile:3
                  step: RUN make
                  | ::error::not a command
                  | no rule: 100% wrong
                hint: mend the make file
            "#]],
        );
    }

    #[test]
    fn json_is_an_object_an_event() {
        check(
            |out| Box::new(json::Json::new(out)),
            &expect![[r#"
                {"version":1,"milliseconds":1000,"fact":{"event":"started","image":"base","phase":"build"}}
                {"version":1,"milliseconds":1000,"fact":{"event":"step","image":"base","number":1,"of":2,"name":"FROM scratch","cached":true}}
                {"version":1,"milliseconds":1000,"fact":{"event":"output","image":"base","stream":"stderr","line":"from the cache"}}
                {"version":1,"milliseconds":1000,"fact":{"event":"step","image":"base","number":2,"of":2,"name":"RUN make","cached":false}}
                {"version":1,"milliseconds":1000,"fact":{"event":"output","image":"base","stream":"stderr","line":"10%\r20%\r::error::not a command"}}
                {"version":1,"milliseconds":1000,"fact":{"event":"output","image":"base","stream":"stderr","line":"no rule: 100% wrong"}}
                {"version":1,"milliseconds":1000,"fact":{"event":"failed","image":"base","phase":"build","message":"`make` exited with 2","file":"images/base/Dockerfile","line":3}}
                {"version":1,"milliseconds":1000,"fact":{"event":"blocked","image":"api","by":["base"]}}
                {"version":1,"milliseconds":1000,"fact":{"event":"warning","text":"two\nlines"}}
                {"version":1,"milliseconds":1000,"fact":{"event":"retrying","what":"looking up `one`","why":"nobody is there","attempt":2}}
                {"version":1,"milliseconds":1000,"fact":{"event":"retrying","what":"looking up `another`","why":"nobody is there","attempt":2}}

                error: `base` failed: `make` exited with 2
                  --> images/base/Dockerfile:3
                  step: RUN make
                  | ::error::not a command
                  | no rule: 100% wrong
                hint: mend the make file
            "#]],
        );
    }
}
