//! Reads files of container-structure-test, schema 2.0.0, YAML or JSON (its README, "Writing tests"). What the tool
//! lets pass silently and never means something is refused: unknown keys, patterns that don't compile, a file
//! without tests. So is what would make a verdict depend on the host: bind mounts and the environment of who runs it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::read::{Fields, Findings, Spanned};
use super::yaml::{self, Entry, Node, Value};
use crate::diag::{Diagnostics, SourceText, Span};
use crate::model::{
    CommandTest, ContainerOptions, Environment, ExecutableBy, FileContentTest, FileExistenceTest, LicenseTest,
    MetadataTest, Pattern, StreamMatch, TestSpec, ValueMatch,
};

/// The schema that is read.
const SCHEMA: &str = "2.0.0";

/// Reads a file of container-structure-test.
///
/// # Errors
/// Everything that is wrong with it, each with its place.
pub fn parse(source: &Arc<SourceText>) -> Result<TestSpec, Diagnostics> {
    let mut findings = Findings::new(source);
    let spec = yaml::parse(&mut findings).and_then(|root| file(&mut findings, &root));
    findings.finish(spec).map(|(spec, _warnings)| spec)
}

fn file(findings: &mut Findings, root: &Node) -> Option<TestSpec> {
    const KEYS: [&str; 8] = [
        "schemaVersion",
        "globalEnvVars",
        "commandTests",
        "fileExistenceTests",
        "fileContentTests",
        "metadataTest",
        "licenseTests",
        "containerRunOptions",
    ];
    let fields = findings.fields(root, "a container-structure-test file", &KEYS)?;
    schema(findings, &fields);
    let global_env = fields.get("globalEnvVars").map(|node| environment(findings, node)).unwrap_or_default();
    let options = fields.get("containerRunOptions").map(|node| container_options(findings, node)).unwrap_or_default();
    let spec = TestSpec {
        commands: each(findings, &fields, "commandTests", |findings, node| {
            command(findings, node, &global_env, &options)
        }),
        file_content: each(findings, &fields, "fileContentTests", file_content),
        file_existence: each(findings, &fields, "fileExistenceTests", |findings, node| {
            file_existence(findings, node, &global_env)
        }),
        licenses: each(findings, &fields, "licenseTests", license),
        metadata: fields.get("metadataTest").and_then(|node| metadata(findings, node)).into_iter().collect(),
        healthy_within: None,
    };
    // A misspelt key may have meant a test, and is an error already.
    let is_known = |entry: &Entry| KEYS.contains(&entry.key.as_str()) || entry.key.starts_with("x-");
    let asks = |entry: &Entry| !is_known(entry) || (entry.key.contains("Test") && !is_empty(&entry.value));
    if !matches!(&root.value, Value::Map(entries) if entries.iter().any(asks)) {
        findings.error(fields.span(), "the file has no test", "");
    }
    Some(spec)
}

fn schema(findings: &mut Findings, fields: &Fields<'_>) {
    let Some(node) = fields.required(findings, "schemaVersion") else { return };
    let written = findings.written(node, &format!("`{SCHEMA}`"));
    if let Some(other) = written.filter(|text| *text != SCHEMA) {
        findings.error(node.span, format!("schema `{other}` is not known: `{SCHEMA}` is"), "");
    }
}

fn is_empty(node: &Node) -> bool {
    match &node.value {
        Value::List(nodes) => nodes.is_empty(),
        Value::Map(entries) => entries.is_empty(),
        Value::Scalar(_) => node.is_nothing(),
    }
}

/// Reads every element of a list that may be missing.
fn each<T>(
    findings: &mut Findings,
    fields: &Fields<'_>,
    key: &str,
    mut read: impl FnMut(&mut Findings, &Node) -> Option<T>,
) -> Vec<T> {
    let Some(nodes) = fields.get(key).and_then(|node| findings.list(node, &format!("a list of {key}"))) else {
        return Vec::new();
    };
    nodes.iter().filter_map(|node| read(findings, node)).collect()
}

