//! A `windlass.yaml` in the making, and its text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::config::ProjectPath;
use crate::config::yaml::scalar;
use crate::model::{ImageName, ProjectName, TreePath};

/// How many Dockerfiles of a folder are left out together; arbitrary.
const FOLDER_AT_LEAST: usize = 3;

/// What is to be written.
#[derive(Debug)]
pub(super) struct Proposal {
    pub(super) project: ProjectName,
    /// What stands before the names of the images, and why it is thought so.
    pub(super) registry: Option<(String, String)>,
    /// What stands before the names of the images that other tools' files tag.
    pub(super) tagged: Option<String>,
    /// The Dockerfiles that are left out, by path, and why.
    pub(super) ignore: BTreeMap<String, String>,
    /// All images; those that need no entry are not written.
    pub(super) images: BTreeMap<ImageName, Entry>,
}

/// What is known of an image.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Why it needs an entry: one comment each.
    pub(super) why: Vec<String>,
    /// Whether another tool's file says it all.
    pub(super) is_declared: bool,
    /// Whether the name or the context would be another without an entry.
    pub(super) is_needed: bool,
    pub(super) context: ProjectPath,
    /// Below the root.
    pub(super) dockerfile: TreePath,
    pub(super) target: Option<String>,
    pub(super) args: BTreeMap<String, String>,
    /// Images and folders that stand behind names in the Dockerfile.
    pub(super) contexts: BTreeMap<String, NamedContext>,
}

/// What a name in a Dockerfile stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum NamedContext {
    Image(ImageName),
    Folder(ProjectPath),
}

impl Entry {
    /// Of a Dockerfile that discovery finds; its context is its folder.
    pub(super) fn of(path: &str) -> Self {
        let dockerfile: TreePath = path.parse().expect("what a walk finds has a plain path");
        Self {
            why: Vec::new(),
            is_declared: false,
            is_needed: false,
            context: folder_of(&dockerfile),
            dockerfile,
            target: None,
            args: BTreeMap::new(),
            contexts: BTreeMap::new(),
        }
    }

    /// Moves the context; why is a comment.
    pub(super) fn set_context(&mut self, context: ProjectPath, why: String) {
        self.context = context;
        self.is_needed = true;
        self.why.push(why);
    }

    /// The entry in one line, none where everything in it holds anyway.
    fn text(&self) -> Option<String> {
        let Self { why: _, is_declared: _, is_needed, context, dockerfile, target, args, contexts } = self;
        if !is_needed && target.is_none() && args.is_empty() && contexts.is_empty() {
            return None;
        }
        let mut fields = vec![format!("context: {}", scalar(context.as_str()))];
        let seen = ProjectPath::from(dockerfile.clone()).seen_from(context);
        if seen != "Dockerfile" {
            fields.push(format!("dockerfile: {}", scalar(&seen)));
        }
        fields.extend(target.as_ref().map(|target| format!("target: {}", scalar(target))));
        let pairs = |pairs: Vec<String>| format!("{{ {} }}", pairs.join(", "));
        if !args.is_empty() {
            let args = args.iter().map(|(name, value)| format!("{name}: {}", scalar(value)));
            fields.push(format!("args: {}", pairs(args.collect())));
        }
        if !contexts.is_empty() {
            let contexts = contexts.iter().map(|(name, context)| match context {
                NamedContext::Image(image) => format!("{}: {{ image: {} }}", scalar(name), scalar(image.as_str())),
                NamedContext::Folder(folder) => format!("{}: {}", scalar(name), scalar(folder.as_str())),
            });
            fields.push(format!("contexts: {}", pairs(contexts.collect())));
        }
        Some(pairs(fields))
    }
}

/// The folder that a file lies in.
pub(super) fn folder_of(file: &TreePath) -> ProjectPath {
    let folder = file.as_str().rsplit_once('/').map(|(folder, _)| folder);
    folder.map_or(ProjectPath::ROOT, |folder| folder.parse::<TreePath>().expect("a plain path begins so").into())
}

impl Proposal {
    /// Nothing but a name.
    pub(super) fn new(project: ProjectName) -> Self {
        Self { project, registry: None, tagged: None, ignore: BTreeMap::new(), images: BTreeMap::new() }
    }

    /// A name that no image has: this one, or this one with a number.
    pub(super) fn free_name(&self, name: &str) -> ImageName {
        let numbered = (2..).map(|n| format!("{name}-{n}"));
        let names = std::iter::once(name.to_owned()).chain(numbered).filter_map(|name| name.parse::<ImageName>().ok());
        let mut free = names.filter(|name| !self.images.contains_key(name));
        free.next().expect("some number makes a name that is free")
    }

