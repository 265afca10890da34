//! What a builder complains of, as an error that says whose fault it is, where, and how to mend it.

use anyhow::anyhow;

use super::Route;
use super::outline::{Outline, Place};
use crate::engine::Error;
use crate::engine::ssh::DEFAULT_ID;

/// What a builder said when a build failed.
pub(super) struct Complaint<'a> {
    /// Who said it.
    pub(super) route: Route,
    /// In its words.
    pub(super) message: &'a str,
    /// Of which step.
    pub(super) place: Place<'a>,
    /// The instruction as the builder has it, where it told.
    pub(super) instruction: Option<&'a str>,
}

/// What BuildKit puts before the cause, each as often as it likes.
const PREFIXES: [&str; 10] = [
    "failed to solve with frontend dockerfile.v0: ",
    "failed to solve with frontend gateway.v0: ",
    "failed to solve: ",
    "failed to create LLB definition: ",
    "failed to build LLB: ",
    "failed to compute cache key: ",
    "failed to load cache key: ",
    "rpc error: code = Unknown desc = ",
    "Docker stream error: ",
    "COPY failed: ",
];

/// What is said when a network is at fault, that of the engine included; it may be better in a minute.
const NETWORK: [&str; 14] = [
    "dial tcp",
    "no such host",
    "i/o timeout",
    "connection refused",
    "connection reset",
    "network is unreachable",
    "TLS handshake timeout",
    "unexpected EOF",
    "context deadline exceeded",
    "Client.Timeout exceeded",
    "429 Too Many Requests",
    "toomanyrequests",
    "502 Bad Gateway",
    "503 Service Unavailable",
];

/// Long enough for any cause, short enough for a line of a summary. Arbitrary.
const MESSAGE_AT_MOST: usize = 500;
const INSTRUCTION_AT_MOST: usize = 80;

impl Complaint<'_> {
    /// Makes an error of it.
    pub(super) fn explain(&self, outline: &Outline) -> Error {
        let (cause, told_line) = without_prefixes(self.message);
        let cause = self.without_step(cause);
        let line = told_line.or_else(|| outline.line(self.place));
        if let Some(code) = exit_code(cause) {
            let message = match self.instruction() {
                Some(instruction) => format!("`{instruction}` failed with exit code {code}"),
                None => format!("a command failed with exit code {code}"),
            };
            return Error::Image { message, line, hint: None };
        }
        if let Some(unsupported) = self.unsupported(cause, line, outline) {
            return unsupported;
        }
        let cause_line = one_line(cause, MESSAGE_AT_MOST);
        if NETWORK.iter().any(|text| cause.contains(text)) {
            let place = line.map(|line| format!("line {line}: ")).unwrap_or_default();
            return Error::Unreachable(anyhow!("{place}{cause_line}"));
        }
        if cause.contains("no space left on device") {
            return Error::Refused(anyhow!("{cause_line}"));
        }
        let secret = cause.strip_prefix("secret ").and_then(|rest| rest.split_once(" not found"));
        let agent = cause.split_once("no SSH key \"").and_then(|(_, rest)| rest.split_once('"'));
        let (cause, hint) = match (missing_file(cause), secret, agent) {
            (_, _, Some((id, _))) => {
                let id = if id.is_empty() { DEFAULT_ID } else { id };
                (format!("the agent `{id}` of SSH is not given"), Some(format!("add `--ssh {id}`")))
            }
            (Some(file), _, None) => {
                let from_context = self.instruction.is_none_or(|text| !text.contains("--from"));
                let hint = "it is not in the context: is it misspelt, or hidden by .dockerignore?";
                (format!("`{file}` does not exist"), from_context.then(|| hint.to_owned()))
            }
            (None, Some((id, _)), None) => {
                (format!("the secret `{id}` is not given"), Some("name it under the image's `secrets`".to_owned()))
            }
            (None, None, None) if is_gone(&cause_line) => {
                let hint = "the registry does not have it, or not any more: where windlass.lock says this digest, \
                            `windlass lock --update` looks up what stands in its place";
                (cause_line, Some(hint.to_owned()))
            }
            (None, None, None) => (cause_line, None),
        };
        let message = match self.instruction() {
            // What names a line of its own was read, not run.
            Some(instruction) if told_line.is_none() => format!("`{instruction}` failed: {cause}"),
            Some(_) | None => cause,
        };
        Error::Image { message, line, hint }
    }

    /// Podman repeats the step before the cause.
    fn without_step<'b>(&self, cause: &'b str) -> &'b str {
        let step = self.instruction.map(|text| format!("building at STEP \"{text}\": "));
        let shorter = step.and_then(|step| cause.trim_start_matches("error ").strip_prefix(step.as_str()));
        shorter.map_or(cause, |cause| without_prefixes(cause).0)
    }

    fn instruction(&self) -> Option<String> {
        self.instruction.map(|text| one_line(text, INSTRUCTION_AT_MOST))
    }

    /// What this builder is too old for, or too simple.
    fn unsupported(&self, cause: &str, line: Option<usize>, outline: &Outline) -> Option<Error> {
        let hint = match self.route {
            Route::Classic => "use an engine with BuildKit, such as Docker since 18.09",
            Route::BuildKit => "use a newer engine, or begin the Dockerfile with `# syntax=docker/dockerfile:1`",
        };
        let unsupported = |line: Option<usize>, what: String| {
            let place = line.map(|line| format!("line {line}: ")).unwrap_or_default();
            let message = format!("{place}this engine's builder has no {what}");
            Some(Error::Unsupported { message, hint: hint.to_owned() })
        };
        if let Some(option) = cause.strip_prefix("the ").and_then(|rest| rest.split_once(" option requires BuildKit")) {
            return unsupported(line, format!("`{}`", option.0));
        }
        let (begin, flags, has_heredoc) = outline.instruction_at(line?)?;
        let flag = cause.strip_prefix("Unknown flag: ").or_else(|| cause.strip_prefix("unknown flag: "));
        if let Some(flag) = flag.map(|flag| flag.trim_start_matches("--")).filter(|flag| flags.contains(flag)) {
            return unsupported(line, format!("`--{flag}`"));
        }
        let misread = cause.to_lowercase().starts_with("unknown instruction") && Some(begin) != line;
        if has_heredoc && misread { unsupported(Some(begin), "here-documents".to_owned()) } else { None }
    }
}

