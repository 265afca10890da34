//! What an image is made of in enough detail to say what of it changed: less than the image, more than its fingerprint.

use std::collections::BTreeMap;

use crate::dockerfile::{self, ResolveInputs, ResolvedInstruction};
use crate::hash::{self, Fingerprint, InputHash};
use crate::model::{Tree, TreePath};

use super::image::Image;

/// More of an instruction is not shown, nor remembered. In characters; arbitrary.
const TEXT_AT_MOST: usize = 160;

/// Parts of names of build arguments whose values are not to be shown: what they hold may be a secret, though it should
/// not (BuildKit's build check `SecretsUsedInArgOrEnv` warns of much the same).
const SECRETIVE: [&str; 9] = ["AUTH", "CREDENTIAL", "KEY", "PASS", "PRIVATE", "PWD", "PWORD", "SECRET", "TOKEN"];

/// What is known of the inputs of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Everything that counts, hashed.
    pub fingerprint: Fingerprint,
    /// The rest, where it is known.
    pub details: Option<Details>,
}

/// What hashes do not tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    /// The instructions that count, in order.
    pub instructions: Vec<InstructionFact>,
    /// The entries of the context, whose name is empty, and of the folders among the named contexts. Those of a folder
    /// that has too many to be remembered are missing.
    pub folders: BTreeMap<String, Listing>,
    /// The values of build arguments, but for those that may be secrets.
    pub args: BTreeMap<String, String>,
}

/// The entries of a folder, each with the beginning of its hash.
pub type Listing = BTreeMap<TreePath, u64>;

/// An instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstructionFact {
    /// Its line in the Dockerfile, from 1.
    pub line: usize,
    /// How it begins, as it is written: its variables are not filled in, so that it holds nobody's secret.
    pub text: String,
    /// The hash of it with its variables as they are written: another value of one is told with that.
    pub hash: InputHash,
}

impl Facts {
    /// What is known of an image that is planned: everything.
    pub fn of(image: &Image) -> Self {
        let fact = |instruction: &ResolvedInstruction| InstructionFact {
            line: image.dockerfile.line_column(instruction.span.start).0,
            text: shown(image.dockerfile.text().get(instruction.span.range()).unwrap_or_default()),
            hash: hash::instructions([instruction.as_written()]),
        };
        // A plan keeps no instruction, as it takes more room than all else, and few images are explained.
        let inputs = ResolveInputs {
            args: &image.args,
            target: image.target.as_deref(),
            target_platform: &image.platform,
            build_platform: &image.platform,
            contexts: &image.context_names,
        };
        let resolved = dockerfile::resolve(&dockerfile::parse(&image.dockerfile).dockerfile, &inputs);
        let named = image.named_contexts.iter().map(|(name, folder)| (name.clone(), listing(&folder.tree)));
        let details = Details {
            instructions: resolved.instructions().map(fact).collect(),
            folders: named.chain([(String::new(), listing(&image.context))]).collect(),
            args: image
                .used_args
                .iter()
                .filter(|(name, _)| !is_secretive(name))
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect(),
        };
        Self { fingerprint: image.fingerprint.clone(), details: Some(details) }
    }
}

/// Whether the value of an argument is better not shown.
pub fn is_secretive(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    SECRETIVE.iter().any(|part| name.contains(part))
}

fn listing(tree: &Tree) -> Listing {
    let entry = |(path, node): (&TreePath, _)| {
        let first = hash::entry(node).as_bytes().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte));
        (path.clone(), first)
    };
    tree.iter().map(entry).collect()
}

/// The beginning of an instruction on one line.
fn shown(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= TEXT_AT_MOST {
        return line;
    }
    line.chars().take(TEXT_AT_MOST - 1).chain(['…']).collect()
}
