//! Image references, in Docker's grammar and with Docker's defaults (distribution `reference` package,
//! "normalized named").

use std::fmt;
use std::str::FromStr;

use super::name::is_repository_path;
use super::{Digest, ImageDigest, ImageName};

/// A text that names no image, repository or tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {what}: {why}")]
pub struct ReferenceError {
    text: String,
    what: &'static str,
    why: &'static str,
}

/// A repository of a registry: `docker.io/library/debian` written out, whatever short form it was given in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Repository {
    registry: String,
    path: String,
}

const DOCKER_HUB: &str = "docker.io";
const OFFICIAL: &str = "library/";

impl Repository {
    /// The registry's host and port: `docker.io`, `127.0.0.1:5000`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The path below the registry, written out: `library/debian`, `acme/api`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The reference to one tag of the repository.
    pub fn with_tag(&self, tag: &Tag) -> Reference {
        Reference { repository: self.clone(), tag: Some(tag.clone()), digest: None }
    }

    /// The reference to one manifest of the repository.
    pub fn with_digest(&self, digest: ImageDigest) -> Reference {
        Reference { repository: self.clone(), tag: None, digest: Some(digest) }
    }
}

impl FromStr for Repository {
    type Err = ReferenceError;

    /// Reads a repository without tag and digest; a first component without `.` and `:` that is not `localhost`
    /// belongs to the path on Docker Hub.
    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let refuse = |why| ReferenceError { text: text.to_owned(), what: "repository", why };
        let (registry, path) = match text.split_once('/') {
            Some((host, path)) if host.contains(['.', ':']) || host == "localhost" || host != host.to_lowercase() => {
                (host, path.to_owned())
            }
            _ => (DOCKER_HUB, text.to_owned()),
        };
        let registry = if registry == "index.docker.io" { DOCKER_HUB } else { registry };
        if !is_registry(registry) {
            return Err(refuse("the registry is no host name with an optional port"));
        }
        let path = if registry == DOCKER_HUB && !path.contains('/') { format!("{OFFICIAL}{path}") } else { path };
        if path.chars().any(char::is_uppercase) {
            return Err(refuse("a repository is written in lower case"));
        }
        if !is_repository_path(&path) {
            return Err(refuse("a repository is lower-case letters, digits, and `.`, `_`, `-` between them"));
        }
        Ok(Self { registry: registry.to_owned(), path })
    }
}

impl fmt::Display for Repository {
    /// Docker's familiar form: Docker Hub and its `library/` are left away.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.registry == DOCKER_HUB {
            f.write_str(self.path.strip_prefix(OFFICIAL).unwrap_or(&self.path))
        } else {
            write!(f, "{}/{}", self.registry, self.path)
        }
    }
}

/// What stands before the names of a project's images: `ghcr.io/acme`, `127.0.0.1:5000`, `acme` on Docker Hub.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RepositoryPrefix(String);

impl RepositoryPrefix {
    /// The prefix as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The repository of an image below the prefix; refused where both together are longer than a repository may
    /// be.
    pub fn repository(&self, image: &ImageName) -> Result<Repository, ReferenceError> {
        format!("{}/{image}", self.0).parse()
    }

    /// The image that a repository below the prefix belongs to, whichever way the repository was written.
    pub fn image_of(&self, repository: &Repository) -> Option<ImageName> {
        // A repository always has a path, the prefix alone may have none: compare with one component added.
        let probe: Repository = format!("{}/x", self.0).parse().ok()?;
        let below = repository.path.strip_prefix(probe.path.strip_suffix('x')?)?;
        if repository.registry == probe.registry { below.parse().ok() } else { None }
    }
}

impl FromStr for RepositoryPrefix {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        match format!("{text}/x").parse::<Repository>() {
            Ok(_) if matches!(text, DOCKER_HUB | "index.docker.io") => Err(ReferenceError {
                text: text.to_owned(),
                what: "registry",
                why: "on Docker Hub it needs a user or an organisation",
            }),
            Ok(_) => Ok(Self(text.to_owned())),
            Err(error) => Err(ReferenceError { text: text.to_owned(), what: "registry", why: error.why }),
        }
    }
}

impl fmt::Display for RepositoryPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The tag of a reference (distribution specification: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag(String);

impl Tag {
    /// The tag as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Tag {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let valid = (1..=128).contains(&text.len())
            && text.bytes().next().is_some_and(word)
            && text.bytes().all(|b| word(b) || matches!(b, b'.' | b'-'));
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(ReferenceError {
                text: text.to_owned(),
                what: "tag",
                why: "a tag is letters, digits, `_`, `.` and `-`, at most 128 characters",
            })
        }
    }
}

/// A reference to an image: a repository with a tag, a digest, both or neither (then `latest` is meant).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    repository: Repository,
    tag: Option<Tag>,
    digest: Option<ImageDigest>,
}

