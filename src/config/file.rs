//! From the text of `windlass.yaml` to a [`Config`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::deploy::Deploy;
use super::image::{self, Inherited};
use super::keys;
use super::read::{Fields, Findings, Spanned, quoted};
use super::value::{ChannelTags, Config, Defaults, ImageConfig, VERSION};
use super::yaml::{self, Entry, Node};
use crate::diag::{Diagnostic, Diagnostics, SourceText, Span};
use crate::model::{ImageName, Platform, ProjectName, RepositoryPrefix, Tag};

/// Reads `windlass.yaml`.
///
/// # Errors
/// Everything that is wrong with it, in the order of the text. A file of a newer version says only that.
pub fn parse(source: &Arc<SourceText>) -> Result<Config, Diagnostics> {
    let mut findings = Findings::new(source);
    let config = yaml::parse(&mut findings).and_then(|root| file(&mut findings, &root));
    findings.finish(config).map(|(config, warnings)| Config { warnings, ..config })
}

fn file(findings: &mut Findings, root: &Node) -> Option<Config> {
    version(findings, root, VERSION, "remove the file: its images are found without it")?;
    let fields = findings.fields(root, "the file", &keys::FILE.names())?;
    let project = fields.get("project").and_then(|node| findings.parsed(node, "the name of the project"));
    let registry = fields.get("registry").and_then(|node| findings.parsed(node, "a registry such as `ghcr.io/acme`"));
    let ignore = fields.get("ignore").and_then(|node| findings.list(node, "a list of patterns")).unwrap_or_default();
    let ignore =
        ignore.iter().filter_map(|node| findings.text(node, "a pattern such as `testdata/`")).map(str::to_owned);
    let ignore = ignore.collect();
    let tags = channel_tags(findings, fields.entry("tags"), &ChannelTags::default());
    let defaults = fields.get("defaults").map_or_else(Defaults::default, |node| defaults(findings, node));
    let inherited = Inherited { tags: &tags, defaults: &defaults };
    let images = fields.get("images").map_or_else(BTreeMap::new, |node| images(findings, node, &inherited));
    check_repositories(findings, registry.as_ref(), &images);
    let deploy = fields.get("deploy").map_or_else(Deploy::default, |node| {
        let project = project.as_ref().map(|project: &Spanned<ProjectName>| project.value.clone());
        deploy(findings, node, project, &images)
    });
    Some(Config {
        source: Arc::clone(findings.source()),
        project,
        registry,
        ignore,
        tags,
        defaults,
        images,
        deploy,
        warnings: Vec::new(),
    })
}

/// Goes on only where the file is of the version that the keys below are known of. `or_else` says what else can be
/// done with a file that holds nothing.
pub(super) fn version(findings: &mut Findings, root: &Node, version: i64, or_else: &str) -> Option<()> {
    let yaml::Value::Map(entries) = &root.value else {
        if root.is_nothing() {
            let hint = format!("write `version: {version}`, or {or_else}");
            findings.error_with_hint(root.span, "the file is empty", "", hint);
        } else {
            findings.mismatch(root, "a map with the keys of the file");
        }
        return None;
    };
    let Some(entry) = entries.iter().find(|entry| entry.key == "version") else {
        let hint = format!("write `version: {version}` at the top");
        findings.error_with_hint(Span::new(0, 0), "the file has no `version`", "", hint);
        return Some(());
    };
    let newer = match &entry.value.value {
        yaml::Value::Scalar(scalar) => scalar.text.parse::<i64>().is_ok_and(|written| written > version),
        yaml::Value::List(_) | yaml::Value::Map(_) => false,
    };
    if newer {
        let message = format!("the file is of a newer version: this windlass reads version {version}");
        findings.error_with_hint(entry.value.span, message, "", "use a newer windlass");
        return None;
    }
    findings.integer(&entry.value, version..=version);
    Some(())
}

/// The channels' names; what is not given, or wrong, is inherited.
pub(super) fn channel_tags(findings: &mut Findings, entry: Option<&Entry>, inherited: &ChannelTags) -> ChannelTags {
    let Some(entry) = entry else { return inherited.clone() };
    let Some(fields) = findings.fields(&entry.value, "`tags`", &keys::CHANNELS.names()) else {
        return inherited.clone();
    };
    let mut tag = |key: &str, inherited: &Tag| {
        let tag = fields.get(key).and_then(|node| {
            let text = findings.written(node, "a tag such as `stable`")?;
            findings.refuse_err(node.span, text.parse::<Tag>())
        });
        tag.unwrap_or_else(|| inherited.clone())
    };
    let tags = ChannelTags {
        testing: tag("testing", &inherited.testing),
        latest: tag("latest", &inherited.latest),
        previous: tag("previous", &inherited.previous),
    };
    let ChannelTags { testing, latest, previous } = &tags;
    let pairs = [("testing", testing, "latest", latest), ("testing", testing, "previous", previous)];
    let same = pairs.into_iter().chain([("latest", latest, "previous", previous)]).find(|(_, a, _, b)| a == b);
    if let Some((one, tag, other, _)) = same {
        let message = format!("the channels `{one}` and `{other}` are both called `{tag}`");
        let at = fields.get(other).or_else(|| fields.get(one)).map_or(entry.key_span, |node| node.span);
        findings.error(at, message, "");
        // Said once: who inherits from here shall not stumble over it again.
        return inherited.clone();
    }
    tags
}