fn command(
    findings: &mut Findings,
    node: &Node,
    global_env: &Environment,
    options: &ContainerOptions,
) -> Option<CommandTest> {
    let keys = [
        "name",
        "setup",
        "teardown",
        "envVars",
        "command",
        "args",
        "expectedOutput",
        "excludedOutput",
        "expectedError",
        "excludedError",
        "exitCode",
    ];
    let fields = findings.fields(node, "a command test", &keys)?;
    let name = required_text(findings, &fields, "name");
    let program = required_text(findings, &fields, "command");
    let args = fields.get("args").map(|node| texts(findings, node)).unwrap_or_default();
    let setup = commands(findings, &fields, "setup");
    // It is read and not run: the container is thrown away, and the tool's own Docker driver doesn't run it either.
    commands(findings, &fields, "teardown");
    let env = fields.get("envVars").map(|node| environment(findings, node)).unwrap_or_default();
    let exit_code = fields.get("exitCode").map_or(Some(0), |node| findings.integer(node, 0..=255));
    let stdout = stream(findings, &fields, "expectedOutput", "excludedOutput");
    let stderr = stream(findings, &fields, "expectedError", "excludedError");
    let command = [program?].into_iter().chain(args).collect();
    Some(CommandTest {
        setup,
        expand: true,
        global_env: global_env.clone(),
        env,
        options: options.clone(),
        exit_code: exit_code?,
        stdout,
        stderr,
        ..CommandTest::new(name?, command)
    })
}

/// Commands as lists of words, none of them empty.
fn commands(findings: &mut Findings, fields: &Fields<'_>, key: &str) -> Vec<Vec<String>> {
    each(findings, fields, key, |findings, node| {
        let words = texts(findings, node);
        if is_empty(node) {
            findings.error(node.span, format!("a command of `{key}` has no word"), "");
        }
        Some(words)
    })
}

fn stream(findings: &mut Findings, fields: &Fields<'_>, expected: &str, excluded: &str) -> StreamMatch {
    let mut patterns = |key| {
        each(findings, fields, key, |findings, node| {
            let text = findings.written(node, "a regular expression")?;
            findings.refuse_err(node.span, Pattern::new(text))
        })
    };
    StreamMatch { expected: patterns(expected), excluded: patterns(excluded) }
}

fn file_content(findings: &mut Findings, node: &Node) -> Option<FileContentTest> {
    let keys = ["name", "path", "expectedContents", "excludedContents"];
    let fields = findings.fields(node, "a file content test", &keys)?;
    let name = required_text(findings, &fields, "name");
    let path = required_text(findings, &fields, "path");
    let content = stream(findings, &fields, "expectedContents", "excludedContents");
    Some(FileContentTest { name: name?, path: path?, content })
}

fn file_existence(findings: &mut Findings, node: &Node, global_env: &Environment) -> Option<FileExistenceTest> {
    let keys = ["name", "path", "shouldExist", "permissions", "uid", "gid", "isExecutableBy"];
    let fields = findings.fields(node, "a file existence test", &keys)?;
    let name = required_text(findings, &fields, "name");
    let path = required_text(findings, &fields, "path");
    let should_exist = fields.get("shouldExist").map_or(Some(true), |node| boolean(findings, node));
    let permissions = text(findings, &fields, "permissions");
    let mut id = |key| {
        let id = findings.integer(fields.get(key)?, -1..=i64::from(u32::MAX))?;
        // -1 is what the tool takes for "any".
        u64::try_from(id).ok()
    };
    let (uid, gid) = (id("uid"), id("gid"));
    let executable_by = fields.get("isExecutableBy").and_then(|node| {
        match findings.written(node, "`owner`, `group`, `other` or `any`")? {
            "owner" => Some(ExecutableBy::Owner),
            "group" => Some(ExecutableBy::Group),
            "other" => Some(ExecutableBy::Other),
            "any" => Some(ExecutableBy::Any),
            _ => {
                findings.mismatch(node, "`owner`, `group`, `other` or `any`");
                None
            }
        }
    });
    let global_env = global_env.clone();
    let should_exist = should_exist?;
    Some(FileExistenceTest { name: name?, path: path?, global_env, should_exist, permissions, uid, gid, executable_by })
}

