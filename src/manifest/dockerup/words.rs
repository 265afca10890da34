//! The words of a command that is one text, as Python's `shlex` parts them: dockerup left that to it.

/// The words; nothing where a quote is not closed.
pub(super) fn split(text: &str) -> Option<Vec<String>> {
    let (mut words, mut word): (Vec<String>, Option<String>) = (Vec::new(), None);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '"' => break,
                        '\\' => match chars.next()? {
                            c @ ('"' | '\\') => word.push(c),
                            c => word.extend(['\\', c]),
                        },
                        c => word.push(c),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(chars.next()?),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_parted_as_python_parts_them() {
        for (text, words) in [
            ("/usr/bin/nginx", Some(vec!["/usr/bin/nginx"])),
            ("  a  b\t'c d' ", Some(vec!["a", "b", "c d"])),
            (r#"a"b c"d "e\"f\g" h\ i"#, Some(vec!["ab cd", r#"e"f\g"#, "h i"])),
            ("'' \"\"", Some(vec!["", ""])),
            ("", Some(vec![])),
            ("a 'b", None),
            ("a \"b", None),
            ("a\\", None),
        ] {
            assert_eq!(split(text), words.map(|words| words.into_iter().map(str::to_owned).collect()), "{text}");
        }
    }
}
