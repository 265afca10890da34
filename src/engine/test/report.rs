//! How tests are told of: names, output, and what of it is not as it must be.

use crate::docker::commands::{CAPTURED_AT_MOST, Captured};
use crate::model::StreamMatch;

/// How much of a failed test's output is shown, in bytes a stream: its end. Arbitrary: some thousand lines.
const SHOWN_AT_MOST: usize = 256 << 10;

/// The lines to show of what was written.
pub(in crate::engine) fn lines(captured: &Captured) -> Vec<String> {
    let text = captured.text();
    let mut start = text.len().saturating_sub(SHOWN_AT_MOST);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    let mut lines = Vec::new();
    if start > 0 {
        lines.push(format!("[{start} bytes before this are not shown]"));
    }
    lines.extend(text[start..].lines().map(str::to_owned));
    if captured.lost() > 0 {
        lines.push(format!("[{} bytes after this were not kept]", captured.lost()));
    }
    lines
}

/// What a text lacks or has too much.
pub(in crate::engine) fn match_failures(what: &str, text: &str, expected: &StreamMatch) -> Vec<String> {
    let StreamMatch { expected, excluded } = expected;
    let missing = expected.iter().filter(|p| !p.is_match(text));
    let unwanted = excluded.iter().filter(|p| p.is_match(text));
    let missing = missing.map(|p| format!("`{}` is not found in {what}", p.as_str()));
    missing.chain(unwanted.map(|p| format!("`{}` is found in {what}, and may not be", p.as_str()))).collect()
}

/// What a stream lacks or has too much. Where its end was lost nothing can be excluded any more.
pub(in crate::engine) fn stream_failures(what: &str, captured: &Captured, expected: &StreamMatch) -> Vec<String> {
    let mut failures = match_failures(what, &captured.text(), expected);
    let searched = CAPTURED_AT_MOST >> 20;
    let uncertain = !failures.is_empty() || !expected.excluded.is_empty();
    if captured.lost() > 0 && uncertain {
        let written = CAPTURED_AT_MOST as u64 + captured.lost();
        failures.push(format!("{what} has {written} bytes, of which the first {searched} MiB were searched"));
    }
    failures
}

/// What the names of kept containers begin with: [`crate::engine::Engine::clean_up`] leaves those alone.
pub(in crate::engine) const KEPT: &str = "windlass-failed-";

/// The name of the container that is kept of a failed test: what an engine allows, and short enough to read.
pub(in crate::engine) fn kept_name(image: &str, test: &str) -> String {
    let test = test.split_once(": ").map_or(test, |(_, name)| name);
    format!("{KEPT}{}-{}", safe(image), safe(test))
}

/// Letters, digits, `.`, `_` and single `-` of a text, at most 48 of them.
fn safe(text: &str) -> String {
    let is_safe = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_';
    let words: Vec<&str> = text.split(|c| !is_safe(c)).filter(|word| !word.is_empty()).collect();
    let mut safe = words.join("-");
    safe.truncate(48);
    safe.truncate(safe.trim_end_matches('-').len());
    if safe.is_empty() { "unnamed".to_owned() } else { safe }
}

/// An engine's message on one line.
pub(in crate::engine) fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_names_are_safe_and_short() {
        for (image, test, name) in [
            ("api", "Command Test: says its version", "windlass-failed-api-says-its-version"),
            ("team/api", "File Existence Test: /etc/passwd", "windlass-failed-team-api-etc-passwd"),
            ("api", "Metadata Test", "windlass-failed-api-Metadata-Test"),
            ("api", "Command Test: ähm: ü", "windlass-failed-api-hm"),
            ("api", "Command Test: 😀", "windlass-failed-api-unnamed"),
        ] {
            assert_eq!(kept_name(image, test), name);
        }
        let long = kept_name(&"a".repeat(200), &format!("Command Test: {}", "b ".repeat(200)));
        assert_eq!(long, format!("windlass-failed-{}-{}b", "a".repeat(48), "b-".repeat(23)));
    }
}
