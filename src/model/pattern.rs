//! Regular expressions in RE2 syntax as Go reads it (`regexp/syntax`), because that is what test files are written
//! in. The `regex` crate compiles them; where its syntax says something else by the same letters, the pattern is
//! rewritten: a `{` that begins no repetition stands for itself, `\d`, `\s`, `\w` and `\b` know ASCII alone, a `[`
//! in a class is a character, `\Q…\E` and octal escapes are there, stacked repetitions are not.

use std::fmt::{self, Write as _};
use std::iter::Peekable;
use std::str::Chars;

/// A regular expression that does not compile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is no regular expression: {why}")]
pub struct PatternError {
    pattern: String,
    why: String,
}

/// A regular expression in RE2 syntax, searched anywhere in a text.
#[derive(Clone)]
pub struct Pattern {
    written: String,
    compiled: regex::Regex,
}

impl Pattern {
    /// Compiles a pattern; `^` and `$` match at the ends of the whole text, as in Go.
    pub fn new(pattern: &str) -> Result<Self, PatternError> {
        let refuse = |why: String| PatternError { pattern: pattern.to_owned(), why };
        let rewritten = Rewriter::new(pattern).rewrite().map_err(refuse)?;
        let why = |error: regex::Error| match error {
            regex::Error::Syntax(text) => {
                text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
            }
            regex::Error::CompiledTooBig(_) => "it repeats too much".to_owned(),
            other => other.to_string(),
        };
        let compiled = regex::Regex::new(&rewritten).map_err(|error| refuse(why(error)))?;
        Ok(Self { written: pattern.to_owned(), compiled })
    }

    /// Whether the pattern is found in the text.
    pub fn is_match(&self, text: &str) -> bool {
        self.compiled.is_match(text)
    }

    /// The pattern as it is written.
    pub fn as_str(&self) -> &str {
        &self.written
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.written, f)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl Eq for Pattern {}

/// How often something may be repeated, as in Go.
const REPEATED_AT_MOST: u32 = 1000;

struct Rewriter<'a> {
    rest: Peekable<Chars<'a>>,
    out: String,
}

impl<'a> Rewriter<'a> {
    fn new(pattern: &'a str) -> Self {
        Self { rest: pattern.chars().peekable(), out: String::with_capacity(pattern.len()) }
    }

    fn rewrite(mut self) -> Result<String, String> {
        let mut after_repetition = false;
        while let Some(c) = self.rest.next() {
            let repeats = match c {
                '*' | '+' | '?' => Some(c.to_string()),
                '{' => self.counted()?,
                _ => None,
            };
            if let Some(repetition) = repeats {
                if after_repetition {
                    return Err("a repetition can't be repeated without a group".to_owned());
                }
                self.out.push_str(&repetition);
                self.out.extend(self.rest.next_if_eq(&'?'));
                after_repetition = true;
                continue;
            }
            after_repetition = false;
            match c {
                '\\' => self.escape()?,
                '[' => self.class()?,
                '(' if self.rest.next_if_eq(&'?').is_some() => self.flags()?,
                '(' | ')' | '|' | '^' | '$' | '.' => self.out.push(c),
                _ => self.literal(c),
            }
        }
        Ok(self.out)
    }

    fn literal(&mut self, c: char) {
        self.out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
    }

    /// `{2}`, `{2,}` or `{2,3}` behind a `{`; nothing, and nothing read, where it is none of them.
    fn counted(&mut self) -> Result<Option<String>, String> {
        let mut ahead = self.rest.clone();
        let Some(least) = digits(&mut ahead) else { return Ok(None) };
        let most = if ahead.next_if_eq(&',').is_none() {
            Some(least.clone())
        } else if ahead.peek() == Some(&'}') {
            None
        } else {
            let Some(most) = digits(&mut ahead) else { return Ok(None) };
            Some(most)
        };
        if ahead.next() != Some('}') {
            return Ok(None);
        }
        self.rest = ahead;
        for count in [Some(&least), most.as_ref()].into_iter().flatten() {
            if count.parse::<u32>().is_ok_and(|n| n <= REPEATED_AT_MOST) {
                continue;
            }
            return Err(format!("it repeats more than {REPEATED_AT_MOST} times"));
        }
        Ok(Some(format!("{{{least},{}}}", most.unwrap_or_default())))
    }

