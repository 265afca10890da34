//! Lists of patterns of which the last that matches decides: `.dockerignore`, `--exclude`, the paths of `--parents`
//! (moby/patternmatcher, `MatchesUsingParentResults`).

use super::glob::Glob;
use super::path::clean;

/// Patterns in order, each an exception if it begins with `!`.
#[derive(Debug, Clone, Default)]
pub struct PathPatterns(Vec<Rule>);

#[derive(Debug, Clone)]
struct Rule {
    glob: Glob,
    /// Begins with `!`: what it matches is taken back.
    exception: bool,
}

/// Which patterns matched the folder that a path lies in, or a folder above it.
#[derive(Debug, Clone, Default)]
pub struct MatchedAbove(Vec<bool>);

impl PathPatterns {
    /// Adds a pattern, `.` and doubled slashes cleaned away. An empty one is none.
    ///
    /// # Errors
    /// What is wrong with a pattern that no engine takes.
    pub fn push(&mut self, pattern: &str) -> Result<(), String> {
        let pattern = pattern.trim();
        let (exception, pattern) = match pattern.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, pattern),
        };
        match (exception, pattern) {
            (true, "") => return Err("nothing follows its `!`".to_owned()),
            (false, "") => return Ok(()),
            _ => {}
        }
        self.0.push(Rule { glob: Glob::new(&clean(pattern))?, exception });
        Ok(())
    }

    /// Whether there is no pattern.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a path is matched; `above` tells of the folder that it lies in.
    pub fn matches(&self, path: &str, above: &MatchedAbove) -> bool {
        self.decide(path, above, |_| ())
    }

    /// Whether a path or a folder above it is matched, and no later pattern takes it back.
    pub fn matches_from_the_root(&self, path: &str) -> bool {
        let folders = path.match_indices('/').map(|(end, _)| &path[..end]);
        let above = folders.fold(MatchedAbove::default(), |above, folder| self.matches_folder(folder, &above).1);
        self.matches(path, &above)
    }

    /// The same as [`Self::matches`] for a folder, with what is to be told of it to everything in it.
    pub fn matches_folder(&self, path: &str, above: &MatchedAbove) -> (bool, MatchedAbove) {
        let mut matched = Vec::with_capacity(self.0.len());
        let matches = self.decide(path, above, |this_does| matched.push(this_does));
        (matches, MatchedAbove(matched))
    }

    /// Whether something below a matched folder may not be matched after all.
    pub fn has_exceptions_below(&self, folder: &str) -> bool {
        self.0.iter().any(|rule| rule.exception && rule.glob.may_match_below(folder))
    }

    fn decide(&self, path: &str, above: &MatchedAbove, mut tell: impl FnMut(bool)) -> bool {
        let mut decided = false;
        for (i, rule) in self.0.iter().enumerate() {
            let inherited = above.0.get(i).is_some_and(|matched| *matched);
            // A pattern that could not change the verdict is not asked, and so not inherited either: the engines
            // do the same, and it shows in patterns such as `a/b/c` before `!a/b`.
            let matches = inherited || (rule.exception == decided && rule.glob.is_match(path));
            tell(matches);
            if matches {
                decided = !rule.exception;
            }
        }
        decided
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_that_no_engine_takes_is_refused() {
        let mut patterns = PathPatterns::default();
        assert!(patterns.push("!").is_err() && patterns.push("[").is_err() && patterns.push("a\\").is_err());
        assert_eq!(patterns.push(" "), Ok(()));
        assert!(patterns.is_empty());
    }
}
