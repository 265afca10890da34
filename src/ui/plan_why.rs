//! Why an image is not what it was, in words and for programs.

use schemars::JsonSchema;
use serde::Serialize;

use super::plan_reasons::reason;
use super::reason_json::{self, ReasonJson};
use super::{Color, Paint, paint};
use crate::model::{Digest, GitCommit, ImageName};
use crate::plan::{ArgValue, BaseId, Change, Explained, How, InstructionFact, Reason};

/// More entries of one image are counted, not told: in the JSON all are. Arbitrary.
const ENTRIES_AT_MOST: usize = 20;

/// What an image was compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Against {
    /// A commit, by its name and id.
    Commit {
        /// What it was called.
        name: String,
        /// Its id in hex.
        id: String,
    },
    /// What was built last, as far as this machine remembers it or the images that are there tell.
    LastBuild,
}

/// What changed, from the image to the first causes. `dockerfile` tells the path of each image's.
pub fn why<'a>(
    explained: &[Explained],
    against: &Against,
    dockerfile: impl Fn(&ImageName) -> &'a str,
    color: Color,
) -> String {
    let Some(first) = explained.first() else { return String::new() };
    let is_new = first.changes == [Change::Other(Reason::NeverBuilt)];
    let against = match against {
        Against::Commit { name, .. } if is_new => return format!("`{}` was not there at `{name}`\n", first.image),
        Against::LastBuild if is_new => {
            return format!("`{}` was never built, as far as this machine and its registry tell\n", first.image);
        }
        Against::Commit { name, id } if id.starts_with(name.as_str()) => format!("`{}`", short(id)),
        Against::Commit { name, id } => format!("`{name}` ({})", short(id)),
        Against::LastBuild => "its last build".to_owned(),
    };
    if first.changes.is_empty() {
        return format!("`{}` is the same as at {against}\n", first.image);
    }
    let mut text = format!("`{}` is not the same as at {against}\n", first.image);
    for Explained { image, changes } in explained {
        text.push_str(&format!("\n{}\n", paint(image.as_str(), Paint::Name, color)));
        let mut n_entries = 0;
        for change in changes {
            if let Change::Entry { .. } = change {
                n_entries += 1;
                if n_entries > ENTRIES_AT_MOST {
                    continue;
                }
            }
            for line in lines(change, dockerfile(image)) {
                text.push_str(&format!("  {line}\n"));
            }
        }
        if n_entries > ENTRIES_AT_MOST {
            text.push_str(&format!("  and {} more files\n", n_entries - ENTRIES_AT_MOST));
        }
    }
    text
}

/// The beginning of a commit's id, as git shows it.
fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

/// A change in words, an instruction that took another's place on two lines.
fn lines(change: &Change, dockerfile: &str) -> Vec<String> {
    let at = |line: usize| format!("{dockerfile}:{line}");
    match change {
        Change::Instruction { old: Some(old), new: Some(new) } if old.text == new.text => {
            vec![format!("{}: {} (it changed further on)", at(new.line), plain(&new.text))]
        }
        Change::Instruction { old, new } => {
            let added = new.iter().map(|new| format!("{}: + {}", at(new.line), plain(&new.text)));
            let removed = old.iter().map(|old| {
                let place = new.as_ref().map_or_else(|| at(old.line), |new| at(new.line));
                format!("{place}: - {}", plain(&old.text))
            });
            removed.chain(added).collect()
        }
        Change::Entry { context, path, how } => {
            let word = match how {
                How::Added => "added",
                How::Changed => "changed",
                How::Removed => "removed",
            };
            let of = context.as_ref().map_or_else(String::new, |name| format!(" in the context {name}"));
            vec![format!("file {word}: {}{of}", plain(path.as_str()))]
        }
        Change::Arg { name, old, new } => vec![format!("argument {name}: {} -> {}", value(old), value(new))],
        Change::Other(Reason::BaseChanged { reference, old, new }) => {
            let shown = |id: &Option<BaseId>| id.map_or("not known".to_owned(), |id| id.to_string());
            vec![format!("{reference}: {} -> {}", shown(old), shown(new))]
        }
        Change::Other(Reason::RemoteFileChanged { url, old, new }) => {
            let shown = |digest: &Option<Digest>| digest.map_or("not locked".to_owned(), |digest| digest.to_string());
            vec![format!("{}: {} -> {}", plain(url.without_query()), shown(old), shown(new))]
        }
        Change::Other(Reason::RepositoryChanged { pin, old, new }) => {
            let shown =
                |commit: &Option<GitCommit>| commit.as_ref().map_or("not locked".to_owned(), ToString::to_string);
            vec![format!("{}: {} -> {}", plain(&pin.to_string()), shown(old), shown(new))]
        }
        // Of what it was before, nothing is known.
        Change::Other(Reason::NeverBuilt) => vec!["new".to_owned()],
        Change::Other(other) => vec![reason(other)],
    }
}

