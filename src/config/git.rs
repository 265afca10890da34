//! Where an image's files are when they are not in the project: the keys `git`, `ref`, `path` and `submodules`.

use super::path::ProjectPath;
use super::read::{Fields, Findings, Spanned};
use super::yaml::Entry;
use crate::diag::Diagnostic;
use crate::model::{GitPin, GitRef, GitRemote};

/// Files that are kept in a git repository elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitSource {
    /// The repository.
    pub remote: Spanned<GitRemote>,
    /// What of its history; where nothing is written, its preferred branch, at the place of `git`.
    pub reference: Spanned<GitRef>,
    /// The folder in it that is the context.
    pub path: Spanned<ProjectPath>,
    /// Whether the files of submodules belong to it.
    pub submodules: bool,
}

impl GitSource {
    /// The name that may come to mean another commit; none for a commit itself.
    pub fn pin(&self) -> Option<GitPin> {
        let Self { remote, reference, .. } = self;
        reference.value.commit().is_none().then(|| GitPin::new(&remote.value, &reference.value))
    }
}

/// Reads where the files are; none where they are in the project, or where what is written is wrong, which is said.
pub(super) fn read(findings: &mut Findings, fields: &Fields<'_>) -> Option<GitSource> {
    let Some(git) = fields.entry("git") else {
        for entry in ["ref", "path", "submodules"].iter().filter_map(|key| fields.entry(key)) {
            let message = format!("`{}` is given without `git`, to which it belongs", entry.key);
            findings.error_with_hint(entry.key_span, message, "", "`context` names a folder of the project itself");
        }
        return None;
    };
    if let Some(context) = fields.entry("context") {
        let source = std::sync::Arc::clone(findings.source());
        findings.add(
            Diagnostic::error(format!("{} has both `git` and `context`", fields.owner()))
                .at(&source, context.key_span, "this one")
                .related(&source, git.key_span, "and this one")
                .hint("`path` names the folder in the repository"),
        );
    }
    let remote = remote(findings, git);
    let reference = match fields.get("ref") {
        Some(node) => findings.written(node, "a ref such as `v1.2`").and_then(|text| {
            let reference = findings.refuse_err(node.span, text.parse::<GitRef>())?;
            Some(Spanned::new(reference, node.span))
        }),
        None => Some(Spanned::new(GitRef::head(), git.value.span)),
    };
    let path = match fields.get("path") {
        Some(node) => super::image::project_path(findings, node, &ProjectPath::ROOT),
        None => Some(Spanned::new(ProjectPath::ROOT, git.value.span)),
    };
    let submodules = fields.get("submodules").map_or(Some(false), |node| findings.boolean(node));
    Some(GitSource { remote: remote?, reference: reference?, path: path?, submodules: submodules? })
}

fn remote(findings: &mut Findings, git: &Entry) -> Option<Spanned<GitRemote>> {
    let text = findings.text(&git.value, "the address of a git repository")?;
    if let Ok(remote) = text.parse::<GitRemote>()
        && remote.credentials() != remote.without_credentials().credentials()
    {
        // Pointed at, the line would be shown with all that is in it.
        let (line, _) = findings.source().line_column(git.value.span.start);
        let message = format!("{} holds a secret in line {line}, in the address `{remote}`", findings.source().path());
        let hint = "leave it to git: a credential helper, `url.….insteadOf`, or a key of ssh";
        findings.add(Diagnostic::error(message).hint(hint));
        return None;
    }
    findings.parsed(&git.value, "the address of a git repository")
}
