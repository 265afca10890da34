//! Shows what is wrong with a text: the lines with marks below them for people, workflow commands for GitHub.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};

use super::output::talk;
use super::progress::{annotation, json};
use super::{Color, Progress, Ui};
use crate::diag::{Diagnostic, Location, Severity};

/// A line longer than this is not shown, only named: it is no line that a person wrote. In bytes; arbitrary.
const LINE_AT_MOST: usize = 2000;

/// How many diagnostics that say the same of different places are shown one by one; arbitrary.
const SAME_AT_MOST: usize = 3;

/// How many further places are named where a diagnostic stands for more; arbitrary.
const PLACES_AT_MOST: usize = 3;

/// The diagnostics one below the other, each with the lines that it points at, and a line end at the end. One stands for
/// all that say the same, where those are more than a few.
pub fn diagnostics(diagnostics: &[Diagnostic], color: Color) -> String {
    let renderer = match color {
        Color::Always => Renderer::styled(),
        Color::Never => Renderer::plain(),
    };
    let shown = gathered(diagnostics).into_iter().map(|(diagnostic, also)| {
        let also = also_at(&also);
        let note = also.iter().map(|also| Element::from(Level::NOTE.message(also)));
        let mut text = renderer.render(&[group(diagnostic).elements(note)]);
        text.push('\n');
        text
    });
    shown.collect::<Vec<_>>().join("\n")
}

/// Tells on standard error why a text can't be used; on GitHub also beside the lines of the change.
pub fn refuse(said: &[Diagnostic], ui: &Ui) {
    if ui.progress == Progress::Json {
        return said.iter().for_each(|diagnostic| talk(&json::diagnostic(diagnostic, (ui.clock)())));
    }
    talk(&diagnostics(said, ui.color));
    if ui.progress == Progress::Github {
        said.iter().for_each(|diagnostic| talk(&format!("{}\n", github_annotation(diagnostic))));
    }
}

/// Tells on standard error what is likely not meant so, unless nothing shall be told but errors.
pub fn warn(said: &[Diagnostic], ui: &Ui) {
    if ui.progress != Progress::Quiet && !said.is_empty() {
        refuse(said, ui);
    }
}

/// The diagnostic as an annotation of GitHub Actions, one line without its end: `::error file=F,line=L,col=C::TEXT`.
pub fn github_annotation(diagnostic: &Diagnostic) -> String {
    let level = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let message = match &diagnostic.hint {
        Some(hint) => format!("{}\nhint: {hint}", diagnostic.message),
        None => diagnostic.message.clone(),
    };
    let properties = diagnostic.primary.as_ref().map(|(location, _)| {
        let (line, column) = location.source.line_column(location.span.start);
        let path = location.source.path().to_owned();
        vec![("file", path), ("line", line.to_string()), ("col", column.to_string())]
    });
    annotation(level, &properties.unwrap_or_default(), &message)
}

/// The diagnostics to show, each with the places of those that it stands for besides its own.
fn gathered(diagnostics: &[Diagnostic]) -> Vec<(&Diagnostic, Vec<&Location>)> {
    let mut alike: BTreeMap<Saying<'_>, Vec<&Diagnostic>> = BTreeMap::new();
    for diagnostic in diagnostics {
        alike.entry(saying(diagnostic)).or_default().push(diagnostic);
    }
    let shown = diagnostics.iter().filter_map(|diagnostic| {
        let alike = &alike[&saying(diagnostic)];
        if alike.len() <= SAME_AT_MOST || diagnostic.primary.is_none() || !diagnostic.related.is_empty() {
            return Some((diagnostic, Vec::new()));
        }
        let (first, others) = alike.split_first().filter(|(first, _)| std::ptr::eq(**first, diagnostic))?;
        let places = others.iter().filter_map(|other| other.primary.as_ref());
        Some((*first, places.map(|(location, _)| location).collect()))
    });
    shown.collect()
}

/// What is said, apart from where.
type Saying<'d> = (bool, &'d str, Option<&'d str>, Option<&'d str>, usize);

fn saying(diagnostic: &Diagnostic) -> Saying<'_> {
    let Diagnostic { severity, message, primary, related, hint } = diagnostic;
    let label = primary.as_ref().map(|(_, label)| label.as_str());
    (*severity == Severity::Error, message, label, hint.as_deref(), related.len())
}

