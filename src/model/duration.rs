//! Spans of time as people write them: `30s`, `5m`, `1h30m`, `500ms`.

use std::fmt::Write as _;
use std::time::Duration;

/// A text that is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no duration: {why}")]
pub struct DurationError {
    text: String,
    why: &'static str,
}

/// The units from long to short, in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// The longest duration: a year. Arbitrary, but far below where adding one to a clock overflows.
const LONGEST: Duration = Duration::from_millis(365 * 86_400_000);

const GRAMMAR: &str = "expected whole numbers with units from long to short (d, h, m, s, ms), such as `90s` or `1h30m`";

/// Reads a duration: whole numbers, each with a unit (`d`, `h`, `m`, `s`, `ms`), from long to short and each unit
/// once; at most 365 days. `0s` is a duration too: whether it makes sense is for the reader's caller to say.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let refuse = |why| DurationError { text: text.to_owned(), why };
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(refuse("it has no unit: write seconds as in `30s`"));
    }
    let mut rest = text;
    let mut units = UNITS.as_slice();
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
        let (unit, after) = after.split_at(after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len()));
        let at = units.iter().position(|(name, _)| *name == unit).ok_or_else(|| refuse(GRAMMAR))?;
        if number.is_empty() {
            return Err(refuse(GRAMMAR));
        }
        let amount = number.parse::<u64>().ok().and_then(|n| n.checked_mul(units[at].1));
        total = amount.and_then(|a| total.checked_add(a)).ok_or_else(|| refuse("it is longer than 365 days"))?;
        units = &units[at + 1..];
        rest = after;
    }
    match Duration::from_millis(total) {
        _ if text.is_empty() => Err(refuse(GRAMMAR)),
        duration if duration > LONGEST => Err(refuse("it is longer than 365 days")),
        duration => Ok(duration),
    }
}

/// Writes a duration as [`parse_duration`] reads it, in whole milliseconds: what is shorter is left away.
pub fn format_duration(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, length) in UNITS {
        if rest >= length {
            write!(text, "{}{unit}", rest / length).expect("writing to a String does not fail");
            rest %= length;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        for (text, milliseconds, written) in [
            ("30s", 30_000, "30s"),
            ("5m", 300_000, "5m"),
            ("1h30m", 5_400_000, "1h30m"),
            ("90m", 5_400_000, "1h30m"),
            ("500ms", 500, "500ms"),
            ("1m500ms", 60_500, "1m500ms"),
            ("0s", 0, "0s"),
            ("007s", 7_000, "7s"),
            ("365d", 31_536_000_000, "365d"),
        ] {
            let duration = parse_duration(text).unwrap();
            assert_eq!(duration, Duration::from_millis(milliseconds), "{text}");
            assert_eq!(format_duration(duration), written);
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            " ",
            "30",
            "s",
            "1.5s",
            "-1s",
            "1s 2ms",
            "1m1h",
            "1s1s",
            "1S",
            "1y",
            "1ä",
            "366d",
            "365d1ms",
            "99999999999999999999s",
            "99999999999999999h",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        assert_eq!(
            parse_duration("30").unwrap_err().to_string(),
            "`30` is no duration: it has no unit: write seconds as in `30s`"
        );
    }
}
