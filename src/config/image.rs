//! Reads one image of `windlass.yaml`.

use std::collections::BTreeMap;

use super::file::{build_settings, channel_tags, exactly_one};
use super::git;
use super::keys;
use super::path::ProjectPath;
use super::read::{Fields, Findings, Spanned};
use super::test;
use super::value::{
    ChannelTags, Defaults, FileConfig, FileFrom, ImageConfig, NamedContext, SecretConfig, SecretFrom, TestConfig,
};
use super::yaml::{Entry, Node, Value};
use crate::diag::Span;
use crate::model::{ImageName, LABEL_CONTENT_HASH, TreePath};

/// What holds where an image does not say otherwise.
pub(super) struct Inherited<'a> {
    pub(super) tags: &'a ChannelTags,
    pub(super) defaults: &'a Defaults,
}

/// Reads an image from its entry; what is wrong in it is left out and said.
pub(super) fn read(findings: &mut Findings, entry: &Entry, inherited: &Inherited<'_>) -> Option<ImageConfig> {
    let fields = findings.fields(&entry.value, &format!("image `{}`", entry.key), &keys::IMAGE.names())?;
    let mut settings = inherited.defaults.clone();
    build_settings(findings, &fields, &mut settings);
    let Defaults { platform, timeout, retries } = settings;
    let context = fields.get("context").and_then(|node| project_path(findings, node, &ProjectPath::ROOT));
    let git = git::read(findings, &fields);
    let from = context.as_ref().or(git.as_ref().map(|git| &git.path));
    Some(ImageConfig {
        span: entry.key_span,
        dockerfile: dockerfile(findings, &fields, from),
        git,
        context,
        target: fields.get("target").and_then(|node| stage(findings, node)),
        args: fields.get("args").map_or_else(BTreeMap::new, |node| variables(findings, node, "build argument")),
        contexts: fields.get("contexts").map_or_else(BTreeMap::new, |node| named_contexts(findings, node)),
        secrets: fields.get("secrets").map_or_else(Vec::new, |node| secrets(findings, node)),
        files: fields.get("files").map_or_else(Vec::new, |node| files(findings, node)),
        needs: fields.get("needs").map_or_else(Vec::new, |node| needs(findings, node)),
        platform,
        timeout,
        retries,
        tags: channel_tags(findings, fields.entry("tags"), inherited.tags),
        labels: fields.get("labels").map_or_else(BTreeMap::new, |node| labels(findings, node)),
        test: fields.get("test").map_or_else(TestConfig::default, |node| test::read(findings, node)),
    })
}

/// A path of the project as seen from one of its folders.
pub(super) fn project_path(findings: &mut Findings, node: &Node, from: &ProjectPath) -> Option<Spanned<ProjectPath>> {
    let text = findings.text(node, "a path")?;
    findings.refuse_err(node.span, from.join(text)).map(|path| Spanned::new(path, node.span))
}

fn dockerfile(
    findings: &mut Findings,
    fields: &Fields<'_>,
    context: Option<&Spanned<ProjectPath>>,
) -> Option<Spanned<ProjectPath>> {
    let node = fields.get("dockerfile")?;
    let Some(context) = context else {
        // A context that is wrong has been spoken of already.
        if fields.get("context").is_none() && fields.get("git").is_none() {
            let message = "`dockerfile` is given without `context`, from which it is seen";
            findings.error_with_hint(node.span, message, "", "add `context: .` to see it from the project's root");
        }
        return None;
    };
    let path = project_path(findings, node, &context.value)?;
    if path.value == ProjectPath::ROOT || path.value == context.value {
        findings.error(node.span, "a Dockerfile is a file, and this is a folder", "");
        return None;
    }
    Some(path)
}

fn stage(findings: &mut Findings, node: &Node) -> Option<Spanned<String>> {
    let text = findings.text(node, "the name of a stage")?;
    if text.is_empty() || text.contains(char::is_whitespace) {
        findings.error(node.span, format!("`{}` is no name of a stage", text.escape_debug()), "");
        return None;
    }
    Some(Spanned::new(text.to_owned(), node.span))
}

