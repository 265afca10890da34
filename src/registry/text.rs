//! Makes texts of others fit for a message.

/// How much of a foreign text is shown, in characters; arbitrary, about two lines.
const LONGEST: usize = 200;

/// A foreign text on one line, without control characters, without the queries of URLs, which may hold tokens, and
/// cut where it is long.
pub(super) fn shown(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let words: Vec<String> = words.map(without_query).collect();
    let line = words.join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Takes query, and user and password, out of a word that is a URL.
fn without_query(word: &str) -> String {
    let Some((scheme, rest)) = word.split_once("://") else { return word.to_owned() };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn foreign_texts_are_tamed() {
        let cases = [
            ("denied:  requested\r\naccess", "denied: requested access"),
            ("\u{1b}[31mred", "[31mred"),
            ("see https://x.example/a?sig=secret now", "see https://x.example/a now"),
            ("what? why", "what? why"),
            ("\"http://me:secret@x.example?a=b\"", "\"http://x.example"),
        ];
        for (text, expected) in cases {
            assert_eq!(shown(text), expected);
        }
        assert_eq!(shown(&"ä".repeat(300)), format!("{}…", "ä".repeat(200)));
    }
}