fn defaults(findings: &mut Findings, node: &Node) -> Defaults {
    let mut defaults = Defaults::default();
    if let Some(fields) = findings.fields(node, "`defaults`", &keys::DEFAULTS.names()) {
        build_settings(findings, &fields, &mut defaults);
    }
    defaults
}

/// What the defaults and an image can say alike: replaces what is given.
pub(super) fn build_settings(findings: &mut Findings, fields: &Fields<'_>, settings: &mut Defaults) {
    if let Some(platform) = fields.get("platforms").and_then(|node| one_platform(findings, node)) {
        settings.platform = platform;
    }
    if let Some(timeout) = fields.get("timeout").and_then(|node| findings.time_limit(node)) {
        settings.timeout = timeout;
    }
    if let Some(retries) = fields.get("retries").and_then(|node| findings.integer(node, 0..=keys::RETRIES_AT_MOST)) {
        settings.retries = u32::try_from(retries).expect("the range that was read fits");
    }
}

fn one_platform(findings: &mut Findings, node: &Node) -> Option<Platform> {
    let nodes = findings.list(node, "a list of platforms such as `[linux/amd64]`")?;
    let read = |node| findings.parsed::<Platform>(node, "a platform such as `linux/amd64`");
    let platforms: Vec<_> = nodes.iter().filter_map(read).collect();
    match (platforms.as_slice(), nodes) {
        ([platform], [_]) => Some(platform.value.clone()),
        (_, [_, second, ..]) => {
            let message = format!("{} platforms are given, and one is built", nodes.len());
            findings.error_with_hint(second.span, message, "", "keep the platform of the machine that builds");
            None
        }
        (_, []) => {
            findings.error(node.span, "no platform is given", "");
            None
        }
        (_, [_]) => None,
    }
}

fn images(findings: &mut Findings, node: &Node, inherited: &Inherited<'_>) -> BTreeMap<ImageName, ImageConfig> {
    let mut images = BTreeMap::new();
    for entry in findings.map(node, "a map of images by name").unwrap_or_default() {
        if entry.key.starts_with("x-") {
            continue;
        }
        let config = image::read(findings, entry, inherited);
        if let (Some(name), Some(config)) = (findings.refuse_err(entry.key_span, entry.key.parse()), config) {
            images.insert(name, config);
        }
    }
    images
}

fn check_repositories(
    findings: &mut Findings,
    registry: Option<&Spanned<RepositoryPrefix>>,
    images: &BTreeMap<ImageName, ImageConfig>,
) {
    for (name, image) in images {
        if let Some(registry) = registry {
            findings.refuse_err(image.span, registry.value.repository(name));
        }
    }
}

fn deploy(
    findings: &mut Findings,
    node: &Node,
    project: Option<ProjectName>,
    images: &BTreeMap<ImageName, ImageConfig>,
) -> Deploy {
    let images: BTreeSet<ImageName> = images.keys().cloned().collect();
    let fields = findings.fields(node, "`deploy`", &keys::DEPLOY.names());
    let part = |key| fields.as_ref().and_then(|fields| fields.get(key));
    let (containers, networks) = (part("containers"), part("networks"));
    Deploy::read(findings, containers, networks, project, &images)
}

/// The one of several keys that is given; says where none or more than one is.
pub(super) fn exactly_one<'n>(findings: &mut Findings, fields: &Fields<'n>, keys: &[&str]) -> Option<&'n Entry> {
    let given: Vec<_> = keys.iter().filter_map(|key| fields.entry(key)).collect();
    match given.as_slice() {
        [entry] => Some(entry),
        [] => {
            findings.error(fields.span(), format!("{} needs one of {}", fields.owner(), quoted(keys)), "");
            None
        }
        [first, second, ..] => {
            let message = format!("{} has both `{}` and `{}`", fields.owner(), first.key, second.key);
            let source = Arc::clone(findings.source());
            findings.add(
                Diagnostic::error(message)
                    .at(&source, second.key_span, "this one")
                    .related(&source, first.key_span, "and this one")
                    .hint("keep one of them"),
            );
            None
        }
    }
}
