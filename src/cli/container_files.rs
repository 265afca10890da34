//! Reads what is in the files that containers of a manifest find: from beside the manifest, and from the environment.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{Environment, Refusal};
use crate::manifest::{EnvValue, FILES_AT_MOST, FileContent, Manifest};

/// The manifest with the content of all files in it. Those of `folder` are the files beside it; a manifest that stands in
/// no folder has none.
pub(super) fn read(
    mut manifest: Manifest,
    folder: Option<&Path>,
    environment: &Environment,
) -> anyhow::Result<Manifest> {
    for (name, spec) in &mut manifest.containers {
        let mut all = BTreeMap::new();
        for path in std::mem::take(&mut spec.env_file) {
            let refuse = |why: String| Refusal::usage(format!("`env_file` of the container `{name}`: {why}"));
            let text = beside(folder, &path).map_err(refuse)?;
            all.extend(variables(&text).map_err(|(line, why)| refuse(format!("{path}:{line}: {why}")))?);
        }
        all.append(&mut spec.env);
        spec.env = all;
        let mut size = 0;
        for (path, file) in &mut spec.files {
            let refuse = |why: String| Refusal::usage(format!("`{path}` of the container `{name}`: {why}"));
            let text = match &file.content {
                FileContent::Text(text) => text.reveal().to_owned(),
                FileContent::Env(variable) => match environment.get(variable) {
                    Some(value) => value.to_owned(),
                    None => return Err(refuse(format!("`{variable}` is not in the environment")).into()),
                },
                FileContent::File(file) => beside(folder, file).map_err(refuse)?,
            };
            size += text.len();
            if size > FILES_AT_MOST {
                return Err(refuse(format!("with it all files have more than {FILES_AT_MOST} bytes")).into());
            }
            file.content = FileContent::Text(EnvValue::new(text));
        }
    }
    Ok(manifest)
}

/// The variables of an `env_file`, as Docker's `--env-file` reads it: `NAME=value` a line, everything behind the `=` as it
/// stands; blank lines and those that begin with `#` say nothing. Or the line that is wrong, and why.
fn variables(text: &str) -> Result<BTreeMap<String, EnvValue>, (usize, String)> {
    let mut all = BTreeMap::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match line.split_once('=') {
            Some((name, value)) if !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '\0') => {
                all.insert(name.to_owned(), EnvValue::new(value));
            }
            Some(_) => return Err((at + 1, "this is no name for an environment variable".to_owned())),
            None => return Err((at + 1, "expected `NAME=value`".to_owned())),
        }
    }
    Ok(all)
}

/// The text of a file below a folder; symbolic links don't lead out of it.
fn beside(folder: Option<&Path>, file: &str) -> Result<String, String> {
    let folder = folder.ok_or_else(|| "a manifest that is no file has no files beside it".to_owned())?;
    let unread = |error: std::io::Error| format!("reading `{file}`: {error}");
    let found = fs::canonicalize(folder.join(file)).map_err(unread)?;
    if !found.starts_with(fs::canonicalize(folder).map_err(unread)?) {
        return Err(format!("`{file}` leads out of the manifest's folder"));
    }
    let size = fs::metadata(&found).map_err(unread)?.len();
    if size > FILES_AT_MOST as u64 {
        return Err(format!("`{file}` has {size} bytes, and {FILES_AT_MOST} is the most"));
    }
    String::from_utf8(fs::read(&found).map_err(unread)?).map_err(|_| format!("`{file}` is not UTF-8"))
}
