//! One pattern of a `.dockerignore` or of `--exclude`, matched as the engines match it (moby/patternmatcher): Go's
//! `filepath.Match` plus `**`, which stands for any number of folders.

use regex::Regex;

/// A compiled pattern. Matching takes time linear in the length of the path.
#[derive(Debug, Clone)]
pub(super) struct Glob {
    matcher: Matcher,
    literal_prefix: String,
}

#[derive(Debug, Clone)]
enum Matcher {
    /// No wildcard.
    Exact(String),
    /// `text**`
    Prefix(String),
    /// `**text`, where `**/text` means `text` itself too.
    Suffix(String),
    Regex(Regex),
}

impl Glob {
    /// Compiles a cleaned pattern; the error says what is wrong with it.
    pub(super) fn new(pattern: &str) -> Result<Self, String> {
        let pieces = pieces(pattern)?;
        let literal_prefix = match pieces.first() {
            Some(Piece::Literal(text)) => text.clone(),
            _ => String::new(),
        };
        let matcher = match pieces.as_slice() {
            [] => Matcher::Exact(String::new()),
            [Piece::Literal(text)] => Matcher::Exact(text.clone()),
            [Piece::Literal(text), Piece::AnyFolders { .. }] => Matcher::Prefix(text.clone()),
            [Piece::AnyFolders { slash: false }] => Matcher::Suffix(String::new()),
            [Piece::AnyFolders { slash: false }, Piece::Literal(text)] => Matcher::Suffix(text.clone()),
            [Piece::AnyFolders { slash: true }, Piece::Literal(text)] => Matcher::Suffix(format!("/{text}")),
            pieces => Matcher::Regex(compile(pieces)?),
        };
        Ok(Self { matcher, literal_prefix })
    }

    /// Whether the pattern matches this path itself.
    pub(super) fn is_match(&self, path: &str) -> bool {
        match &self.matcher {
            Matcher::Exact(text) => path == text,
            Matcher::Prefix(text) => path.starts_with(text.as_str()),
            Matcher::Suffix(text) => path.ends_with(text.as_str()) || text.strip_prefix('/') == Some(path),
            Matcher::Regex(regex) => regex.is_match(path),
        }
    }

    /// Whether the pattern could match something below a folder.
    pub(super) fn may_match_below(&self, folder: &str) -> bool {
        let below = format!("{folder}/");
        let prefix = &self.literal_prefix;
        match self.matcher {
            Matcher::Exact(_) => prefix.starts_with(&below),
            _ => prefix.starts_with(&below) || below.starts_with(prefix.as_str()),
        }
    }
}

/// What a pattern is made of.
enum Piece {
    /// This text; never empty, and never two in a row.
    Literal(String),
    /// `*`: anything within one component.
    Any,
    /// `?`: one character within a component.
    One,
    /// `**`, with the `/` that follows it taken in where there is one.
    AnyFolders { slash: bool },
    /// `[a-z]`: one character of these ranges, or one outside them.
    Class { negated: bool, ranges: Vec<(char, char)> },
}

fn pieces(pattern: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        let piece = match c {
            '*' if chars.next_if_eq(&'*').is_some() => Piece::AnyFolders { slash: chars.next_if_eq(&'/').is_some() },
            '*' => Piece::Any,
            '?' => Piece::One,
            '[' => class(&mut chars)?,
            c => {
                literal.push(if c == '\\' { chars.next().ok_or("nothing follows its last `\\`")? } else { c });
                continue;
            }
        };
        if !literal.is_empty() {
            pieces.push(Piece::Literal(std::mem::take(&mut literal)));
        }
        pieces.push(piece);
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

/// Reads what follows `[`: an optional `^`, at least one range, and `]` (Go, `filepath.Match`).
fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Piece, String> {
    const OPEN: &str = "its `[` has no `]`";
    let negated = chars.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    let end = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>| match chars.next().ok_or(OPEN)? {
        '\\' => chars.next().ok_or(OPEN),
        '-' => Err("a `-` in `[…]` stands between two characters, or behind `\\`"),
        ']' => Err("its `[` holds no character"),
        c => Ok(c),
    };
    loop {
        if !ranges.is_empty() && chars.next_if_eq(&']').is_some() {
            return Ok(Piece::Class { negated, ranges });
        }
        let low = end(chars)?;
        let high = if chars.next_if_eq(&'-').is_some() { end(chars)? } else { low };
        if high < low {
            return Err(format!("`{low}-{high}` runs backwards"));
        }
        ranges.push((low, high));
    }
}

fn compile(pieces: &[Piece]) -> Result<Regex, String> {
    let mut text = String::from("^");
    for (i, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Literal(literal) => text.push_str(&regex::escape(literal)),
            Piece::Any => text.push_str("[^/]*"),
            Piece::One => text.push_str("[^/]"),
            Piece::AnyFolders { .. } if i + 1 == pieces.len() => text.push_str(".*"),
            Piece::AnyFolders { .. } => text.push_str("(?:.*/)?"),
            Piece::Class { negated, ranges } => {
                text.push_str(if *negated { "[^" } else { "[" });
                for (low, high) in ranges {
                    text.push_str(&format!(r"\x{{{:x}}}-\x{{{:x}}}", u32::from(*low), u32::from(*high)));
                }
                text.push(']');
            }
        }
    }
    text.push('$');
    Regex::new(&text).map_err(|_| "it is too long".to_owned())
}