fn also_at(places: &[&Location]) -> Option<String> {
    let named: Vec<String> = places.iter().take(PLACES_AT_MOST).map(ToString::to_string).collect();
    let more = places.len() - named.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!named.is_empty()).then(|| format!("the same at {}{more}", named.join(", ")))
}

fn group(diagnostic: &Diagnostic) -> Group<'_> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let places = diagnostic.primary.iter().map(|place| (AnnotationKind::Primary, place));
    let places = places.chain(diagnostic.related.iter().map(|place| (AnnotationKind::Context, place)));
    let hint = diagnostic.hint.iter().map(|hint| Level::HELP.with_name("hint").message(hint));
    level.primary_title(&diagnostic.message).elements(snippets(places)).elements(hint)
}

type Place<'d> = (AnnotationKind, &'d (Location, String));

/// One snippet a text, in the order in which the texts are first pointed at.
fn snippets<'d>(places: impl Iterator<Item = Place<'d>>) -> Vec<Element<'d>> {
    let mut texts: Vec<Vec<Place<'d>>> = Vec::new();
    for place in places {
        let of_same_text = |group: &&mut Vec<Place<'_>>| Arc::ptr_eq(&group[0].1.0.source, &place.1.0.source);
        match texts.iter_mut().find(of_same_text) {
            Some(group) => group.push(place),
            None => texts.push(vec![place]),
        }
    }
    texts.iter().flat_map(|places| snippet(places)).collect()
}

fn snippet<'d>(places: &[Place<'d>]) -> Vec<Element<'d>> {
    let Some((_, (first, _))) = places.first() else { return Vec::new() };
    let text = first.source.text();
    let spans: Vec<_> = places.iter().map(|(_, (location, _))| within(text, location.span.range())).collect();
    // The renderer looks at all of what it is given: a text may be megabytes long.
    let start = spans.iter().map(|span| span.start).min().unwrap_or(0);
    let end = spans.iter().map(|span| span.end).max().unwrap_or(0);
    let start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[end..].find('\n').map_or(text.len(), |newline| end + newline);
    let lines = &text[start..end];
    if first.source.is_secret() || lines.lines().any(|line| line.len() > LINE_AT_MOST) {
        return places.iter().map(|(_, (location, _))| origin(location)).collect();
    }
    let annotations = places.iter().zip(&spans).map(|((kind, (_, label)), span)| {
        let annotation = kind.span(span.start - start..span.end - start);
        if label.is_empty() { annotation } else { annotation.label(label) }
    });
    let (line, _) = first.source.line_column(start);
    let snippet = Snippet::source(lines).path(first.source.path()).line_start(line).annotations(annotations);
    vec![snippet.into()]
}

fn origin(location: &Location) -> Element<'_> {
    let (line, column) = location.source.line_column(location.span.start);
    Origin::path(location.source.path()).line(line).char_column(column).into()
}

