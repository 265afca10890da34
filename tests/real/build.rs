//! `windlass build` as a user runs it: against a real engine and a real registry, checked by Docker's client and skopeo.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::project::{Project, docker, said, skopeo_digest};

fn outcomes(json: &serde_json::Value) -> Vec<String> {
    let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let images = json["images"].as_array().unwrap();
    images.iter().map(|image| format!("{} {}", word(&image["name"]), word(&image["outcome"]))).collect()
}

fn of<'a>(json: &'a serde_json::Value, image: &str) -> &'a serde_json::Value {
    json["images"].as_array().unwrap().iter().find(|i| i["name"] == image).unwrap()
}

/// `base`, and `api` made from it, with a test of `api`.
fn two_images(name: &'static str) -> Project {
    let project = Project::with_base(name);
    let registry = project.registry();
    project.write("api/Dockerfile", &format!("FROM {registry}/base\nCOPY version /version\n"));
    project.write("api/version", "1\n");
    let api = "images:\n  base: { context: base }\n  api: { context: api, test: { run: [{ cmd: [cat, /version], stdout: '^[0-9]+\\n$' }] } }\n";
    let config = project.read("windlass.yaml");
    project.write("windlass.yaml", &format!("{config}{api}"));
    project
}

/// The containers of images called `api` that failed a test.
fn kept_of_api() -> String {
    docker(&["ps", "--all", "--filter", "name=windlass-failed-api", "--format", "{{.Names}}"])
}

#[test]
fn images_are_built_tested_named_and_pushed_and_a_second_run_does_nothing() {
    let project = two_images("buildtwice");
    let (code, json) = project.build(&["--push", "--manifest", "deploy.json"]);
    assert_eq!((code, outcomes(&json)), (Some(0), vec!["base built".to_owned(), "api built".to_owned()]), "{json}");
    let latest = format!("{}/api:latest", project.registry());
    assert_eq!(docker(&["run", "--rm", &latest, "cat", "/version"]), "1");
    let reference = of(&json, "api")["reference"].as_str().unwrap();
    assert_eq!(skopeo_digest(&latest), Some(reference.split_once('@').unwrap().1.to_owned()));
    assert_eq!(docker(&["image", "inspect", "--format", "{{.Id}}", &latest]), of(&json, "api")["id"].as_str().unwrap());
    let manifest = project.read("deploy.json");
    assert!(manifest.contains(reference), "{manifest}");

    let list = format!("{}/api", project.registry());
    let images = docker(&["image", "ls", "--no-trunc", "--format", "{{.Tag}} {{.ID}}", &list]);
    let (code, again) = project.build(&["--push", "--manifest", "deploy.json"]);
    assert_eq!((code, outcomes(&again)), (Some(0), vec!["base unchanged".to_owned(), "api unchanged".to_owned()]));
    assert_eq!(of(&again, "api")["reference"], of(&json, "api")["reference"]);
    assert_eq!(project.read("deploy.json"), manifest, "the same input gives the same bytes");
    assert_eq!(docker(&["image", "ls", "--no-trunc", "--format", "{{.Tag}} {{.ID}}", &list]), images);
}

/// The address of a registry that has nothing and takes nothing. It ends with the test's process.
fn registry_that_takes_nothing() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let mut lines = BufReader::new(&client).lines().map_while(Result::ok);
            let asked = lines.next().unwrap_or_default();
            lines.take_while(|line| !line.is_empty()).for_each(drop);
            let status = match asked.split(' ').collect::<Vec<_>>()[..] {
                ["GET", "/v2/", ..] => 200,
                ["GET" | "HEAD", ..] => 404,
                _ => 403,
            };
            let head = format!("HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nConnection: close\r\n");
            // Whoever asked may be gone: that is no fault of the test.
            let body = r#"{"errors": [{"code": "DENIED", "message": "it takes nothing"}]}"#;
            drop((&client).write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes()));
        }
    });
    address
}

#[test]
fn what_can_t_be_pushed_is_there_for_what_is_made_from_it() {
    let project = two_images("buildrefused");
    let registry = format!("{}/buildrefused", registry_that_takes_nothing());
    for file in ["windlass.yaml", "api/Dockerfile"] {
        project.write(file, &project.read(file).replace(&project.registry(), &registry));
    }
    let (code, json) = project.build(&["--push"]);
    assert_eq!((code, outcomes(&json)), (Some(1), vec!["base failed".to_owned(), "api failed".to_owned()]), "{json}");
    assert_eq!(docker(&["run", "--rm", &format!("{registry}/api:testing"), "cat", "/version"]), "1");
    assert_eq!(docker(&["image", "ls", "--quiet", &format!("{registry}/api:latest")]), "");
    for image in ["base", "api"] {
        let names = docker(&["image", "ls", "--format", "{{.Repository}}:{{.Tag}}", &format!("{registry}/{image}")]);
        docker(&[&["image", "rm"], &names.lines().collect::<Vec<_>>()[..]].concat());
    }
}

