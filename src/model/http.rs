//! Files that are fetched over HTTP, by their address.

use std::fmt;
use std::str::FromStr;

/// The address of a file on a web server, without credentials.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HttpUrl(String);

/// A text that is the address of no such file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HttpUrlError {
    /// It begins otherwise, has no host, or holds what no address does.
    #[error("no address such as `https://host/file`")]
    NotHttp,
    /// It is that of a git repository, as builders tell them apart.
    #[error("the address of a git repository")]
    Git,
    /// It holds a user's name or a password.
    #[error("credentials are in the address")]
    Credentials,
}

impl HttpUrl {
    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address without its query, which may be nobody's business.
    pub fn without_query(&self) -> &str {
        self.0.split(['?', '#']).next().unwrap_or_default()
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for HttpUrl {
    type Err = HttpUrlError;

    fn from_str(text: &str) -> Result<Self, HttpUrlError> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let rest = rest.filter(|rest| rest.chars().all(|c| !c.is_whitespace() && !c.is_control()));
        let rest = rest.ok_or(HttpUrlError::NotHttp)?;
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(HttpUrlError::Credentials);
        }
        if authority.is_empty() {
            return Err(HttpUrlError::NotHttp);
        }
        // Over HTTP a repository is one whose path ends so (moby/buildkit, `util/gitutil`).
        if path.split(['?', '#']).next().is_some_and(|path| path.ends_with(".git")) {
            return Err(HttpUrlError::Git);
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_files_are_told_from_others() {
        for (text, expected) in [
            ("https://example.org/tool.tar.gz", None),
            ("http://localhost:8080", None),
            ("https://example.org/a.git/file", None),
            ("https://example.org/?x=a@b", None),
            ("https://example.org/a.git", Some(HttpUrlError::Git)),
            ("https://example.org/a.git#main:docs", Some(HttpUrlError::Git)),
            ("https://me:secret@example.org/tool", Some(HttpUrlError::Credentials)),
            ("https:///tool", Some(HttpUrlError::NotHttp)),
            ("https://example.org/a b", Some(HttpUrlError::NotHttp)),
            ("ftp://example.org/tool", Some(HttpUrlError::NotHttp)),
            ("git@example.org:a", Some(HttpUrlError::NotHttp)),
        ] {
            assert_eq!(text.parse::<HttpUrl>().err(), expected, "{text}");
        }
        let url: HttpUrl = "https://example.org/tool?token=1".parse().unwrap();
        assert_eq!(url.without_query(), "https://example.org/tool");
    }
}
