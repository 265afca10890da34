//! `HEALTHCHECK`.

use std::time::Duration;

use super::ast::{CommandLine, Healthcheck, HealthcheckTiming, Word};
use super::instruction::Draft;
use super::problems::{Problems, suggestion};
use super::words;

/// Reads `HEALTHCHECK`.
pub(super) fn read(draft: &Draft<'_, '_>, problems: &mut Problems) -> Option<Healthcheck> {
    let (kind, rest) = words::first_word(&draft.line.text, draft.rest.clone());
    let written = &draft.line.text[kind.clone()];
    match written.to_ascii_uppercase().as_str() {
        "" => {
            draft.missing("`NONE` or `CMD` and a command", problems);
            None
        }
        "NONE" if rest.is_empty() => Some(Healthcheck::None),
        "NONE" => {
            problems.error(draft.line.span(rest), "HEALTHCHECK NONE takes no arguments", "");
            None
        }
        "CMD" => {
            let command = draft.command_line(rest, problems)?;
            let is_empty = match &command {
                CommandLine::Shell(word) => word.text.is_empty(),
                CommandLine::Exec(words) => words.is_empty(),
            };
            if is_empty {
                problems.error(draft.line.span(kind), "HEALTHCHECK CMD needs a command", "nothing follows");
                return None;
            }
            Some(Healthcheck::Check { command, timing: timing(draft, problems) })
        }
        other => {
            let hint = suggestion(other, ["CMD", "NONE"]).or_else(|| Some(format!("write `CMD {written}`")));
            let message = format!("HEALTHCHECK is followed by `CMD` or `NONE`, not by `{written}`");
            problems.error_with_hint(draft.line.span(kind), message, "", hint);
            None
        }
    }
}

fn timing(draft: &Draft<'_, '_>, problems: &mut Problems) -> HealthcheckTiming {
    let value = |name| draft.flags.value(name).filter(|word| !word.text.is_empty());
    let mut duration = |name| read_duration(value(name)?, problems);
    let (interval, timeout) = (duration("interval"), duration("timeout"));
    let (start_period, start_interval) = (duration("start-period"), duration("start-interval"));
    let retries = value("retries").and_then(|word| {
        let retries = word.text.parse().ok().filter(|retries| i32::try_from(*retries).is_ok());
        if retries.is_none() {
            problems.error(word.span, format!("`{}` is no number of retries", word.text), "");
        }
        retries
    });
    HealthcheckTiming { interval, timeout, start_period, start_interval, retries }
}

fn read_duration(word: Word, problems: &mut Problems) -> Option<Duration> {
    let Word { text, span } = word;
    let duration = go_duration(&text);
    match duration {
        None => problems.error_with_hint(
            span,
            format!("`{text}` is no duration"),
            "",
            Some("write a number with a unit: `30s`, `1m30s`, `500ms`".to_owned()),
        ),
        Some(d) if !d.is_zero() && d < Duration::from_millis(1) => {
            problems.error(span, format!("`{text}` is shorter than `1ms`"), "");
        }
        Some(_) => {}
    }
    duration
}

/// The units of Go's `time.ParseDuration` in nanoseconds.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads a duration as Go does: numbers with fractions and units, in any order; none where it is negative or too long.
fn go_duration(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    match rest {
        "" => return None,
        "0" => return Some(Duration::ZERO),
        _ => {}
    }
    let mut total = 0_u64;
    while !rest.is_empty() {
        let is_number = |c: char| c.is_ascii_digit() || c == '.';
        let (number, after) = rest.split_at(rest.find(|c| !is_number(c)).unwrap_or(rest.len()));
        let (unit, after) = after.split_at(after.find(is_number).unwrap_or(after.len()));
        let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return None;
        }
        let whole = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()? };
        total = total.checked_add(whole.checked_mul(*scale)?)?.checked_add(fraction_of(fraction, *scale))?;
        rest = after;
    }
    // Go counts nanoseconds in 63 bits.
    i64::try_from(total).is_ok().then(|| Duration::from_nanos(total))
}

fn fraction_of(digits: &str, scale: u64) -> u64 {
    let mut value = 0;
    let mut weight = scale;
    for digit in digits.chars().filter_map(|c| c.to_digit(10)) {
        weight /= 10;
        value += u64::from(digit) * weight;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        let milliseconds = |text| go_duration(text).map(|d| d.as_millis());
        for (text, expected) in [
            ("30s", Some(30_000)),
            ("1m30s", Some(90_000)),
            ("1.5h", Some(5_400_000)),
            ("500ms", Some(500)),
            (".5s", Some(500)),
            ("1s1h", Some(3_601_000)),
            ("0", Some(0)),
            ("2000000h", Some(7_200_000_000_000)),
            ("3000000h", None),
            ("", None),
            ("+", None),
            ("5", None),
            ("s", None),
            ("-5s", None),
            ("1.2.3s", None),
            ("5 s", None),
            ("1d", None),
            (".s", None),
        ] {
            assert_eq!(milliseconds(text), expected, "{text}");
        }
    }
}
