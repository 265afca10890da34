//! `RUN` and its flags.

use super::ast::{Device, Network, Run, Security, Word};
use super::csv;
use super::instruction::Draft;
use super::lines::Line;
use super::mount;
use super::problems::{Problems, suggestion};
use super::words::Unquoted;

/// Reads `RUN`.
pub(super) fn read(draft: Draft<'_, '_>, problems: &mut Problems) -> Option<Run> {
    if draft.rest.is_empty() {
        draft.missing("a command", problems);
        return None;
    }
    let command = draft.command_line(draft.rest.clone(), problems)?;
    let flags = &draft.flags;
    let mounts = flags.values("mount").filter_map(|(_, value)| mount::read(value, draft.line, problems)).collect();
    let network = flags.value("network").and_then(|word| one_of(&word, "network mode", &NETWORKS, problems));
    let security = flags.value("security").and_then(|word| one_of(&word, "security mode", &SECURITIES, problems));
    let devices = flags.values("device").filter_map(|(_, value)| device(value, draft.line, problems)).collect();
    Some(Run { command, heredocs: draft.heredocs, mounts, network, security, devices })
}

const NETWORKS: [(&str, Network); 3] =
    [("default", Network::Default), ("none", Network::None), ("host", Network::Host)];

const SECURITIES: [(&str, Security); 2] = [("sandbox", Security::Sandbox), ("insecure", Security::Insecure)];

/// The value that a word names; an error with the choices where it names none.
pub(super) fn one_of<T: Copy>(word: &Word, what: &str, choices: &[(&str, T)], problems: &mut Problems) -> Option<T> {
    let found = choices.iter().find(|(name, _)| *name == word.text);
    if found.is_none() {
        let names = || choices.iter().map(|(name, _)| *name);
        let all = || format!("there are {}", names().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", "));
        let hint = suggestion(&word.text, names()).or_else(|| Some(all()));
        problems.error_with_hint(word.span, format!("`{}` is no {what}", word.text), "", hint);
    }
    found.map(|(_, value)| *value)
}

/// Reads a CDI device: `NAME[,required]` or `name=NAME[,required=true]`.
fn device(value: &Unquoted, line: &Line<'_>, problems: &mut Problems) -> Option<Device> {
    let span = value.span(0..value.text.len(), line);
    let fields = match csv::fields(&value.text) {
        Ok(fields) => fields,
        Err(why) => {
            problems.error(span, format!("the device `{}` {why}", value.text), "");
            return None;
        }
    };
    let mut device = Device { name: String::new(), required: false, span };
    for (range, field) in fields {
        let place = value.span(range, line);
        let (key, setting) = field.split_once('=').map_or((field.as_str(), None), |(key, v)| (key, Some(v)));
        match (key.to_ascii_lowercase().as_str(), setting) {
            ("required", None) => device.required = true,
            ("required", Some(setting)) => match go_bool(setting) {
                Some(required) => device.required = required,
                None => problems.error(place, format!("`{setting}` is neither `true` nor `false`"), ""),
            },
            ("name", Some(_)) if !device.name.is_empty() => {
                problems.error(place, format!("the device has a name already: `{}`", device.name), "");
            }
            ("name", Some(name)) => name.clone_into(&mut device.name),
            _ if device.name.is_empty() => device.name.clone_from(&field),
            _ => problems.error(place, format!("a device has no option `{key}`"), ""),
        }
    }
    Some(device)
}

/// What Go's `strconv.ParseBool` takes for yes and no.
pub(super) fn go_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}