    /// What follows `(?`: a name, which is left away because nobody asks for groups, or flags.
    fn flags(&mut self) -> Result<(), String> {
        let named = match self.rest.peek() {
            Some('P') => {
                self.rest.next();
                true
            }
            Some('<') => true,
            _ => false,
        };
        if named {
            let named = self.rest.next_if_eq(&'<').is_some();
            let name: String = self.rest.by_ref().take_while(|c| *c != '>').collect();
            let is_name = !name.is_empty() && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric());
            if !named || !is_name {
                return Err("a group's name is letters, digits and `_`, as in `(?P<name>…)`".to_owned());
            }
            self.out.push('(');
            return Ok(());
        }
        self.out.push_str("(?");
        loop {
            match self.rest.next() {
                Some(')') if self.out.ends_with("(?") => self.out.push_str(":)"),
                Some(c @ (':' | ')')) => self.out.push(c),
                Some(c @ ('i' | 'm' | 's' | 'U' | '-')) => {
                    self.out.push(c);
                    continue;
                }
                _ => return Err("`(?` is followed by none of `i`, `m`, `s`, `U`, `:` and `P<name>`".to_owned()),
            }
            return Ok(());
        }
    }

    /// What follows a `\` outside of classes.
    fn escape(&mut self) -> Result<(), String> {
        match self.rest.peek() {
            Some('A') => self.out.push_str(r"\A"),
            Some('z') => self.out.push_str(r"\z"),
            Some('b') => self.out.push_str(r"(?-u:\b)"),
            Some('B') => self.out.push_str(r"(?-u:\B)"),
            Some('Q') => {
                self.rest.next();
                self.quoted();
                return Ok(());
            }
            _ => {
                if !self.escaped_class()? {
                    let c = self.escaped_char()?;
                    self.literal(c);
                }
                return Ok(());
            }
        }
        self.rest.next();
        Ok(())
    }

    /// What follows `\Q`: characters that stand for themselves, up to `\E` or the end.
    fn quoted(&mut self) {
        while let Some(c) = self.rest.next() {
            if c == '\\' && self.rest.next_if_eq(&'E').is_some() {
                return;
            }
            self.literal(c);
        }
    }

    /// `\d` and its like, and `\p{Greek}`, which are the same inside and outside of classes. Nothing is read where
    /// something else follows the `\`.
    fn escaped_class(&mut self) -> Result<bool, String> {
        let Some(&c) = self.rest.peek() else { return Ok(false) };
        let class = match c {
            'd' => "[0-9]",
            'D' => "[^0-9]",
            's' => r"[\t\n\f\r ]",
            'S' => r"[^\t\n\f\r ]",
            'w' => "[0-9A-Za-z_]",
            'W' => "[^0-9A-Za-z_]",
            'p' | 'P' => {
                self.rest.next();
                self.unicode_class(c)?;
                return Ok(true);
            }
            _ => return Ok(false),
        };
        self.rest.next();
        self.out.push_str(class);
        Ok(true)
    }

    fn unicode_class(&mut self, p: char) -> Result<(), String> {
        let name: String = match self.rest.next() {
            Some('{') => self.rest.by_ref().take_while(|c| *c != '}').collect(),
            Some(letter) => letter.to_string(),
            None => String::new(),
        };
        let (name, negated) = name.strip_prefix('^').map_or((name.as_str(), false), |name| (name, true));
        if name.is_empty() || !name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric()) {
            return Err(format!(r"`\{p}` is followed by no Unicode class"));
        }
        let p = if negated == (p == 'p') { 'P' } else { 'p' };
        write!(self.out, r"\{p}{{{name}}}").expect("writing to a String does not fail");
        Ok(())
    }

    /// The character that an escape stands for, inside and outside of classes.
    fn escaped_char(&mut self) -> Result<char, String> {
        let c = self.rest.next().ok_or(r"it ends with a lone `\`")?;
        let unknown = || format!(r"`\{c}` means nothing");
        Ok(match c {
            'a' => '\x07',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0b',
            'x' => return self.hexadecimal(),
            '0'..='7' => {
                let is_octal = |c: &char| ('0'..='7').contains(c);
                if c != '0' && !self.rest.peek().is_some_and(is_octal) {
                    return Err("there are no back-references".to_owned());
                }
                let digits = [Some(c), self.rest.next_if(is_octal)];
                let third = digits[1].and_then(|_| self.rest.next_if(is_octal));
                let value = digits.into_iter().flatten().chain(third).filter_map(|c| c.to_digit(8));
                return char::from_u32(value.fold(0, |value, digit| value * 8 + digit)).ok_or_else(unknown);
            }
            _ if c.is_ascii() && !c.is_ascii_alphanumeric() => c,
            _ => return Err(unknown()),
        })
    }

    /// What follows `\x`: two digits, or any number of them in braces.
    fn hexadecimal(&mut self) -> Result<char, String> {
        let digits: String = if self.rest.next_if_eq(&'{').is_some() {
            self.rest.by_ref().take_while(|c| *c != '}').collect()
        } else {
            self.rest.by_ref().take(2).collect()
        };
        let value = digits.chars().all(|c| c.is_ascii_hexdigit()).then(|| u32::from_str_radix(&digits, 16).ok());
        value.flatten().and_then(char::from_u32).ok_or_else(|| format!(r"`\x` and `{digits}` is no character"))
    }

    /// What follows a `[`, up to its `]`.
    fn class(&mut self) -> Result<(), String> {
        self.out.push('[');
        self.out.extend(self.rest.next_if_eq(&'^'));
        let mut first = true;
        loop {
            let c = self.rest.next().ok_or("a `[` has no `]`")?;
            match c {
                ']' if !first => break,
                '[' if self.named_class()? => {}
                '\\' if self.escaped_class()? => {}
                _ => self.range(c)?,
            }
            first = false;
        }
        self.out.push(']');
        Ok(())
    }

    /// `[:alpha:]` behind its `[`; nothing is read where it is none.
    fn named_class(&mut self) -> Result<bool, String> {
        let mut ahead = self.rest.clone();
        if ahead.next() != Some(':') {
            return Ok(false);
        }
        let after: String = ahead.collect();
        let Some((name, _)) = after.split_once(":]") else { return Ok(false) };
        let known = name.strip_prefix('^').unwrap_or(name);
        if !POSIX_CLASSES.contains(&known) {
            return Err(format!("there is no class `[:{name}:]`"));
        }
        for _ in 0..name.chars().count() + 3 {
            self.rest.next();
        }
        write!(self.out, "[:{name}:]").expect("writing to a String does not fail");
        Ok(true)
    }

    /// One character of a class, or two with a `-` between them.
    fn range(&mut self, first: char) -> Result<(), String> {
        let low = self.class_char(first)?;
        let mut ahead = self.rest.clone();
        let is_range = ahead.next() == Some('-') && ahead.next().is_some_and(|c| c != ']');
        let high = if is_range {
            self.rest.next();
            let c = self.rest.next().expect("one character behind the `-` was seen");
            self.class_char(c)?
        } else {
            low
        };
        if high < low {
            return Err(format!("`{low}-{high}` runs backwards"));
        }
        // Hexadecimal, because a class of the `regex` crate has operators that Go's has not.
        write!(self.out, r"\x{{{:x}}}-\x{{{:x}}}", u32::from(low), u32::from(high))
            .expect("writing to a String does not fail");
        Ok(())
    }

    fn class_char(&mut self, c: char) -> Result<char, String> {
        if c == '\\' { self.escaped_char() } else { Ok(c) }
    }
}

