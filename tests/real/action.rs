//! The action, run by act as GitHub would: a user's workflow in a checkout of its own, on this machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use expect_test::expect;

use crate::parts;
use crate::project::{Project, said, skopeo_digest};

/// Copies what git knows of the named files and folders into the checkout, texts changed by `change`.
pub(crate) fn check_out(project: &Project, paths: &[&str], change: &dyn Fn(String) -> String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = said(&Command::new("git").arg("ls-files").args(paths).current_dir(root).output().unwrap()).stdout;
    assert!(files.lines().count() > 10, "{files}");
    for file in files.lines() {
        let from = root.join(file);
        project.write(file, &change(fs::read_to_string(&from).unwrap()));
        fs::set_permissions(project.path(file), from.metadata().unwrap().permissions()).unwrap();
    }
    let commit = "git init -q . && git add . && git -c user.name=t -c user.email=t@example.com commit -qm all";
    assert!(Command::new("sh").args(["-ec", commit]).current_dir(project.path("")).status().unwrap().success());
}

/// What a run of act told: each step's outputs as the last step printed them, and every summary.
#[derive(Default)]
struct Told {
    values: BTreeMap<String, String>,
    summaries: Vec<String>,
    succeeded: bool,
}

fn act(project: &Project) -> Told {
    let program = Path::new(env!("CARGO_BIN_EXE_windlass")).parent().unwrap();
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(parts::tool("act"));
    command
        .args(["push", "--workflows", "testdata/workflows/shop.yml", "--platform", "ubuntu-latest=-self-hosted"])
        .args(["--action-offline-mode", "--pull=false", "--no-cache-server", "--json"])
        .args(["--env", &format!("XDG_STATE_HOME={}", home.path().display())])
        .env("PATH", format!("{}:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", program.display()))
        .env("HOME", home.path())
        .env("DOCKER_HOST", parts::docker_host())
        .current_dir(project.path(""));
    let output = said(&command.output().unwrap());
    let mut told = Told::default();
    for line in output.stdout.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        if line["command"] == "summary" && !told.summaries.contains(&text("content")) {
            told.summaries.push(text("content"));
        }
        if let (Some(true), Some((name, value))) =
            (line["raw_output"].as_bool(), text("msg").trim_end().split_once('='))
        {
            told.values.insert(name.to_owned(), value.to_owned());
        }
        told.succeeded |= line["jobResult"] == "success";
    }
    assert!(told.succeeded, "{}{}", output.stdout, output.stderr);
    // The jobs of a matrix run at once.
    told.summaries.sort();
    told
}

/// The digests differ with the busybox that is installed.
fn without_digests(text: &str) -> String {
    let mut parts = text.split("@sha256:");
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |text, part| text + "@sha256:…" + &part[64..])
}

