//! Plans as pipelines of GitLab CI and Travis CI, with the example project: run by gitlab-ci-local as GitLab's shell
//! runner would, and held against the published schemas.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use expect_test::expect;

use crate::action::check_out;
use crate::parts;
use crate::project::{Project, said, skopeo_digest};

/// The example in a repository of its own, its base prepared.
fn shop(name: &'static str) -> Project {
    let project = Project::new(name);
    let registry = project.registry();
    let change = |text: String| {
        text.replace("127.0.0.1:5000/shop", &registry).replace("project: shop", &format!("project: {name}"))
    };
    check_out(&project, &["examples/shop"], &change);
    prepare(&project);
    project
}

fn prepare(project: &Project) {
    assert!(Command::new(project.path("examples/shop/prepare")).status().unwrap().success());
}

/// The pipeline that the plan makes, as a file of the project.
fn pipeline(project: &Project, format: &str, file: &str) -> String {
    let text = project.ok(&["-C", "examples/shop", "plan", "--format", format]);
    project.write(file, &text);
    text
}

fn check_schema(project: &Project, schema: &str, file: &str) {
    let mut command = Command::new(parts::tool("check-jsonschema"));
    let output = command.args(["--builtin-schema", schema, file]).current_dir(project.path("")).output().unwrap();
    assert!(output.status.success(), "{:?}", said(&output));
}