/// Texts by the name of an environment variable or build argument.
pub(super) fn variables(findings: &mut Findings, node: &Node, what: &str) -> BTreeMap<String, Spanned<String>> {
    let mut variables = BTreeMap::new();
    for entry in findings.map(node, &format!("a map with a value for every {what}")).unwrap_or_default() {
        let name = variable_name(findings, &entry.key, entry.key_span);
        let value = findings.written(&entry.value, &format!("the value of the {what}"));
        if let (Some(name), Some(value)) = (name, value) {
            variables.insert(name, Spanned::new(value.to_owned(), entry.value.span));
        }
    }
    variables
}

fn variable_name(findings: &mut Findings, text: &str, span: Span) -> Option<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if text.starts_with(|c: char| word(c) && !c.is_ascii_digit()) && text.chars().all(word) {
        return Some(text.to_owned());
    }
    let message = format!("`{}` is no name of a variable", text.escape_debug());
    findings.error_with_hint(span, message, "", "it is made of letters, digits and `_`, and starts with no digit");
    None
}

fn named_contexts(findings: &mut Findings, node: &Node) -> BTreeMap<String, Spanned<NamedContext>> {
    let mut contexts = BTreeMap::new();
    for entry in findings.map(node, "a map of folders and images by name").unwrap_or_default() {
        if entry.key.starts_with("x-") {
            continue;
        }
        let context = match &entry.value.value {
            Value::Map(_) => image_context(findings, entry),
            Value::List(_) => {
                findings.mismatch(&entry.value, "a folder, or an image as in `{ image: base }`");
                None
            }
            Value::Scalar(_) => {
                let path = project_path(findings, &entry.value, &ProjectPath::ROOT);
                path.map(|path| Spanned::new(NamedContext::Folder(path.value), path.span))
            }
        };
        if entry.key.is_empty() || entry.key.contains(|c: char| c.is_whitespace() || c == '=') {
            let message = format!("`{}` is no name of a context", entry.key.escape_debug());
            findings.error(entry.key_span, message, "");
        } else if let Some(context) = context {
            contexts.insert(entry.key.clone(), context);
        }
    }
    contexts
}

fn image_context(findings: &mut Findings, entry: &Entry) -> Option<Spanned<NamedContext>> {
    let owner = format!("the context `{}`", entry.key);
    let fields = findings.fields(&entry.value, &owner, &keys::NAMED_CONTEXT.names())?;
    let node = fields.required(findings, "image")?;
    let image = findings.parsed::<ImageName>(node, "the name of an image")?;
    Some(Spanned::new(NamedContext::Image(image.value), image.span))
}

fn secrets(findings: &mut Findings, node: &Node) -> Vec<SecretConfig> {
    let mut secrets: Vec<SecretConfig> = Vec::new();
    for node in findings.list(node, "a list of secrets").unwrap_or_default() {
        let Some(secret) = secret(findings, node) else { continue };
        match secrets.iter().find(|other| other.id.value == secret.id.value) {
            Some(first) => {
                let message = format!("the secret `{}` is given twice", secret.id.value);
                findings.duplicate(&message, secret.id.span, first.id.span);
            }
            None => secrets.push(secret),
        }
    }
    secrets
}

fn secret(findings: &mut Findings, node: &Node) -> Option<SecretConfig> {
    let fields = findings.fields(node, "a secret", &keys::SECRET.names())?;
    let id = fields.required(findings, "id").and_then(|node| {
        let text = findings.text(node, "the id of a secret")?;
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if text.is_empty() || !text.chars().all(known) {
            let message = format!("`{}` is no id of a secret", text.escape_debug());
            findings.error_with_hint(node.span, message, "", "it is made of letters, digits, `_`, `.` and `-`");
            return None;
        }
        Some(Spanned::new(text.to_owned(), node.span))
    });
    let from = exactly_one(findings, &fields, keys::SECRET.one_of).and_then(|entry| {
        if entry.key == "env" {
            environment_variable(findings, &entry.value).map(SecretFrom::Env)
        } else {
            host_path(findings, &entry.value).map(SecretFrom::File)
        }
    });
    Some(SecretConfig { id: id?, from: from? })
}

fn environment_variable(findings: &mut Findings, node: &Node) -> Option<String> {
    let text = findings.text(node, "the name of an environment variable")?;
    variable_name(findings, text, node.span)
}

fn host_path(findings: &mut Findings, node: &Node) -> Option<String> {
    let text = findings.text(node, "a path")?;
    if text.is_empty() || text.contains('\0') || text.ends_with('/') {
        findings.error(node.span, format!("`{}` is no path of a file", text.escape_debug()), "");
        return None;
    }
    Some(text.to_owned())
}