fn license(findings: &mut Findings, node: &Node) -> Option<LicenseTest> {
    let fields = findings.fields(node, "a license test", &["debian", "files"])?;
    if let Some(node) = fields.get("debian")
        && boolean(findings, node) == Some(true)
    {
        let hint = "write `debian: false`, and list the files to search under `files`";
        findings.error_with_hint(node.span, "the packages of Debian are not searched for licenses", "", hint);
    }
    Some(LicenseTest { files: fields.get("files").map(|node| texts(findings, node)).unwrap_or_default() })
}

fn metadata(findings: &mut Findings, node: &Node) -> Option<MetadataTest> {
    let keys = [
        "envVars",
        "unboundEnvVars",
        "labels",
        "entrypoint",
        "cmd",
        "exposedPorts",
        "unexposedPorts",
        "volumes",
        "unmountedVolumes",
        "workdir",
        "user",
    ];
    let fields = findings.fields(node, "a metadata test", &keys)?;
    let exact = |findings: &mut Findings, key| {
        fields.get(key).filter(|node| !node.is_nothing()).map(|node| texts(findings, node))
    };
    let (entrypoint, cmd) = (exact(findings, "entrypoint"), exact(findings, "cmd"));
    let volumes = |findings: &mut Findings, key| fields.get(key).map(|n| texts(findings, n)).unwrap_or_default();
    Some(MetadataTest {
        env: each(findings, &fields, "envVars", |findings, node| value_match(findings, node, "a variable")),
        unbound_env: each(findings, &fields, "unboundEnvVars", |findings, node| {
            let fields = findings.fields(node, "a variable that is not set", &["key"])?;
            required_text(findings, &fields, "key")
        }),
        labels: each(findings, &fields, "labels", |findings, node| value_match(findings, node, "a label")),
        entrypoint,
        cmd,
        exposed_ports: each(findings, &fields, "exposedPorts", port),
        unexposed_ports: each(findings, &fields, "unexposedPorts", port),
        volumes: volumes(findings, "volumes"),
        unmounted_volumes: volumes(findings, "unmountedVolumes"),
        workdir: text(findings, &fields, "workdir"),
        user: text(findings, &fields, "user"),
    })
}

fn value_match(findings: &mut Findings, node: &Node, owner: &str) -> Option<(String, ValueMatch)> {
    let fields = findings.fields(node, owner, &["key", "value", "isRegex"])?;
    let key = required_text(findings, &fields, "key");
    let is_pattern = fields.get("isRegex").map_or(Some(false), |node| boolean(findings, node));
    let value = value(findings, &fields)?;
    let value = if is_pattern? {
        ValueMatch::Pattern(findings.refuse_err(value.span, Pattern::new(&value.value))?)
    } else {
        ValueMatch::Exactly(value.value)
    };
    Some((key?, value))
}

/// A port: a number, and `/` and a protocol where only that one is meant.
fn port(findings: &mut Findings, node: &Node) -> Option<String> {
    let port = findings.written(node, "a port such as `8080` or `53/udp`")?;
    let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
    if number.parse::<u16>().is_ok() && matches!(protocol, "tcp" | "udp" | "sctp") {
        return Some(port.to_owned());
    }
    findings.mismatch(node, "a port such as `8080` or `53/udp`");
    None
}

