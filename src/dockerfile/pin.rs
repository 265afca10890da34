//! A Dockerfile with some of its text replaced: references, stages that are not built.

use std::collections::BTreeSet;

use super::ast::Dockerfile;
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
    let (mut done, mut last) = (0, None);
    for (span, replacement) in sorted {
        let lies_in_text = text.get(span.range()).is_some() && span.start >= done;
        if lies_in_text && last.replace(span) != Some(span) {
            pinned.push_str(&text[done..span.start]);
            pinned.push_str(replacement);
            done = span.end;
        }
    }
    pinned.push_str(&text[done..]);
    pinned
}

/// The text with only these stages, by index, for a builder that would build the others too: each of those becomes
/// nothing of the same name. Stages and lines keep their numbers.
pub fn only_stages(dockerfile: &Dockerfile, kept: &BTreeSet<usize>) -> String {
    let text = dockerfile.source.text();
    let mut replacements = Vec::new();
    for (_, stage) in dockerfile.stages.iter().enumerate().filter(|(index, _)| !kept.contains(index)) {
        let name = stage.name.as_ref().map(|name| format!(" AS {}", name.text)).unwrap_or_default();
        replacements.push((stage.span, format!("FROM scratch{name}")));
        replacements.extend(stage.instructions.iter().map(|instruction| (instruction.span, String::new())));
    }
    for (span, replacement) in &mut replacements {
        let lines = text.get(span.range()).unwrap_or_default().matches('\n').count();
        replacement.push_str(&"\n".repeat(lines));
    }
    pin(text, &replacements)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::SourceText;
    use crate::dockerfile::parse;

    #[test]
    fn stages_that_are_not_kept_are_nothing_and_all_keeps_its_line() {
        let text =
            "ARG A\nFROM a \\\n  AS one\nCOPY x /\nRUN a && \\\n  b\n# c\nFROM b\nRUN c\nFROM one AS last\nRUN d\n";
        let dockerfile = parse(&SourceText::new("Dockerfile", text)).dockerfile;
        let kept = only_stages(&dockerfile, &BTreeSet::from([2]));
        assert_eq!(kept, "ARG A\nFROM scratch AS one\n\n\n\n\n# c\nFROM scratch\n\nFROM one AS last\nRUN d\n");
        assert_eq!(only_stages(&dockerfile, &BTreeSet::from([0, 1, 2])), text);
    }
}
