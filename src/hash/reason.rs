//! Why an image has to be built.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{ContentHash, Digest, GitCommit, GitPin, HttpUrl, ImageName, Platform, Reference, TreePath};

use super::{BaseId, Fingerprint};

/// One reason for building an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// It was asked for.
    Forced,
    /// No image of this name is there.
    NeverBuilt,
    /// An image with this content hash is there, but its tests have not passed.
    NotPromoted,
    /// An image with this content hash is there and passed tests, but others than are asked of it now.
    TestsChanged,
    /// The image that is there says nothing of its inputs that this version can compare.
    NotComparable,
    /// An instruction that the chosen stage reaches was edited, added or removed. Of a build argument's other value that
    /// is not said.
    DockerfileChanged,
    /// A file of the context is another.
    ContextChanged,
    /// A named context was added, left or has other files.
    NamedContextChanged {
        /// Its name.
        name: String,
    },
    /// A build argument came, went or has another value.
    ArgChanged {
        /// Its name.
        name: String,
    },
    /// It is for another platform.
    PlatformChanged {
        /// The platform of the last build.
        old: Platform,
        /// The platform that is wanted.
        new: Platform,
    },
    /// It is made from one more image of others.
    BaseAdded {
        /// As the Dockerfile names it.
        reference: Reference,
    },
    /// It is not made from an image of others any more.
    BaseRemoved {
        /// As the Dockerfile named it.
        reference: Reference,
    },
    /// A name stands for another image than it did; none where it was or is not known.
    BaseChanged {
        /// As the Dockerfile names it.
        reference: Reference,
        /// What it stood for at the last build.
        old: Option<BaseId>,
        /// What it stands for this time.
        new: Option<BaseId>,
    },
    /// A file that it fetches from a web server is locked as another than it was; none where it was or is not locked.
    RemoteFileChanged {
        /// Its address.
        url: HttpUrl,
        /// The sha256 that was locked at the last build.
        old: Option<Digest>,
        /// The sha256 that is locked.
        new: Option<Digest>,
    },
    /// A ref of a git repository that it takes files of is locked as another commit than it was; none where it was or is
    /// not locked.
    RepositoryChanged {
        /// The ref.
        pin: GitPin,
        /// The commit that was locked at the last build.
        old: Option<GitCommit>,
        /// The commit that is locked.
        new: Option<GitCommit>,
    },
    /// It is made from one more of the project's images.
    ParentAdded {
        /// The parent.
        parent: ImageName,
    },
    /// It is not made from one of the project's images any more.
    ParentRemoved {
        /// The parent.
        parent: ImageName,
    },
    /// An image that it is made from is another.
    ParentChanged {
        /// The parent.
        parent: ImageName,
        /// The content hash that the last build had.
        old: ContentHash,
        /// The content hash now.
        new: ContentHash,
    },
    /// It takes other secrets; their values never count.
    SecretsChanged {
        /// Ids that it did not take.
        added: BTreeSet<String>,
        /// Ids that it does not take any more.
        removed: BTreeSet<String>,
    },
    /// Files that the configuration adds to the context came, went or are others.
    FilesChanged {
        /// Where in the context.
        paths: BTreeSet<TreePath>,
    },
    /// A label that the configuration adds came, went or has another value.
    LabelChanged {
        /// Its name.
        name: String,
    },
}

impl Fingerprint {
    /// Everything in which these inputs differ from those of an earlier build; nothing where they are equal.
    pub fn reasons_since(&self, last: &Self) -> Vec<Reason> {
        let Self {
            dockerfile,
            written,
            context,
            named_contexts,
            args,
            platform,
            bases,
            remote_files,
            repositories,
            parents,
            secrets,
            files,
            labels,
        } = self;
        let mut reasons = Vec::new();
        // Instructions count with their variables expanded: where those hold something else, they are without an edit.
        let is_edited = match (written, &last.written) {
            (Some(written), Some(last)) => written != last,
            (None, _) | (_, None) => *args == last.args,
        };
        if *dockerfile != last.dockerfile && is_edited {
            reasons.push(Reason::DockerfileChanged);
        }
        if *context != last.context {
            reasons.push(Reason::ContextChanged);
        }
        reasons.extend(changes(&last.named_contexts, named_contexts).map(|change| {
            let name = change.key.clone();
            Reason::NamedContextChanged { name }
        }));
        reasons.extend(changes(&last.args, args).map(|change| Reason::ArgChanged { name: change.key.clone() }));
        if *platform != last.platform {
            reasons.push(Reason::PlatformChanged { old: last.platform.clone(), new: platform.clone() });
        }
        reasons.extend(changes(&last.bases, bases).map(|Change { key, old, new }| {
            let reference = key.clone();
            match (old, new) {
                (Some(old), Some(new)) => Reason::BaseChanged { reference, old: *old, new: *new },
                (Some(_), None) => Reason::BaseRemoved { reference },
                (None, _) => Reason::BaseAdded { reference },
            }
        }));
        reasons.extend(changes(&last.remote_files, remote_files).map(|Change { key, old, new }| {
            Reason::RemoteFileChanged { url: key.clone(), old: old.copied(), new: new.copied() }
        }));
        reasons.extend(changes(&last.repositories, repositories).map(|Change { key, old, new }| {
            Reason::RepositoryChanged { pin: key.clone(), old: old.cloned(), new: new.cloned() }
        }));
        reasons.extend(changes(&last.parents, parents).map(|Change { key, old, new }| {
            let parent = key.clone();
            match (old, new) {
                (Some(old), Some(new)) => Reason::ParentChanged { parent, old: *old, new: *new },
                (Some(_), None) => Reason::ParentRemoved { parent },
                (None, _) => Reason::ParentAdded { parent },
            }
        }));
        if *secrets != last.secrets {
            reasons.push(Reason::SecretsChanged {
                added: secrets.difference(&last.secrets).cloned().collect(),
                removed: last.secrets.difference(secrets).cloned().collect(),
            });
        }
        let paths: BTreeSet<TreePath> = changes(&last.files, files).map(|change| change.key.clone()).collect();
        if !paths.is_empty() {
            reasons.push(Reason::FilesChanged { paths });
        }
        reasons.extend(changes(&last.labels, labels).map(|change| Reason::LabelChanged { name: change.key.clone() }));
        reasons
    }
}

/// One key at which two maps differ.
struct Change<'a, K, V> {
    key: &'a K,
    old: Option<&'a V>,
    new: Option<&'a V>,
}

fn changes<'a, K: Ord, V: PartialEq>(
    old: &'a BTreeMap<K, V>,
    new: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = Change<'a, K, V>> {
    let keys: BTreeSet<&K> = old.keys().chain(new.keys()).collect();
    keys.into_iter()
        .map(|key| Change { key, old: old.get(key), new: new.get(key) })
        .filter(|change| change.old != change.new)
}
