//! The services of a Compose file that are built (compose-spec, "build").

use std::collections::BTreeMap;
use std::sync::Arc;

use super::declared::{Target, TargetContext};
use crate::config::ProjectPath;
use crate::config::read::Findings;
use crate::config::yaml::{self, Node, Value};
use crate::diag::{Diagnostics, SourceText};

/// The values of a `.env` file: lines of `NAME=VALUE`.
pub(super) fn variables(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let mut variables = BTreeMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once('=')) {
        let value = value.trim().trim_matches(['"', '\'']);
        let value = interpolated(value, &variables).unwrap_or_else(|| value.to_owned());
        variables.insert(name.trim().trim_start_matches("export ").to_owned(), value);
    }
    variables
}

/// The services with a `build`. What a variable without a value stands in is left out.
pub(super) fn targets(
    source: &Arc<SourceText>,
    folder: &str,
    variables: &BTreeMap<String, String>,
) -> Result<Vec<Target>, Diagnostics> {
    let mut findings = Findings::new(source);
    let Some(file) = yaml::parse(&mut findings) else { return Err(findings.into_diagnostics()) };
    let folder = ProjectPath::ROOT.join(folder).unwrap_or(ProjectPath::ROOT);
    let reader = Reader { folder, variables };
    let services = get(&file, "services").map(entries).unwrap_or_default();
    let targets = services.iter().filter_map(|entry| {
        let mut target = reader.target(&entry.value)?;
        target.file = source.path().to_owned();
        target.name = entry.key.clone();
        Some(target)
    });
    Ok(targets.collect())
}

struct Reader<'a> {
    folder: ProjectPath,
    variables: &'a BTreeMap<String, String>,
}

impl Reader<'_> {
    fn target(&self, service: &Node) -> Option<Target> {
        let build = get(service, "build")?;
        let context = match &build.value {
            Value::Scalar(_) => self.text(build)?,
            _ => get(build, "context").map_or_else(|| Some(".".to_owned()), |context| self.text(context))?,
        };
        if context.contains("://") {
            return None;
        }
        let context = self.folder.join(&context).ok()?;
        let dockerfile = match get(build, "dockerfile") {
            Some(dockerfile) => self.text(dockerfile)?,
            None if get(build, "dockerfile_inline").is_some() => return None,
            None => "Dockerfile".to_owned(),
        };
        Some(Target {
            file: String::new(),
            name: String::new(),
            dockerfile: context.join(&dockerfile).ok()?.below_root()?.clone(),
            args: get(build, "args").map(|args| self.pairs(args)).unwrap_or_default(),
            target: get(build, "target").and_then(|target| self.text(target)).filter(|target| !target.is_empty()),
            tags: get(service, "image").and_then(|image| self.text(image)).into_iter().collect(),
            contexts: get(build, "additional_contexts")
                .map(|contexts| self.pairs(contexts))
                .unwrap_or_default()
                .into_iter()
                .filter_map(|(name, context)| Some((name, self.context(&context)?)))
                .collect(),
            context,
        })
    }

    fn context(&self, written: &str) -> Option<TargetContext> {
        match written.split_once(':') {
            Some(("service", service)) => Some(TargetContext::Target(service.to_owned())),
            Some(_) => None,
            None => Some(TargetContext::Folder(self.folder.join(written).ok()?)),
        }
    }

    /// A map, or a list of `NAME=VALUE`; a name alone takes its value from elsewhere.
    fn pairs(&self, node: &Node) -> BTreeMap<String, String> {
        let of_map = |entry: &yaml::Entry| Some((entry.key.clone(), self.text(&entry.value)?));
        match &node.value {
            Value::Map(entries) => entries.iter().filter_map(of_map).collect(),
            Value::List(nodes) => nodes
                .iter()
                .filter_map(|node| {
                    let text = self.text(node)?;
                    let (name, value) = text.split_once('=')?;
                    Some((name.to_owned(), value.to_owned()))
                })
                .collect(),
            Value::Scalar(_) => BTreeMap::new(),
        }
    }

    fn text(&self, node: &Node) -> Option<String> {
        match &node.value {
            Value::Scalar(scalar) if !node.is_nothing() => interpolated(&scalar.text, self.variables),
            _ => None,
        }
    }
}

fn get<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    entries(node).iter().find(|entry| entry.key == key).map(|entry| &entry.value)
}

fn entries(node: &Node) -> &[yaml::Entry] {
    match &node.value {
        Value::Map(entries) => entries,
        Value::List(_) | Value::Scalar(_) => &[],
    }
}

/// The text with `$NAME`, `${NAME}`, `${NAME:-default}` and `${NAME-default}` replaced and `$$` as `$`; none where one has
/// no value, or asks for something else.
fn interpolated(text: &str, variables: &BTreeMap<String, String>) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let (expression, after) = match rest.strip_prefix('{') {
            Some(inside) => inside.split_once('}')?,
            None => rest.split_at(rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len())),
        };
        let end = expression.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(expression.len());
        let (name, modifier) = expression.split_at(end);
        let value = variables.get(name);
        let value = match modifier {
            "" => value.cloned()?,
            _ => match (modifier.strip_prefix(":-"), modifier.strip_prefix('-')) {
                (Some(default), _) => value.filter(|value| !value.is_empty()).cloned().unwrap_or(default.to_owned()),
                (None, Some(default)) => value.cloned().unwrap_or(default.to_owned()),
                (None, None) => return None,
            },
        };
        out.push_str(&value);
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}
