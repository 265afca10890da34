//! A bake file in HCL as the tree that it would be in JSON: variables in it, matrices laid out, functions left out.

use std::collections::BTreeMap;

use hcl::eval::{Context, Evaluate as _};
use hcl::{Block, Body, Expression, Value};
use serde_json::Map;

/// How many targets a matrix may make; arbitrary, and more than any service builds at once.
const MATRIX_AT_MOST: usize = 4096;

/// The targets by name. What can't be evaluated, such as the call of a function, is left out of them and noted.
pub(super) fn targets(
    file: &str,
    text: &str,
    notes: &mut Vec<String>,
) -> Result<Map<String, serde_json::Value>, String> {
    let body: Body = hcl::parse(text).map_err(|error| error.to_string().replace('\n', " "))?;
    let mut variables: BTreeMap<&str, Option<&Expression>> = BTreeMap::new();
    for block in body.blocks().filter(|block| block.identifier() == "variable") {
        if let Some(name) = block.labels().first() {
            let default = block.body().attributes().find(|attribute| attribute.key() == "default");
            variables.insert(name.as_str(), default.map(|default| default.expr()));
        }
    }
    variables.extend(body.attributes().map(|attribute| (attribute.key(), Some(attribute.expr()))));
    let context = declared(&variables);
    let mut left_out = Vec::new();
    let mut targets = Map::new();
    for block in body.blocks().filter(|block| block.identifier() == "target") {
        let Some(label) = block.labels().first() else { continue };
        for context in matrix(block, &context) {
            let mut fields = Map::new();
            for attribute in block.body().attributes().filter(|attribute| attribute.key() != "matrix") {
                let place = format!("{}.{}", label.as_str(), attribute.key());
                let value = evaluated(attribute.expr(), &context, &place, &mut left_out);
                value.and_then(|value| fields.insert(attribute.key().to_owned(), value));
            }
            let name = fields.remove("name");
            let name = name.as_ref().and_then(serde_json::Value::as_str).unwrap_or(label.as_str());
            targets.insert(name.to_owned(), fields.into());
        }
    }
    left_out.dedup();
    if let [first, others @ ..] = left_out.as_slice() {
        let more = if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
        notes.push(format!("{file}: {first}{more} can't be known without bake, and is left out"));
    }
    Ok(targets)
}

/// The variables with their values, those that use others after these; one without a default is empty, and one whose
/// default is nothing sets nothing.
fn declared<'a>(variables: &BTreeMap<&'a str, Option<&'a Expression>>) -> Context<'a> {
    let mut context = Context::new();
    let mut left: Vec<(&str, &Expression)> = Vec::new();
    for (name, default) in variables {
        match default {
            Some(default) => left.push((name, default)),
            None => context.declare_var(*name, ""),
        }
    }
    loop {
        let n_before = left.len();
        left.retain(|(name, default)| match default.evaluate(&context) {
            Ok(value) => {
                context.declare_var(*name, value);
                false
            }
            Err(_) => true,
        });
        if left.len() == n_before {
            return context;
        }
    }
}

/// A context for each combination of a target's matrix; the one that is given where it has none.
fn matrix<'a>(block: &'a Block, context: &Context<'a>) -> Vec<Context<'a>> {
    let mut contexts = vec![context.clone()];
    let matrix = block.body().attributes().find(|attribute| attribute.key() == "matrix");
    let Some(Ok(Value::Object(axes))) = matrix.map(|matrix| matrix.expr().evaluate(context)) else { return contexts };
    for (name, values) in axes {
        let Value::Array(values) = values else { continue };
        let with = |context: &Context<'a>, value: &Value| {
            let mut context = context.clone();
            context.declare_var(name.clone(), value.clone());
            context
        };
        contexts = contexts.iter().flat_map(|context| values.iter().map(move |value| with(context, value))).collect();
        contexts.truncate(MATRIX_AT_MOST);
    }
    contexts
}

/// The value; of a map or list what of it has one. `place` says where it is, for what is left out.
fn evaluated(
    expression: &Expression,
    context: &Context<'_>,
    place: &str,
    left_out: &mut Vec<String>,
) -> Option<serde_json::Value> {
    match expression {
        Expression::Object(fields) => {
            let mut whole = Map::new();
            for (key, value) in fields {
                let key = key.to_string();
                let value = evaluated(value, context, &format!("{place}.{key}"), left_out);
                value.and_then(|value| whole.insert(key, value));
            }
            Some(whole.into())
        }
        Expression::Array(values) => {
            Some(values.iter().filter_map(|value| evaluated(value, context, place, left_out)).collect())
        }
        expression => match expression.evaluate(context) {
            Ok(value) => serde_json::to_value(value).ok(),
            Err(_) => {
                left_out.push(format!("`{place}`"));
                None
            }
        },
    }
}
