//! The comma-separated values of `--mount` and `--device`: one line of CSV (RFC 4180).

use std::ops::Range;

/// The fields of a line, each with its range, quotes excluded, and its text; the error says what the line does wrong.
pub(super) fn fields(text: &str) -> Result<Vec<(Range<usize>, String)>, &'static str> {
    let mut fields = Vec::new();
    let mut at = 0;
    loop {
        let (range, field, end) = if text[at..].starts_with('"') { quoted(text, at)? } else { plain(text, at)? };
        fields.push((range, field));
        match text.as_bytes().get(end) {
            None => return Ok(fields),
            Some(b',') => at = end + 1,
            Some(_) => return Err("goes on behind a closing quote"),
        }
    }
}

fn plain(text: &str, start: usize) -> Result<(Range<usize>, String, usize), &'static str> {
    let end = text[start..].find(',').map_or(text.len(), |comma| start + comma);
    let field = &text[start..end];
    if field.contains('"') {
        return Err("has a quote inside a field");
    }
    Ok((start..end, field.to_owned(), end))
}

fn quoted(text: &str, start: usize) -> Result<(Range<usize>, String, usize), &'static str> {
    let mut field = String::new();
    let mut at = start + 1;
    loop {
        let quote = text[at..].find('"').ok_or("has a quote that is not closed")? + at;
        field.push_str(&text[at..quote]);
        if !text[quote + 1..].starts_with('"') {
            return Ok((start + 1..quote, field, quote + 1));
        }
        field.push('"');
        at = quote + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read() {
        let texts = |line| fields(line).map(|fields| fields.into_iter().map(|(_, text)| text).collect::<Vec<_>>());
        assert_eq!(texts("a=b,c"), Ok(vec!["a=b".to_owned(), "c".to_owned()]));
        assert_eq!(texts("\"a,b\",\"c\"\"d\""), Ok(vec!["a,b".to_owned(), "c\"d".to_owned()]));
        assert_eq!(texts(""), Ok(vec![String::new()]));
        assert_eq!(texts("a,"), Ok(vec!["a".to_owned(), String::new()]));
        for bad in ["a\"b", "\"a", "\"a\"b"] {
            assert!(fields(bad).is_err(), "{bad}");
        }
    }
}
