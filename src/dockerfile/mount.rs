//! The options of `RUN --mount`: read where they are written, understood when their variables are known.

use super::ast::{Mount, MountKey, MountOption, MountType, Word};
use super::csv;
use super::lines::Line;
use super::problems::{Problems, suggestion};
use super::run::{go_bool, one_of};
use super::words::Unquoted;
use crate::diag::Span;

/// The spellings of the keys.
const KEYS: [(&str, MountKey); 19] = [
    ("type", MountKey::Type),
    ("from", MountKey::From),
    ("source", MountKey::Source),
    ("src", MountKey::Source),
    ("target", MountKey::Target),
    ("dst", MountKey::Target),
    ("destination", MountKey::Target),
    ("readonly", MountKey::ReadOnly),
    ("ro", MountKey::ReadOnly),
    ("readwrite", MountKey::ReadWrite),
    ("rw", MountKey::ReadWrite),
    ("id", MountKey::Id),
    ("sharing", MountKey::Sharing),
    ("required", MountKey::Required),
    ("size", MountKey::Size),
    ("mode", MountKey::Mode),
    ("uid", MountKey::Uid),
    ("gid", MountKey::Gid),
    ("env", MountKey::Env),
];

const TYPES: [(&str, MountType); 5] = [
    ("bind", MountType::Bind),
    ("cache", MountType::Cache),
    ("tmpfs", MountType::Tmpfs),
    ("secret", MountType::Secret),
    ("ssh", MountType::Ssh),
];

/// Reads the value of a `--mount`.
pub(super) fn read(value: &Unquoted, line: &Line<'_>, problems: &mut Problems) -> Option<Mount> {
    let span = value.span(0..value.text.len(), line);
    let fields = match csv::fields(&value.text) {
        Ok(fields) => fields,
        Err(why) => {
            problems.error(span, format!("the mount `{}` {why}", value.text), "");
            return None;
        }
    };
    let mut options = Vec::with_capacity(fields.len());
    for (range, field) in fields {
        options.extend(option(value, range, &field, line, problems));
    }
    let mount = Mount { span, options };
    check(&mount, problems);
    Some(mount)
}

fn option(
    value: &Unquoted,
    range: std::ops::Range<usize>,
    field: &str,
    line: &Line<'_>,
    problems: &mut Problems,
) -> Option<MountOption> {
    let equals = field.find('=').filter(|_| value.text[range.clone()].contains('='));
    let key_end = equals.map_or(range.end, |at| range.start + at);
    let written = value.word(range.start..key_end, line);
    let lower = written.text.to_ascii_lowercase();
    let Some((_, key)) = KEYS.iter().find(|(name, _)| *name == lower) else {
        let hint = suggestion(&lower, KEYS.iter().map(|(name, _)| *name));
        problems.error_with_hint(written.span, format!("a mount has no option `{}`", written.text), "", hint);
        return None;
    };
    let value = equals.map(|at| {
        let place = value.span(key_end + 1..range.end, line);
        // The field's text, not the range's: doubled quotes are one in it.
        Word { text: field[at + 1..].to_owned(), span: place }
    });
    if value.is_none() && !matches!(key, MountKey::ReadOnly | MountKey::ReadWrite | MountKey::Required) {
        problems.error(written.span, format!("mount option `{lower}` needs a value: `{lower}=…`"), "");
        return None;
    }
    Some(MountOption { key: *key, written, value })
}

/// Checks what can be told before variables are known.
fn check(mount: &Mount, problems: &mut Problems) {
    if let Some(from) = mount.value(MountKey::From).filter(|from| has_variable(&from.text)) {
        problems.error_with_hint(
            from.span,
            "variables are not expanded in a mount's `from`",
            "",
            Some("name a stage: `FROM image:$VARIABLE AS name`, then `from=name`".to_owned()),
        );
    }
    for option in &mount.options {
        if let Some(value) = option.value.as_ref().filter(|value| !value.text.contains('$')) {
            check_value(option.key, value, problems);
        }
    }
    let type_is_known = mount.value(MountKey::Type).is_none_or(|word| !word.text.contains('$'));
    if let Some(kind) = kind(mount, |word| word.text.clone()).filter(|_| type_is_known) {
        check_type(mount, kind, problems);
    }
}

