//! Paths of the project, as they are written in `windlass.yaml`.

use std::fmt;
use std::str::FromStr;

use crate::model::TreePath;

/// A text that names nothing below the project's root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no path of the project: {why}")]
pub struct ProjectPathError {
    text: String,
    why: &'static str,
}

/// The project's root or a path below it, written plainly: `./a//b/../c/` is `a/c`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProjectPath(Option<TreePath>);

impl ProjectPath {
    /// The root itself.
    pub const ROOT: Self = Self(None);

    /// The path as it is shown: `.` for the root.
    pub fn as_str(&self) -> &str {
        self.0.as_ref().map_or(".", TreePath::as_str)
    }

    /// The path below the root; none for the root itself.
    pub fn below_root(&self) -> Option<&TreePath> {
        self.0.as_ref()
    }

    /// What `text` names as seen from this folder.
    pub fn join(&self, text: &str) -> Result<Self, ProjectPathError> {
        let refuse = |why| ProjectPathError { text: text.to_owned(), why };
        if text.is_empty() {
            return Err(refuse("it is empty"));
        }
        if text.starts_with('/') {
            return Err(refuse("it is absolute, and must be relative to stay valid on another machine"));
        }
        if text.contains('\0') {
            return Err(refuse("it holds a NUL character"));
        }
        let mut components: Vec<&str> = self.0.iter().flat_map(|path| path.as_str().split('/')).collect();
        for component in text.split('/') {
            match component {
                "" | "." => {}
                ".." => {
                    components.pop().ok_or_else(|| refuse("it leads out of the project's root"))?;
                }
                name => components.push(name),
            }
        }
        if components.is_empty() {
            return Ok(Self::ROOT);
        }
        components.join("/").parse().map(|path| Self(Some(path))).map_err(|_| refuse("it is not written plainly"))
    }
}

impl ProjectPath {
    /// How the path is written as seen from a folder: what [`Self::join`] of the folder makes this path of.
    pub fn seen_from(&self, folder: &Self) -> String {
        fn components(path: &ProjectPath) -> Vec<&str> {
            path.0.iter().flat_map(|path| path.as_str().split('/')).collect()
        }
        let (here, there) = (components(folder), components(self));
        let n_shared = here.iter().zip(&there).take_while(|(one, other)| one == other).count();
        let up = here[n_shared..].iter().map(|_| "..");
        let path: Vec<&str> = up.chain(there[n_shared..].iter().copied()).collect();
        if path.is_empty() { ".".to_owned() } else { path.join("/") }
    }
}

impl From<TreePath> for ProjectPath {
    fn from(path: TreePath) -> Self {
        Self(Some(path))
    }
}

impl FromStr for ProjectPath {
    type Err = ProjectPathError;

    fn from_str(text: &str) -> Result<Self, ProjectPathError> {
        Self::ROOT.join(text)
    }
}

impl fmt::Display for ProjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_written_plainly() {
        for (text, plain) in [
            (".", "."),
            ("./", "."),
            ("a/..", "."),
            ("./a//b/../c/", "a/c"),
            ("a b", "a b"),
            (".github", ".github"),
            ("..a", "..a"),
        ] {
            assert_eq!(text.parse::<ProjectPath>().unwrap().as_str(), plain, "{text}");
        }
        for text in ["", "/", "/a", "..", "a/../..", "a\0"] {
            assert!(text.parse::<ProjectPath>().is_err(), "{text}");
        }
        let folder: ProjectPath = "services/api".parse().unwrap();
        assert_eq!(folder.join("../Dockerfile.api").unwrap().as_str(), "services/Dockerfile.api");
        assert!(folder.join("../../../x").is_err());
        for text in ["Dockerfile", ".", "..", "../Dockerfile.api", "../..", "../../base/x/Dockerfile"] {
            assert_eq!(folder.join(text).unwrap().seen_from(&folder), text);
        }
    }
}
