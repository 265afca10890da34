//! Projects that exist in memory alone: what a plan is made from, without a file being read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use windlass::config::{Config, SecretConfig, SecretFrom, Spanned};
use windlass::diag::{Diagnostics, SourceText, Span};
use windlass::model::{BlobId, ContentHash, ImageName, InjectedFile, Node, Platform, TestSpec, Tree};
use windlass::plan::{ImageInputs, Inputs, Resolved, resolve};

/// One image.
#[derive(Debug, Clone)]
pub(crate) struct Sketch {
    pub(crate) name: String,
    pub(crate) dockerfile: String,
    /// Files of the context: path, then content; `*` at the end of a path makes a program, `->` in it a link.
    pub(crate) files: BTreeMap<String, String>,
    pub(crate) args: BTreeMap<String, String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) secrets: BTreeSet<String>,
    /// Path, content, mode, owner.
    pub(crate) injected: Vec<(String, String, u32, u32)>,
    pub(crate) platform: Platform,
    pub(crate) target: Option<String>,
}

impl Sketch {
    pub(crate) fn new(name: &str, dockerfile: &str) -> Self {
        Self {
            name: name.to_owned(),
            dockerfile: dockerfile.to_owned(),
            files: BTreeMap::new(),
            args: BTreeMap::new(),
            labels: BTreeMap::new(),
            secrets: BTreeSet::new(),
            injected: Vec::new(),
            platform: Platform::linux_amd64(),
            target: None,
        }
    }

    pub(crate) fn file(mut self, path: &str, content: &str) -> Self {
        self.files.insert(path.to_owned(), content.to_owned());
        self
    }

    pub(crate) fn arg(mut self, name: &str, value: &str) -> Self {
        self.args.insert(name.to_owned(), value.to_owned());
        self
    }

    fn inputs(&self, config: &Config) -> ImageInputs {
        let nowhere = Span::new(0, 0);
        let mut image = config.unnamed_image();
        image.args = self.args.iter().map(|(k, v)| (k.clone(), Spanned::new(v.clone(), nowhere))).collect();
        image.labels = self.labels.clone();
        let secret = |id: &String| SecretConfig {
            id: Spanned::new(id.clone(), nowhere),
            from: SecretFrom::Env("SECRET".to_owned()),
        };
        image.secrets = self.secrets.iter().map(secret).collect();
        image.platform = self.platform.clone();
        image.target = self.target.clone().map(|target| Spanned::new(target, nowhere));
        let injected = self.injected.iter().map(|(path, content, mode, uid)| InjectedFile {
            path: path.parse().unwrap(),
            content: content.as_bytes().to_vec(),
            mode: *mode,
            uid: *uid,
            gid: 0,
        });
        ImageInputs {
            name: self.name.parse().unwrap(),
            config: image,
            dockerfile: SourceText::new(format!("{}/Dockerfile", self.name), self.dockerfile.as_str()),
            context_root: PathBuf::from("/nowhere"),
            context: Arc::new(self.tree()),
            named_contexts: BTreeMap::new(),
            injected: injected.collect(),
            test: TestSpec::default(),
        }
    }

    fn tree(&self) -> Tree {
        self.files
            .iter()
            .map(|(path, content)| {
                let (size, content) = (content.len() as u64, BlobId::of(content.as_bytes()));
                match path.split_once("->") {
                    Some((path, target)) => (path.parse().unwrap(), Node::Symlink { target: target.to_owned() }),
                    None => {
                        let executable = path.ends_with('*');
                        let path = path.trim_end_matches('*').parse().unwrap();
                        (path, Node::File { executable, size, content })
                    }
                }
            })
            .collect()
    }
}

/// Resolves a project called `shop`, whose images are named below `shop/`.
pub(crate) fn project(images: &[Sketch]) -> Result<Resolved, Diagnostics> {
    let config = Config::without_file("windlass.yaml");
    let images = images.iter().map(|image| image.inputs(&config)).collect();
    let unreadable = BTreeSet::new();
    resolve(Inputs { project: "shop".parse().unwrap(), config: &config, images, unreadable })
}

/// The content hash of every image.
pub(crate) fn hashes(images: &[Sketch]) -> BTreeMap<ImageName, ContentHash> {
    let resolved = project(images).unwrap();
    resolved.images.into_iter().map(|image| (image.name, image.content_hash)).collect()
}