#[test]
fn a_machine_that_has_nothing_finds_what_was_pushed() {
    let project = two_images("buildelsewhere");
    project.build(&["--push"]);
    let id = docker(&["image", "inspect", "--format", "{{.Id}}", &format!("{}/api:latest", project.registry())]);
    let tagged =
        docker(&["image", "ls", "--filter", "label=dev.windlass.image", "--format", "{{.Repository}}:{{.Tag}}"]);
    let ours: Vec<&str> = tagged.lines().filter(|name| name.starts_with(&project.registry())).collect();
    docker(&[&["image", "rm", "--force"], &ours[..]].concat());

    let (code, json) = project.build(&["--push", "--manifest", "deploy.json"]);
    assert_eq!((code, outcomes(&json)), (Some(0), vec!["base unchanged".to_owned(), "api unchanged".to_owned()]));
    assert_eq!(of(&json, "api")["id"], id);
    // A child that has to be built gets its parent from the registry.
    project.write("api/version", "2\n");
    let (code, json) = project.build(&["--push"]);
    assert_eq!((code, outcomes(&json)), (Some(0), vec!["base unchanged".to_owned(), "api built".to_owned()]), "{json}");
}

#[test]
fn channels_move_only_when_the_tests_pass() {
    let project = two_images("buildchannels");
    project.build(&["--push"]);
    let channel = |tag: &str| skopeo_digest(&format!("{}/api:{tag}", project.registry()));
    let first = channel("latest");
    assert_eq!(channel("previous"), None);

    project.write("api/version", "broken\n");
    let (code, json) = project.build(&["--push"]);
    assert_eq!((code, outcomes(&json)), (Some(1), vec!["base unchanged".to_owned(), "api failed".to_owned()]));
    assert_eq!(channel("latest"), first);
    assert!(!kept_of_api().is_empty(), "the failed container is kept");

    project.write("api/version", "2\n");
    project.build(&["--push"]);
    assert_ne!(channel("latest"), first);
    assert_eq!(channel("previous"), first);
    let local = |tag: &str| docker(&["run", "--rm", &format!("{}/api:{tag}", project.registry()), "cat", "/version"]);
    assert_eq!((local("latest"), local("previous")), ("2".to_owned(), "1".to_owned()));
}

#[test]
fn a_test_that_is_asked_anew_is_run_on_the_image_that_is_there() {
    let project = two_images("buildretest");
    let (_, json) = project.build(&["--push"]);
    let id = of(&json, "api")["id"].clone();
    let config = project.read("windlass.yaml");
    let ask = |test: &str| project.write("windlass.yaml", &config.replace("cmd: [cat, /version]", test));
    let run = || {
        let (code, json) = project.build(&["--push"]);
        (code, of(&json, "api")["outcome"].as_str().unwrap().to_owned(), of(&json, "api")["id"].clone())
    };

    ask("cmd: [sh, -c, 'cat /version; exit 3'], exit: 3");
    assert_eq!(run(), (Some(0), "built".to_owned(), id.clone()));
    assert_eq!(run(), (Some(0), "unchanged".to_owned(), id.clone()));
    ask("cmd: [cat, /nowhere]");
    assert_eq!(run().0, Some(1));
    assert_eq!(run().0, Some(1), "what failed is not taken for tested");

    // Where nothing is but what was pushed, the same holds.
    ask("cmd: [cat, /version], timeout: 20s");
    let tagged =
        docker(&["image", "ls", "--format", "{{.Repository}}:{{.Tag}}", &format!("{}/api", project.registry())]);
    docker(&[&["image", "rm", "--force"], &tagged.lines().collect::<Vec<_>>()[..]].concat());
    assert_eq!(run(), (Some(0), "built".to_owned(), id.clone()));
    assert_eq!(run(), (Some(0), "unchanged".to_owned(), id));
}

#[test]
fn a_failure_blocks_only_what_depends_on_it_and_is_told_whole() {
    let project = two_images("buildfailure");
    let registry = project.registry();
    project.write(
        "broken/Dockerfile",
        &format!("FROM {registry}/base\nRUN echo first words; echo last words >&2; exit 3\n"),
    );
    project.write("child/Dockerfile", &format!("FROM {registry}/broken\n"));
    let config = project.read("windlass.yaml");
    project
        .write("windlass.yaml", &format!("{config}  broken: {{ context: broken }}\n  child: {{ context: child }}\n"));
    let said = project.run(&["build"]);
    assert_eq!(said.code, Some(1), "{}{}", said.stdout, said.stderr);
    for part in ["broken  failed", "child   blocked", "api     built", "2 built, 1 failed, 1 blocked"] {
        assert!(said.stdout.contains(part), "`{part}` in {}", said.stdout);
    }
    let end = said.stderr.rsplit_once("error: `broken` failed").unwrap().1;
    for part in ["broken/Dockerfile:2", "first words", "last words"] {
        assert!(end.contains(part), "`{part}` in {end}");
    }
}

