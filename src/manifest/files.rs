//! Files that a container finds when it starts: what is in them, whose they are, who may read them.

use std::collections::BTreeMap;

use super::lifecycle;
use super::problem::Problems;
use super::volume::absolute;
use super::{EnvValue, FileEntry};

/// A file that a container finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// What is in it.
    pub content: FileContent,
    /// Its numeric owner.
    pub uid: u32,
    /// Its numeric group.
    pub gid: u32,
    /// Its mode, at most `0o7777`.
    pub mode: u32,
    /// What is done when it changes.
    pub on_change: OnChange,
}

/// What is done when a file that a container finds changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum OnChange {
    /// Another container takes its place.
    #[default]
    Replace,
    /// The container gets the new file while it runs, and then this signal.
    Signal(String),
}

/// What is in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileContent {
    /// This.
    Text(EnvValue),
    /// What is in a file beside the manifest, by its path from there.
    File(String),
    /// The value of a variable in the environment.
    Env(String),
}

/// How much a container may find in all its files together: they go with every call that makes it, and stand in every
/// record of the history. What is larger belongs into an image or a volume.
pub const FILES_AT_MOST: usize = 1 << 20;

/// The file in a container that says of which files it was told by a signal; it is none that a manifest can name.
pub const FILES_NOTE: &str = "/.windlass-files";

const MODE: u32 = 0o644;
const MODE_OF_SECRETS: u32 = 0o400;

impl FileContent {
    fn default_mode(&self) -> u32 {
        match self {
            Self::Text(_) | Self::File(_) => MODE,
            Self::Env(_) => MODE_OF_SECRETS,
        }
    }
}

/// Checks what is written of files.
pub(super) fn read(problems: &mut Problems, entries: &BTreeMap<String, FileEntry>) -> BTreeMap<String, File> {
    problems.within("files", |problems| {
        let mut all: BTreeMap<String, File> = BTreeMap::new();
        let mut size = 0_usize;
        for (path, entry) in entries {
            let Some(at) = absolute(path) else {
                problems.key(path, format!("`{path}` is no absolute path below `/` in the container"), None);
                continue;
            };
            if at == FILES_NOTE {
                problems.key(path, format!("`{path}` is ours"), None);
            }
            let Some(file) = problems.within(path, |problems| file(problems, entry)) else { continue };
            if let FileContent::Text(text) = &file.content {
                size = size.saturating_add(text.reveal().len());
            }
            if all.keys().any(|other| is_below(other, &at) || is_below(&at, other) || *other == at) {
                problems.key(path, format!("`{path}` is where another file is"), None);
            }
            all.insert(at, file);
        }
        if size > FILES_AT_MOST {
            let last = entries.keys().next_back().map(String::as_str).unwrap_or_default();
            problems.key(last, format!("all files together have {size} bytes, and {FILES_AT_MOST} is the most"), None);
        }
        all
    })
}

/// Whether a path leads to something in a folder.
fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

fn file(problems: &mut Problems, entry: &FileEntry) -> Option<File> {
    let FileEntry { content, file, env, owner, mode, on_change } = entry;
    let content = match (content, file, env) {
        (Some(text), None, None) => FileContent::Text(text.clone()),
        (None, Some(path), None) => {
            problems.read("file", beside(path));
            FileContent::File(path.clone())
        }
        (None, None, Some(name)) => {
            if name.is_empty() || name.contains(['=', '\0']) {
                problems.value("env", format!("`{name}` is no name for an environment variable"), None);
            }
            FileContent::Env(name.clone())
        }
        _ => {
            let hint = "give one of `content`, `file` and `env`".to_owned();
            problems.value("content", "what is in the file has to be said once", Some(hint));
            return None;
        }
    };
    let (uid, gid) = match owner {
        None => (0, 0),
        Some(text) => problems.read("owner", parse_owner(text))?,
    };
    let mode = match mode {
        None => content.default_mode(),
        Some(text) => problems.read("mode", parse_mode(text))?,
    };
    let on_change = match on_change {
        None => OnChange::default(),
        Some(text) => problems.read("on_change", parse_on_change(text))?,
    };
    Some(File { content, uid, gid, mode, on_change })
}

fn parse_on_change(text: &str) -> Result<OnChange, String> {
    match text {
        "replace" => Ok(OnChange::Replace),
        _ if lifecycle::is_signal(text) => Ok(OnChange::Signal(text.to_owned())),
        _ => Err(format!("`{text}` is nothing that can be done: expected `replace`, or a signal such as `SIGHUP`")),
    }
}

/// The path of a file beside the manifest, or below it.
pub(super) fn beside(path: &str) -> Result<String, String> {
    let is_inside = !path.is_empty()
        && !path.starts_with('/')
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
        && !path.contains('\0');
    let wrong = || format!("`{path}` is no path of a file beside the manifest, or below it");
    is_inside.then(|| path.to_owned()).ok_or_else(wrong)
}

fn parse_owner(text: &str) -> Result<(u32, u32), String> {
    let (uid, gid) = text.split_once(':').unwrap_or((text, text));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number = |text: &str| text.parse().ok().filter(|_| is_number(text));
    number(uid).zip(number(gid)).ok_or_else(|| format!("`{text}` is no owner: expected numbers, `uid` or `uid:gid`"))
}

fn parse_mode(text: &str) -> Result<u32, String> {
    let is_octal = (3..=4).contains(&text.len()) && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
    let mode = u32::from_str_radix(text, 8).ok().filter(|_| is_octal);
    mode.ok_or_else(|| format!("`{text}` is no mode: expected one such as `0640`"))
}

/// Writes files as [`read`] reads them.
pub(super) fn write(files: &BTreeMap<String, File>) -> BTreeMap<String, FileEntry> {
    let entry = |File { content, uid, gid, mode, on_change }: &File| {
        let written = match content {
            FileContent::Text(text) => FileEntry { content: Some(text.clone()), ..FileEntry::default() },
            FileContent::File(path) => FileEntry { file: Some(path.clone()), ..FileEntry::default() },
            FileContent::Env(name) => FileEntry { env: Some(name.clone()), ..FileEntry::default() },
        };
        FileEntry {
            owner: ((*uid, *gid) != (0, 0)).then(|| format!("{uid}:{gid}")),
            mode: (*mode != content.default_mode()).then(|| format!("{mode:04o}")),
            on_change: match on_change {
                OnChange::Replace => None,
                OnChange::Signal(signal) => Some(signal.clone()),
            },
            ..written
        }
    };
    files.iter().map(|(path, file)| (path.clone(), entry(file))).collect()
}
