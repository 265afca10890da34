//! Reads what an image must show, as `windlass.yaml` says it.

use super::image::{project_path, variables};
use super::keys;
use super::path::ProjectPath;
use super::read::{Findings, Spanned};
use super::value::TestConfig;
use super::yaml::{Node, Value};
use crate::model::{CommandTest, Pattern, StreamMatch};

pub(super) fn read(findings: &mut Findings, node: &Node) -> TestConfig {
    let Some(fields) = findings.fields(node, "`test`", &keys::TEST.names()) else { return TestConfig::default() };
    let run = fields.get("run").and_then(|node| findings.list(node, "a list of commands")).unwrap_or_default();
    let structure = fields.get("structure").and_then(|node| findings.list(node, "a list of files")).unwrap_or_default();
    TestConfig {
        run: run.iter().filter_map(|node| command(findings, node)).collect(),
        structure: structure.iter().filter_map(|node| structure_file(findings, node)).collect(),
        healthy: fields.get("healthy").and_then(|node| findings.time_limit(node)),
    }
}

fn structure_file(findings: &mut Findings, node: &Node) -> Option<Spanned<ProjectPath>> {
    let path = project_path(findings, node, &ProjectPath::ROOT)?;
    if path.value == ProjectPath::ROOT {
        findings.error(node.span, "a file of container-structure-test is expected, and this is a folder", "");
        return None;
    }
    Some(path)
}

fn command(findings: &mut Findings, node: &Node) -> Option<CommandTest> {
    let fields = findings.fields(node, "a command", &keys::RUN.names())?;
    let words = fields.required(findings, "cmd").and_then(|node| words(findings, node));
    let name = fields.get("name").and_then(|node| findings.written(node, "what the summary calls the command"));
    let stdout = fields.get("stdout").map_or_else(StreamMatch::default, |node| patterns(findings, node));
    let stderr = fields.get("stderr").map_or_else(StreamMatch::default, |node| patterns(findings, node));
    let exit_code = fields.get("exit").and_then(|node| findings.integer(node, 0..=255)).unwrap_or(0);
    let timeout = fields.get("timeout").and_then(|node| findings.time_limit(node));
    let env = fields.get("env").map(|node| variables(findings, node, "environment variable")).unwrap_or_default();
    let words = words?;
    let name = name.map_or_else(|| words.join(" "), str::to_owned);
    Some(CommandTest {
        exit_code,
        stdout,
        stderr,
        timeout,
        env: env.into_iter().map(|(name, value)| (name, value.value)).collect(),
        ..CommandTest::new(name, words)
    })
}

fn words(findings: &mut Findings, node: &Node) -> Option<Vec<String>> {
    if let Value::Scalar(scalar) = &node.value
        && !node.is_nothing()
    {
        let message = format!("expected the words of a command as a list, found {}", node.describe());
        let line = scalar.text.trim_end().escape_debug();
        let hint = format!("for a line of a shell write `[sh, -c, \"{line}\"]`");
        findings.error_with_hint(node.span, message, "", hint);
        return None;
    }
    let nodes = findings.list(node, "the words of a command as a list")?;
    if nodes.is_empty() {
        findings.error(node.span, "the command has no words", "");
        return None;
    }
    let words: Vec<_> = nodes.iter().filter_map(|node| findings.written(node, "a word of the command")).collect();
    (words.len() == nodes.len()).then(|| words.into_iter().map(str::to_owned).collect())
}

/// One pattern, or a list of them.
fn patterns(findings: &mut Findings, node: &Node) -> StreamMatch {
    let nodes = match &node.value {
        Value::List(nodes) => nodes.as_slice(),
        Value::Scalar(_) | Value::Map(_) => std::slice::from_ref(node),
    };
    let mut pattern = |node: &Node| {
        let text = findings.written(node, "a regular expression")?;
        findings.refuse_err(node.span, Pattern::new(text))
    };
    StreamMatch { expected: nodes.iter().filter_map(&mut pattern).collect(), excluded: Vec::new() }
}