    /// Leaves a Dockerfile out; whether it was in.
    pub(super) fn leave_out(&mut self, path: &str, why: &str) -> bool {
        let n_before = self.images.len();
        self.images.retain(|_, entry| entry.dockerfile.as_str() != path);
        if self.images.len() == n_before {
            return false;
        }
        self.ignore.insert(path.to_owned(), why.to_owned());
        true
    }

    /// Gives an image another name, where that is free; whether it is.
    pub(super) fn rename(&mut self, from: &ImageName, to: ImageName, why: &str) -> bool {
        if self.images.contains_key(&to) {
            return false;
        }
        let Some(mut entry) = self.images.remove(from) else { return false };
        entry.why.push(why.to_owned());
        entry.is_needed = true;
        self.images.insert(to, entry);
        true
    }

    /// Writes down the names that discovery, left with fewer Dockerfiles, does not give; whether there were any.
    pub(super) fn settle<'a>(&mut self, planned: impl Iterator<Item = (&'a ImageName, &'a str)>) -> bool {
        let planned: BTreeMap<&str, &ImageName> = planned.map(|(name, path)| (path, name)).collect();
        let mut any = false;
        for (name, entry) in self.images.iter_mut().filter(|(_, entry)| entry.text().is_none()) {
            if planned.get(entry.dockerfile.as_str()).is_some_and(|planned| *planned != name) {
                entry.is_needed = true;
                entry.why.push("Others of its name are declared here.".to_owned());
                any = true;
            }
        }
        any
    }

    /// What is left out and why: a folder stands for several Dockerfiles where no image lies in it.
    fn ignored(&self) -> Vec<(String, String)> {
        let mut folders: BTreeMap<String, Vec<(&String, &String)>> = BTreeMap::new();
        for (path, why) in &self.ignore {
            let folders_of = path.match_indices('/').map(|(end, _)| format!("{}/", &path[..end]));
            let is_free = |folder: &String| {
                !self.images.values().any(|entry| entry.dockerfile.as_str().starts_with(folder.as_str()))
            };
            let folder = folders_of.into_iter().find(is_free).unwrap_or_else(|| path.clone());
            folders.entry(folder).or_default().push((path, why));
        }
        let mut ignored = Vec::new();
        for (folder, left_out) in folders {
            match left_out.as_slice() {
                [(_, why), others @ ..] if others.len() + 1 >= FOLDER_AT_LEAST => {
                    ignored.push((folder, format!("{} Dockerfiles; the first says: {why}", left_out.len())));
                }
                few => ignored.extend(few.iter().map(|(path, why)| ((*path).clone(), (*why).clone()))),
            }
        }
        ignored
    }

    /// The file.
    pub(super) fn text(&self) -> String {
        let Self { project, registry, tagged: _, ignore, images } = self;
        let mut out = String::from("# What the Dockerfiles here do not say themselves, as `windlass init` found it.\n");
        line(&mut out, "version: 1");
        line(&mut out, "# The name of this folder, so that a clone elsewhere is called the same.");
        line(&mut out, &format!("project: {}", scalar(project.as_str())));
        if let Some((registry, why)) = registry {
            comment(&mut out, "", why);
            line(&mut out, &format!("registry: {}", scalar(registry)));
        }
        if !ignore.is_empty() {
            line(
                &mut out,
                "# Dockerfiles that can't be planned as they are. Take a line out once its cause is mended.",
            );
            line(&mut out, "ignore:");
        }
        let mut last = None;
        for (path, why) in self.ignored() {
            if last.as_ref() != Some(&why) {
                comment(&mut out, "  ", &why);
            }
            line(&mut out, &format!("  - {}", scalar(&pattern(&path))));
            last = Some(why);
        }
        let mut entries: Vec<_> =
            images.iter().filter_map(|(name, entry)| Some((&entry.why, name, entry.text()?))).collect();
        entries.sort();
        if !entries.is_empty() {
            line(&mut out, "images:");
        }
        let mut last: Option<&Vec<String>> = None;
        for (why, name, text) in entries {
            if last.replace(why) != Some(why) {
                why.iter().for_each(|why| comment(&mut out, "  ", why));
            }
            line(&mut out, &format!("  {}: {text}", scalar(name.as_str())));
        }
        out
    }
}

/// The path as a pattern of a `.gitignore` at the root.
fn pattern(path: &str) -> String {
    let mut pattern = String::from("/");
    for c in path.chars() {
        if matches!(c, '*' | '?' | '[' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

fn comment(out: &mut String, indent: &str, text: &str) {
    let text: Vec<&str> = text.split_whitespace().collect();
    line(out, &format!("{indent}# {}", text.join(" ")));
}

fn line(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect("writing to a String does not fail");
}
