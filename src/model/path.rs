//! Paths as texts, `/` between their components: nothing is looked at.

/// Whether a path lies below a folder. The empty folder is the root, below which everything lies.
pub fn is_below(path: &str, folder: &str) -> bool {
    folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// The names on a path as it is seen from a root, which `..` does not lead out of.
pub fn names<'a>(components: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for component in components {
        match component {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name.to_owned()),
        }
    }
    names
}

/// The path without `.`, `..` where something stands before it, and doubled or closing slashes (Go, `filepath.Clean`).
pub fn clean(path: &str) -> String {
    let mut cleaned: Vec<&str> = Vec::new();
    for component in path.split('/') {
        match component {
            "" | "." => {}
            ".." if cleaned.last().is_some_and(|last| *last != "..") => drop(cleaned.pop()),
            ".." if path.starts_with('/') => {}
            component => cleaned.push(component),
        }
    }
    let root = if path.starts_with('/') { "/" } else { "" };
    format!("{root}{}", cleaned.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_cleaned_and_roots_are_kept() {
        for (written, cleaned) in
            [("./a//b/", "a/b"), ("/a/../b", "/b"), ("../a", "../a"), ("a/./b/..", "a"), ("/..", "/")]
        {
            assert_eq!(clean(written), cleaned);
        }
    }
}
