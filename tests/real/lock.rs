//! Builds by windlass.lock, against a real engine and a real registry.

use std::process::Command;

use expect_test::expect;
use windlass::engine::docker::Builder;
use windlass::event::NoSink;

use crate::engine_build::{Build, engine};
use crate::project::{Project, docker, skopeo_digest};
use crate::registry_images::Images;
use crate::web_server::{Page, Web};

/// A project with one image `a` that is made from `pair:1`, an image for two platforms.
fn project(name: &'static str) -> Project {
    let project = Project::new(name);
    let registry = project.registry();
    project.write("windlass.yaml", &format!("version: 1\nproject: {name}\nregistry: {registry}\n"));
    project.write("a/Dockerfile", &format!("FROM {registry}-bases/pair:1\nCOPY data /data\n"));
    project.write("a/data", "1\n");
    project
}

fn base(project: &Project) -> String {
    format!("{}-bases/pair", project.registry())
}

/// Puts an image for two platforms behind `pair:1`; returns the digest that skopeo finds there.
fn put_base(project: &Project, content: &str) -> String {
    let name = format!("{}:1", base(project));
    Images::make_with(&["arm64", "amd64"], content).copy_to(&format!("docker://{name}"), &["--dest-tls-verify=false"]);
    skopeo_digest(&name).unwrap()
}

/// What the label of the base says in the image that was built last.
fn base_of_latest(project: &Project) -> String {
    let image = format!("{}/a:latest", project.registry());
    docker(&["image", "inspect", "--format", "{{index .Config.Labels \"for\"}}", &image])
}

fn verdicts(build: &serde_json::Value) -> Vec<String> {
    let images = build["images"].as_array().unwrap().iter();
    images.map(|image| format!("{} {}", image["name"].as_str().unwrap(), image["outcome"].as_str().unwrap())).collect()
}

#[test]
fn a_build_stays_on_what_is_locked_until_the_lock_is_updated() {
    let project = project("lockmoves");
    let first = put_base(&project, " first");
    project.ok(&["lock"]);
    assert!(project.read("windlass.lock").contains(&format!("digest: {first}\n")), "{}", project.read("windlass.lock"));
    assert_eq!(project.build(&["--locked"]).0, Some(0));
    assert_eq!(base_of_latest(&project), "amd64 first");
    let dockerfile = project.read("a/Dockerfile");

    put_base(&project, " second");
    let said = project.run(&["plan", "--stale", "--quiet"]);
    assert_eq!(said.code, Some(10), "{}{}", said.stdout, said.stderr);
    assert!(project.ok(&["plan", "--locked"]).contains("nothing to build"));
    // Files change, the base does not.
    project.write("a/data", "2\n");
    assert_eq!(project.build(&["--locked"]).0, Some(0));
    assert_eq!(base_of_latest(&project), "amd64 first");

    project.ok(&["lock", "--update"]);
    let plan = project.ok(&["plan", "--locked"]).replace(&project.registry(), "REGISTRY");
    assert!(plan.contains("REGISTRY-bases/pair:1 is another image"), "{plan}");
    assert_eq!(project.build(&["--locked"]).0, Some(0));
    assert_eq!(base_of_latest(&project), "amd64 second");
    assert!(project.ok(&["plan"]).contains("nothing to build"));
    assert_eq!(project.read("a/Dockerfile"), dockerfile);
    project.remove_images();
}

#[test]
fn without_a_lock_a_moved_base_is_another_input() {
    let project = project("lockless");
    put_base(&project, " first");
    let (code, build) = project.build(&[]);
    assert_eq!((code, verdicts(&build)), (Some(0), vec!["a built".to_owned()]));
    assert!(project.ok(&["plan"]).contains("nothing to build"));
    put_base(&project, " second");
    let (code, build) = project.build(&[]);
    assert_eq!((code, verdicts(&build)), (Some(0), vec!["a built".to_owned()]));
    assert_eq!(base_of_latest(&project), "amd64 second");
    // Locking what is there changes nothing.
    project.ok(&["lock"]);
    assert!(project.ok(&["plan", "--locked"]).contains("nothing to build"));
    project.remove_images();
}

