//! `windlass.lock`: what the names of others stand for. Text in, value out, and back.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::effective::{entry, map, number, text};
use super::file;
use super::read::{Findings, Spanned};
use super::yaml::{self, Entry, Node};
use crate::diag::{Diagnostic, Diagnostics, SourceText, Span};
use crate::model::{Digest, GitCommit, GitPin, HttpUrl, ImageDigest, Platform, Reference};

/// The version of `windlass.lock` that this program reads and writes.
pub const LOCK_VERSION: i64 = 1;

/// What the file begins with.
const HEADER: &str = "\
# Written by `windlass lock`, which adds what is missing and drops what nothing uses.
# `windlass lock --update` looks everything up anew. To be kept in git.
";

/// What the names of others stand for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    /// The images of others, by the names that Dockerfiles give them.
    pub bases: BTreeMap<Reference, LockedBase>,
    /// The sha256 of files on web servers, by the addresses that `ADD` fetches them from.
    pub http: BTreeMap<HttpUrl, Digest>,
    /// The commits of git repositories, by the refs that windlass.yaml and Dockerfiles name.
    pub git: BTreeMap<GitPin, GitCommit>,
}

/// What the name of an image stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedBase {
    /// What its registry serves it by: its index, or its manifest where there is no index. This is built on.
    pub digest: ImageDigest,
    /// The manifest of every platform that the project takes of it.
    pub platforms: BTreeMap<Platform, ImageDigest>,
}

impl Lock {
    /// Reads the file.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of the text. Of a file with an unfinished merge, only that.
    pub fn parse(source: &Arc<SourceText>) -> Result<Self, Diagnostics> {
        if let Some(unfinished) = unfinished_merge(source) {
            return Err(Diagnostics(vec![unfinished]));
        }
        let mut findings = Findings::new(source);
        let lock = yaml::parse(&mut findings).and_then(|root| read(&mut findings, &root));
        findings.finish(lock).map(|(lock, _no_warnings)| lock)
    }

    /// The text of the file: sorted, the same for the same value.
    pub fn to_text(&self) -> String {
        let Self { bases, http, git } = self;
        let mut keys = vec![entry("version", number(LOCK_VERSION))];
        let bases: BTreeMap<String, &LockedBase> =
            bases.iter().map(|(reference, base)| (reference.to_string(), base)).collect();
        if !bases.is_empty() {
            keys.push(entry("bases", map(bases.into_iter().map(|(name, base)| entry(name, base_node(base))))));
        }
        if !http.is_empty() {
            let digest = |digest: &Digest| map([entry("digest", text(digest.to_string()))]);
            keys.push(entry("http", map(http.iter().map(|(url, locked)| entry(url.to_string(), digest(locked))))));
        }
        let git: BTreeMap<String, &GitCommit> = git.iter().map(|(pin, commit)| (pin.to_string(), commit)).collect();
        if !git.is_empty() {
            let commit = |commit: &GitCommit| map([entry("commit", text(commit.as_str()))]);
            keys.push(entry("git", map(git.into_iter().map(|(pin, locked)| entry(pin, commit(locked))))));
        }
        format!("{HEADER}{}", map(keys).to_yaml())
    }
}

fn base_node(base: &LockedBase) -> Node {
    let LockedBase { digest, platforms } = base;
    let platforms = platforms.iter().map(|(platform, digest)| entry(platform.to_string(), text(digest.to_string())));
    map([entry("digest", text(digest.to_string()))].into_iter().chain(platforms))
}

/// The first mark that git leaves where it could not merge (gitattributes, "conflict-marker-size").
fn unfinished_merge(source: &Arc<SourceText>) -> Option<Diagnostic> {
    let mut start = 0;
    for line in source.text().split_inclusive('\n') {
        if ["<<<<<<< ", "||||||| ", ">>>>>>> "].iter().any(|mark| line.starts_with(mark)) {
            let span = Span::new(start, start + line.trim_end().len());
            return Some(
                Diagnostic::error("the file was not merged to the end")
                    .at(source, span, "")
                    .hint("keep either side, as with `git checkout --ours`, and run `windlass lock`: it adds the rest"),
            );
        }
        start += line.len();
    }
    None
}

fn read(findings: &mut Findings, root: &Node) -> Option<Lock> {
    file::version(findings, root, LOCK_VERSION, "remove the file: `windlass lock` writes it anew")?;
    let fields = findings.fields(root, "the file", &["version", "bases", "http", "git"])?;
    let mut lock = Lock::default();
    // Two ways to write one name are one entry, and its second one is no update of the first.
    let mut first_spans: BTreeMap<Reference, Span> = BTreeMap::new();
    let bases = fields.get("bases").and_then(|node| findings.map(node, "a map of images by name"));
    for entry in bases.unwrap_or_default() {
        let reference = findings.refuse_err(entry.key_span, entry.key.parse::<Reference>());
        let base = base(findings, entry);
        let Some(reference) = reference else { continue };
        if reference.digest().is_some() {
            findings.error(entry.key_span, "a name with a digest stands for that alone, and is not locked", "");
        } else if let Some(first) = first_spans.insert(reference.clone(), entry.key_span) {
            findings.duplicate(&format!("`{reference}` is given twice"), entry.key_span, first);
        } else if let Some(base) = base {
            lock.bases.insert(reference, base);
        }
    }
    let http = fields.get("http").and_then(|node| findings.map(node, "a map of digests by address"));
    for entry in http.unwrap_or_default() {
        let url = findings.refuse_err(entry.key_span, entry.key.parse::<HttpUrl>());
        let fields = findings.fields(&entry.value, &format!("`{}`", entry.key), &["digest"]);
        let digest = fields.and_then(|fields| {
            let node = fields.required(findings, "digest")?;
            findings.parsed::<Digest>(node, "a digest such as `sha256:…`")
        });
        lock.http.extend(url.zip(digest.map(|digest| digest.value)));
    }
    let git = fields.get("git").and_then(|node| findings.map(node, "a map of commits by `REPOSITORY#REF`"));
    for entry in git.unwrap_or_default() {
        let pin = findings.refuse_err(entry.key_span, entry.key.parse::<GitPin>());
        let fields = findings.fields(&entry.value, &format!("`{}`", entry.key), &["commit"]);
        let commit = fields.and_then(|fields| {
            let node = fields.required(findings, "commit")?;
            let text = findings.written(node, "a commit")?;
            findings.refuse_err(node.span, text.parse::<GitCommit>())
        });
        lock.git.extend(pin.zip(commit));
    }
    Some(lock)
}

fn base(findings: &mut Findings, entry: &Entry) -> Option<LockedBase> {
    let entries = findings.map(&entry.value, "a map with `digest` and the digest of every platform")?;
    let mut digest = None;
    let mut platforms = BTreeMap::new();
    for Entry { key, key_span, value } in entries {
        let found = findings.parsed::<ImageDigest>(value, "a digest such as `sha256:…`");
        if key == "digest" {
            digest = found;
        } else if let (Some(platform), Some(found)) = (findings.refuse_err(*key_span, key.parse::<Platform>()), found) {
            platforms.insert(platform, found.value);
        }
    }
    if !entries.iter().any(|entry| entry.key == "digest") {
        findings.error(entry.key_span, format!("`{}` has no `digest`", entry.key), "");
    }
    let Spanned { value: digest, span: _ } = digest?;
    Some(LockedBase { digest, platforms })
}
