//! File tests. They read the image's files through a container that is never started.

use super::{Findings, Tests, Trouble};
use crate::docker::archive::{self, Content};
use crate::docker::commands::lossy;
use crate::engine::test::{SEARCHED_AT_MOST, environment, existence, license_failures, report};
use crate::model::{FileContentTest, FileExistenceTest, LicenseTest};

impl Tests<'_> {
    pub(super) async fn file_content(
        &mut self,
        test: &FileContentTest,
        findings: &mut Findings,
    ) -> Result<(), Trouble> {
        let text = self.read(&test.path, findings).await?;
        findings.failures.extend(report::match_failures(&format!("`{}`", test.path), &text, &test.content));
        Ok(())
    }

    pub(super) async fn license(&mut self, test: &LicenseTest, findings: &mut Findings) -> Result<(), Trouble> {
        for path in &test.files {
            let text = match self.read(path, findings).await {
                Ok(text) => text,
                Err(Trouble::Test(failure)) => {
                    findings.failures.push(failure);
                    continue;
                }
                Err(trouble) => return Err(trouble),
            };
            findings.failures.extend(license_failures(path, &text));
        }
        Ok(())
    }

    pub(super) async fn file_existence(
        &mut self,
        test: &FileExistenceTest,
        findings: &mut Findings,
    ) -> Result<(), Trouble> {
        let FileExistenceTest { path, global_env, should_exist, .. } = test;
        let of_image = environment::of_image(self.config.env.as_deref().unwrap_or_default());
        let path = environment::expand(path, &environment::lay_over(&of_image, global_env));
        let container = self.files(findings).await?;
        let entry = match (archive::stat(self.docker, &container, &path).await?, should_exist) {
            (Some(entry), true) => entry,
            (None, false) => return Ok(()),
            (None, true) => return Err(Trouble::Test(format!("`{path}` does not exist"))),
            (Some(_), false) => return Err(Trouble::Test(format!("`{path}` exists, and may not"))),
        };
        findings.failures.extend(existence::failures(test, &path, &entry));
        Ok(())
    }

    async fn read(&mut self, path: &str, findings: &mut Findings) -> Result<String, Trouble> {
        let container = self.files(findings).await?;
        match archive::read(self.docker, &container, path, SEARCHED_AT_MOST).await? {
            Content::Bytes(bytes) => Ok(lossy(&bytes)),
            Content::Missing => Err(Trouble::Test(format!("`{path}` does not exist"))),
            Content::NoFile(mode) => Err(Trouble::Test(format!("`{path}` is no file: `{mode}`"))),
            Content::TooLarge(size) => Err(Trouble::Test(format!(
                "`{path}` has {size} bytes; {} MiB at most are searched",
                SEARCHED_AT_MOST >> 20
            ))),
        }
    }

    /// The container that files are read from.
    async fn files(&mut self, findings: &mut Findings) -> Result<String, Trouble> {
        self.limit(None)?;
        if self.files.is_none() {
            let mut body = self.container(&self.image.id.to_string());
            let commands = [&self.config.entrypoint, &self.config.cmd];
            if commands.into_iter().flatten().all(Vec::is_empty) {
                // An engine makes no container without a command, whether it is to run or not.
                body.cmd = Some(vec!["/not-run".to_owned()]);
            }
            self.files = Some(self.create(body).await?);
        }
        findings.container.clone_from(&self.files);
        Ok(self.files.clone().unwrap_or_default())
    }
}
