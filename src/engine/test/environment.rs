//! The environment of a test's containers, and what `$NAME` stands for in it.

use crate::model::Environment;

/// The variables of an image's configuration: `NAME=value` each.
pub(in crate::engine) fn of_image(variables: &[String]) -> Environment {
    let pair = |variable: &String| {
        let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
        (name.to_owned(), value.to_owned())
    };
    variables.iter().map(pair).collect()
}

/// Lays variables over others. A value refers to what is below it, never to its neighbours, whose order is nobody's.
pub(in crate::engine) fn lay_over(below: &Environment, variables: &Environment) -> Environment {
    let mut all = below.clone();
    all.extend(variables.iter().map(|(name, value)| (name.clone(), expand(value, below))));
    all
}

/// Replaces `$NAME` and `${NAME}` by their values, by nothing where there is none (Go's `os.Expand`, which
/// container-structure-test calls): `$` and one of `*#$@!?-0-9` is a name too, `${}` and `${` without an end vanish,
/// a `$` before anything else stays.
pub(in crate::engine) fn expand(text: &str, environment: &Environment) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        let (name, behind) = split_name(after);
        match name {
            Name::Variable(name) => expanded.push_str(environment.get(name).map_or("", String::as_str)),
            Name::Bad => {}
            Name::None => expanded.push('$'),
        }
        rest = behind;
    }
    expanded.push_str(rest);
    expanded
}

enum Name<'a> {
    Variable(&'a str),
    Bad,
    None,
}

/// The name behind a `$`, and what follows it.
fn split_name(text: &str) -> (Name<'_>, &str) {
    let is_special = |c: char| "*#$@!?-0123456789".contains(c);
    if let Some(braced) = text.strip_prefix('{') {
        return match braced.split_once('}') {
            Some((name, behind)) if !name.is_empty() => (Name::Variable(name), behind),
            Some((_, behind)) => (Name::Bad, behind),
            None => (Name::Bad, braced),
        };
    }
    let length = match text.chars().next() {
        Some(c) if is_special(c) => 1,
        _ => text.find(|c: char| c != '_' && !c.is_ascii_alphanumeric()).unwrap_or(text.len()),
    };
    let (name, behind) = text.split_at(length);
    (if name.is_empty() { Name::None } else { Name::Variable(name) }, behind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_stand_for_their_values() {
        let environment = of_image(&["A=1".into(), "B_2=two=2".into(), "EMPTY".into(), "ä=x".into()]);
        for (text, expanded) in [
            ("", ""),
            ("plain", "plain"),
            ("$A", "1"),
            ("${A}b$A-$B_2", "1b1-two=2"),
            ("$AB", ""),
            ("$NONE|$EMPTY", "|"),
            ("100$", "100$"),
            ("a$ b", "a$ b"),
            ("$.x", "$.x"),
            ("$$A", "A"),
            ("$1x$?", "x"),
            ("${}x", "x"),
            ("${A", "A"),
            ("$ä${ä}", "$äx"),
            ("${a b}", ""),
        ] {
            assert_eq!(expand(text, &environment), expanded, "{text}");
        }
    }

    #[test]
    fn values_refer_to_what_is_below() {
        let below = of_image(&["PATH=/bin".into()]);
        let over = [("PATH", "/x:$PATH"), ("Y", "$PATH"), ("Z", "$Y")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        let all = lay_over(&below, &over.into());
        let all: Vec<_> = all.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(all, ["PATH=/x:/bin", "Y=/bin", "Z="]);
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in r"[$\{\}A*?ä x1_-]{0,16}") {
            expand(&text, &Environment::new());
        }
    }
}
