//! The lines before the first `FROM`, and every `FROM`: what the arguments make of them.

use std::collections::{BTreeMap, BTreeSet};

use super::ast::{ArgDeclaration, Command, Dockerfile, Stage, Word};
use super::canonical::quoted;
use super::check::Names;
use super::expand::{Expansion, Scope, Value};
use super::platform;
use super::problems::suggestion;
use super::resolve::Resolver;
use super::resolved::{Base, ResolveInputs};
use crate::model::{Platform, Reference};

/// A stage's `FROM`, expanded.
pub(super) struct From {
    pub(super) base: Base,
    /// The canonical text of its name with every variable as it is written, where there is one.
    pub(super) written: Option<String>,
    pub(super) platform: Option<Platform>,
    /// The canonical text of its flags.
    pub(super) flags: String,
    /// The global variables it uses.
    pub(super) used: BTreeSet<String>,
}

impl From {
    /// The stage that it builds on.
    pub(super) fn stage(&self) -> Option<usize> {
        match self.base {
            Base::Stage(index) => Some(index),
            Base::Scratch | Base::Outside(_) => None,
        }
    }
}

/// Defines BuildKit's own variables and those of the `ARG`s before the first `FROM`.
pub(super) fn define_globals(resolver: &mut Resolver<'_>) {
    let inputs = resolver.inputs;
    let last = resolver.dockerfile.stages.last().and_then(|stage| stage.name.as_ref());
    let stage = inputs.target.or(last.map(|name| name.text.as_str())).unwrap_or("default");
    for (name, value) in platform::variables(inputs.target_platform, inputs.build_platform, stage) {
        let given = inputs.args.get(name);
        if given.is_some() {
            resolver.set_globals.insert(name.to_owned());
        }
        resolver.globals.values.insert(name.to_owned(), Value::Known(given.cloned().unwrap_or(value)));
    }
    for ArgDeclaration { name, default } in &resolver.dockerfile.global_args {
        let value = match (inputs.args.get(&name.text), default) {
            (Some(given), _) => given.clone(),
            (None, Some(default)) => {
                let scope = std::mem::take(&mut resolver.globals);
                let expansion = resolver.expand(default, &scope);
                resolver.globals = scope;
                let Some(expansion) = expansion else { continue };
                expansion.text
            }
            (None, None) => continue,
        };
        resolver.set_globals.insert(name.text.clone());
        resolver.globals.values.insert(name.text.clone(), Value::Known(value));
    }
}

/// The variables before the first `FROM`, BuildKit's own included.
pub(super) fn globals(dockerfile: &Dockerfile, inputs: &ResolveInputs<'_>) -> BTreeMap<String, String> {
    let mut resolver = Resolver::new(dockerfile, *inputs);
    define_globals(&mut resolver);
    let known = resolver.globals.values.into_iter().filter_map(|(name, value)| match value {
        Value::Known(value) => Some((name, value)),
        Value::Unknown => None,
    });
    known.collect()
}

/// Reads all `FROM`s: an empty one is an error whichever stage is built.
pub(super) fn bases(resolver: &mut Resolver<'_>) -> Vec<Option<From>> {
    let mut earlier = Names::default();
    let stages = &resolver.dockerfile.stages;
    let scope = std::mem::take(&mut resolver.globals);
    let declared = Declared::of(resolver);
    let mut bases = Vec::with_capacity(stages.len());
    for (index, stage) in stages.iter().enumerate() {
        let is_enough = resolver.problems.are_too_many();
        bases.push(if is_enough { None } else { from(resolver, stage, &earlier, &scope, &declared) });
        if !resolver.is_replaced(index) {
            earlier.add(stage, index);
        }
    }
    resolver.globals = scope;
    bases
}

/// The names that `ARG` declares, for saying what an undefined one might be.
struct Declared<'a> {
    globally: BTreeSet<&'a str>,
    in_stages: BTreeSet<&'a str>,
}

impl<'a> Declared<'a> {
    fn of(resolver: &Resolver<'a>) -> Self {
        let dockerfile = resolver.dockerfile;
        let instructions = dockerfile.stages.iter().flat_map(|stage| &stage.instructions);
        let args = instructions.filter_map(|instruction| match &instruction.command {
            Command::Arg(args) => Some(args),
            _ => None,
        });
        let name = |arg: &'a ArgDeclaration| arg.name.text.as_str();
        Self {
            globally: dockerfile.global_args.iter().map(name).collect(),
            in_stages: args.flatten().map(name).collect(),
        }
    }
}

fn from(
    resolver: &mut Resolver<'_>,
    stage: &Stage,
    earlier: &Names<'_>,
    scope: &Scope,
    declared: &Declared<'_>,
) -> Option<From> {
    let expansion = resolver.expand(&stage.base, scope)?;
    warn_of_unset(resolver, &stage.base, &expansion, scope, declared);
    let reference = expansion.text.clone();
    let base = match earlier.find(&reference) {
        _ if reference == "scratch" => Base::Scratch,
        Some(index) => Base::Stage(index),
        None if resolver.inputs.contexts.contains(&reference) => Base::Outside(reference),
        None => {
            check_outside(resolver, &stage.base, &expansion, declared)?;
            Base::Outside(reference)
        }
    };
    if let Base::Stage(index) = base {
        warn_of_case(resolver, stage, index);
    }
    let mut from =
        From { base, written: expansion.written, platform: None, flags: String::new(), used: expansion.used };
    if let Some(word) = &stage.platform {
        add_platform(resolver, word, scope, declared, &mut from)?;
    }
    Some(from)
}