#[test]
fn gitlab_runs_a_job_an_image_each_with_nothing_but_the_registry() {
    let project = shop("gitlabshop");
    let text = pipeline(&project, "gitlab", "images.yml");
    expect![[r##"
        # Written by `windlass plan --format gitlab`.
        stages: ["layer 0", "layer 1", "layer 2", "layer 3", promote]

        .windlass: {}

        "build base":
          extends: .windlass
          stage: "layer 0"
          needs: []
          script:
            - "windlass -C examples/shop build base --push --no-promote"

        "build db":
          extends: .windlass
          stage: "layer 1"
          needs: ["build base"]
          script:
            - "windlass -C examples/shop build db --push --no-promote"

        "build httpd":
          extends: .windlass
          stage: "layer 1"
          needs: ["build base"]
          script:
            - "windlass -C examples/shop build httpd --push --no-promote"

        "build web":
          extends: .windlass
          stage: "layer 2"
          needs: ["build httpd"]
          script:
            - "windlass -C examples/shop build web --push --no-promote"

        "build worker":
          extends: .windlass
          stage: "layer 3"
          needs: ["build web"]
          script:
            - "windlass -C examples/shop build worker --push --no-promote"

        promote:
          extends: .windlass
          stage: promote
          script:
            - "windlass -C examples/shop build --push"
    "##]]
    .assert_eq(&text);
    check_schema(&project, "vendor.gitlab-ci", "images.yml");

    // What a user adds to all jobs. Here each starts on an engine that has none of the project's images.
    let names = format!("{}/*", project.registry());
    project.write(
        "jobs.yml",
        &format!(
            ".windlass:\n  before_script:\n    - examples/shop/prepare\n    \
             - docker image ls --format '{{{{.Repository}}}}:{{{{.Tag}}}}' --filter 'reference={names}' | xargs --no-run-if-empty docker image rm >/dev/null\n    \
             - echo \"images here $(docker image ls --quiet --filter 'reference={names}' | wc -l)\"\n"
        ),
    );
    project.write(".gitlab-ci.yml", "include: [{ local: images.yml }, { local: jobs.yml }]\n");
    let commit = "git add . && git -c user.name=t -c user.email=t@example.com commit -qm pipeline && \
                  git remote add origin https://gitlab.example/shop/shop.git";
    assert!(Command::new("sh").args(["-ec", commit]).current_dir(project.path("")).status().unwrap().success());
    let program = Path::new(env!("CARGO_BIN_EXE_windlass")).parent().unwrap();
    let tools = parts::tool("gitlab-ci-local");
    let mut command = Command::new(&tools);
    // One job after another, because they share the engine that each begins with emptying.
    command.args(["--force-shell-executor", "--concurrency", "1"]);
    command.args(["--variable", &format!("XDG_STATE_HOME={}", project.path(".git/state").display())]);
    command.env(
        "PATH",
        format!(
            "{}:{}:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            program.display(),
            tools.parent().unwrap().display()
        ),
    );
    command.env("HOME", project.path("")).env("DOCKER_HOST", parts::docker_host());
    let output = said(&command.current_dir(project.path("")).output().unwrap());
    assert_eq!(output.code, Some(0), "{}{}", output.stdout, output.stderr);
    let told = |word: &str| output.stdout.lines().filter(|line| line.contains(word)).count();
    assert_eq!((told("images here 0"), told(" PASS ")), (6, 6), "{}", output.stdout);
    for image in ["base", "db", "httpd", "web", "worker"] {
        let digest = |tag: &str| skopeo_digest(&format!("{}/{image}:{tag}", project.registry()));
        assert!(digest("latest").is_some(), "{image} was promoted: {}", output.stdout);
        assert_eq!(digest("latest"), digest("testing"), "{image}");
    }
    project.remove_images();
}

#[test]
fn what_a_job_builds_is_not_promoted_before_all_is_there() {
    let project = shop("partshop");
    let digest = |tag: &str| skopeo_digest(&format!("{}/base:{tag}", project.registry()));
    project.ok(&["-C", "examples/shop", "build", "base", "--push", "--no-promote"]);
    assert_eq!((digest("testing").is_some(), digest("latest")), (true, None));
    project.ok(&["-C", "examples/shop", "build", "base", "--push"]);
    assert_eq!(digest("latest"), digest("testing"));
    project.remove_images();
}

#[test]
fn what_a_build_took_is_remembered_for_the_jobs_of_the_next() {
    let project = shop("timeshop");
    let plan =
        || project.run(&["-C", "examples/shop", "plan", "--force", "--format", "github-matrix", "--shards", "2"]);
    let first = plan();
    let guessed = "note: no build of these images is remembered here: all are taken to need the same time\n";
    assert_eq!((first.code, first.stderr.as_str()), (Some(0), guessed));
    project.ok(&["-C", "examples/shop", "build", "httpd"]);
    let second = plan();
    assert!(second.stderr.starts_with("note: no build of 3 images is remembered here: each is taken to need "));
    project.ok(&["-C", "examples/shop", "build"]);
    let third = plan();
    assert_eq!((third.code, third.stderr.as_str()), (Some(0), ""));
    project.remove_images();
}

#[test]
fn travis_takes_what_the_schema_says() {
    let project = shop("travisshop");
    expect![[r##"
        # Written by `windlass plan --format travis`.
        jobs:
          include:
            - stage: "layer 0"
              name: "base"
              script: "windlass -C examples/shop build base --push --no-promote"
            - stage: "layer 1"
              name: "db"
              script: "windlass -C examples/shop build db --push --no-promote"
            - stage: "layer 1"
              name: "httpd"
              script: "windlass -C examples/shop build httpd --push --no-promote"
            - stage: "layer 2"
              name: "web"
              script: "windlass -C examples/shop build web --push --no-promote"
            - stage: "layer 3"
              name: "worker"
              script: "windlass -C examples/shop build worker --push --no-promote"
            - stage: "promote"
              name: "promote"
              script: "windlass -C examples/shop build --push"
    "##]]
    .assert_eq(&pipeline(&project, "travis", ".travis.yml"));
    check_schema(&project, "vendor.travis", ".travis.yml");
}

/// Answers one request; what it was, with the lines of its head that say what is in it and who asks.
fn one_request(listener: &TcpListener) -> (String, Vec<u8>) {
    let (mut stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head: Vec<String> = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let value = |name: &str| head.iter().find_map(|line| line.strip_prefix(name)).unwrap();
    let mut body = vec![0; value("Content-Length: ").parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    stream.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}").unwrap();
    let said =
        ["Content-Type: ", "Travis-API-Version: ", "Authorization: "].map(|name| format!("{name}{}\n", value(name)));
    (format!("{}\n{}", head[0], said.concat()), body)
}

#[test]
fn travis_is_asked_for_the_build_as_the_documentation_says() {
    let documentation = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/travis.md")).unwrap();
    let (_, rest) = documentation.split_once("```yaml\n").unwrap();
    let (file, _) = rest.split_once("```").unwrap();
    let (_, script) = file.split_once("- |\n").unwrap();

    let project = shop("askshop");
    let planned = pipeline(&project, "travis", "planned.yml");
    project.write(".travis.yml", file);
    check_schema(&project, "vendor.travis", ".travis.yml");

    let api = TcpListener::bind("127.0.0.1:0").unwrap();
    let script = script.replace("https://api.travis-ci.com", &format!("http://{}", api.local_addr().unwrap()));
    project.write("script", &script);
    let programs = Path::new(env!("CARGO_BIN_EXE_windlass")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("bash");
    command.args(["-e", "../../script"]).current_dir(project.path("examples/shop")).env("PATH", path);
    command.envs([("TRAVIS_BRANCH", "main"), ("TRAVIS_COMMIT", "c0ffee"), ("TRAVIS_TOKEN", "t0ken")]);
    command.envs([("TRAVIS_REPO_SLUG", "acme/shop")]).env("no_proxy", "*");
    // Where nobody asks it waits for ever, which nobody waits for.
    let asked = std::thread::spawn(move || one_request(&api));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{:?}", said(&output));
    let (head, body) = asked.join().unwrap();
    expect![[r"
        POST /repo/acme%2Fshop/requests HTTP/1.1
        Content-Type: application/json
        Travis-API-Version: 3
        Authorization: token t0ken
    "]]
    .assert_eq(&head);
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let planned = planned.replace(" -C examples/shop", "");
    let request = serde_json::json!({"branch": "main", "sha": "c0ffee", "merge_mode": "deep_merge", "config": planned});
    assert_eq!(body, serde_json::json!({ "request": request }));
}
