//! Names that people give: of images and of containers.

use std::fmt;
use std::str::FromStr;

/// A name that an image or a container can't have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is no name for {what}: {rule}")]
pub struct NameError {
    name: String,
    what: &'static str,
    rule: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $valid:ident, $rule:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The name as it is written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                if $valid(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(NameError { name: text.to_owned(), what: $what, rule: $rule })
                }
            }
        }
    };
}

name! {
    /// The name of an image of the project: one or more path components of a repository
    /// (distribution specification, "Pulling manifests": lower case, `.`, `_`, `__` and `-` inside).
    ImageName, "an image", is_repository_path,
    "lower-case letters, digits, and `.`, `_`, `-` between them, components parted by `/`, at most 200 characters"
}
name! {
    /// The name of a container in a deploy manifest, unique in its project: an RFC 1123 label that is a host name too.
    ContainerName, "a container", is_host_label,
    "lower-case letters, digits and `-` between them, at most 40 characters"
}

name! {
    /// The name of a project: what its containers, networks and volumes on a host begin with. An RFC 1123 label.
    ProjectName, "a project", is_host_label,
    "lower-case letters, digits and `-` between them, at most 40 characters"
}

/// Whether the text can be the path of a repository (distribution specification, `<name>`).
pub(super) fn is_repository_path(text: &str) -> bool {
    text.len() <= 200 && text.split('/').all(is_component)
}

fn is_component(text: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let edges = text.starts_with(alphanumeric) && text.ends_with(alphanumeric);
    let separators = text.split(alphanumeric).filter(|s| !s.is_empty());
    edges && separators.into_iter().all(|s| matches!(s, "." | "_" | "__") || s.bytes().all(|b| b == b'-'))
}

fn is_host_label(text: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= 40
        && text.starts_with(alphanumeric)
        && text.ends_with(alphanumeric)
        && text.chars().all(|c| alphanumeric(c) || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_names_are_repository_paths() {
        for good in ["a", "base", "team/api", "a-b", "a--b", "a__b", "a.b", "py3.12"] {
            assert!(good.parse::<ImageName>().is_ok(), "{good}");
        }
        for bad in ["", "A", "-a", "a-", "a..b", "a___b", "a/", "/a", "a b", "a:b", "ä", "../a"] {
            assert!(bad.parse::<ImageName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn container_names_are_host_labels() {
        for good in ["web", "web-1", "1"] {
            assert!(good.parse::<ContainerName>().is_ok(), "{good}");
        }
        for bad in ["", "Web", "-web", "web-", "we_b", "we.b", "web/1", &"a".repeat(41)] {
            assert!(bad.parse::<ContainerName>().is_err(), "{bad}");
        }
    }
}