fn value(value: &ArgValue) -> String {
    match value {
        ArgValue::Unset => "not set".to_owned(),
        ArgValue::Hidden => "…".to_owned(),
        ArgValue::Known(value) => format!("{value:?}"),
    }
}

/// The text without what a terminal would obey.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Why an image is not what it was.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct WhyJson {
    /// What it was compared with: a commit's id in hex; left away for its last build.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub against: Option<String>,
    /// The image, then the parents that changed, each before its own: the last are the first causes.
    pub images: Vec<ExplainedJson>,
}

/// One image of the chain.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ExplainedJson {
    /// Its name.
    pub image: String,
    /// What changed of it; empty where it is the same.
    pub changes: Vec<ChangeJson>,
}

/// One thing that changed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum ChangeJson {
    /// An instruction of the Dockerfile came, went, or means something else.
    Instruction {
        /// As it was; null where it came.
        old: Option<InstructionJson>,
        /// As it is; null where it went.
        new: Option<InstructionJson>,
    },
    /// A file, link or folder.
    File {
        /// The named context that it is in; null for the context.
        context: Option<String>,
        /// Its path there.
        path: String,
        /// What happened to it: `added`, `changed` or `removed`.
        how: String,
    },
    /// A build argument.
    Argument {
        /// Its name.
        name: String,
        /// What it was; null where it was not set, or its value may not be shown.
        old: Option<String>,
        /// What it is; null where it is not set, or its value may not be shown.
        new: Option<String>,
    },
    /// Anything else, or something of which nothing more is known.
    Reason {
        /// What.
        reason: ReasonJson,
    },
}

/// An instruction.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct InstructionJson {
    /// Its line in the Dockerfile, from 1.
    pub line: usize,
    /// How it begins, on one line, as it is written.
    pub text: String,
}

/// The same for programs.
pub fn json(explained: &[Explained], against: &Against) -> WhyJson {
    let image = |explained: &Explained| ExplainedJson {
        image: explained.image.to_string(),
        changes: explained.changes.iter().flat_map(change).collect(),
    };
    let against = match against {
        Against::Commit { name: _, id } => Some(id.clone()),
        Against::LastBuild => None,
    };
    WhyJson { against, images: explained.iter().map(image).collect() }
}

fn change(change: &Change) -> Vec<ChangeJson> {
    let instruction = |fact: &InstructionFact| InstructionJson { line: fact.line, text: fact.text.clone() };
    let known = |value: &ArgValue| match value {
        ArgValue::Unset | ArgValue::Hidden => None,
        ArgValue::Known(value) => Some(value.clone()),
    };
    match change {
        Change::Instruction { old, new } => {
            vec![ChangeJson::Instruction { old: old.as_ref().map(instruction), new: new.as_ref().map(instruction) }]
        }
        Change::Entry { context, path, how } => {
            let how = match how {
                How::Added => "added",
                How::Changed => "changed",
                How::Removed => "removed",
            };
            vec![ChangeJson::File { context: context.clone(), path: path.to_string(), how: how.to_owned() }]
        }
        Change::Arg { name, old, new } => {
            vec![ChangeJson::Argument { name: name.clone(), old: known(old), new: known(new) }]
        }
        Change::Other(reason) => {
            reason_json::reason(reason).into_iter().map(|reason| ChangeJson::Reason { reason }).collect()
        }
    }
}
