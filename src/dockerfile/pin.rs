//! A Dockerfile with its references replaced.

use crate::diag::Span;

/// The text with each span's text replaced; the rest stays byte for byte. The spans are those of a [`Parsed`] text's
/// [`Edge`]s: an `ONBUILD` that several stages trigger gives one span several times, and its first replacement counts.
/// A span that does not lie in the text is left out.
///
/// [`Parsed`]: super::Parsed
/// [`Edge`]: super::Edge
pub fn pin(text: &str, replacements: &[(Span, String)]) -> String {
    let mut sorted: Vec<&(Span, String)> = replacements.iter().collect();
    sorted.sort_by_key(|(span, _)| *span);
    let mut pinned = String::with_capacity(text.len());
    let mut done = 0;
    for (span, replacement) in sorted {
        let lies_in_text = text.get(span.range()).is_some() && span.start >= done;
        if lies_in_text {
            pinned.push_str(&text[done..span.start]);
            pinned.push_str(replacement);
            done = span.end;
        }
    }
    pinned.push_str(&text[done..]);
    pinned
}
