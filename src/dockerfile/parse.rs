//! A whole text to stages.

use std::ops::Range;
use std::sync::Arc;

use super::ast::{Directives, Dockerfile, Instruction, Stage, Word};
use super::check;
use super::directives;
use super::heredoc;
use super::instruction::{self, Draft};
use super::lines::{Line, Lines};
use super::problems::Problems;
use super::words::{self, Json, Statement};
use crate::diag::{Diagnostic, SourceText, Span};

/// What came of reading a Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The Dockerfile; where there are errors, what could be read of it.
    pub dockerfile: Dockerfile,
    /// Errors and warnings, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a Dockerfile as BuildKit does (moby/buildkit, `frontend/dockerfile`), and says everything that is wrong with it
/// at once. Time and memory are linear in the text.
pub fn parse(source: &Arc<SourceText>) -> Parsed {
    let mut problems = Problems::new(source);
    let mut dockerfile = Dockerfile {
        source: Arc::clone(source),
        directives: Directives::default(),
        global_args: Vec::new(),
        stages: Vec::new(),
    };
    if let Some(at) = source.text().find('\0') {
        let hint = Some("is this the file that was meant?".to_owned());
        problems.error_with_hint(Span::new(at, at + 1), "not a text but binary content", "", hint);
        return Parsed { dockerfile, diagnostics: problems.finish() };
    }
    if let Some(line) = overlong_line(source.text()) {
        let message = format!("a line of {} bytes: Docker takes {LINE_AT_MOST} at most", line.end - line.start);
        problems.error(Span::new(line.start, line.start), message, "begins here");
    }
    dockerfile.directives = directives::read(source.text(), &mut problems);
    let n_lines = read_lines(&mut dockerfile, &mut problems);
    let nothing = Span::new(0, 0);
    if n_lines == 0 {
        let message =
            if source.text().is_empty() { "the Dockerfile is empty" } else { "the Dockerfile has no instruction" };
        problems.error_with_hint(nothing, message, "", Some("it begins with `FROM image`".to_owned()));
    } else if dockerfile.stages.is_empty() && !problems.has_errors() {
        let hint = Some("it begins with `FROM image`".to_owned());
        problems.error_with_hint(nothing, "the Dockerfile has no FROM", "", hint);
    }
    check::references(&dockerfile, &mut problems);
    Parsed { dockerfile, diagnostics: problems.finish() }
}

/// The longest line that BuildKit reads, in bytes (Go's `bufio.MaxScanTokenSize` less one).
const LINE_AT_MOST: usize = 65_535;

/// The first line that is too long.
fn overlong_line(text: &str) -> Option<Range<usize>> {
    let mut start = 0;
    for line in text.split('\n') {
        if line.len() > LINE_AT_MOST {
            return Some(start..start + line.len());
        }
        start += line.len() + 1;
    }
    None
}

/// Reads all lines; gives back how many there are that say something.
fn read_lines(dockerfile: &mut Dockerfile, problems: &mut Problems) -> usize {
    let source = Arc::clone(&dockerfile.source);
    let text = source.text();
    let escape = dockerfile.directives.escape;
    let mut lines = Lines::new(text);
    let mut n_lines = 0;
    let mut is_misplaced_said = false;
    while let Some(line) = lines.next_line(escape) {
        n_lines += 1;
        if problems.are_too_many() {
            break;
        }
        for empty in &line.empty_lines {
            let hint = Some("remove it, or make it a comment: Docker will refuse it some day".to_owned());
            problems.warning(*empty, "an empty line inside a continued instruction", "", hint);
        }
        let statement = words::statement(&line, 0..line.text.len(), escape);
        let below = if may_open_heredocs(&line, &statement, dockerfile) {
            heredoc::read_below(&line, &mut lines, text, problems)
        } else {
            (Vec::new(), line.end)
        };
        let Some(draft) = Draft::new(&line, statement, escape, below, problems) else { continue };
        match (draft.name, dockerfile.stages.last_mut()) {
            ("FROM", _) => dockerfile.stages.extend(stage(&draft, problems)),
            ("ARG", None) => dockerfile.global_args.extend(instruction::arg(&draft, problems).unwrap_or_default()),
            (name, None) => {
                if !is_misplaced_said {
                    let hint = Some("only ARG may stand before it".to_owned());
                    problems.error_with_hint(draft.keyword.span, format!("{name} before the first FROM"), "", hint);
                }
                is_misplaced_said = true;
            }
            (_, Some(stage)) => {
                let instruction: Option<Instruction> = instruction::read(draft, problems);
                stage.instructions.extend(instruction);
            }
        }
    }
    n_lines
}

/// Whether a line's words may open heredocs: ADD, COPY and RUN that are no JSON array, also behind ONBUILD.
fn may_open_heredocs(line: &Line<'_>, statement: &Statement, dockerfile: &Dockerfile) -> bool {
    let opens = |keyword: &Word| ["ADD", "COPY", "RUN"].iter().any(|name| keyword.text.eq_ignore_ascii_case(name));
    let is_json = |rest| !matches!(words::json(line, rest), Json::No);
    if !line.text.contains("<<") {
        return false;
    }
    if statement.keyword.text.eq_ignore_ascii_case("ONBUILD") {
        let inner = words::statement(line, statement.rest.clone(), dockerfile.directives.escape);
        return opens(&inner.keyword) && !is_json(inner.rest);
    }
    opens(&statement.keyword) && !is_json(statement.rest.clone())
}

fn stage(draft: &Draft<'_, '_>, problems: &mut Problems) -> Option<Stage> {
    let words = words::blank_separated(draft.line, draft.rest.clone());
    let (base, name) = match words.as_slice() {
        [] => {
            draft.missing("an image", problems);
            return None;
        }
        [base] => (base, None),
        [base, keyword, name] if keyword.text.eq_ignore_ascii_case("AS") => (base, Some(name)),
        [_, keyword, ..] => {
            let hint = Some("write `FROM image` or `FROM image AS name`".to_owned());
            let message = format!("FROM takes an image, and `AS` and a name, but not `{}`", keyword.text);
            problems.error_with_hint(keyword.span, message, "", hint);
            return None;
        }
    };
    let name = name.map(|name| {
        let lower = Word { text: name.text.to_lowercase(), span: name.span };
        if !is_stage_name(&lower.text) {
            let hint = Some("letters first, then letters, digits, `-`, `_` and `.`".to_owned());
            problems.error_with_hint(name.span, format!("`{}` is no name for a stage", name.text), "", hint);
        }
        lower
    });
    Some(Stage {
        name,
        base: base.clone(),
        platform: draft.flags.value("platform").filter(|platform| !platform.text.is_empty()),
        span: draft.span,
        instructions: Vec::new(),
    })
}

fn is_stage_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.'))
}
