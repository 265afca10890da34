//! Files that are named like Dockerfiles and hold templates of them: their many mistakes are one.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diag::{Diagnostic, Diagnostics, SourceText, Span};
use crate::dockerfile;

/// How many files are named.
const NAMED_AT_MOST: usize = 3;

/// One error in the place of all that are said of files that begin like templates.
pub(super) fn gathered(Diagnostics(mut diagnostics): Diagnostics) -> Diagnostics {
    let mut templates: BTreeMap<String, Option<Arc<SourceText>>> = BTreeMap::new();
    diagnostics.retain(|diagnostic| {
        let Some((location, _)) = diagnostic.primary.as_ref().filter(|_| diagnostic.related.is_empty()) else {
            return true;
        };
        let path = location.source.path().to_owned();
        let template = templates
            .entry(path)
            .or_insert_with(|| is_template(&location.source).then(|| Arc::clone(&location.source)));
        template.is_none()
    });
    let templates = templates.into_iter().filter_map(|(path, template)| Some((path, template?))).collect();
    diagnostics.extend(said_of(&templates));
    Diagnostics(diagnostics)
}

/// What begins an expression of a template.
const MARKS: [&str; 3] = ["{{", "{%", "<%"];

/// Whether a file that can't be read begins as no instruction can, or has no `FROM` and expressions of templates.
fn is_template(source: &Arc<SourceText>) -> bool {
    let text = source.text();
    let first = text.lines().map(str::trim_start).find(|line| !line.is_empty() && !line.starts_with('#'));
    let has_marks = || MARKS.iter().any(|mark| text.contains(mark));
    first.is_some_and(|line| MARKS.iter().any(|mark| line.starts_with(mark)))
        || (has_marks() && dockerfile::parse(source).dockerfile.stages.is_empty())
}

fn said_of(templates: &BTreeMap<String, Arc<SourceText>>) -> Option<Diagnostic> {
    let (_, first) = templates.first_key_value()?;
    let n_more = templates.len().saturating_sub(NAMED_AT_MOST);
    let named: Vec<String> = templates.keys().take(NAMED_AT_MOST).map(|path| format!("`{path}`")).collect();
    let more = if n_more > 0 { format!(" and {n_more} more") } else { String::new() };
    let message = format!("no Dockerfiles, but templates of them: {}{more}", named.join(", "));
    let start = MARKS.iter().filter_map(|mark| first.text().find(mark)).min().unwrap_or_default();
    let ignore = format!("/{}", common_folder(templates.keys().map(String::as_str)));
    Some(
        Diagnostic::error(message)
            .at(first, Span::new(start, start + 2), "")
            .hint(format!("leave them out in windlass.yaml with `ignore: [{ignore}]`, as `windlass init` does")),
    )
}

/// The longest folder that all paths lie in, with a `/` at its end; the path itself where there is one.
fn common_folder<'a>(mut paths: impl Iterator<Item = &'a str>) -> String {
    let Some(first) = paths.next() else { return String::new() };
    let mut common = first;
    for path in paths {
        while !path.starts_with(common) {
            common = common.trim_end_matches('/').rsplit_once('/').map_or("", |(above, _)| &common[..above.len() + 1]);
        }
    }
    common.to_owned()
}
