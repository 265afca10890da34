//! What holds once defaults are filled in, in the words of `windlass.yaml`: read again, it says the same.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::deploy::Deploy;
use super::git::GitSource;
use super::path::ProjectPath;
use super::value::{
    ChannelTags, Config, Defaults, FileConfig, FileFrom, ImageConfig, NamedContext, SecretConfig, SecretFrom,
    TestConfig, VERSION,
};
use super::yaml::{Entry, Node, Scalar, Value};
use crate::diag::Span;
use crate::manifest::{ContainerEntry, NetworkEntry};
use crate::model::{CommandTest, StreamMatch, format_duration};

/// The configuration as a tree of keys, with everything that holds by default written out. Values of secrets are
/// not in it, because they are not in a [`Config`]: only where they are.
pub fn effective(config: &Config) -> Node {
    let Config { source: _, project, registry, ignore, tags, defaults, images, deploy, warnings: _ } = config;
    let mut file = vec![entry("version", number(VERSION))];
    file.extend(project.as_ref().map(|project| entry("project", text(project.value.as_str()))));
    file.extend(registry.as_ref().map(|registry| entry("registry", text(registry.value.as_str()))));
    if !ignore.is_empty() {
        file.push(entry("ignore", list(ignore.iter().map(|pattern| text(pattern.as_str())))));
    }
    file.push(entry("tags", channels(tags)));
    let Defaults { platform, timeout, retries } = defaults;
    file.push(entry(
        "defaults",
        map([
            entry("platforms", list([text(platform.to_string())])),
            entry("timeout", text(format_duration(*timeout))),
            entry("retries", number(i64::from(*retries))),
        ]),
    ));
    unless_empty(&mut file, "images", named(images, image));
    unless_empty(&mut file, "deploy", containers(deploy));
    map(file)
}

fn channels(tags: &ChannelTags) -> Node {
    let ChannelTags { testing, latest, previous } = tags;
    map([
        entry("testing", text(testing.as_str())),
        entry("latest", text(latest.as_str())),
        entry("previous", text(previous.as_str())),
    ])
}

fn image(image: &ImageConfig) -> Node {
    let ImageConfig {
        span: _,
        context,
        git,
        dockerfile,
        target,
        args,
        contexts,
        secrets,
        files,
        needs,
        platform,
        timeout,
        retries,
        tags,
        labels,
        test,
    } = image;
    let root = ProjectPath::ROOT;
    let from = context.as_ref().or(git.as_ref().map(|git| &git.path)).map_or(&root, |from| &from.value);
    let mut keys = Vec::new();
    keys.extend(context.as_ref().map(|context| entry("context", text(context.value.as_str()))));
    if let Some(GitSource { remote, reference, path, submodules }) = git {
        keys.push(entry("git", text(remote.value.to_string())));
        keys.push(entry("ref", text(reference.value.as_str())));
        keys.push(entry("path", text(path.value.as_str())));
        keys.push(entry("submodules", plain(submodules.to_string())));
    }
    keys.extend(dockerfile.as_ref().map(|file| entry("dockerfile", text(file.value.seen_from(from)))));
    keys.extend(target.as_ref().map(|stage| entry("target", text(stage.value.as_str()))));
    unless_empty(&mut keys, "args", named(args, |value| text(value.value.as_str())));
    unless_empty(&mut keys, "contexts", named(contexts, |context| named_context(&context.value)));
    unless_empty(&mut keys, "secrets", list(secrets.iter().map(secret)));
    unless_empty(&mut keys, "files", list(files.iter().map(file)));
    unless_empty(&mut keys, "needs", list(needs.iter().map(|image| text(image.value.as_str()))));
    keys.push(entry("platforms", list([text(platform.to_string())])));
    keys.push(entry("timeout", text(format_duration(*timeout))));
    keys.push(entry("retries", number(i64::from(*retries))));
    keys.push(entry("tags", channels(tags)));
    unless_empty(&mut keys, "labels", named(labels, |value| text(value)));
    unless_empty(&mut keys, "test", tests(test));
    map(keys)
}

fn named_context(context: &NamedContext) -> Node {
    match context {
        NamedContext::Folder(path) => text(path.as_str()),
        NamedContext::Image(image) => map([entry("image", text(image.as_str()))]),
    }
}

fn secret(secret: &SecretConfig) -> Node {
    let SecretConfig { id, from } = secret;
    let from = match from {
        SecretFrom::Env(name) => entry("env", text(name)),
        SecretFrom::File(path) => entry("file", text(path)),
    };
    map([entry("id", text(id.value.as_str())), from])
}

