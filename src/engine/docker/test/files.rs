//! File tests. They read the image's files through a container that is never started.

use super::{Findings, Tests, Trouble, environment, report};
use crate::docker::archive::{self, Content};
use crate::docker::commands::lossy;
use crate::model::{ExecutableBy, FileContentTest, FileExistenceTest, LicenseTest};

/// The largest file that is searched, in bytes. Arbitrary.
const SEARCHED_AT_MOST: usize = 64 << 20;

/// The licences that a licence test finds fault with (container-structure-test, `pkg/types/v2/licenses.go`).
const LICENSES: [&str; 2] = ["AGPL", "WTFPL"];

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
                Ok(text) => text.to_uppercase(),
                Err(Trouble::Test(failure)) => {
                    findings.failures.push(failure);
                    continue;
                }
                Err(trouble) => return Err(trouble),
            };
            let named = LICENSES.iter().filter(|license| text.contains(**license));
            findings.failures.extend(named.map(|license| format!("`{path}` names {license}")));
        }
        Ok(())
    }

    pub(super) async fn file_existence(
        &mut self,
        test: &FileExistenceTest,
        findings: &mut Findings,
    ) -> Result<(), Trouble> {
        let FileExistenceTest { name: _, path, global_env, should_exist, permissions, uid, gid, executable_by } = test;
        let of_image = environment::of_image(self.config.env.as_deref().unwrap_or_default());
        let path = environment::expand(path, &environment::lay_over(&of_image, global_env));
        let container = self.files(findings).await?;
        let entry = match (archive::stat(self.docker, &container, &path).await?, should_exist) {
            (Some(entry), true) => entry,
            (None, false) => return Ok(()),
            (None, true) => return Err(Trouble::Test(format!("`{path}` does not exist"))),
            (Some(_), false) => return Err(Trouble::Test(format!("`{path}` exists, and may not"))),
        };
        let mode = entry.mode.to_string();
        let failures = &mut findings.failures;
        if let Some(expected) = permissions.as_ref().filter(|expected| **expected != mode) {
            failures.push(format!("`{path}` is `{mode}`, not `{expected}`"));
        }
        if let Some(by) = executable_by.filter(|by| entry.mode.bits & bits(*by) == 0) {
            let who = match by {
                ExecutableBy::Owner => "its owner",
                ExecutableBy::Group => "its group",
                ExecutableBy::Other => "others",
                ExecutableBy::Any => "anybody",
            };
            failures.push(format!("`{path}` is `{mode}`, which {who} may not execute"));
        }
        if let Some(expected) = uid.filter(|expected| *expected != entry.uid) {
            failures.push(format!("`{path}` belongs to user {}, not {expected}", entry.uid));
        }
        if let Some(expected) = gid.filter(|expected| *expected != entry.gid) {
            failures.push(format!("`{path}` belongs to group {}, not {expected}", entry.gid));
        }
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

fn bits(by: ExecutableBy) -> u32 {
    match by {
        ExecutableBy::Owner => 0o100,
        ExecutableBy::Group => 0o010,
        ExecutableBy::Other => 0o001,
        ExecutableBy::Any => 0o111,
    }
}