#[test]
fn images_that_do_not_depend_on_each_other_are_built_at_the_same_time() {
    let project = Project::with_base("buildparallel");
    let registry = project.registry();
    let mut config = project.read("windlass.yaml");
    config.push_str("images:\n  base: { context: base }\n");
    for name in ["left", "right"] {
        project.write(&format!("{name}/Dockerfile"), &format!("FROM {registry}/base\nRUN sleep 2\n"));
        config.push_str(&format!("  {name}: {{ context: {name} }}\n"));
    }
    project.write("windlass.yaml", &config);
    let said = project.run(&["build", "--jobs", "2", "--progress", "json"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let fact = |line: &str| serde_json::from_str::<serde_json::Value>(line).ok().map(|l| l["fact"].clone());
    let facts: Vec<_> = said.stderr.lines().filter_map(fact).collect();
    let at = |event: &str, image: &str| facts.iter().position(|f| f["event"] == event && f["image"] == image).unwrap();
    assert!(at("started", "right") < at("built", "left") && at("started", "left") < at("built", "right"));
}

#[test]
fn ctrl_c_ends_a_build_and_leaves_no_container() {
    let project = Project::with_base("buildinterrupt");
    let registry = project.registry();
    project.write("slow/Dockerfile", &format!("FROM {registry}/base\nRUN echo it runs; sleep 600\n"));
    let config = project.read("windlass.yaml");
    project.write(
        "windlass.yaml",
        &format!("{config}images:\n  base: {{ context: base }}\n  slow: {{ context: slow }}\n"),
    );
    let mut child = project.command(&["build"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("it runs") || line.contains("echo") {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "the build ended");
    }
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).unwrap();
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(said(&output).code, Some(130), "{rest}");
    assert!(rest.contains("interrupted"), "{rest}");
    assert_eq!(
        docker(&["ps", "--quiet", "--filter", "status=running", "--filter", "label=dev.windlass.image=slow"]),
        ""
    );
}

#[test]
fn the_manifest_belongs_to_no_context() {
    let project = Project::with_base("buildmanifest");
    let registry = project.registry();
    project.write("Dockerfile", &format!("FROM {registry}/base\nCOPY . /all\n"));
    project.ok(&["build", "--manifest", "deploy.json"]);
    let manifest = project.read("deploy.json");
    let (code, json) = project.build(&["--manifest", "deploy.json"]);
    assert_eq!(
        (code, outcomes(&json)),
        (Some(0), vec!["base unchanged".to_owned(), "buildmanifest unchanged".to_owned()])
    );
    assert_eq!(project.read("deploy.json"), manifest);
    project.build(&["--manifest", "other.json"]);
    let (code, json) = project.build(&["--manifest", "other.json"]);
    assert_eq!(
        (code, outcomes(&json)),
        (Some(0), vec!["base unchanged".to_owned(), "buildmanifest unchanged".to_owned()])
    );
}

#[test]
fn the_value_of_a_secret_is_never_shown() {
    let project = Project::with_base("buildsecret");
    let registry = project.registry();
    let run = "RUN --mount=type=secret,id=token cat /run/secrets/token; echo; exit 3";
    project.write("api/Dockerfile", &format!("FROM {registry}/base\n{run}\n"));
    let config = project.read("windlass.yaml");
    let secret = "secrets: [{ id: token, env: TOKEN }]";
    project.write(
        "windlass.yaml",
        &format!("{config}images:\n  base: {{ context: base }}\n  api: {{ context: api, {secret} }}\n"),
    );
    let mut command = project.command(&["build"]);
    let said = said(&command.env("TOKEN", "canary-5e1f").output().unwrap());
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    assert!(said.stderr.contains("***"), "{}", said.stderr);
    assert!(!said.stderr.contains("canary") && !said.stdout.contains("canary"), "{}{}", said.stdout, said.stderr);
}

#[test]
fn a_build_argument_reaches_the_images_that_declare_it() {
    let project = two_images("buildargs");
    project.write(
        "api/Dockerfile",
        &format!("FROM {}/base\nARG VERSION=1\nRUN echo $VERSION > /version\n", project.registry()),
    );
    project.ok(&["build"]);
    let (code, json) = project.build(&["--build-arg", "VERSION=broken"]);
    assert_eq!((code, outcomes(&json)), (Some(1), vec!["base unchanged".to_owned(), "api failed".to_owned()]));
    let (code, json) = project.build(&["--build-arg", "VERSION=2", "--build-arg", "OTHER=x"]);
    assert_eq!((code, outcomes(&json)), (Some(0), vec!["base unchanged".to_owned(), "api built".to_owned()]));
}
