//! Text for a shell, with the white space that no shell heeds taken out.

/// The text with each run of white space as one blank, where that can't change what a POSIX shell does; anything that
/// makes this doubtful, such as a command substitution inside quotes, leaves the rest of the text as it is.
pub(super) fn squeeze(text: &str) -> String {
    let text = text.trim();
    let mut squeezed = String::with_capacity(text.len());
    let mut quote = None;
    let mut chars = text.char_indices().peekable();
    while let Some((at, character)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        match (character, quote) {
            // Quotes inside these are paired in ways that only a shell's parser knows.
            ('`', None | Some('"')) | ('$', Some('"')) if character == '`' || matches!(next, Some('(' | '{')) => {
                squeezed.push_str(&text[at..]);
                return squeezed;
            }
            ('$', None) if matches!(next, Some('\'' | '"' | '{')) => {
                squeezed.push_str(&text[at..]);
                return squeezed;
            }
            ('\\', None | Some('"')) => {
                squeezed.push(character);
                squeezed.extend(chars.next().map(|(_, escaped)| escaped));
            }
            ('"' | '\'', None) => {
                quote = Some(character);
                squeezed.push(character);
            }
            (_, Some(open)) if character == open => {
                quote = None;
                squeezed.push(character);
            }
            (' ' | '\t', None) => {
                if !squeezed.ends_with(' ') || squeezed.ends_with("\\ ") {
                    squeezed.push(' ');
                }
            }
            _ => squeezed.push(character),
        }
    }
    squeezed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_goes_where_no_shell_heeds_it() {
        for (text, expected) in [
            ("  a   b\t\tc ", "a b c"),
            ("a  \"b  c\"  'd  e'  f", "a \"b  c\" 'd  e' f"),
            ("a \\  b", "a \\  b"),
            ("a\\  \\\"  \"x  y\"", "a\\  \\\" \"x  y\""),
            ("a  $(b  c)  d", "a $(b c) d"),
            ("a  \"$(b  \"c  d\")\"  e", "a \"$(b  \"c  d\")\"  e"),
            ("a  `b  c`", "a `b  c`"),
            ("a  ${x:-\"b  c\"}  d", "a ${x:-\"b  c\"}  d"),
            ("a  'it'\\''s  x'  b", "a 'it'\\''s  x' b"),
            ("a  \"unclosed  b", "a \"unclosed  b"),
            ("a  $x  \"$y  z\"  b", "a $x \"$y  z\" b"),
        ] {
            assert_eq!(squeeze(text), expected, "{text}");
        }
    }
}
