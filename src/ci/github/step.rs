//! The files through which a step of a job tells its results.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// A step of a job, as its environment describes it (GitHub Actions, "Default environment variables"). Outside of a
/// job nothing is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Step {
    output: Option<PathBuf>,
    summary: Option<PathBuf>,
}

impl Step {
    /// The step of an environment, in which `variable` looks up what is set.
    pub fn new<'a>(variable: impl Fn(&str) -> Option<&'a str>) -> Self {
        let path = |name| variable(name).map(PathBuf::from);
        Self { output: path("GITHUB_OUTPUT"), summary: path("GITHUB_STEP_SUMMARY") }
    }

    /// Sets an output, which later steps read.
    ///
    /// # Errors
    /// When the file that GitHub named can't be written.
    pub fn set_output(&self, name: &str, value: &str) -> anyhow::Result<()> {
        self.output.as_ref().map_or(Ok(()), |path| {
            append(path, &entry(name, value)).with_context(|| format!("setting the output `{name}`"))
        })
    }

    /// Adds Markdown to what the job's page shows.
    ///
    /// # Errors
    /// When the file that GitHub named can't be written.
    pub fn add_summary(&self, markdown: &str) -> anyhow::Result<()> {
        self.summary.as_ref().map_or(Ok(()), |path| append(path, markdown).context("adding to the summary of the step"))
    }
}

fn append(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().append(true).create(true).open(path)?.write_all(text.as_bytes())
}

/// One output in the form that takes any value, lines included (GitHub Actions, "Workflow commands", "Multiline
/// strings"). No line of the value can end it early, whoever chose the value.
fn entry(name: &str, value: &str) -> String {
    let mut delimiter = "windlass".to_owned();
    while value.lines().any(|line| line == delimiter) {
        delimiter.push('_');
    }
    format!("{name}<<{delimiter}\n{value}\n{delimiter}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn no_value_ends_its_output_early() {
        expect![[r#"
            plan<<windlass__
            a
            windlass
            windlass_
            evil=1

            windlass__
        "#]]
        .assert_eq(&entry("plan", "a\nwindlass\nwindlass_\nevil=1\n"));
    }

    #[test]
    fn outputs_add_up_and_outside_of_a_job_there_are_none() {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let path = folder.path().join("output");
        let text = path.to_str().expect("the folder's name is plain").to_owned();
        let step = Step::new(|name| (name == "GITHUB_OUTPUT").then_some(text.as_str()));
        step.set_output("a", "1").expect("the folder is writable");
        step.set_output("b", "").expect("the folder is writable");
        step.add_summary("# Lost").expect("nothing is written");
        let written = std::fs::read_to_string(&path).expect("it was written");
        assert_eq!(written, "a<<windlass\n1\nwindlass\nb<<windlass\n\nwindlass\n");
    }
}
