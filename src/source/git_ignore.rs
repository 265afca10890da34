//! Which entries of a work tree `.gitignore` files hide (gitignore(5)).

use std::path::Path;
use std::sync::Arc;

use ignore::gitignore::Gitignore;

/// The `.gitignore` files that hold in a folder, the nearest first.
#[derive(Clone, Default)]
pub(super) struct Rules(Option<Arc<Nearest>>);

struct Nearest {
    patterns: Gitignore,
    above: Rules,
}

impl Rules {
    /// Those of the folders above a root, up to that of its repository; outside git there are none, as any above would
    /// be somebody else's.
    pub(super) fn above(root: &Path) -> Self {
        let is_repository = |folder: &Path| folder.join(".git").exists();
        let mut folders: Vec<&Path> = Vec::new();
        for folder in root.ancestors() {
            if folder != root {
                folders.push(folder);
            }
            if is_repository(folder) {
                return folders.iter().rev().fold(Self::default(), |rules, folder| rules.with_file_of(folder));
            }
        }
        Self::default()
    }

    /// The same with the `.gitignore` of a folder, where it has one.
    pub(super) fn with_file_of(self, folder: &Path) -> Self {
        // A line that is no pattern hides nothing, as with git.
        let (patterns, _wrong_lines) = Gitignore::new(folder.join(".gitignore"));
        if patterns.is_empty() { self } else { Self(Some(Arc::new(Nearest { patterns, above: self }))) }
    }

    /// Whether they hide what an absolute path names.
    pub(super) fn hide(&self, path: &Path, is_folder: bool) -> bool {
        let mut rules = self;
        while let Some(nearest) = &rules.0 {
            let matched = nearest.patterns.matched(path, is_folder);
            if !matched.is_none() {
                return matched.is_ignore();
            }
            rules = &nearest.above;
        }
        false
    }
}
