//! What tests of images are judged by, whichever engine runs them: environments, files, configurations, and the words
//! in which it is told.

pub(super) mod environment;
pub(super) mod existence;
pub(super) mod health;
pub(super) mod metadata;
pub(super) mod report;

use std::time::Duration;

use crate::docker::commands::Output;
use crate::model::format_duration;

/// The largest file that is searched, in bytes. Arbitrary.
pub(super) const SEARCHED_AT_MOST: usize = 64 << 20;

/// The licences that a licence test finds fault with (container-structure-test, `pkg/types/v2/licenses.go`).
pub(super) const LICENSES: [&str; 2] = ["AGPL", "WTFPL"];

/// How long a test may run.
pub(super) struct Limit {
    pub(super) time: Duration,
    /// The same, to be read behind "longer than".
    pub(super) words: String,
}

impl Limit {
    /// How long a test may run that asks for `asked`, where all together have `left` of `all`; what to tell where
    /// nothing is left.
    pub(super) fn of(asked: Option<Duration>, left: Duration, all: Duration) -> Result<Self, String> {
        let all = format_duration(all);
        match asked {
            _ if left.is_zero() => Err(format!("not run: all tests together may take {all}")),
            Some(asked) if asked <= left => Ok(Self { time: asked, words: format_duration(asked) }),
            _ => Ok(Self { time: left, words: format!("what was left of {all} for all tests") }),
        }
    }
}

/// What a command's end and output have that a test does not want.
pub(super) fn command_failures(test: &crate::model::CommandTest, code: i64, output: &Output) -> Vec<String> {
    let wrong = (code != test.exit_code).then(|| format!("exit code {code}, not {}", test.exit_code));
    let Output { stdout, stderr } = output;
    let streams = [("standard output", stdout, &test.stdout), ("standard error", stderr, &test.stderr)];
    let streams =
        streams.into_iter().flat_map(|(what, captured, expected)| report::stream_failures(what, captured, expected));
    wrong.into_iter().chain(streams).collect()
}

/// What of a file's text a licence test finds fault with.
pub(super) fn license_failures(path: &str, text: &str) -> Vec<String> {
    let text = text.to_uppercase();
    let named = LICENSES.iter().filter(|license| text.contains(**license));
    named.map(|license| format!("`{path}` names {license}")).collect()
}
