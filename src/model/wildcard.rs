//! Patterns over paths: Go's `path.Match` for one component, moby's `**` and `!` for lists (moby `patternmatcher`).

/// Whether a component of a path is a pattern: an `*`, `?` or `[` that no `\` takes the meaning from (fsutil,
/// `containsWildcards`).
pub fn has_wildcard(component: &str) -> bool {
    let mut letters = component.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => drop(letters.next()),
            '*' | '?' | '[' => return true,
            _ => {}
        }
    }
    false
}

/// Whether a component of a path matches a pattern of `*`, `?`, `[a-z]`, `[^a-z]` and `\` before a letter that
/// means itself. A broken pattern matches nothing.
pub fn name_matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // The last `*` and the first letter that it has not taken.
    let mut star = None;
    while n < name.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, n));
            p += 1;
        } else if let Some(length) = letter_matches(&pattern[p..], name[n]) {
            p += length;
            n += 1;
        } else if let Some((place, not_taken)) = star {
            star = Some((place, not_taken + 1));
            p = place + 1;
            n = not_taken + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|letter| *letter == '*')
}

/// How much of the pattern's beginning stands for the letter; nothing where it does not.
fn letter_matches(pattern: &[char], letter: char) -> Option<usize> {
    match pattern.first()? {
        '?' => Some(1),
        '\\' => (*pattern.get(1)? == letter).then_some(2),
        '[' => class_matches(&pattern[1..], letter).map(|length| length + 1),
        other => (*other == letter).then_some(1),
    }
}

/// The same for a class, behind its `[`.
fn class_matches(class: &[char], letter: char) -> Option<usize> {
    let negated = class.first() == Some(&'^');
    let mut at = usize::from(negated);
    let mut found = false;
    let first = at;
    loop {
        if at > first && *class.get(at)? == ']' {
            return (found != negated).then_some(at + 1);
        }
        let low = class_letter(class, &mut at)?;
        let high = if class.get(at) == Some(&'-') {
            at += 1;
            class_letter(class, &mut at)?
        } else {
            low
        };
        found |= (low..=high).contains(&letter);
    }
}

fn class_letter(class: &[char], at: &mut usize) -> Option<char> {
    if class.get(*at)? == &'\\' {
        *at += 1;
    }
    let letter = *class.get(*at)?;
    *at += 1;
    Some(letter)
}

/// Whether the path or a folder above it matches the pattern, in which `**` stands for any number of components.
pub fn covers(pattern: &str, path: &str) -> bool {
    let pattern: Vec<&str> = pattern.split('/').filter(|c| !c.is_empty() && *c != ".").collect();
    // Which beginnings of the pattern match the components that were read; a `**` may match none of them.
    let mut reached = vec![false; pattern.len() + 1];
    reached[0] = true;
    let skip_stars = |reached: &mut Vec<bool>| {
        for i in 0..pattern.len().saturating_sub(1) {
            reached[i + 1] |= reached[i] && pattern[i] == "**";
        }
    };
    skip_stars(&mut reached);
    for name in path.split('/') {
        let mut next = vec![false; pattern.len() + 1];
        for (i, component) in pattern.iter().enumerate().filter(|(i, _)| reached[*i]) {
            if *component == "**" {
                next[i] = true;
                next[i + 1] = true;
            } else if name_matches(component, name) {
                next[i + 1] = true;
            }
        }
        skip_stars(&mut next);
        if next[pattern.len()] {
            return true;
        }
        reached = next;
    }
    pattern.is_empty()
}

/// Whether the list excludes the path: the last pattern that covers it decides, and `!` takes it back in.
pub fn excludes(patterns: &[String], path: &str) -> bool {
    patterns.iter().fold(false, |excluded, pattern| match pattern.strip_prefix('!') {
        Some(pattern) => excluded && !covers(pattern, path),
        None => excluded || covers(pattern, path),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_go_has_them() {
        let cases = [
            ("abc", "abc", true),
            ("*", "abc", true),
            ("*c", "abc", true),
            ("a*", "a", true),
            ("a*b?c*x", "abxbbxdbxebxczzx", true),
            ("a*b?c*x", "abxbbxdbxebxczzy", false),
            ("ab[c]", "abc", true),
            ("ab[b-d]", "abc", true),
            ("ab[e-g]", "abc", false),
            ("ab[^c]", "abc", false),
            ("ab[^e-g]", "abc", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "ab", false),
            ("a?b", "aöb", true),
            ("[\\-x]", "-", true),
            ("[]a]", "]", true),
            ("[", "a", false),
            ("[a", "a", false),
            ("\\", "a", false),
            ("", "", true),
            ("", "a", false),
            ("a", "", false),
            ("*x", "xxx", true),
        ];
        for (pattern, name, matches) in cases {
            assert_eq!(name_matches(pattern, name), matches, "{pattern} {name}");
        }
    }

    #[test]
    fn patterns_cover_what_lies_below() {
        let cases = [
            ("a", "a/b/c", true),
            ("a/b", "a", false),
            ("**/c", "c", true),
            ("**/c", "a/b/c/d", true),
            ("a/**", "a", false),
            ("a/**", "a/b", true),
            ("a/**/d", "a/d", true),
            ("a/**/d", "a/b/c/d", true),
            ("a/**/d", "b/d", false),
            ("**", "a", true),
            ("*.md", "docs/x.md", false),
            ("/a", "a", true),
            (".", "a", true),
        ];
        for (pattern, path, expected) in cases {
            assert_eq!(covers(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn the_last_pattern_decides() {
        let list = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert!(excludes(&list("*.md !README.md *E.md"), "README.md"));
        assert!(!excludes(&list("*.md !README.md"), "README.md"));
        assert!(!excludes(&list("a !a/b"), "a/b/c"));
    }
}