fn files(findings: &mut Findings, node: &Node) -> Vec<FileConfig> {
    let mut files: Vec<FileConfig> = Vec::new();
    for node in findings.list(node, "a list of files").unwrap_or_default() {
        let Some(file) = file(findings, node) else { continue };
        match files.iter().find(|other| other.path.value == file.path.value) {
            Some(first) => {
                let message = format!("the file `{}` is given twice", file.path.value);
                findings.duplicate(&message, file.path.span, first.path.span);
            }
            None => files.push(file),
        }
    }
    files
}

fn file(findings: &mut Findings, node: &Node) -> Option<FileConfig> {
    let fields = findings.fields(node, "a file", &keys::INJECTED.names())?;
    let path = fields.required(findings, "path").and_then(|node| findings.parsed::<TreePath>(node, "a path"));
    let from = fields.required(findings, "from").and_then(|node| file_from(findings, node));
    let mode = fields.get("mode").map_or(Some(0o644), |node| mode(findings, node));
    let mut owner = |key| fields.get(key).map_or(Some(0), |node| owner(findings, node));
    let (uid, gid) = (owner("user"), owner("group"));
    Some(FileConfig { path: path?, from: from?, mode: mode?, uid: uid?, gid: gid? })
}

fn file_from(findings: &mut Findings, node: &Node) -> Option<FileFrom> {
    let fields = findings.fields(node, "`from`", &keys::FROM.names())?;
    let Entry { key, value, .. } = exactly_one(findings, &fields, keys::FROM.one_of)?;
    match key.as_str() {
        "env" => environment_variable(findings, value).map(FileFrom::Env),
        "file" => host_path(findings, value).map(FileFrom::File),
        _ => findings.written(value, "the content").map(|text| FileFrom::Text(text.to_owned())),
    }
}

/// Three or four octal digits, with or without quotes and one leading `0`: nobody means a decimal mode.
fn mode(findings: &mut Findings, node: &Node) -> Option<u32> {
    let text = findings.written(node, "a mode such as `\"0640\"`")?;
    let digits = text.strip_prefix('0').filter(|rest| rest.len() >= 3).unwrap_or(text);
    let is_octal = (3..=4).contains(&digits.len()) && digits.bytes().all(|b| matches!(b, b'0'..=b'7'));
    match u32::from_str_radix(digits, 8) {
        Ok(mode) if is_octal => Some(mode),
        _ => {
            let message = format!("`{}` is no mode: expected three or four octal digits", text.escape_debug());
            findings.error_with_hint(node.span, message, "", "write it as in `\"0640\"`");
            None
        }
    }
}

fn owner(findings: &mut Findings, node: &Node) -> Option<u32> {
    let text = findings.written(node, "a number or `root`")?;
    match (text, text.parse()) {
        ("root", _) => Some(0),
        (_, Ok(id)) if text.bytes().all(|b| b.is_ascii_digit()) => Some(id),
        _ => {
            let message = format!("`{}` is neither a number nor `root`", text.escape_debug());
            let hint = "only `root` has the same number in every image: write the number";
            findings.error_with_hint(node.span, message, "", hint);
            None
        }
    }
}

fn needs(findings: &mut Findings, node: &Node) -> Vec<Spanned<ImageName>> {
    let mut needs: Vec<Spanned<ImageName>> = Vec::new();
    for node in findings.list(node, "a list of images").unwrap_or_default() {
        let Some(image) = findings.parsed::<ImageName>(node, "the name of an image") else { continue };
        match needs.iter().find(|other| other.value == image.value) {
            Some(first) => {
                findings.duplicate(&format!("`{}` is given twice", image.value), image.span, first.span);
            }
            None => needs.push(image),
        }
    }
    needs
}

fn labels(findings: &mut Findings, node: &Node) -> BTreeMap<String, String> {
    let ours = LABEL_CONTENT_HASH.trim_end_matches("content-hash");
    let mut labels = BTreeMap::new();
    for entry in findings.map(node, "a map of labels").unwrap_or_default() {
        let value = findings.written(&entry.value, "the value of the label");
        if entry.key.starts_with(ours) || entry.key.is_empty() {
            let message = format!("the label `{}` can't be given: `{ours}` is windlass' own", entry.key);
            findings.error(entry.key_span, message, "");
        } else if let Some(value) = value {
            labels.insert(entry.key.clone(), value.to_owned());
        }
    }
    labels
}
