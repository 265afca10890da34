//! What is kept in git, by name: remotes, refs and commits.

use std::fmt;
use std::str::FromStr;

use super::TreePath;

/// A text that names nothing in git.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {what}: {why}")]
pub struct GitNameError {
    text: String,
    what: &'static str,
    why: &'static str,
}

/// The address of a repository: `https://…`, `http://…`, `ssh://…`, `git://…`, `file://…` or `user@host:path`. No other
/// form is taken: git runs programs for some.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GitRemote(String);

const SCHEMES: [&str; 5] = ["https", "http", "ssh", "git", "file"];

impl GitRemote {
    /// The address as git needs it, credentials included: for git alone, never to be shown.
    pub fn url(&self) -> &str {
        &self.0
    }

    /// The same repository without whatever may be secret of its address: what is shown, stored and compared.
    #[must_use]
    pub fn without_credentials(&self) -> Self {
        let Some((scheme, rest)) = self.0.split_once("://") else { return self.clone() };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let Some((user, host)) = authority.rsplit_once('@') else { return self.clone() };
        let user = match scheme {
            // The name is a part of the address; over HTTP, it may be a token.
            "ssh" => user.split_once(':').map_or(user, |(name, _password)| name),
            _ => "",
        };
        let at = if user.is_empty() { "" } else { "@" };
        Self(format!("{scheme}://{user}{at}{host}{path}"))
    }

    /// The credentials in the address, as they are written there.
    pub fn credentials(&self) -> Option<&str> {
        let (_, rest) = self.0.split_once("://")?;
        let authority = &rest[..rest.find('/').unwrap_or(rest.len())];
        authority.rsplit_once('@').map(|(credentials, _)| credentials)
    }

    /// Whether something in the address may be secret.
    pub fn has_credentials(&self) -> bool {
        self.without_credentials() != *self
    }

    /// Whether the repository is on this machine.
    pub fn is_file(&self) -> bool {
        self.0.starts_with("file://")
    }

    /// The repository's own name: the last part of its path, without `.git`.
    pub fn name(&self) -> &str {
        let last = self.0.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default();
        last.strip_suffix(".git").unwrap_or(last)
    }
}

impl fmt::Display for GitRemote {
    /// Without credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.without_credentials().0)
    }
}

impl fmt::Debug for GitRemote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for GitRemote {
    type Err = GitNameError;

    fn from_str(text: &str) -> Result<Self, GitNameError> {
        let remote = Self(text.to_owned());
        // The text may hold credentials where it is wrong elsewhere, too.
        let refuse = |why| GitNameError { text: remote.to_string(), what: "address of a git repository", why };
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(refuse("it holds white space"));
        }
        if text.contains(['#', '?']) {
            return Err(refuse("neither `#` nor `?` belongs to it, and a ref is written under `ref`"));
        }
        let forms = "expected `https://…`, `ssh://…`, `file:///…` or `user@host:path`";
        let is_host = |host: &str| !host.is_empty() && !host.starts_with('-');
        let valid = match text.split_once("://") {
            Some(("file", path)) => path.starts_with('/') && path.len() > 1,
            Some((scheme, rest)) => {
                let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
                let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
                SCHEMES.contains(&scheme) && is_host(host) && !path.is_empty()
            }
            None => text.split_once(':').is_some_and(|(host, path)| {
                let is_plain = !host.contains('/') && !path.starts_with(':') && !path.starts_with('-');
                let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
                is_plain && is_host(host) && !path.is_empty() && !text.starts_with('-')
            }),
        };
        if valid { Ok(remote) } else { Err(refuse(forms)) }
    }
}

/// What is built of a repository, by name: a branch, a tag, a full `refs/…`, `HEAD`, or a whole commit id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GitRef(String);

impl GitRef {
    /// The branch that the repository itself prefers.
    pub fn head() -> Self {
        Self("HEAD".to_owned())
    }

    /// The name as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The commit, where the name is one's id: then it can't move.
    pub fn commit(&self) -> Option<GitCommit> {
        self.0.to_ascii_lowercase().parse().ok()
    }
}

impl fmt::Display for GitRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for GitRef {
    type Err = GitNameError;