/// The range cut to the text and to whole characters.
fn within(text: &str, range: Range<usize>) -> Range<usize> {
    let floor = |mut offset: usize| {
        offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    };
    let start = floor(range.start);
    start..floor(range.end).max(start)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::diag::{SourceText, Span};

    fn check(said: &[Diagnostic], expected: &Expect) {
        expected.assert_eq(&diagnostics(said, Color::Never));
    }

    fn span_of(source: &SourceText, words: &str) -> Span {
        let start = source.text().find(words).unwrap();
        Span::new(start, start + words.len())
    }

    #[test]
    fn places_are_marked_below_their_lines() {
        let yaml = SourceText::new("windlass.yaml", "version: 1\nimages:\n  ünique: { contxt: a }\n  api: {}\n");
        let docker = SourceText::new("api/Dockerfile", "FROM base\nRUN true\nRUN true\nRUN true\nCOPY --from=x a b\n");
        check(
            &[
                Diagnostic::error("unknown key `contxt` of image `ünique`")
                    .at(&yaml, span_of(&yaml, "contxt"), "")
                    .hint("did you mean `context`?"),
                Diagnostic::error("the images need one another")
                    .at(&docker, span_of(&docker, "base"), "`api` is built from `base`")
                    .related(&docker, span_of(&docker, "--from=x"), "and copies from `x`")
                    .related(&yaml, span_of(&yaml, "api"), "which is here"),
                Diagnostic::warning("something without a place"),
            ],
            &expect![[r#"
                error: unknown key `contxt` of image `ünique`
                 --> windlass.yaml:3:13
                  |
                3 |   ünique: { contxt: a }
                  |             ^^^^^^
                  |
                  = hint: did you mean `context`?

                error: the images need one another
                 --> api/Dockerfile:1:6
                  |
                1 | FROM base
                  |      ^^^^ `api` is built from `base`
                ...
                5 | COPY --from=x a b
                  |      -------- and copies from `x`
                  |
                 ::: windlass.yaml:4:3
                  |
                4 |   api: {}
                  |   --- which is here

                warning: something without a place
            "#]],
        );
    }

    #[test]
    fn one_stands_for_all_that_say_the_same_of_different_places() {
        let texts: Vec<_> = (1..9).map(|n| SourceText::new(format!("{n}/Dockerfile"), "FROM base:$V\n")).collect();
        let same = texts
            .iter()
            .map(|text| Diagnostic::error("a value is needed").at(text, span_of(text, "base:$V"), "").hint("give it"));
        let few = texts[..3].iter().map(|text| Diagnostic::warning("a few").at(text, span_of(text, "FROM"), ""));
        check(
            &same.chain(few).collect::<Vec<_>>(),
            &expect![[r#"
            error: a value is needed
             --> 1/Dockerfile:1:6
              |
            1 | FROM base:$V
              |      ^^^^^^^
              |
              = hint: give it
              = note: the same at 2/Dockerfile:1:6, 3/Dockerfile:1:6, 4/Dockerfile:1:6 and 4 more

            warning: a few
             --> 1/Dockerfile:1:1
              |
            1 | FROM base:$V
              | ^^^^

            warning: a few
             --> 2/Dockerfile:1:1
              |
            1 | FROM base:$V
              | ^^^^

            warning: a few
             --> 3/Dockerfile:1:1
              |
            1 | FROM base:$V
              | ^^^^
        "#]],
        );
    }

    #[test]
    fn odd_places_are_shown_too() {
        let empty = SourceText::new("empty", "");
        let text = SourceText::new("text", "one\ntwo \u{1b}[31m\tthree\n");
        let long = SourceText::new("long", format!("short\n{}", "x".repeat(3000)));
        check(
            &[
                Diagnostic::error("nothing here").at(&empty, Span::new(0, 0), ""),
                Diagnostic::error("behind the end").at(&text, Span::new(100, 200), ""),
                Diagnostic::error("at the end").at(&text, Span::new(23, 23), "here"),
                Diagnostic::error("a character \u{1b}[31m").at(&text, span_of(&text, "three"), "\u{1b}"),
                Diagnostic::error("several lines").at(&text, Span::new(0, 9), ""),
                Diagnostic::error("a line that nobody wrote").at(&long, Span::new(10, 12), "here"),
            ],
            &expect![[r#"
                error: nothing here
                 --> empty:1:1
                  |
                1 |
                  | ^

                error: behind the end
                 --> text:3:1
                  |
                3 |
                  | ^

                error: at the end
                 --> text:3:1
                  |
                3 |
                  | ^ here

                error: a character ␛[31m
                 --> text:2:11
                  |
                2 | two ␛[31m    three
                  |              ^^^^^ 

                error: several lines
                 --> text:1:1
                  |
                1 | / one
                2 | | two ␛[31m    three
                  | |_____^

                error: a line that nobody wrote
                --> long:2:5
            "#]],
        );
    }

    #[test]
    fn annotations_are_one_escaped_line() {
        let source = SourceText::new("a,b:c.yaml", "x\n  y: 100%\n");
        let place = span_of(&source, "100%");
        let said = Diagnostic::error("`100%` is no\nnumber").at(&source, place, "here").hint("write `100`");
        expect!["::error file=a%2Cb%3Ac.yaml,line=2,col=6::`100%25` is no%0Anumber%0Ahint: write `100`"]
            .assert_eq(&github_annotation(&said));
        expect!["::warning::careful"].assert_eq(&github_annotation(&Diagnostic::warning("careful")));
    }
}