/// Takes off what says nothing; a line that it names is kept.
fn without_prefixes(message: &str) -> (&str, Option<usize>) {
    let mut rest = message.trim();
    let mut line = None;
    loop {
        let shorter = PREFIXES.iter().find_map(|prefix| rest.strip_prefix(prefix)).or_else(|| {
            let checksum = || rest.strip_prefix("failed to calculate checksum of ref ")?.split_once(": ");
            let podman = || rest.strip_prefix("checking on sources under \"")?.split_once(": ");
            checksum().or_else(podman).map(|(_, cause)| cause)
        });
        let numbered = ["dockerfile parse error line ", "dockerfile parse error on line "]
            .iter()
            .find_map(|prefix| rest.get(..prefix.len()).filter(|head| head.eq_ignore_ascii_case(prefix)))
            .and_then(|prefix| rest[prefix.len()..].split_once(": "));
        rest = match (shorter, numbered) {
            (Some(shorter), _) => shorter,
            (None, Some((number, cause))) => {
                line = number.parse().ok().or(line);
                cause
            }
            (None, None) => return (rest, line),
        };
    }
}

/// The exit code of a command that ran and failed, in the words of BuildKit, old and new, and of Docker and Podman.
/// The words are at the end: what comes before is the command, and may say anything.
fn exit_code(cause: &str) -> Option<i64> {
    let ran = cause.starts_with("executor failed running [")
        || cause.starts_with("process \"")
        || cause.starts_with("The command '")
        || cause.starts_with("while running runtime: exit status ")
        || cause.starts_with("error while running runtime: exit status ");
    let (_, code) = cause.rsplit_once([':', ' ']).filter(|_| ran)?;
    let before = &cause[..cause.len() - code.len()];
    let words = ["exit code: ", "exit code:", "returned a non-zero code: ", "exit status "];
    words.iter().any(|words| before.ends_with(words)).then(|| code.parse().ok()).flatten()
}

/// Whether an image that is named by its digest is missing: others' images can be deleted.
fn is_gone(cause: &str) -> bool {
    let is_missing = cause.ends_with(": not found") || cause.contains("manifest unknown");
    is_missing && cause.contains("@sha256:")
}

/// The file that `COPY` or `ADD` did not find.
fn missing_file(cause: &str) -> Option<&str> {
    let quoted = |text: &str| {
        text.strip_suffix("\" not found: not found").or_else(|| text.strip_suffix("\": not found")).map(str::len)
    };
    if let Some(rest) = cause.strip_prefix('"') {
        return quoted(rest).map(|length| &rest[..length]);
    }
    if let Some(rest) = cause.strip_prefix("copier: stat: \"") {
        return rest.strip_suffix("\": no such file or directory");
    }
    let rest = cause.strip_prefix("file not found in build context or excluded by .dockerignore: stat ")?;
    rest.strip_suffix(": file does not exist")
}