const POSIX_CLASSES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word",
    "xdigit",
];

/// The digits of a count, which has no leading zero.
fn digits(ahead: &mut Peekable<Chars<'_>>) -> Option<String> {
    let mut digits = String::new();
    while let Some(digit) = ahead.next_if(char::is_ascii_digit) {
        digits.push(digit);
    }
    (!digits.is_empty() && (digits == "0" || !digits.starts_with('0'))).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_in_go() {
        for (pattern, found, not_found) in [
            ("ab+c", "xabbc", "ac"),
            (r#"{"status":"ok"}"#, r#"{"status":"ok"}"#, "status"),
            ("a{,2}b", "a{,2}b", "aab"),
            ("a{2}b", "aab", "ab"),
            ("a{1,}b", "aaab", "b"),
            ("a{01}", "a{01}", "a"),
            (r"^\d+$", "123", "١٢٣"),
            (r"^\W$", "é", "e"),
            (r"^\s$", " ", "\u{a0}"),
            (r"\bé", "aé", " é"),
            (r"e\B", "er", "e"),
            ("^[[]$", "[", "]"),
            ("^[]a]+$", "]a", "b"),
            ("^[a&&b]$", "&", "c"),
            ("^[a-]$", "-", "b"),
            (r"^[^\d\]]$", "x", "]"),
            (r"^[+--]$", ",", "."),
            ("^[[:alpha:]_]+$", "a_b", "1"),
            ("^[[:^alpha:]]$", "1", "a"),
            (r"\Qa.b\E.c", "a.bxc", "axbxc"),
            (r"\Qa.b", "a.b", "axb"),
            (r"^\101\0$", "A\0", "A"),
            (r"\x41\x{e9}", "Aé", "Ae"),
            (r"\_\<\/\ ", "_</ ", "_"),
            (r"^\pL\p{^L}\PL$", "a11", "aaa"),
            ("(?i)straße", "STRAßE", "strasse"),
            ("(?P<x>a)(?<y>b)(?)", "ab", "ba"),
            ("(?s)a.b", "a\nb", "ab"),
            ("a.b", "axb", "a\nb"),
            ("a$", "ba", "a\n"),
            ("(?m)a$", "a\nb", "ab"),
            ("^(|a)*$", "aa", "b"),
            ("a*?b", "b", "a"),
            ("x#y z", "x#y z", "x"),
        ] {
            let compiled = Pattern::new(pattern).unwrap();
            assert!(compiled.is_match(found), "`{pattern}` is in `{found}`");
            assert!(!compiled.is_match(not_found), "`{pattern}` is not in `{not_found}`");
        }
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for pattern in [
            "a**",
            "a+*",
            "a{2}{3}",
            "a{1001}",
            "a{3,2}",
            "(",
            ")",
            "[",
            "[a",
            "[]",
            "[b-a]",
            "*",
            "a|*",
            "(?x)a",
            "(?=a)",
            "(?P=a)",
            r"\1",
            r"\8",
            r"\y",
            r"\Z",
            r"\u0041",
            r"\C",
            r"\xg1",
            r"\x{110000}",
            r"\",
            r"\é",
            "[[:no:]]",
            r"\p{Nothing}",
            r"\p",
            "(?i",
            "(?P<>a)",
        ] {
            assert!(Pattern::new(pattern).is_err(), "{pattern}");
        }
        assert_eq!(
            Pattern::new("(a").unwrap_err().to_string(),
            "`(a` is no regular expression: unclosed group",
            "the message is about the pattern, not about what it was rewritten to"
        );
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(pattern in r"[\\\[\](){}?*+^$|.\-:,<>PQEdpx&~a01é]{0,24}") {
            let _ = Pattern::new(&pattern);
        }

        #[test]
        fn a_quoted_text_is_found_as_it_is(text in r"[^\\]{0,16}") {
            let pattern = Pattern::new(&format!(r"^\Q{text}\E$")).unwrap();
            proptest::prop_assert!(pattern.is_match(&text));
        }
    }
}