    /// Takes what `git check-ref-format --allow-onelevel` does, and no name that looks like an option.
    fn from_str(text: &str) -> Result<Self, GitNameError> {
        let refuse = |why| GitNameError { text: text.to_owned(), what: "ref", why };
        if text.is_empty() {
            return Err(refuse("it is empty"));
        }
        let odd = |c: char| c.is_control() || matches!(c, ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\');
        let is_component = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
        let valid = !text.contains(odd)
            && !text.contains("..")
            && !text.contains("@{")
            && text != "@"
            && !text.starts_with('-')
            && !text.ends_with('.')
            && text.split('/').all(is_component);
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(refuse("expected the name of a branch or tag, `refs/…`, or the 40 digits of a commit"))
        }
    }
}

/// What `ADD` takes of a repository: `https://host/repository.git#ref:folder`, where ref and folder may be left out
/// (BuildKit, `gitutil.ParseGitRef`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitAddress {
    /// The repository.
    pub remote: GitRemote,
    /// Which commit of it; without one, what the repository itself prefers.
    pub reference: GitRef,
    /// Which folder of that; none means all of it.
    pub path: Option<TreePath>,
}

impl GitAddress {
    /// The name that may come to mean another commit; none for a commit itself.
    pub fn pin(&self) -> Option<GitPin> {
        self.reference.commit().is_none().then(|| GitPin::new(&self.remote, &self.reference))
    }

    /// The same folder of the same repository at a commit, as `ADD` takes it; with the credentials that are in it.
    pub fn at(&self, commit: &GitCommit) -> String {
        let path = self.path.as_ref().map(|path| format!(":{path}")).unwrap_or_default();
        format!("{}#{commit}{path}", self.remote.url())
    }
}

impl FromStr for GitAddress {
    type Err = GitNameError;

    fn from_str(text: &str) -> Result<Self, GitNameError> {
        let (remote, fragment) = text.split_once('#').unwrap_or((text, ""));
        let (reference, path) = fragment.split_once(':').unwrap_or((fragment, ""));
        let path = path.trim_matches('/').trim_start_matches("./");
        let no_folder = |_| GitNameError {
            text: path.to_owned(),
            what: "folder of a git repository",
            why: "expected a path in it",
        };
        Ok(Self {
            remote: remote.parse()?,
            reference: if reference.is_empty() { GitRef::head() } else { reference.parse()? },
            path: if matches!(path, "" | ".") { None } else { Some(path.parse().map_err(no_folder)?) },
        })
    }
}

/// The id of a commit: 40 lower-case hex digits, or 64 where the repository uses sha256.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GitCommit(String);

impl GitCommit {
    /// All digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl fmt::Display for GitCommit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for GitCommit {
    type Err = GitNameError;

    fn from_str(text: &str) -> Result<Self, GitNameError> {
        let is_hex = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if matches!(text.len(), 40 | 64) && is_hex {
            Ok(Self(text.to_owned()))
        } else {
            let why = "expected 40 lower-case hex digits, or 64";
            Err(GitNameError { text: text.to_owned(), what: "commit", why })
        }
    }
}

/// A name in a repository that may come to mean another commit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GitPin {
    remote: GitRemote,
    reference: GitRef,
}

impl GitPin {
    /// The name in the repository, whoever asks for it.
    pub fn new(remote: &GitRemote, reference: &GitRef) -> Self {
        Self { remote: remote.without_credentials(), reference: reference.clone() }
    }

    /// The repository.
    pub fn remote(&self) -> &GitRemote {
        &self.remote
    }

    /// The name in it.
    pub fn reference(&self) -> &GitRef {
        &self.reference
    }
}

impl fmt::Display for GitPin {
    /// `https://host/repository.git#v1.2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}#{}", self.remote, self.reference))
    }
}

impl FromStr for GitPin {
    type Err = GitNameError;

