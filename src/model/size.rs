//! Amounts of memory and disk as people write them: `512m`, `2g`.

const UNITS: [(&str, u64); 5] = [("t", 1 << 40), ("g", 1 << 30), ("m", 1 << 20), ("k", 1 << 10), ("b", 1)];

/// Reads `512m`: a whole number and `b`, `k`, `m`, `g` or `t`, which are powers of 1024; also `kb`, `mb`, `gb` and `tb`.
/// At most as many bytes as a number with a sign holds, which is what engines take.
///
/// # Errors
/// What is expected, where it is something else.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let lower = text.to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match &lower[digits.len()..] {
        "" | "b" => Some(1),
        unit => UNITS.iter().find(|(name, _)| unit.strip_suffix('b').unwrap_or(unit) == *name).map(|(_, size)| *size),
    };
    let size = unit.zip(digits.parse::<u64>().ok()).and_then(|(unit, number)| number.checked_mul(unit));
    size.filter(|size| i64::try_from(*size).is_ok())
        .ok_or_else(|| format!("`{text}` is no size: expected a whole number and `b`, `k`, `m`, `g` or `t`"))
}

/// Writes a size as [`parse_size`] reads it, exactly.
pub fn format_size(size: u64) -> String {
    let fits = UNITS.iter().find(|(_, unit)| size.is_multiple_of(*unit) && size > 0);
    fits.map_or_else(|| size.to_string(), |(name, unit)| format!("{}{name}", size / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written() {
        for (text, size, written) in [
            ("512m", 512 << 20, "512m"),
            ("1GB", 1 << 30, "1g"),
            ("2t", 2 << 40, "2t"),
            ("1536k", 1536 << 10, "1536k"),
            ("7", 7, "7b"),
        ] {
            assert_eq!((parse_size(text), format_size(size)), (Ok(size), written.to_owned()), "{text}");
        }
        for text in ["", "m", "1.5g", "-1", "9999999999g", "1p", "1 m", "bb"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