/// Whether BuildKit takes a text for one with a variable: a `$` that is not the last character.
fn has_variable(text: &str) -> bool {
    text.find('$').is_some_and(|at| at + 1 != text.len())
}

/// The type of a mount, its value expanded by the caller; none where there is no such type.
pub(super) fn kind(mount: &Mount, expanded: impl Fn(&Word) -> String) -> Option<MountType> {
    let Some(word) = mount.value(MountKey::Type) else { return Some(MountType::Bind) };
    let name = expanded(word).to_ascii_lowercase();
    TYPES.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
}

fn check_value(key: MountKey, value: &Word, problems: &mut Problems) {
    let text = value.text.as_str();
    let is_good = match key {
        MountKey::Type => {
            let lower = Word { text: text.to_ascii_lowercase(), span: value.span };
            one_of(&lower, "mount type", &TYPES, problems);
            true
        }
        MountKey::Sharing => {
            let lower = Word { text: text.to_ascii_lowercase(), span: value.span };
            one_of(&lower, "sharing mode", &[("shared", ()), ("private", ()), ("locked", ())], problems);
            true
        }
        MountKey::ReadOnly | MountKey::ReadWrite | MountKey::Required => go_bool(text).is_some(),
        MountKey::Mode => u32::from_str_radix(text, 8).is_ok(),
        MountKey::Uid | MountKey::Gid => text.parse::<u32>().is_ok(),
        MountKey::Size => bytes(text).is_some(),
        MountKey::Env | MountKey::From | MountKey::Id | MountKey::Source | MountKey::Target => true,
    };
    if !is_good {
        let what = match key {
            MountKey::Mode => "is no octal number",
            MountKey::Size => "is no size: write `64m` or `1g`",
            MountKey::Uid | MountKey::Gid => "is no number",
            _ => "is neither `true` nor `false`",
        };
        problems.error(value.span, format!("`{text}` {what}"), "");
    }
}

/// A number with a binary unit, as Docker's `units.RAMInBytes` reads it.
pub(super) fn bytes(text: &str) -> Option<u64> {
    let unit_at = text.trim_end_matches(|c: char| c.is_ascii_alphabetic()).len();
    let (number, unit) = text.split_at(unit_at);
    let unit = unit.to_ascii_lowercase();
    if unit.ends_with('i') {
        return None;
    }
    let exponent = ["", "k", "m", "g", "t", "p"];
    let exponent = exponent.iter().position(|known| *known == unit.trim_end_matches('b').trim_end_matches('i'))?;
    let number = number.trim_end_matches(' ').parse::<f64>().ok().filter(|number| *number >= 0.0)?;
    Some((number * 1024_f64.powi(i32::try_from(exponent).ok()?)) as u64)
}

/// Says which options don't belong to a type of mount.
fn check_type(mount: &Mount, kind: MountType, problems: &mut Problems) {
    let name = TYPES.iter().find(|(_, known)| *known == kind).map_or("", |(name, _)| name);
    for option in &mount.options {
        let allowed = match option.key {
            MountKey::Required => matches!(kind, MountType::Secret | MountType::Ssh),
            MountKey::Size => kind == MountType::Tmpfs,
            MountKey::Mode | MountKey::Uid | MountKey::Gid => {
                matches!(kind, MountType::Secret | MountType::Ssh | MountType::Cache)
            }
            MountKey::Sharing => kind == MountType::Cache,
            MountKey::From => kind != MountType::Secret,
            MountKey::Source => kind != MountType::Ssh,
            MountKey::Env
            | MountKey::Id
            | MountKey::ReadOnly
            | MountKey::ReadWrite
            | MountKey::Target
            | MountKey::Type => true,
        };
        if !allowed {
            let span: Span = option.written.span;
            problems.error(span, format!("a {name} mount has no option `{}`", option.written.text), "");
        }
    }
    let says = |key| mount.value(key).is_some_and(|word| !word.text.is_empty());
    if kind == MountType::Secret {
        if says(MountKey::Source) && says(MountKey::Id) {
            problems.error(mount.span, "a secret mount has either `id` or `source`", "");
        } else if !says(MountKey::Source) && !says(MountKey::Id) && !says(MountKey::Target) {
            problems.error(mount.span, "a secret mount needs an `id`", "");
        }
    }
}