fn file(file: &FileConfig) -> Node {
    let FileConfig { path, from, mode, uid, gid } = file;
    let from = match from {
        FileFrom::Env(name) => entry("env", text(name)),
        FileFrom::File(path) => entry("file", text(path)),
        FileFrom::Text(content) => entry("text", text(content)),
    };
    let owner = |id: u32| if id == 0 { text("root") } else { number(i64::from(id)) };
    map([
        entry("path", text(path.value.as_str())),
        entry("from", map([from])),
        entry("mode", text(format!("{mode:04o}"))),
        entry("user", owner(*uid)),
        entry("group", owner(*gid)),
    ])
}

fn tests(test: &TestConfig) -> Node {
    let TestConfig { run, structure, healthy } = test;
    let mut keys = Vec::new();
    unless_empty(&mut keys, "run", list(run.iter().map(command)));
    unless_empty(&mut keys, "structure", list(structure.iter().map(|path| text(path.value.as_str()))));
    keys.extend(healthy.map(|within| entry("healthy", text(format_duration(within)))));
    map(keys)
}

fn command(test: &CommandTest) -> Node {
    // The rest can only be said in files of container-structure-test.
    let CommandTest { name, command, stdout, stderr, exit_code, timeout, env, .. } = test;
    let mut keys = vec![entry("name", text(name)), entry("cmd", list(command.iter().map(text)))];
    let patterns = |stream: &StreamMatch| list(stream.expected.iter().map(|pattern| text(pattern.as_str())));
    unless_empty(&mut keys, "stdout", patterns(stdout));
    unless_empty(&mut keys, "stderr", patterns(stderr));
    keys.push(entry("exit", number(*exit_code)));
    keys.extend(timeout.map(|timeout| entry("timeout", text(format_duration(timeout)))));
    unless_empty(&mut keys, "env", named(env, |value| text(value)));
    map(keys)
}

/// A windlass.yaml that has a project's name and these containers, and nothing else.
pub fn deploy_text(project: &str, entries: &BTreeMap<String, ContainerEntry>) -> String {
    let keys = [
        entry("version", number(VERSION)),
        entry("project", text(project)),
        entry("deploy", map([entry("containers", named(entries, container))])),
    ];
    map(keys).to_yaml()
}

fn containers(deploy: &Deploy) -> Node {
    let mut keys = Vec::new();
    unless_empty(&mut keys, "containers", named(deploy.entries(), container));
    let network = |entry: &NetworkEntry| {
        from_json(serde_json::to_value(entry).expect("a network's keys and texts are valid JSON"))
    };
    unless_empty(&mut keys, "networks", named(deploy.network_entries(), network));
    map(keys)
}

fn container(entry: &ContainerEntry) -> Node {
    from_json(serde_json::to_value(entry).expect("a container's keys and texts are valid JSON"))
}

fn from_json(json: Json) -> Node {
    match json {
        Json::Null => plain("null"),
        Json::Bool(value) => plain(value.to_string()),
        Json::Number(value) => plain(value.to_string()),
        Json::String(value) => text(value),
        Json::Array(values) => list(values.into_iter().map(from_json)),
        Json::Object(entries) => map(entries.into_iter().map(|(key, value)| entry(key, from_json(value)))),
    }
}

const NOWHERE: Span = Span::new(0, 0);

pub(super) fn text(text: impl AsRef<str>) -> Node {
    let text = text.as_ref().to_owned();
    Node { span: NOWHERE, value: Value::Scalar(Scalar { text, plain: false }) }
}

fn plain(text: impl Into<String>) -> Node {
    Node { span: NOWHERE, value: Value::Scalar(Scalar { text: text.into(), plain: true }) }
}

pub(super) fn number(number: i64) -> Node {
    plain(number.to_string())
}

fn list(nodes: impl IntoIterator<Item = Node>) -> Node {
    Node { span: NOWHERE, value: Value::List(nodes.into_iter().collect()) }
}

pub(super) fn map(entries: impl IntoIterator<Item = Entry>) -> Node {
    Node { span: NOWHERE, value: Value::Map(entries.into_iter().collect()) }
}

fn named<K: ToString, V>(values: &BTreeMap<K, V>, node: impl Fn(&V) -> Node) -> Node {
    map(values.iter().map(|(name, value)| entry(name.to_string(), node(value))))
}

pub(super) fn entry(key: impl Into<String>, value: Node) -> Entry {
    Entry { key: key.into(), key_span: NOWHERE, value }
}

fn unless_empty(entries: &mut Vec<Entry>, key: &str, value: Node) {
    let is_empty = match &value.value {
        Value::Scalar(_) => false,
        Value::List(nodes) => nodes.is_empty(),
        Value::Map(entries) => entries.is_empty(),
    };
    if !is_empty {
        entries.push(entry(key, value));
    }
}