#[test]
fn a_workflow_plans_builds_and_is_told_what_came_of_it() {
    let project = Project::new("actionshop");
    let registry = project.registry();
    let change =
        |text: String| text.replace("127.0.0.1:5000/shop", &registry).replace("project: shop", "project: actionshop");
    check_out(&project, &["action.yml", "scripts", "examples/shop", "testdata/workflows"], &change);
    let told = act(&project);
    let value = |name: &str| told.values.get(name).unwrap_or_else(|| panic!("no {name}: {:?}", told.values)).as_str();

    assert_eq!((value("PENDING"), value("RESULT"), value("BROKEN")), ("pending", "unchanged", "failed"));
    assert_eq!(value("MANIFEST"), "deploy.json");
    expect![[r#"{"layer-count":4,"layers":[{"include":[{"images":"base","name":"base","seconds":60}]},{"include":[{"images":"db","name":"db","seconds":60},{"images":"httpd","name":"httpd","seconds":60}]},{"include":[{"images":"web","name":"web","seconds":60}]},{"include":[{"images":"worker","name":"worker","seconds":60}]}]}"#]].assert_eq(value("MATRIX"));
    let plan: serde_json::Value = serde_json::from_str(value("PLAN")).unwrap();
    assert_eq!((&plan["version"], &plan["to_build"]), (&1.into(), &5.into()));
    let digests: BTreeMap<String, String> = serde_json::from_str(value("DIGESTS")).unwrap();
    let served = |image: &String| {
        let repository = format!("{registry}/{image}");
        format!("{repository}@{}", skopeo_digest(&format!("{repository}:latest")).unwrap())
    };
    assert_eq!(digests, digests.keys().map(|image| (image.clone(), served(image))).collect());
    assert_eq!(digests.len(), 5);
    expect![[r####"
        ### windlass: actionshop: 1 built

        | image | result | why | pull |
        |---|---|---|---|
        | base | ✓ built | never built | `REGISTRY/base@sha256:…` |
        ---
        ### windlass: actionshop: 1 built, 1 unchanged

        | image | result | why | pull |
        |---|---|---|---|
        | base | ○ unchanged |  | `REGISTRY/base@sha256:…` |
        | db | ✓ built | never built | `REGISTRY/db@sha256:…` |

        ```mermaid
        flowchart LR
          i0["○ base"]
          style i0 fill:#f0f0f0,color:#000
          i1["✓ db"]
          style i1 fill:#ccf0d0,color:#000
          i0 --> i1
        ```
        ---
        ### windlass: actionshop: 1 built, 1 unchanged

        | image | result | why | pull |
        |---|---|---|---|
        | base | ○ unchanged |  | `REGISTRY/base@sha256:…` |
        | httpd | ✓ built | never built | `REGISTRY/httpd@sha256:…` |

        ```mermaid
        flowchart LR
          i0["○ base"]
          style i0 fill:#f0f0f0,color:#000
          i1["✓ httpd"]
          style i1 fill:#ccf0d0,color:#000
          i0 --> i1
        ```
        ---
        ### windlass: actionshop: 1 built, 2 unchanged

        | image | result | why | pull |
        |---|---|---|---|
        | base | ○ unchanged |  | `REGISTRY/base@sha256:…` |
        | httpd | ○ unchanged |  | `REGISTRY/httpd@sha256:…` |
        | web | ✓ built | never built | `REGISTRY/web@sha256:…` |

        ```mermaid
        flowchart LR
          i0["○ base"]
          style i0 fill:#f0f0f0,color:#000
          i1["○ httpd"]
          style i1 fill:#f0f0f0,color:#000
          i2["✓ web"]
          style i2 fill:#ccf0d0,color:#000
          i0 --> i1
          i0 --> i2
          i1 --> i2
        ```
        ---
        ### windlass: actionshop: 1 built, 3 unchanged

        | image | result | why | pull |
        |---|---|---|---|
        | base | ○ unchanged |  | `REGISTRY/base@sha256:…` |
        | httpd | ○ unchanged |  | `REGISTRY/httpd@sha256:…` |
        | web | ○ unchanged |  | `REGISTRY/web@sha256:…` |
        | worker | ✓ built | never built | `REGISTRY/worker@sha256:…` |

        ```mermaid
        flowchart LR
          i0["○ base"]
          style i0 fill:#f0f0f0,color:#000
          i1["○ httpd"]
          style i1 fill:#f0f0f0,color:#000
          i2["○ web"]
          style i2 fill:#f0f0f0,color:#000
          i3["✓ worker"]
          style i3 fill:#ccf0d0,color:#000
          i0 --> i1
          i0 --> i2
          i1 --> i2
          i0 --> i3
          i2 --> i3
        ```
        ---
        ### windlass: actionshop: 1 failed, 2 unchanged

        **web** failed

        ```text
        0
        Command Test: grep -c <li> /www/index.html: exit code 1, not 0; `^3
        $` is not found in standard output
        File Content Test: cherries are sold: `>cherry</a> 0\.05` is not found in `/www/index.html`
        images/web/Dockerfile: 2 of 6 tests failed
        ```

        | image | result | why | pull |
        |---|---|---|---|
        | base | ○ unchanged |  |  |
        | httpd | ○ unchanged |  |  |
        | web | ✗ failed | the argument SOLD&#95;OUT changed |  |

        ```mermaid
        flowchart LR
          i0["○ base"]
          style i0 fill:#f0f0f0,color:#000
          i1["○ httpd"]
          style i1 fill:#f0f0f0,color:#000
          i2["✗ web"]
          style i2 fill:#ffcccc,color:#000
          i0 --> i1
          i0 --> i2
          i1 --> i2
        ```
        ---
        ### windlass: actionshop: 5 to build

        | image | result | why | pull |
        |---|---|---|---|
        | base | ● to build | never built |  |
        | db | ● to build | never built |  |
        | httpd | ● to build | never built |  |
        | web | ● to build | never built |  |
        | worker | ● to build | never built |  |

        ```mermaid
        flowchart LR
          i0["● base"]
          style i0 fill:#cce3ff,color:#000
          i1["● db"]
          style i1 fill:#cce3ff,color:#000
          i2["● httpd"]
          style i2 fill:#cce3ff,color:#000
          i3["● web"]
          style i3 fill:#cce3ff,color:#000
          i4["● worker"]
          style i4 fill:#cce3ff,color:#000
          i0 --> i1
          i0 --> i2
          i0 --> i3
          i2 --> i3
          i0 --> i4
          i3 --> i4
        ```
        ---
        ### windlass: actionshop: 5 unchanged

        | image | result | why | pull |
        |---|---|---|---|
        | base | ○ unchanged |  | `REGISTRY/base@sha256:…` |
        | db | ○ unchanged |  | `REGISTRY/db@sha256:…` |
        | httpd | ○ unchanged |  | `REGISTRY/httpd@sha256:…` |
        | web | ○ unchanged |  | `REGISTRY/web@sha256:…` |
        | worker | ○ unchanged |  | `REGISTRY/worker@sha256:…` |

        ```mermaid
        flowchart LR
          i0["○ base"]
          style i0 fill:#f0f0f0,color:#000
          i1["○ db"]
          style i1 fill:#f0f0f0,color:#000
          i2["○ httpd"]
          style i2 fill:#f0f0f0,color:#000
          i3["○ web"]
          style i3 fill:#f0f0f0,color:#000
          i4["○ worker"]
          style i4 fill:#f0f0f0,color:#000
          i0 --> i1
          i0 --> i2
          i0 --> i3
          i2 --> i3
          i0 --> i4
          i3 --> i4
        ```
    "####]]
    .assert_eq(&without_digests(&told.summaries.join("---\n").replace(&registry, "REGISTRY")));

    project.remove_images();
}
