//! Everything that can change an image, in parts that can be compared with those of an earlier build.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::model::{ContentHash, Digest, GitCommit, GitPin, HttpUrl, ImageName, Platform, Reference, TreePath};

use super::base::BaseId;
use super::feed::Feed;

/// The sha256 of one input, framed as [`super`] frames it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct InputHash([u8; 32]);

impl InputHash {
    /// Wraps the 32 bytes of a sha256.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes of the sha256.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for InputHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Digest::from_bytes(self.0))
    }
}

/// The hashed inputs of an image, listed. Every field but `written` is hashed; two images with equal fingerprints are
/// interchangeable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// The instructions that the chosen stage reaches ([`super::instructions`]).
    pub dockerfile: InputHash,
    /// The same instructions with every variable as it is written, where that is known. No input of its own, and not
    /// hashed: it tells an instruction that somebody edited from one whose variables hold something else.
    pub written: Option<InputHash>,
    /// The files of the context that the image can see ([`super::Trees`]).
    pub context: InputHash,
    /// The directories among the named contexts, each as a tree.
    pub named_contexts: BTreeMap<String, InputHash>,
    /// The build arguments that the instructions use ([`super::argument`]).
    pub args: BTreeMap<String, InputHash>,
    /// What the image is for.
    pub platform: Platform,
    /// The images of others that it is made from, as they are named, and what each name stands for where that is known.
    pub bases: BTreeMap<Reference, Option<BaseId>>,
    /// The files that it fetches from web servers, with the sha256 of each that is locked.
    pub remote_files: BTreeMap<HttpUrl, Digest>,
    /// The refs of git repositories that its `ADD`s name, with the commit of each that is locked.
    pub repositories: BTreeMap<GitPin, GitCommit>,
    /// The project's own images that it is made from.
    pub parents: BTreeMap<ImageName, ContentHash>,
    /// The ids of its secrets; their values never count.
    pub secrets: BTreeSet<String>,
    /// The files that the configuration adds to its context ([`super::injected`]).
    pub files: BTreeMap<TreePath, InputHash>,
    /// The labels that the configuration adds to those of the Dockerfile.
    pub labels: BTreeMap<String, String>,
}

impl Fingerprint {
    /// The hash of all inputs.
    pub fn content_hash(&self) -> ContentHash {
        let Self {
            dockerfile,
            written: _,
            context,
            named_contexts,
            args,
            platform,
            bases,
            remote_files,
            repositories,
            parents,
            secrets,
            files,
            labels,
        } = self;
        let Platform { os, architecture, variant } = platform;
        let mut feed = Feed::new("fingerprint");
        feed.bytes(dockerfile.as_bytes());
        feed.bytes(context.as_bytes());
        feed.count(named_contexts.len());
        for (name, tree) in named_contexts {
            feed.text(name);
            feed.bytes(tree.as_bytes());
        }
        feed.count(args.len());
        for (name, value) in args {
            feed.text(name);
            feed.bytes(value.as_bytes());
        }
        feed.text(os);
        feed.text(architecture);
        feed.presence(variant.as_ref());
        feed.text(variant.as_deref().unwrap_or_default());
        feed.count(bases.len());
        for (reference, id) in bases {
            feed.text(&reference.to_string());
            feed.presence(id.as_ref());
            feed.bytes(&id.map_or_else(Vec::new, |id| id.hashed()));
        }
        feed.count(parents.len());
        for (parent, hash) in parents {
            feed.text(parent.as_str());
            feed.bytes(hash.digest().as_bytes());
        }
        feed.count(secrets.len());
        for id in secrets {
            feed.text(id);
        }
        feed.count(files.len());
        for (path, file) in files {
            feed.text(path.as_str());
            feed.bytes(file.as_bytes());
        }
        feed.count(labels.len());
        for (name, value) in labels {
            feed.text(name);
            feed.text(value);
        }
        // Only where there are any: what is made without them keeps its hash.
        if !remote_files.is_empty() {
            feed.count(remote_files.len());
            for (url, digest) in remote_files {
                feed.text(url.as_str());
                feed.bytes(digest.as_bytes());
            }
        }
        if !repositories.is_empty() {
            feed.text("repositories");
            feed.count(repositories.len());
            for (pin, commit) in repositories {
                feed.text(&pin.to_string());
                feed.text(commit.as_str());
            }
        }
        ContentHash::new(Digest::from_bytes(feed.finish()))
    }
}
