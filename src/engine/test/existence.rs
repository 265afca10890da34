//! What a file is against what it must be.

use crate::docker::archive::Entry;
use crate::model::{ExecutableBy, FileExistenceTest};

/// All that is not as it must be with a file that is there and may be.
pub(in crate::engine) fn failures(test: &FileExistenceTest, path: &str, entry: &Entry) -> Vec<String> {
    let FileExistenceTest { name: _, path: _, global_env: _, should_exist: _, permissions, uid, gid, executable_by } =
        test;
    let mode = entry.mode.to_string();
    let mut failures = Vec::new();
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
    failures
}

fn bits(by: ExecutableBy) -> u32 {
    match by {
        ExecutableBy::Owner => 0o100,
        ExecutableBy::Group => 0o010,
        ExecutableBy::Other => 0o001,
        ExecutableBy::Any => 0o111,
    }
}