/// Refuses what names no image because of the variables in it.
fn check_outside(
    resolver: &mut Resolver<'_>,
    word: &Word,
    expansion: &Expansion,
    declared: &Declared<'_>,
) -> Option<()> {
    let (message, hint) = match expansion.text.parse::<Reference>() {
        Ok(_) => return Some(()),
        Err(_) if !expansion.unset.is_empty() => (needs(word, expansion), Some(give(&expansion.unset, declared))),
        Err(_) if expansion.text.is_empty() => (format!("`{}` is empty: no image to build on", word.text), None),
        Err(wrong) if !expansion.used.is_empty() => (wrong.to_string(), Some(give(&expansion.used, declared))),
        // It is said where its meaning is asked for.
        Err(_) => return Some(()),
    };
    resolver.problems.error_with_hint(word.span, message, "", hint);
    None
}

/// Says which build arguments have to be given.
fn needs(word: &Word, expansion: &Expansion) -> String {
    let names: Vec<String> = expansion.unset.iter().map(|name| format!("`{name}`")).collect();
    let what = match names.split_last() {
        Some((last, [])) => format!("a value of the build argument {last}"),
        Some((last, others)) => format!("values of the build arguments {} and {last}", others.join(", ")),
        None => "a value".to_owned(),
    };
    format!("`{}` needs {what}", word.text)
}

/// How to give values to variables of a `FROM`. What no `ARG` declares is given by nobody.
fn give(names: &BTreeSet<String>, declared: &Declared<'_>) -> String {
    match names.iter().find(|name| !declared.globally.contains(name.as_str())) {
        Some(name) => format!("write `ARG {name}=…` before the first FROM"),
        None => {
            let args: Vec<String> = names.iter().map(|name| format!("{name}: …")).collect();
            format!("give it in windlass.yaml: `args: {{ {} }}` of the image", args.join(", "))
        }
    }
}

fn add_platform(
    resolver: &mut Resolver<'_>,
    word: &Word,
    scope: &Scope,
    declared: &Declared<'_>,
    from: &mut From,
) -> Option<()> {
    let expansion = resolver.expand(word, scope)?;
    warn_of_unset(resolver, word, &expansion, scope, declared);
    let Some(platform) = platform::read(&expansion.text, resolver.inputs.build_platform) else {
        let (message, hint) = match expansion.text.as_str() {
            _ if !expansion.unset.is_empty() => (needs(word, &expansion), give(&expansion.unset, declared)),
            "" => (format!("`{}` is empty: no platform", word.text), "write `linux/amd64`".to_owned()),
            text => (format!("`{text}` is no platform"), "write `linux/amd64`".to_owned()),
        };
        resolver.problems.error_with_hint(word.span, message, "", Some(hint));
        return None;
    };
    // A stage that runs on the building machine makes files for the target: which machine builds is no input.
    let is_builders = |name: &String| name.starts_with("BUILD") && !resolver.set_globals.contains(name);
    let is_machine = !expansion.used.is_empty() && expansion.used.iter().all(is_builders);
    let written = if is_machine { word.text.clone() } else { platform.to_string() };
    from.flags = format!(" --platform=\"{}\"", quoted(&written));
    from.used.extend(expansion.used);
    from.platform = Some(platform);
    Some(())
}

/// Warns where a stage is meant whose name has capitals: names are in lower case, and for BuildKit only in `FROM` it
/// matters.
fn warn_of_case(resolver: &mut Resolver<'_>, stage: &Stage, index: usize) {
    let Some(name) = resolver.dockerfile.stages[index].name.as_ref() else { return };
    if name.text != stage.base.text && name.text == stage.base.text.to_lowercase() {
        let hint = Some(format!("write `{}`", name.text));
        let message = format!("BuildKit does not know stage `{}` by this case", stage.base.text);
        resolver.problems.warning(stage.base.span, message, "", hint);
    }
}

/// Warns of variables that nothing defines before the first `FROM`.
fn warn_of_unset(
    resolver: &mut Resolver<'_>,
    word: &Word,
    expansion: &Expansion,
    scope: &Scope,
    declared: &Declared<'_>,
) {
    if resolver.problems.has_all_warnings() {
        return;
    }
    for name in expansion.unset.iter().filter(|name| !declared.globally.contains(name.as_str())) {
        let near = suggestion(name, scope.values.keys().map(String::as_str));
        let is_in_stage = declared.in_stages.contains(name.as_str());
        let late = || is_in_stage.then(|| format!("only an `ARG {name}` before the first FROM is seen here"));
        resolver.problems.warning(word.span, format!("variable `{name}` is not defined"), "", near.or_else(late));
    }
}
