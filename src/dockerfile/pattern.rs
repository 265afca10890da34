//! The patterns of `${x#p}`, `${x%p}` and `${x/p/r}`: `*` is any text, `?` any character, `\` escapes these two, itself,
//! `}` and `/`. There are no `[…]` (BuildKit, `convertShellPatternToRegex`).

use regex::{NoExpand, Regex};

/// The longest pattern, in bytes; arbitrary, and it bounds what looking for one takes.
const PATTERN_AT_MOST: usize = 1024;

/// What looking for a pattern in a value takes at worst, in bytes copied: a step of it takes about as long as eight.
pub(super) fn cost(value: &str, pattern: &str) -> usize {
    value.len().saturating_mul(8 * pattern.len().min(PATTERN_AT_MOST))
}

/// The value without the shortest or longest beginning that the pattern matches.
pub(super) fn trim_prefix(value: &str, pattern: &str, longest: bool) -> Result<String, String> {
    let regex = to_regex(pattern, longest, true)?;
    Ok(regex.find(value).map_or(value, |found| &value[found.end()..]).to_owned())
}

/// The value without the shortest or longest end that the pattern matches.
pub(super) fn trim_suffix(value: &str, pattern: &str, longest: bool) -> Result<String, String> {
    // A regular expression finds the leftmost match, not the shortest one at the end: both are turned around.
    let regex = to_regex(&reversed_pattern(pattern), longest, true)?;
    let turned: String = value.chars().rev().collect();
    let rest = regex.find(&turned).map_or(turned.as_str(), |found| &turned[found.end()..]);
    Ok(rest.chars().rev().collect())
}

/// The value with the first or every match of the pattern replaced.
pub(super) fn replace(value: &str, pattern: &str, replacement: &str, all: bool) -> Result<String, String> {
    let regex = to_regex(pattern, true, false)?;
    let limit = usize::from(!all);
    Ok(regex.replacen(value, limit, NoExpand(replacement)).into_owned())
}

fn to_regex(pattern: &str, longest: bool, at_start: bool) -> Result<Regex, String> {
    if pattern.len() > PATTERN_AT_MOST {
        return Err(format!("the pattern has {} bytes: {PATTERN_AT_MOST} at most", pattern.len()));
    }
    let mut expression = String::with_capacity(pattern.len() + 4);
    if at_start {
        expression.push('^');
    }
    let mut chars = pattern.chars();
    while let Some(character) = chars.next() {
        match character {
            '*' if longest => expression.push_str(".*"),
            '*' => expression.push_str(".*?"),
            '?' => expression.push('.'),
            '\\' => match chars.next() {
                Some(escaped @ ('*' | '?' | '\\' | '}' | '/')) => push_literal(&mut expression, escaped),
                Some(other) => return Err(format!("`\\{other}` in the pattern `{pattern}` escapes nothing")),
                None => return Err(format!("the pattern `{pattern}` ends with `\\`")),
            },
            _ => push_literal(&mut expression, character),
        }
    }
    Regex::new(&expression).map_err(|_| format!("the pattern `{pattern}` is too complex"))
}

fn push_literal(expression: &mut String, character: char) {
    expression.push_str(&regex::escape(character.encode_utf8(&mut [0; 4])));
}

fn reversed_pattern(pattern: &str) -> String {
    let mut parts = Vec::new();
    let mut chars = pattern.chars();
    while let Some(character) = chars.next() {
        match character {
            '\\' => parts.push((Some(character), chars.next())),
            _ => parts.push((None, Some(character))),
        }
    }
    parts.iter().rev().flat_map(|(escape, character)| [*escape, *character]).flatten().collect()
}