fn container_options(findings: &mut Findings, node: &Node) -> ContainerOptions {
    const HOST: [&str; 3] = ["envVars", "envFile", "bindMounts"];
    let keys = ["user", "privileged", "allocateTty", "capabilities", "envVars", "envFile", "bindMounts"];
    let Some(fields) = findings.fields(node, "container run options", &keys) else {
        return ContainerOptions::default();
    };
    for entry in HOST.iter().filter_map(|key| fields.entry(key)).filter(|entry| !is_empty(&entry.value)) {
        let hint = match entry.key.as_str() {
            "bindMounts" => "let the image, or a stage of it that is for tests, hold what they need",
            _ => "write the variables with their values under `globalEnvVars`",
        };
        let message = format!("`{}` would make the verdict depend on the host", entry.key);
        findings.error_with_hint(entry.key_span, message, "", hint);
    }
    let mut flag = |key| fields.get(key).and_then(|node| boolean(findings, node)).unwrap_or_default();
    let (privileged, tty) = (flag("privileged"), flag("allocateTty"));
    ContainerOptions {
        user: text(findings, &fields, "user"),
        privileged,
        tty,
        capabilities: fields.get("capabilities").map(|node| texts(findings, node)).unwrap_or_default(),
    }
}

/// A list of variables, each with a `key` and a `value`.
fn environment(findings: &mut Findings, node: &Node) -> Environment {
    let mut variables = Environment::new();
    let mut seen: BTreeMap<String, Span> = BTreeMap::new();
    for node in findings.list(node, "a list of variables").unwrap_or_default() {
        let Some(fields) = findings.fields(node, "a variable", &["key", "value"]) else { continue };
        let (key, value) = (required_text(findings, &fields, "key"), value(findings, &fields));
        let (Some(key), Some(value)) = (key, value) else { continue };
        if key.contains('=') {
            findings.error(fields.span(), format!("`{key}` is no name of a variable"), "");
        }
        let span = fields.get("key").map_or(fields.span(), |node| node.span);
        if let Some(first) = seen.insert(key.clone(), span) {
            findings.duplicate(&format!("the variable `{key}` is given twice"), span, first);
        }
        variables.insert(key, value.value);
    }
    variables
}

/// The `value` of a variable or label; nothing written is an empty one.
fn value(findings: &mut Findings, fields: &Fields<'_>) -> Option<Spanned<String>> {
    match fields.get("value").filter(|node| !node.is_nothing()) {
        Some(node) => findings.written(node, "a text").map(|text| Spanned::new(text.to_owned(), node.span)),
        None => Some(Spanned::new(String::new(), fields.span())),
    }
}

/// A list of texts; numbers and booleans are taken as they are written.
fn texts(findings: &mut Findings, node: &Node) -> Vec<String> {
    let nodes = findings.list(node, "a list of texts").unwrap_or_default();
    nodes.iter().filter_map(|node| findings.written(node, "a text")).map(str::to_owned).collect()
}

/// A text that may be missing; an empty one is as good as missing to the tool.
fn text(findings: &mut Findings, fields: &Fields<'_>, key: &str) -> Option<String> {
    let node = fields.get(key).filter(|node| !node.is_nothing())?;
    findings.written(node, "a text").filter(|text| !text.is_empty()).map(str::to_owned)
}

fn required_text(findings: &mut Findings, fields: &Fields<'_>, key: &str) -> Option<String> {
    let node = fields.required(findings, key)?;
    let text = findings.written(node, "a text")?;
    if text.is_empty() {
        findings.error(node.span, format!("`{key}` is empty"), "");
        return None;
    }
    Some(text.to_owned())
}

/// A boolean in the words of YAML 1.1, which the tool reads.
fn boolean(findings: &mut Findings, node: &Node) -> Option<bool> {
    if let Value::Scalar(scalar) = &node.value
        && scalar.plain
    {
        match scalar.text.as_str() {
            "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Some(true),
            "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => return Some(false),
            _ => {}
        }
    }
    findings.boolean(node)
}