/// Takes the image behind `pair:1` away, as its publisher would.
fn delete_base(project: &Project) {
    let name = format!("docker://{}:1", base(project));
    let output = Command::new("skopeo").args(["delete", "--tls-verify=false", &name]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn an_engine_that_has_the_locked_image_needs_no_registry() {
    let project = project("lockoffline");
    let digest = put_base(&project, " first");
    project.ok(&["lock"]);
    let by_digest = format!("{}@{digest}", base(&project));
    docker(&["pull", "--quiet", &by_digest]);
    delete_base(&project);
    let (code, build) = project.build(&["--locked", "--offline", "--no-cache"]);
    assert_eq!(code, Some(0), "{build}");
    assert_eq!(base_of_latest(&project), "amd64 first");
    project.remove_images();
    docker(&["image", "rm", "--force", &by_digest]);
}

#[test]
fn an_image_that_only_the_engine_has_is_built_on_and_counts() {
    let project = Project::with_base("locklocal");
    let local = format!("locklocal-base-{}", std::process::id());
    let make = |content: &str| {
        project.write("made/Dockerfile", &format!("FROM scratch\nLABEL for={content}\n"));
        // The cache could meet an image that another test removes meanwhile.
        docker(&["build", "--quiet", "--no-cache", "--tag", &local, project.path("made").to_str().unwrap()]);
        std::fs::remove_dir_all(project.path("made")).unwrap();
    };
    make("one");
    project.write("a/Dockerfile", &format!("FROM {local}\nCOPY data /data\n")).write("a/data", "");
    let said = project.run(&["build", "a"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let note = "has: no registry has it";
    assert!(said.stderr.contains(note), "{}", said.stderr);
    assert_eq!(base_of_latest(&project), "one");
    assert!(project.ok(&["plan", "a"]).contains("nothing to build"));
    make("two");
    let plan = project.ok(&["plan", "a"]);
    assert!(plan.contains("is another image"), "{plan}");
    assert_eq!(project.build(&["a"]).0, Some(0));
    assert_eq!(base_of_latest(&project), "two");
    let said = project.run(&["build", "a", "--locked"]);
    assert_eq!(said.code, Some(2), "{}", said.stderr);
    project.remove_images();
    docker(&["image", "rm", "--force", &local]);
}

#[test]
fn a_locked_image_that_was_deleted_upstream_is_told_with_the_way_out() {
    let project = project("lockgone");
    let digest = put_base(&project, " first");
    project.ok(&["lock"]);
    delete_base(&project);
    let said = project.run(&["build", "--locked"]);
    assert_eq!(said.code, Some(1));
    let told: Vec<String> =
        said.stderr.lines().skip_while(|line| !line.starts_with("error")).map(str::to_owned).collect();
    let told = told.join("\n").replace(&base(&project), "BASE").replace(&digest, "DIGEST");
    expect![[r#"
        error: `a` failed: BASE@DIGEST: not found
          --> a/Dockerfile:1
          step: [internal] load metadata for BASE@DIGEST
        hint: the registry does not have it, or not any more: where windlass.lock says this digest, `windlass lock --update` looks up what stands in its place"#]].assert_eq(&told);
    let said = project.run(&["plan", "--stale", "--quiet"]);
    let row: Vec<&str> = said.stdout.lines().last().unwrap().split_whitespace().skip(2).collect();
    assert_eq!((row.join(" ").as_str(), said.code), ("gone a", Some(10)), "{}", said.stderr);
    put_base(&project, " second");
    project.ok(&["lock", "--update"]);
    assert_eq!(project.build(&["--locked"]).0, Some(0));
    assert_eq!(base_of_latest(&project), "amd64 second");
    project.remove_images();
}

#[tokio::test]
async fn both_builders_take_a_base_by_the_digest_of_its_index() {
    let project = project("lockbuilders");
    let digest = put_base(&project, " first");
    for (name, builder) in [("classic", Builder::Classic), ("buildkit", Builder::Best)] {
        let engine = engine(builder).await;
        let build = Build::of(name, &format!("FROM {}@{digest}\nLABEL of={name}\n", base(&project)));
        let built = build.run(&engine, &NoSink).await.unwrap();
        let label =
            docker(&["image", "inspect", "--format", "{{index .Config.Labels \"for\"}}", &built.id.to_string()]);
        assert_eq!(label, "amd64 first", "{name}");
    }
}

/// Docker 20.10's builders take no checksums: what is not compared is told, and counts all the same.
#[test]
fn a_file_that_is_fetched_is_another_input_once_its_lock_is_updated() {
    let project = Project::with_base("lockhttp");
    let web = Web::start();
    web.put("/file", Page::Body(b"one".to_vec()));
    project.write("a/Dockerfile", &format!("FROM scratch\nADD http://{}/file /\n", web.address));
    project.ok(&["lock"]);
    let said = project.run(&["build", "a", "--locked"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let warning = format!("`http://{}/file` of the image `a` is fetched without a look at its checksum", web.address);
    assert!(said.stderr.contains(&warning), "{}", said.stderr);
    web.put("/file", Page::Body(b"two".to_vec()));
    assert!(project.ok(&["plan", "a", "--locked"]).contains("nothing to build"));
    assert_eq!(project.run(&["plan", "a", "--stale"]).code, Some(10));
    project.ok(&["lock", "--update"]);
    let plan = project.ok(&["plan", "a", "--locked"]);
    assert!(plan.contains("is another file"), "{plan}");
    assert_eq!(project.build(&["a", "--locked"]).0, Some(0));
    project.remove_images();
}

#[test]
fn a_manifest_has_the_digest_that_is_locked_of_what_a_container_takes_from_elsewhere() {
    let project = project("lockdeploy");
    let (base, registry) = (base(&project), project.registry());
    let deploy = format!("deploy:\n  containers:\n    db: {{ image: \"{base}:1\" }}\n");
    project.write("windlass.yaml", &format!("version: 1\nproject: lockdeploy\nregistry: {registry}\n{deploy}"));
    let first = put_base(&project, " first");
    project.ok(&["lock"]);
    put_base(&project, " second");
    assert_eq!(project.build(&["--locked"]).0, Some(0));
    let manifest: serde_json::Value = serde_json::from_str(&project.read("deploy.json")).unwrap();
    assert_eq!(manifest["containers"]["db"]["image"], format!("{base}@{first}"));
    // Without a lock it is what the registry has now.
    std::fs::remove_file(project.path("windlass.lock")).unwrap();
    assert_eq!(project.build(&[]).0, Some(0));
    let manifest: serde_json::Value = serde_json::from_str(&project.read("deploy.json")).unwrap();
    assert_eq!(
        manifest["containers"]["db"]["image"],
        format!("{base}@{}", skopeo_digest(&format!("{base}:1")).unwrap())
    );
    std::fs::remove_file(project.path("deploy.json")).unwrap();
    let said = project.run(&["build", "--offline"]);
    assert_eq!(said.code, Some(2), "{}", said.stderr);
    assert!(said.stderr.contains("which the container `db` runs, is not known"), "{}", said.stderr);
    project.remove_images();
}
