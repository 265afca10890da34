//! Projects that exist in memory alone: what a plan is made from, without a file being read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use windlass::config::{Config, FileConfig, FileFrom, SecretConfig, SecretFrom, Spanned};
use windlass::diag::{Diagnostics, SourceText, Span};
use windlass::model::{
    BlobId, ContentHash, ImageName, InjectedFile, Listing, Node, Nodes, Platform, Sight, TestSpec, TreePath,
};
use windlass::plan::{Choice, Folder, ImageInputs, Inputs, Resolved, understand};

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

    fn inputs(&self, config: &Config, listing: usize) -> ImageInputs {
        let nowhere = Span::new(0, 0);
        let mut image = config.unnamed_image();
        image.args = self.args.iter().map(|(k, v)| (k.clone(), Spanned::new(v.clone(), nowhere))).collect();
        image.labels = self.labels.clone();
        let file = |(path, ..): &(String, String, u32, u32)| FileConfig {
            path: Spanned::new(path.parse().unwrap(), nowhere),
            from: FileFrom::Text(String::new()),
            mode: 0,
            uid: 0,
            gid: 0,
        };
        image.files = self.injected.iter().map(file).collect();
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
            config: Arc::new(image),
            dockerfile: SourceText::new(format!("{}/Dockerfile", self.name), self.dockerfile.as_str()),
            context: Folder { root: PathBuf::from("/nowhere"), listing },
            named_contexts: BTreeMap::new(),
            injected: injected.collect(),
            test: TestSpec::default(),
            commit: None,
            problems: Vec::new(),
        }
    }

    fn listing(&self) -> Listing {
        let entry = |path: &String| match path.split_once("->") {
            Some((path, target)) => (path.parse().unwrap(), Sight::Symlink { target: target.to_owned() }),
            None => (path.trim_end_matches('*').parse().unwrap(), Sight::File),
        };
        Listing::new(self.files.keys().map(entry).collect())
    }

    /// What a file of the listing holds.
    fn node(&self, path: &TreePath, sight: Sight) -> Node {
        let program = format!("{path}*");
        let content = self.files.get(path.as_str()).or(self.files.get(&program));
        match sight {
            Sight::Directory => Node::Directory,
            Sight::Symlink { target } => Node::Symlink { target },
            Sight::File => {
                let content = content.unwrap();
                let (size, content) = (content.len() as u64, BlobId::of(content.as_bytes()));
                Node::File { executable: self.files.contains_key(&program), size, content }
            }
            Sight::Refused(refusal) => unreachable!("{refusal:?}"),
        }
    }
}

/// Resolves a project called `shop`, whose images are named below `shop/`.
pub(crate) fn project(images: &[Sketch]) -> Result<Resolved, Diagnostics> {
    chosen(images, &[])
}

/// Resolves what words choose of it.
pub(crate) fn chosen(images: &[Sketch], words: &[String]) -> Result<Resolved, Diagnostics> {
    let config = Config::without_file("windlass.yaml");
    let inputs = images.iter().enumerate().map(|(i, image)| image.inputs(&config, i)).collect();
    let unreadable = BTreeSet::new();
    let inputs =
        Inputs { project: "shop".parse().unwrap(), config: &config, images: inputs, build_args: &[], unreadable };
    let listings: Vec<Listing> = images.iter().map(Sketch::listing).collect();
    let visible = understand(inputs)?.choose(Choice::Words(words))?.look(&listings);
    let read = images.iter().zip(listings).zip(visible.wanted()).map(|((image, listing), wanted)| {
        let node = |(path, sight): (TreePath, Sight)| (path.clone(), image.node(&path, sight));
        Arc::new(listing.into_wanted(wanted).into_iter().map(node).collect::<Nodes>())
    });
    let read: Vec<Arc<Nodes>> = read.collect();
    visible.resolve(&read)
}

/// The content hash of every image.
pub(crate) fn hashes(images: &[Sketch]) -> BTreeMap<ImageName, ContentHash> {
    let resolved = project(images).unwrap();
    resolved.images.into_iter().map(|image| (image.name, image.content_hash)).collect()
}