impl Reference {
    /// The repository, written out.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The tag that is written, if one is.
    pub fn tag(&self) -> Option<&Tag> {
        self.tag.as_ref()
    }

    /// The tag that Docker takes: the written one, or `latest` where there is neither tag nor digest.
    pub fn tag_or_latest(&self) -> Option<&str> {
        match (&self.tag, &self.digest) {
            (Some(tag), _) => Some(tag.as_str()),
            (None, None) => Some("latest"),
            (None, Some(_)) => None,
        }
    }

    /// The digest that is written, if one is.
    pub fn digest(&self) -> Option<ImageDigest> {
        self.digest
    }

    /// The same without its tag, where a digest is written: what engines call an image that was pulled by it.
    pub fn by_digest(&self) -> Option<Self> {
        self.digest.map(|digest| self.repository.with_digest(digest))
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let refuse = |why| ReferenceError { text: text.to_owned(), what: "image reference", why };
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                let digest: Digest = digest.parse().map_err(|_| refuse("what follows `@` is no sha256 digest"))?;
                (rest, Some(ImageDigest::new(digest)))
            }
            None => (text, None),
        };
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag.parse::<Tag>().map_err(|e| refuse(e.why))?)),
            _ => (rest, None),
        };
        let repository = name.parse::<Repository>().map_err(|e| refuse(e.why))?;
        Ok(Self { repository, tag, digest })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        self.digest.map_or(Ok(()), |digest| write!(f, "@{digest}"))
    }
}

fn is_registry(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    };
    let port_is_good = port.is_none_or(|p| p.parse::<u16>().is_ok());
    let label = |l: &str| {
        !l.is_empty()
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let bracketed = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let host_is_good = match bracketed {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.split('.').all(label),
    };
    port_is_good && host_is_good
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, registry: &str, path: &str, tag: Option<&str>) {
        let reference: Reference = text.parse().unwrap();
        assert_eq!(reference.repository().registry(), registry, "{text}");
        assert_eq!(reference.repository().path(), path, "{text}");
        assert_eq!(reference.tag().map(Tag::as_str), tag, "{text}");
    }

    #[test]
    fn docker_defaults_are_written_out() {
        check("debian", "docker.io", "library/debian", None);
        check("debian:12", "docker.io", "library/debian", Some("12"));
        check("docker.io/debian", "docker.io", "library/debian", None);
        check("index.docker.io/acme/api:1", "docker.io", "acme/api", Some("1"));
        check("acme/api", "docker.io", "acme/api", None);
        check("localhost/api", "localhost", "api", None);
        check("127.0.0.1:5000/a/b/c:x-1", "127.0.0.1:5000", "a/b/c", Some("x-1"));
        check("[::1]:5000/a", "[::1]:5000", "a", None);
        check(&format!("a.b/c:d@sha256:{}", "0".repeat(64)), "a.b", "c", Some("d"));
    }

    #[test]
    fn references_are_shown_in_the_familiar_form() {
        for text in ["debian", "debian:12", "acme/api:1", "ghcr.io/acme/api"] {
            assert_eq!(text.parse::<Reference>().unwrap().to_string(), text);
        }
        assert_eq!("docker.io/library/debian:12".parse::<Reference>().unwrap().to_string(), "debian:12");
    }

    #[test]
    fn images_have_repositories_below_a_prefix() {
        for (prefix, repository) in [
            ("ghcr.io/acme", "ghcr.io/acme/team/api"),
            ("127.0.0.1:5000", "127.0.0.1:5000/team/api"),
            ("acme", "docker.io/acme/team/api"),
            ("docker.io/acme", "acme/team/api"),
        ] {
            let image = "team/api".parse::<ImageName>().unwrap();
            let prefix = prefix.parse::<RepositoryPrefix>().unwrap();
            let repository = repository.parse::<Repository>().unwrap();
            assert_eq!(prefix.repository(&image).unwrap(), repository);
            assert_eq!(prefix.image_of(&repository), Some(image));
            for other in ["ghcr.io/acme2/team/api", "ghcr.io/team/api", "debian", "other/api"] {
                assert_eq!(prefix.image_of(&other.parse().unwrap()), None, "{prefix} {other}");
            }
        }
        for bad in [
            "",
            "/",
            "a/",
            "https://ghcr.io/acme",
            "ghcr.io/Acme",
            "ghcr.io/acme:1",
            "a b",
            "ghcr.io/acme@x",
            "docker.io",
        ] {
            assert!(bad.parse::<RepositoryPrefix>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_docker_refuses_is_refused() {
        for text in
            ["", ":", "a:", "A", "a b", "a@sha256:1", "a//b", "a/:b", "-/a", "a:b c", "host.:x/a", "${x}", "a:1:2"]
        {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
    }
}
