//! What an image's HEALTHCHECK runs, and how it is told of (Docker's `HealthConfig`).

use std::time::Duration;

use super::report;

/// How long an interval between checks may be where this program runs them: an image's own is meant for months.
pub(in crate::engine) const CHECKED_EVERY_AT_LEAST: Duration = Duration::from_secs(1);

/// How long a check may take where the image does not say (Docker's).
pub(in crate::engine) const CHECK_WITHIN: Duration = Duration::from_secs(30);

/// The command of a check: `CMD` and its words, or `CMD-SHELL` and a line for the image's shell.
pub(in crate::engine) fn command(test: &[String], shell: Option<&[String]>) -> Vec<String> {
    match test {
        [kind, words @ ..] if kind == "CMD" => words.to_vec(),
        [kind, line @ ..] if kind == "CMD-SHELL" => {
            let shell = shell.filter(|shell| !shell.is_empty()).map(<[String]>::to_vec);
            let mut command = shell.unwrap_or_else(|| vec!["/bin/sh".to_owned(), "-c".to_owned()]);
            command.extend_from_slice(line);
            command
        }
        words => words.to_vec(),
    }
}

/// Whether there is a check.
pub(in crate::engine) fn is_there(test: &[String]) -> bool {
    test.first().is_some_and(|word| word != "NONE")
}

/// How the last check ended, and what it said.
pub(in crate::engine) fn last_check(how: &str, said: &str) -> String {
    let said = report::one_line(said);
    let said = if said.is_empty() { said } else { format!(": {said}") };
    format!("its last check {how}{said}")
}

/// A time of a configuration; none where it is left to Docker.
pub(in crate::engine) fn nanoseconds(duration: i64) -> Option<Duration> {
    u64::try_from(duration).ok().filter(|n| *n > 0).map(Duration::from_nanos)
}
