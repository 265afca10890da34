//! The action, the workflows and the scripts, as the tools see them that know their languages.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::parts;

const WORKFLOWS: [&str; 2] = [".github/workflows/ci.yml", "testdata/workflows/shop.yml"];

/// Runs a checker in the project's folder; whatever it finds fails the test.
fn check(program: &str, args: &[&str], files: &[&str]) {
    let mut command = Command::new(parts::tool(program));
    let output = command.args(args).args(files).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "`{program}` found:\n{stdout}{stderr}");
}

#[test]
fn workflows_are_what_github_runs() {
    check("actionlint", &["-shellcheck", parts::tool("shellcheck").to_str().unwrap()], &WORKFLOWS);
    check("check-jsonschema", &["--builtin-schema", "vendor.github-workflows"], &WORKFLOWS);
    check("check-jsonschema", &["--builtin-schema", "vendor.github-actions"], &["action.yml"]);
}

#[test]
fn workflows_and_action_are_safe() {
    check("zizmor", &["--offline", "--quiet"], &WORKFLOWS);
    check("zizmor", &["--offline", "--quiet"], &["action.yml"]);
}

#[test]
fn scripts_are_clean() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut scripts = vec![".ci/run".to_owned(), "examples/shop/prepare".to_owned()];
    for below in ["scripts", "scripts/lib"] {
        for entry in folder.join(below).read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() && path.extension().is_none_or(|extension| extension == "sh") {
                scripts.push(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    let scripts: Vec<&str> = scripts.iter().map(String::as_str).collect();
    assert!(scripts.len() > 6, "{scripts:?}");
    check("shellcheck", &["--external-sources"], &scripts);
}

/// A table of the inputs or outputs, as the documentation has it.
fn table(action: &serde_json::Value, section: &str) -> String {
    let mut table = String::new();
    for (name, value) in action[section].as_object().unwrap() {
        let description = value["description"].as_str().unwrap().trim();
        let default = value["default"].as_str().filter(|default| !default.is_empty());
        let default = default.map_or_else(String::new, |default| format!("; default `{default}`"));
        table.push_str(&format!("| `{name}` | {description}{default} |\n"));
    }
    table
}

#[test]
fn the_documentation_lists_what_the_action_takes_and_gives() {
    let to_json = "import json, sys, ruamel.yaml as y; json.dump(y.YAML(typ='safe').load(sys.stdin), sys.stdout)";
    let file = |path: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let action = Stdio::from(File::open(file("action.yml")).unwrap());
    let output = Command::new(parts::tool("python")).args(["-c", to_json]).stdin(action).output().unwrap();
    let action: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let documentation = std::fs::read_to_string(file("docs/github-actions.md")).unwrap();
    for (title, section) in [("Inputs", "inputs"), ("Outputs", "outputs")] {
        let wanted = format!("## {title}\n\n| name | meaning |\n|---|---|\n{}\n", table(&action, section));
        assert!(documentation.contains(&wanted), "docs/github-actions.md lacks:\n{wanted}");
    }
}
