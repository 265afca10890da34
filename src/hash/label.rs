//! A fingerprint as the text of a label, so that the next plan can say what changed since the image was built.
//!
//! `1 dockerfile=HEX context=HEX platform=linux/amd64 arg:NAME=HEX base:REFERENCE=DIGEST …`: the schema, then
//! fields parted by single spaces, what would be mistaken percent-encoded.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::str::FromStr;

use crate::model::Digest;

use super::{Fingerprint, InputHash, SCHEMA};

impl Fingerprint {
    /// The text of the label.
    pub fn to_label(&self) -> String {
        let Self {
            dockerfile,
            written,
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
        let mut label = Label(SCHEMA.to_string());
        label.value("dockerfile", &hex(dockerfile));
        if let Some(written) = written {
            label.value("written", &hex(written));
        }
        label.value("context", &hex(context));
        label.value("platform", &platform.to_string());
        named_contexts.iter().for_each(|(name, tree)| label.entry("named", name, &hex(tree)));
        args.iter().for_each(|(name, value)| label.entry("arg", name, &hex(value)));
        for (reference, id) in bases {
            let id = id.map(|id| id.to_string());
            label.entry("base", &reference.to_string(), id.as_deref().unwrap_or_default());
        }
        remote_files.iter().for_each(|(url, digest)| label.entry("http", url.as_str(), &digest.to_string()));
        repositories.iter().for_each(|(pin, commit)| label.entry("git", &pin.to_string(), commit.as_str()));
        parents.iter().for_each(|(parent, hash)| label.entry("parent", parent.as_str(), &hash.to_string()));
        secrets.iter().for_each(|id| label.entry("secret", id, ""));
        files.iter().for_each(|(path, file)| label.entry("file", path.as_str(), &hex(file)));
        labels.iter().for_each(|(name, value)| label.entry("label", name, value));
        label.0
    }

    /// Reads a label back; none for a text of another schema, or one that nobody wrote so.
    pub fn from_label(text: &str) -> Option<Self> {
        let mut fields = text.split(' ');
        if fields.next()? != SCHEMA.to_string() {
            return None;
        }
        let (mut dockerfile, mut written, mut context, mut platform) = (None, None, None, None);
        let (mut named_contexts, mut args) = (BTreeMap::new(), BTreeMap::new());
        let (mut bases, mut remote_files, mut parents) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut repositories = BTreeMap::new();
        let (mut secrets, mut files, mut labels) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        for field in fields {
            let (key, value) = field.split_once('=')?;
            let (kind, name) = key.split_once(':').unwrap_or((key, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            match kind {
                "dockerfile" => dockerfile = Some(unhex(&value)?),
                "written" => written = Some(unhex(&value)?),
                "context" => context = Some(unhex(&value)?),
                "platform" => platform = Some(parse(&value)?),
                "named" => drop(named_contexts.insert(name, unhex(&value)?)),
                "arg" => drop(args.insert(name, unhex(&value)?)),
                "base" if value.is_empty() => drop(bases.insert(parse(&name)?, None)),
                "base" => drop(bases.insert(parse(&name)?, Some(parse(&value)?))),
                "http" => drop(remote_files.insert(parse(&name)?, parse(&value)?)),
                "git" => drop(repositories.insert(parse(&name)?, parse(&value)?)),
                "parent" => drop(parents.insert(parse(&name)?, parse(&value)?)),
                "secret" => drop(secrets.insert(name)),
                "file" => drop(files.insert(parse(&name)?, unhex(&value)?)),
                "label" => drop(labels.insert(name, value)),
                _ => return None,
            }
        }
        let (dockerfile, context, platform) = (dockerfile?, context?, platform?);
        Some(Self {
            dockerfile,
            written,
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
        })
    }
}

struct Label(String);

impl Label {
    fn value(&mut self, kind: &str, value: &str) {
        write!(self.0, " {kind}={}", encode(value)).expect("writing to a String does not fail");
    }

    fn entry(&mut self, kind: &str, name: &str, value: &str) {
        write!(self.0, " {kind}:{}={}", encode(name), encode(value)).expect("writing to a String does not fail");
    }
}

fn parse<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn hex(hash: &InputHash) -> String {
    Digest::from_bytes(*hash.as_bytes()).hex()
}

fn unhex(text: &str) -> Option<InputHash> {
    let digest: Digest = format!("sha256:{text}").parse().ok()?;
    Some(InputHash::from_bytes(*digest.as_bytes()))
}

/// Percent-encodes every byte that is no letter, digit or one of `-._~/:@+,`.
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/:@+,".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("writing to a String does not fail");
        }
    }
    encoded
}

fn decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = if *first == b'%' {
            let digits = tail.get(..2).filter(|d| d.iter().all(u8::is_ascii_hexdigit))?;
            decoded.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            &tail[2..]
        } else {
            decoded.push(*first);
            tail
        };
    }
    String::from_utf8(decoded).ok()
}