    fn from_str(text: &str) -> Result<Self, GitNameError> {
        let refuse = || GitNameError {
            text: text.to_owned(),
            what: "ref of a repository",
            why: "expected its address, `#` and the ref",
        };
        let (remote, reference) = text.split_once('#').ok_or_else(refuse)?;
        Ok(Self::new(&remote.parse()?, &reference.parse()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remotes_are_shown_without_what_may_be_secret() {
        for (text, shown, name) in [
            ("https://host/a/b.git", "https://host/a/b.git", "b"),
            ("https://me:pass@host:8443/a/b/", "https://host:8443/a/b/", "b"),
            ("https://token@host/b", "https://host/b", "b"),
            ("https://a:b@c@host/b", "https://host/b", "b"),
            ("ssh://git:pass@host:22/a/b.git", "ssh://git@host:22/a/b.git", "b"),
            ("git@host:a/b.git", "git@host:a/b.git", "b"),
            ("host:b", "host:b", "b"),
            ("git://host/b", "git://host/b", "b"),
            ("file:///srv/b.git", "file:///srv/b.git", "b"),
        ] {
            let remote: GitRemote = text.parse().unwrap();
            assert_eq!((remote.to_string().as_str(), remote.url(), remote.name()), (shown, text, name));
            assert_eq!(format!("{remote:?}"), shown);
            assert_eq!(remote.without_credentials().without_credentials(), remote.without_credentials());
            assert_eq!(remote.has_credentials(), text != shown);
        }
    }

    #[test]
    fn what_git_would_run_or_misread_is_no_remote() {
        for text in [
            "",
            "ext::sh -c x",
            "ext::x",
            "fd::17",
            "-x",
            "--upload-pack=x",
            "host:-x",
            "-h:x",
            "ssh://-oProxyCommand=x/y",
            "ssh://git@-x/y",
            "https://",
            "https:///x",
            "https://host",
            "ftp://host/x",
            "file://host/x",
            "file:///",
            "/srv/b.git",
            "../b",
            "a b:c",
            "https://host/x#v1",
            "https://host/x?token=1",
        ] {
            assert!(text.parse::<GitRemote>().is_err(), "{text}");
        }
        let error = "https://me:pass@host/x#v1".parse::<GitRemote>().unwrap_err();
        assert!(!error.to_string().contains("pass"), "{error}");
    }

    #[test]
    fn refs_are_names_and_commits_are_whole() {
        for text in ["v1.2", "feature/x", "refs/tags/v1", "HEAD", "a@b", "ä"] {
            assert_eq!(text.parse::<GitRef>().unwrap().commit(), None, "{text}");
        }
        let commit = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(commit.to_uppercase().parse::<GitRef>().unwrap().commit(), commit.parse().ok());
        for text in
            ["", "-x", "a b", "a..b", "a^", "a:b", "/a", "a/", "a//b", ".a", "a.lock", "a.", "@{u}", "@", "a\\b"]
        {
            assert!(text.parse::<GitRef>().is_err(), "{text}");
        }
        let pin: GitPin = "https://host/b#v1".parse().unwrap();
        assert_eq!(pin.to_string(), "https://host/b#v1");
        assert!("https://host/b".parse::<GitPin>().is_err());
    }

    #[test]
    fn an_address_names_a_folder_of_a_commit() {
        let read = |text: &str| match text.parse::<GitAddress>() {
            Ok(GitAddress { remote, reference, path }) => {
                format!("{remote} {reference} {}", path.map_or_else(|| ".".to_owned(), |path| path.to_string()))
            }
            Err(error) => error.to_string(),
        };
        for (text, expected) in [
            ("https://host/a.git", "https://host/a.git HEAD ."),
            ("https://host/a.git#v1", "https://host/a.git v1 ."),
            ("git@host:b/a.git#main:/docs/more/", "git@host:b/a.git main docs/more"),
            ("git://host/a#:docs", "git://host/a HEAD docs"),
            ("ssh://git@host/a#refs/tags/v1:.", "ssh://git@host/a refs/tags/v1 ."),
            ("https://host/a.git#v1:../up", "`../up` is no folder of a git repository: expected a path in it"),
            (
                "https://host/a.git#-x",
                "`-x` is no ref: expected the name of a branch or tag, `refs/…`, or the 40 digits of a commit",
            ),
        ] {
            assert_eq!(read(text), expected);
        }
    }
}