/// The text on one line, shortened.
fn one_line(text: &str, at_most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(at_most) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use expect_test::{Expect, expect};

    use crate::model::Platform;

    use super::*;

    const TEXT: &str = "FROM base\nRUN make &&\\\n  make install\nCOPY --link a b\nRUN <<EOF\nls\nEOF\n";

    fn check(route: Route, messages: &[&str], expected: &Expect) {
        let outline = Outline::read(TEXT, &BTreeMap::new(), None, &Platform::linux_amd64());
        let explain = |message: &&str| {
            let complaint =
                Complaint { route, message, place: Place::Nth(1), instruction: Some("RUN make &&   make install") };
            match complaint.explain(&outline) {
                Error::Image { message, line, hint } => format!("image: {line:?} {message} ({hint:?})\n"),
                Error::Unsupported { message, hint } => format!("unsupported: {message} ({hint})\n"),
                Error::Unreachable(why) => format!("unreachable: {why:#}\n"),
                Error::Refused(why) => format!("refused: {why:#}\n"),
                Error::TimedOut { .. } => "timed out\n".to_owned(),
            }
        };
        expected.assert_eq(&messages.iter().map(explain).collect::<String>());
    }

    #[test]
    fn buildkit_is_understood() {
        check(
            Route::BuildKit,
            &[
                "executor failed running [/bin/sh -c make; echo exit code: 4]: exit code: 3",
                "failed to solve: process \"/bin/sh -c make\" did not complete successfully: exit code: 2",
                "failed to compute cache key: \"/x\" not found: not found",
                "failed to solve: failed to compute cache key: failed to calculate checksum of ref a::b: \"/x\": not found",
                "failed to solve with frontend dockerfile.v0: failed to create LLB definition: dockerfile parse error line 2: unknown instruction: FOO",
                "failed to solve with frontend dockerfile.v0: failed to create LLB definition: dockerfile parse error line 4: Unknown flag: link",
                "failed to solve with frontend dockerfile.v0: failed to create LLB definition: dockerfile parse error line 6: unknown instruction: LS",
                "failed to create LLB definition: failed to do request: Head \"https://r/v2/\": dial tcp: lookup r: no such host",
                "127.0.0.1:5055/nope:latest: not found",
                "write /x: no space left on device",
                "no SSH key \"\" forwarded from the client",
                "secret x not found: not found",
                "two\nlines",
                "",
            ],
            &expect![[r#"
                image: Some(2) `RUN make && make install` failed with exit code 3 (None)
                image: Some(2) `RUN make && make install` failed with exit code 2 (None)
                image: Some(2) `RUN make && make install` failed: `/x` does not exist (Some("it is not in the context: is it misspelt, or hidden by .dockerignore?"))
                image: Some(2) `RUN make && make install` failed: `/x` does not exist (Some("it is not in the context: is it misspelt, or hidden by .dockerignore?"))
                image: Some(2) unknown instruction: FOO (None)
                unsupported: line 4: this engine's builder has no `--link` (use a newer engine, or begin the Dockerfile with `# syntax=docker/dockerfile:1`)
                unsupported: line 5: this engine's builder has no here-documents (use a newer engine, or begin the Dockerfile with `# syntax=docker/dockerfile:1`)
                unreachable: line 2: failed to do request: Head "https://r/v2/": dial tcp: lookup r: no such host
                image: Some(2) `RUN make && make install` failed: 127.0.0.1:5055/nope:latest: not found (None)
                refused: write /x: no space left on device
                image: Some(2) `RUN make && make install` failed: the agent `default` of SSH is not given (Some("add `--ssh default`"))
                image: Some(2) `RUN make && make install` failed: the secret `x` is not given (Some("name it under the image's `secrets`"))
                image: Some(2) `RUN make && make install` failed: two lines (None)
                image: Some(2) `RUN make && make install` failed:  (None)
            "#]],
        );
    }

    #[test]
    fn the_classic_builders_are_understood() {
        check(
            Route::Classic,
            &[
                "The command '/bin/sh -c make' returned a non-zero code: 3",
                "error building at STEP \"RUN make &&   make install\": error while running runtime: exit status 3",
                "building at STEP \"RUN make &&   make install\": while running runtime: exit status 3",
                "building at STEP \"RUN make &&   make install\": checking on sources under \"/var/x\": copier: stat: \"/y\": no such file or directory",
                "COPY failed: file not found in build context or excluded by .dockerignore: stat x: file does not exist",
                "the --mount option requires BuildKit. Refer to https://docs.docker.com/go/buildkit/ to learn how",
                "dockerfile parse error line 4: Unknown flag: link",
                "Dockerfile parse error line 4: Unknown flag: lnk",
                "Get \"https://r/v2/\": dial tcp: lookup r: no such host",
                "failed to reach build target nope in Dockerfile",
            ],
            &expect![[r#"
                image: Some(2) `RUN make && make install` failed with exit code 3 (None)
                image: Some(2) `RUN make && make install` failed with exit code 3 (None)
                image: Some(2) `RUN make && make install` failed with exit code 3 (None)
                image: Some(2) `RUN make && make install` failed: `/y` does not exist (Some("it is not in the context: is it misspelt, or hidden by .dockerignore?"))
                image: Some(2) `RUN make && make install` failed: `x` does not exist (Some("it is not in the context: is it misspelt, or hidden by .dockerignore?"))
                unsupported: line 2: this engine's builder has no `--mount` (use an engine with BuildKit, such as Docker since 18.09)
                unsupported: line 4: this engine's builder has no `--link` (use an engine with BuildKit, such as Docker since 18.09)
                image: Some(4) Unknown flag: lnk (None)
                unreachable: line 2: Get "https://r/v2/": dial tcp: lookup r: no such host
                image: Some(2) `RUN make && make install` failed: failed to reach build target nope in Dockerfile (None)
            "#]],
        );
    }

    #[test]
    fn long_words_are_cut() {
        assert_eq!(one_line(&"ä".repeat(81), 80), format!("{}…", "ä".repeat(80)));
    }
}
