//! The flags of instructions: which there are, and what they take.

use super::ast::{Flag, Word};
use super::problems::{Problems, suggestion};
use super::words::{RawFlag, Unquoted};

/// What a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// A value, once.
    Value,
    /// A value, and the flag may be repeated.
    Values,
    /// Nothing, `true` or `false`.
    Bool,
}

/// The flags of each instruction (Dockerfile reference; BuildKit's `instructions` package).
fn known_flags(keyword: &str) -> &'static [(&'static str, Takes)] {
    match keyword {
        "FROM" => &[("platform", Takes::Value)],
        "RUN" => &[
            ("mount", Takes::Values),
            ("network", Takes::Value),
            ("security", Takes::Value),
            ("device", Takes::Values),
        ],
        "COPY" => &[
            ("from", Takes::Value),
            ("chown", Takes::Value),
            ("chmod", Takes::Value),
            ("link", Takes::Bool),
            ("parents", Takes::Bool),
            ("exclude", Takes::Values),
        ],
        "ADD" => &[
            ("chown", Takes::Value),
            ("chmod", Takes::Value),
            ("link", Takes::Bool),
            ("exclude", Takes::Values),
            ("checksum", Takes::Value),
            ("keep-git-dir", Takes::Bool),
            ("unpack", Takes::Bool),
        ],
        "HEALTHCHECK" => &[
            ("interval", Takes::Value),
            ("timeout", Takes::Value),
            ("start-period", Takes::Value),
            ("start-interval", Takes::Value),
            ("retries", Takes::Value),
        ],
        _ => &[],
    }
}

/// The flags of one instruction, each known, well-formed and given once where once is allowed.
pub(super) struct Flags(Vec<RawFlag>);

impl Flags {
    /// Checks the flags; what is wrong with one is said, and the flag is left out.
    pub(super) fn check(flags: Vec<RawFlag>, keyword: &str, problems: &mut Problems) -> Self {
        let known = known_flags(keyword);
        let mut good: Vec<RawFlag> = Vec::with_capacity(flags.len());
        let mut seen = std::collections::BTreeSet::new();
        for raw in flags {
            let name = &raw.flag.name.text;
            let Some((_, takes)) = known.iter().find(|(known, _)| known == name) else {
                let near = suggestion(name, known.iter().map(|(known, _)| *known));
                let hint = near.or_else(|| known.is_empty().then(|| format!("{keyword} takes no flags")));
                problems.error_with_hint(raw.span, format!("{keyword} has no flag `--{name}`"), "", hint);
                continue;
            };
            if raw.quoted_name {
                problems.error(raw.span, format!("quotes around the name of flag `--{name}`"), "quote its value alone");
            } else if *takes != Takes::Values && !seen.insert(name.clone()) {
                problems.error(raw.span, format!("flag `--{name}` is given twice"), "");
            } else if let Some(message) = wrong_value(*takes, &raw) {
                problems.error(raw.span, message, "");
            } else {
                good.push(raw);
            }
        }
        Self(good)
    }

    /// The flags as they are written.
    pub(super) fn written(&self) -> Vec<Flag> {
        self.0.iter().map(|raw| raw.flag.clone()).collect()
    }

    /// The value of a flag.
    pub(super) fn value(&self, name: &str) -> Option<Word> {
        self.values(name).next().map(|(word, _)| word.clone())
    }

    /// The values of a flag that may be repeated, each with the way to its parts in the source.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = (&Word, &Unquoted)> {
        self.0
            .iter()
            .filter(move |raw| raw.flag.name.text == name)
            .filter_map(|raw| Some((raw.flag.value.as_ref()?, raw.value.as_ref()?)))
    }

    /// What a yes-or-no flag says, where it is given.
    pub(super) fn bool(&self, name: &str) -> Option<bool> {
        let raw = self.0.iter().find(|raw| raw.flag.name.text == name)?;
        Some(raw.flag.value.as_ref().is_none_or(|value| !value.text.eq_ignore_ascii_case("false")))
    }
}

fn wrong_value(takes: Takes, raw: &RawFlag) -> Option<String> {
    let name = &raw.flag.name.text;
    match (takes, &raw.flag.value) {
        (Takes::Value | Takes::Values, None) => Some(format!("flag `--{name}` needs a value: `--{name}=…`")),
        (Takes::Bool, Some(value)) if !["true", "false"].iter().any(|b| value.text.eq_ignore_ascii_case(b)) => {
            Some(format!("flag `--{name}` is `true` or `false`, not `{}`", value.text))
        }
        _ => None,
    }
}
