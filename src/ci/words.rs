//! What jobs are called, and the commands that they run.

use crate::model::ImageName;
use crate::plan::Job;

/// How windlass was called for the plan: jobs call it so too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Invocation {
    /// What stands before the command: `-C` and `-f` with their values.
    pub global: Vec<String>,
    /// The words that chose images; none means all.
    pub images: Vec<String>,
    /// `--build-arg` with its values.
    pub build_args: Vec<String>,
}

impl Invocation {
    /// Builds what a job builds and pushes it, channels aside: those are moved once all is there.
    pub fn build(&self, job: &Job) -> String {
        let images: Vec<&str> = job.images.iter().map(ImageName::as_str).collect();
        self.command(&images, &["--push", "--no-promote"])
    }

    /// Finds everything in the registry, builds what no job did, moves the channels, and writes the manifest.
    pub fn promote(&self) -> String {
        let images: Vec<&str> = self.images.iter().map(String::as_str).collect();
        self.command(&images, &["--push"])
    }

    fn command(&self, images: &[&str], flags: &[&str]) -> String {
        let global = self.global.iter().map(String::as_str);
        let build_args = self.build_args.iter().map(String::as_str);
        let words = ["windlass"].into_iter().chain(global).chain(["build"]);
        let words = words.chain(images.iter().copied()).chain(flags.iter().copied()).chain(build_args);
        words.map(quoted).collect::<Vec<_>>().join(" ")
    }
}

/// The images of a job as words apart by spaces.
pub(super) fn images(job: &Job) -> String {
    job.images.iter().map(ImageName::as_str).collect::<Vec<_>>().join(" ")
}

/// A name that no other job has: the first image's, and how many there are besides.
pub(super) fn name(job: &Job) -> String {
    let first = job.images.first().expect("a job builds something");
    match job.images.len() - 1 {
        0 => first.to_string(),
        more => format!("{first} and {more} more"),
    }
}

/// A word as a POSIX shell reads it back.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._/:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_words_back() {
        let cases =
            [("api", "api"), ("", "''"), ("a b", "'a b'"), ("$HOME", "'$HOME'"), ("it's", r"'it'\''s'"), ("*", "'*'")];
        for (word, shown) in cases {
            assert_eq!(quoted(word), shown);
        }
    }
}
