//! The refs of a repository elsewhere, as `git ls-remote` tells them, and which of them a name means.

use std::collections::BTreeMap;

use crate::diag::did_you_mean;
use crate::model::{GitCommit, GitRef};

/// The refs of a repository by their full names, tags taken for the commits that they stand for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RemoteRefs(BTreeMap<String, GitCommit>);

/// Why a name means no commit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefProblem {
    /// No ref has the name.
    #[error("the repository has no branch and no tag `{name}`")]
    Unknown {
        /// The name.
        name: GitRef,
        /// A name that is almost the same.
        meant: Option<String>,
    },
    /// A branch and a tag have the name.
    #[error("`{name}` is a branch and a tag of the repository")]
    Ambiguous {
        /// The name.
        name: GitRef,
    },
    /// The repository has no commit at all, or none that it prefers.
    #[error("the repository has no `HEAD`: it is empty, or its preferred branch does not exist")]
    NoHead,
}

impl RefProblem {
    /// What to write instead.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { meant: Some(meant), .. } => Some(format!("did you mean `{meant}`?")),
            Self::Unknown { name, meant: None } => {
                let is_short = name.as_str().len() >= 7 && name.as_str().bytes().all(|b| b.is_ascii_hexdigit());
                is_short.then(|| "a commit is written with all of its digits".to_owned())
            }
            Self::Ambiguous { name } => Some(format!("write `refs/tags/{name}` or `refs/heads/{name}`")),
            Self::NoHead => Some("name a branch or tag of it".to_owned()),
        }
    }
}

impl RemoteRefs {
    /// Reads what `git ls-remote` prints: a commit and a ref in a line; `^{}` behind a tag tells what it stands for.
    pub(super) fn parse(text: &str) -> Self {
        let lines = text.lines().filter_map(|line| line.split_once('\t'));
        let refs = lines.filter_map(|(commit, name)| Some((name, commit.parse::<GitCommit>().ok()?)));
        let mut found = BTreeMap::new();
        // A tag comes before what it stands for.
        for (name, commit) in refs {
            found.insert(name.strip_suffix("^{}").unwrap_or(name).to_owned(), commit);
        }
        Self(found)
    }

    /// The commit that a name means: of a short name, the branch or the tag.
    ///
    /// # Errors
    /// When it means none, or two.
    pub fn find(&self, name: &GitRef) -> Result<GitCommit, RefProblem> {
        if let Some(commit) = name.commit() {
            return Ok(commit);
        }
        let get = |full: String| self.0.get(&full).cloned();
        if name.as_str() == "HEAD" {
            return get("HEAD".to_owned()).ok_or(RefProblem::NoHead);
        }
        if name.as_str().starts_with("refs/") {
            return get(name.as_str().to_owned()).ok_or_else(|| self.unknown(name));
        }
        match (get(format!("refs/heads/{name}")), get(format!("refs/tags/{name}"))) {
            (Some(_), Some(_)) => Err(RefProblem::Ambiguous { name: name.clone() }),
            (Some(commit), None) | (None, Some(commit)) => Ok(commit),
            (None, None) => Err(self.unknown(name)),
        }
    }

    fn unknown(&self, name: &GitRef) -> RefProblem {
        let short = |full: &'_ str| {
            let short = full.strip_prefix("refs/heads/").or_else(|| full.strip_prefix("refs/tags/"));
            short.map(str::to_owned)
        };
        let names: Vec<String> = match name.as_str().starts_with("refs/") {
            true => self.0.keys().cloned().collect(),
            false => self.0.keys().filter_map(|full| short(full)).collect(),
        };
        let meant = did_you_mean(name.as_str(), names.iter().map(String::as_str)).map(str::to_owned);
        RefProblem::Unknown { name: name.clone(), meant }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_mean_branches_and_tags_and_what_tags_stand_for() {
        let commit = |digit: char| digit.to_string().repeat(40);
        let text = format!(
            "{}\tHEAD\n{}\trefs/heads/main\n{}\trefs/heads/both\n{}\trefs/tags/both\n{}\trefs/tags/v1\n{}\trefs/tags/v1^{{}}\n\
             nonsense\n{}\trefs/pull/7/head\n",
            commit('1'),
            commit('1'),
            commit('2'),
            commit('3'),
            commit('4'),
            commit('5'),
            commit('6')
        );
        let refs = RemoteRefs::parse(&text);
        let find = |name: &str| match refs.find(&name.parse().unwrap()) {
            Ok(commit) => commit.as_str()[..1].to_owned(),
            Err(problem) => format!("{problem}; {}", problem.hint().unwrap_or_default()),
        };
        for (name, found) in [
            ("HEAD", "1"),
            ("main", "1"),
            ("v1", "5"),
            ("refs/tags/v1", "5"),
            ("refs/tags/both", "3"),
            ("refs/heads/both", "2"),
            ("refs/pull/7/head", "6"),
            ("both", "`both` is a branch and a tag of the repository; write `refs/tags/both` or `refs/heads/both`"),
            ("mian", "the repository has no branch and no tag `mian`; did you mean `main`?"),
            (
                "0123abc",
                "the repository has no branch and no tag `0123abc`; a commit is written with all of its digits",
            ),
            ("refs/tags/v2", "the repository has no branch and no tag `refs/tags/v2`; did you mean `refs/tags/v1`?"),
            (&commit('9'), "9"),
        ] {
            assert_eq!(find(name), found, "{name}");
        }
        assert_eq!(RemoteRefs::parse("").find(&GitRef::head()), Err(RefProblem::NoHead));
    }
}
