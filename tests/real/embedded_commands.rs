//! What is done with images that were built without a daemon: put into files and another engine, built once more and
//! compared, removed.

use std::process::Command;

use expect_test::expect;

use crate::parts;
use crate::project::{Project, Said, docker};

/// An image `base` of busybox, and one made from it by a command.
fn project(name: &'static str, command: &str) -> Project {
    let project = Project::with_base(name);
    let from = format!("FROM {}/base\nRUN {command}\n", project.registry());
    project.write("app/Dockerfile", &from);
    project
}

fn embedded(project: &Project, args: &[&str]) -> Said {
    let store = project.state().join("store");
    let mut command = project.command(args);
    command.args(["--engine", "embedded", "--quiet", "--offline", "--store"]).arg(store);
    crate::project::said(&command.output().unwrap())
}

fn ok(project: &Project, args: &[&str]) -> String {
    let said = embedded(project, args);
    assert_eq!(said.code, Some(0), "{args:?}: {}{}", said.stdout, said.stderr);
    said.stdout
}

fn skopeo(args: &[&str]) -> String {
    let output = Command::new("skopeo").arg("--insecure-policy").args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn images_are_put_where_they_are_asked_for() {
    let project = project("embeddedout", "echo there >/said");
    let folder = project.state();
    let layout = format!("oci:{}", folder.join("layout").display());
    let archive = format!("docker-archive:{}", folder.join("images.tar").display());
    ok(
        &project,
        &["build", "app", "--output", &layout, "--output", &archive, "--load", "--host", &parts::docker_host()],
    );
    // The chosen one alone, whatever it is made from.
    let name = format!("{}/app:latest", project.registry());
    let inspected =
        |image: &str| -> serde_json::Value { serde_json::from_str(&skopeo(&["inspect", "--config", image])).unwrap() };
    let of_layout = inspected(&format!("{layout}:{name}"));
    assert_eq!(of_layout, inspected(&format!("{archive}:{name}")));
    assert_eq!(docker(&["run", "--rm", &name, "cat", "/said"]), "there");
    let id = docker(&["image", "inspect", "--format", "{{.Id}}", &name]);
    project.remove_images();
    docker(&["load", "--input", folder.join("images.tar").to_str().unwrap()]);
    assert_eq!(docker(&["image", "inspect", "--format", "{{.Id}}", &name]), id);
    project.remove_images();
    let index: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("layout/index.json")).unwrap()).unwrap();
    assert_eq!(index["manifests"].as_array().unwrap().len(), 1, "{index}");
    // Nothing is built, and the same comes out.
    let before = std::fs::read(folder.join("images.tar")).unwrap();
    ok(&project, &["build", "app", "--output", &layout, "--output", &archive]);
    assert_eq!(std::fs::read(folder.join("images.tar")).unwrap(), before);
}

#[test]
fn an_output_that_can_not_be_is_refused_before_anything_is_built() {
    let project = project("embeddednot", "false");
    let refused = |args: &[&str]| {
        let said = embedded(&project, args);
        assert_eq!(said.code, Some(2), "{said:?}");
        said.stderr.replace(&project.path("").display().to_string(), "DIR/")
    };
    let texts = [
        refused(&["build", "--output", "oci:."]),
        refused(&["build", "--output", "docker-archive:none/images.tar"]),
        refused(&["build", "--output", "docker-archive:app"]),
    ];
    expect![[r#"
        error: `--output oci:.`: `DIR/.` holds something, and no OCI layout
        error: `--output docker-archive:none/images.tar`: its folder is not there
        error: `--output docker-archive:app`: it is no regular file
    "#]]
    .assert_eq(&texts.concat());
    let said = project.run(&["build", "--quiet", "--offline", "--output", "oci:out"]);
    assert_eq!(said.code, Some(2));
    expect![[r#"
        error: `--output oci:out` needs the embedded engine
        hint: add `--engine embedded`
    "#]]
    .assert_eq(&said.stderr);
}

#[test]
fn what_comes_out_the_same_is_told_from_what_does_not() {
    let random = "head -c 8 /dev/urandom >/random; mkdir /var; touch /var/$(head -c 4 /dev/urandom | od -A n -t x4)";
    let project = project("embeddedagain", &random.replace("-t x4", "-t x4 | tr -d ' '"));
    ok(&project, &["build"]);
    expect![[r#"
        base  same

        1 image came out the same
    "#]]
    .assert_eq(&ok(&project, &["verify", "base"]));
    let said = embedded(&project, &["verify"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    // The random names, which are eight digits long.
    let shown = |line: &str| match line.split_once(" var/") {
        Some((start, name)) if name.len() == 8 => format!("{} var/NAME", start.trim_end()),
        _ => line.to_owned(),
    };
    let mut lines: Vec<String> = said.stdout.lines().skip(1).map(shown).collect();
    // Which of the two names comes first is up to chance.
    lines[3..5].sort_unstable();
    expect![[r#"
        app   differs
          layer 3, RUN head -c 8 /dev/urandom >/random; mkdir /var; touch /var/$(head -c 4 /dev/urandom | od -A n -t x4 | tr -d ' ')
            changed  random (content)
            added var/NAME
            removed var/NAME

        1 of 2 images differ"#]]
    .assert_eq(&lines.join("\n"));
    project.write("app/Dockerfile", &format!("FROM {}/base\n", project.registry()));
    let said = embedded(&project, &["verify", "app"]);
    assert_eq!(said.code, Some(2));
    expect![[r#"
        error: there is no image `app` of these sources to compare with
        hint: `windlass build` it first, or go to the commit that it was built from
    "#]]
    .assert_eq(&said.stderr);
}

#[test]
fn the_store_is_bounded_and_what_went_is_built_again() {
    let project = project("embeddedgc", "echo there >/said");
    ok(&project, &["build"]);
    let digests = |project: &Project| ok(project, &["build", "--format", "json"]);
    let before = digests(&project);
    assert!(ok(&project, &["gc"]).starts_with("removed 0 B, kept "));
    let said = ok(&project, &["gc", "--unused-for", "0s", "--format", "json"]);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["kept"], 0, "{said}");
    assert!(said["removed"].as_u64() > Some(1_000_000), "{said}");
    let name = format!("{}/app:latest", project.registry());
    assert!(said["untagged"].as_array().unwrap().contains(&name.into()), "{said}");
    assert_eq!(digests(&project).replace("built", "unchanged"), before.replace("built", "unchanged"));
    let said = embedded(&project, &["gc", "--max-size", "some"]);
    assert_eq!(said.code, Some(2), "{said:?}");
}

#[test]
fn what_the_embedded_engine_can_not_do_is_said() {
    let project = project("embeddedcan", "true");
    project.write("other/Dockerfile", "FROM nowhere.example/thing\n");
    let said = embedded(&project, &["build", "other"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let (_, error) = said.stderr.split_once("error: ").unwrap();
    expect![[r#"
        `other` failed: `nowhere.example/thing` is not in the store, and no registry may be asked
          --> other/Dockerfile
    "#]]
    .assert_eq(error);
    let refused = |image: &str| {
        let said = embedded(&project, &["build", image]);
        assert_eq!(said.code, Some(1), "{said:?}");
        said.stderr.split_once("error: ").unwrap().1.to_owned()
    };
    // The one without a command needs nothing of the machine.
    let config = project.read("windlass.yaml");
    let images = "images: { files: { platforms: [linux/wasm] }, runs: { platforms: [linux/wasm] } }\n";
    project.write("windlass.yaml", &format!("{config}{images}"));
    project.write("files/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    project.write("runs/Dockerfile", "FROM scratch\nCOPY Dockerfile /\nRUN [\"/thing\"]\n");
    ok(&project, &["build", "files"]);
    project.write("rights/Dockerfile", "FROM scratch\nCOPY nothing /\nRUN --security=insecure true\n");
    project.write("rights/nothing", "");
    expect![[r#"
        `runs` failed: `RUN ["/thing"]`, line 3: this machine runs no programs for wasm
          --> runs/Dockerfile
        hint: have the kernel run them, as `apt-get install qemu-user-static` does on Debian
        `rights` failed: `RUN --security=insecure true`, line 3: it asks for all rights
          --> rights/Dockerfile
        hint: allow it with `--allow-insecure`, where the Dockerfile is trusted with this machine
    "#]]
    .assert_eq(&[refused("runs"), refused("rights")].concat());
    project.write("deploy.json", r#"{"version": 1, "project": "x", "serial": 1, "images": {}, "containers": {}}"#);
    for args in [&["apply", "deploy.json"][..], &["status"], &["rollback"]] {
        let said = embedded(&project, args);
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.stderr.starts_with("error: the embedded engine builds and tests, and runs no containers\n"));
    }
}

/// Builds with a store of its own, as on another machine, and tells the ids of the images with what was said.
fn built_on(machine: &str, project: &Project, args: &[&str]) -> (String, String) {
    let store = project.state().join(machine);
    let mut command = project.command(&["build", "--format", "json", "--engine", "embedded", "--store"]);
    command.arg(store).arg("--state-dir").arg(project.state().join(format!("{machine}-state"))).args(args);
    let said = crate::project::said(&command.output().unwrap());
    assert_eq!(said.code, Some(0), "{said:?}");
    let json: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    let ids: Vec<String> = json["images"].as_array().unwrap().iter().map(|image| image["id"].to_string()).collect();
    assert_eq!(ids.len(), 2, "{json}");
    (ids.concat(), said.stderr)
}

const RANDOM: &str = "head -c 8 /dev/urandom >/random";

#[test]
fn a_cache_carries_steps_from_one_machine_to_another() {
    let project = project("embeddedcache", RANDOM);
    let folder = format!("dir:{}", project.state().join("cache").display());
    let name = format!("registry:{}/cache:main", project.registry());
    let (first, said) = built_on("one", &project, &["--cache-from", &name, "--cache-to", &folder, "--cache-to", &name]);
    assert!(said.contains(&format!("the cache `{name}` is not there yet")), "{said}");
    assert!(said.contains(&format!("the cache `{name}` has 3 steps")), "{said}");
    assert_eq!(built_on("two", &project, &["--cache-from", &folder]).0, first);
    let (again, said) = built_on("three", &project, &["--cache-from", &name, "--cache-to", &folder]);
    assert_eq!(again, first);
    assert!(said.contains("/random (cached)"), "{said}");
    assert_ne!(built_on("four", &project, &[]).0, first);
    assert_ne!(built_on("five", &project, &["--cache-from", &name, "--no-cache"]).0, first);
    // What nobody used this time stays for another.
    project.write("app/Dockerfile", &format!("FROM {}/base\nRUN {RANDOM}; true\n", project.registry()));
    let (_, said) = built_on("six", &project, &["--cache-to", &name]);
    assert!(said.contains(&format!("the cache `{name}` has 4 steps")), "{said}");
    project.write("app/Dockerfile", &format!("FROM {}/base\nRUN {RANDOM}\n", project.registry()));
    let base = |ids: &str| ids[..ids.len() / 2].to_owned();
    let (again, _) = built_on("seven", &project, &["--cache-from", &name]);
    assert_eq!(base(&again), base(&first));
    assert_eq!(again, first);
}

#[test]
fn a_folder_by_name_is_what_the_plan_counted() {
    let project = Project::with_base("embeddednamed");
    let config = std::fs::read_to_string(project.path("windlass.yaml")).unwrap();
    project.write(
        "windlass.yaml",
        &format!("{config}images: {{ app: {{ context: app, contexts: {{ shared: lib }} }} }}\n"),
    );
    project.write("lib/kept", "1\n").write("lib/left", "1\n").write("lib/.dockerignore", "left\n.dockerignore\n");
    let from = project.registry();
    project.write(
        "app/Dockerfile",
        &format!(
            "FROM {from}/base\nCOPY --from=shared / /s/\nRUN --mount=from=shared,target=/m find /s /m | sort\nRUN echo $RANDOM >/x\n"
        ),
    );
    let (first, said) = built_on("one", &project, &["--progress", "plain"]);
    let found: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("app |   ")).collect();
    assert_eq!(found, ["/m", "/m/kept", "/s", "/s/kept"], "{said}");
    // What is left out changes nothing, what is not builds it anew.
    project.write("lib/left", "2\n");
    assert_eq!(built_on("one", &project, &[]).0, first);
    project.write("lib/kept", "2\n");
    assert_ne!(built_on("one", &project, &[]).0, first);
    let said = project.run(&["build", "app", "--quiet", "--offline", "--host", &parts::docker_host()]);
    assert_eq!(said.code, Some(1), "{said:?}");
    expect![[r#"

        error: `app` failed: the named context `shared` is a folder, and engines behind a Docker socket are given none
          --> app/Dockerfile
        hint: build it with `--engine embedded`, make an image of the folder, or copy it into the context
    "#]]
    .assert_eq(&said.stderr.replace(&project.registry(), "REGISTRY"));
    project.remove_images();
}

#[test]
fn cache_mounts_are_carried_where_that_is_asked() {
    let count = "echo x >>/c/count; touch -d @1000000000 /c/old; stat -c %Y /c/old; wc -l </c/count >/random";
    let project = project("embeddedmounts", &format!("--mount=type=cache,target=/c,mode=0750 {count}"));
    let caches = [
        format!("dir:{}", project.state().join("cache").display()),
        format!("registry:{}/cache:main", project.registry()),
    ];
    for (n, cache) in caches.iter().enumerate() {
        let said = |n_build: usize, more: &[&str]| {
            let store = ["one", "two", "three", "four", "five", "six"][n * 3 + n_build];
            let args = [&["--force", "--progress", "plain"], more].concat();
            built_on(store, &project, &args).1
        };
        let written = said(0, &["--cache-to", cache, "--cache-mounts"]);
        assert!(written.contains("has 3 steps and 1 cache mounts"), "{written}");
        // Something else is done with what is in it.
        let app = format!(
            "FROM {}/base\nRUN --mount=type=cache,target=/c echo x >>/c/count; echo found $(stat -c %Y%a /c/old /c) $(cat /c/count)\n",
            project.registry()
        );
        let before = std::fs::read_to_string(project.path("app/Dockerfile")).unwrap();
        project.write("app/Dockerfile", &app);
        let found = said(1, &["--cache-from", cache]);
        assert!(found.contains("found 1000000000644"), "{found}");
        assert!(found.contains("755 x x"), "{found}");
        // Who writes without them takes none away that are there.
        let kept = said(2, &["--cache-from", cache, "--cache-to", cache]);
        assert!(kept.contains("has 4 steps and 1 cache mounts"), "{kept}");
        project.write("app/Dockerfile", &before);
    }
    for (args, complaint) in [
        (["--cache-mounts", "--no-cache"], "--cache-to <KIND:PLACE>"),
        (["--cache-to", &format!("registry:localhost/cache@sha256:{}", "0".repeat(64))], "error: the cache `registry:"),
    ] {
        let said = embedded(&project, &[&["build"][..], &args].concat());
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.stderr.contains(complaint), "{said:?}");
    }
}

#[test]
fn a_cache_that_is_of_no_use_stops_no_build() {
    let project = project("embeddednouse", RANDOM);
    let cache = project.state().join("cache");
    let folder = format!("dir:{}", cache.display());
    let (first, _) = built_on("one", &project, &["--cache-to", &folder, "--push"]);
    let image = format!("registry:{}/app:latest", project.registry());
    let (_, said) = built_on("two", &project, &["--force", "--cache-from", &image, "--cache-from", "dir:app"]);
    assert!(said.contains(&format!("a cache is not used: reading the cache `{image}`: it is an image, and no cache")));
    assert!(said.contains("app` holds something, and no OCI layout"), "{said}");
    for entry in std::fs::read_dir(cache.join("blobs/sha256")).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        if bytes[0] != b'{' {
            bytes[20] ^= 1;
            std::fs::write(path, bytes).unwrap();
        }
    }
    let (again, said) = built_on("three", &project, &["--force", "--cache-from", &folder]);
    assert_ne!(again, first);
    assert!(said.contains("a layer of the cache is of no use: the blob `sha256:"), "{said}");
    let said = project.run(&["build", "--offline", "--quiet", "--cache-to", "dir:cache"]);
    assert_eq!(said.code, Some(2));
    expect![[r#"
        error: the cache `dir:cache` needs the embedded engine
        hint: add `--engine embedded`
    "#]]
    .assert_eq(&said.stderr);
}

#[test]
fn what_is_no_cache_is_left_alone() {
    let project = project("embeddedalone", RANDOM);
    let images = project.state().join("images");
    let output = format!("oci:{}", images.display());
    built_on("one", &project, &["--output", &output, "--push"]);
    let name = format!("{}/app:latest", project.registry());
    let before = (skopeo(&["inspect", "--raw", &format!("{output}:{name}")]), crate::project::skopeo_digest(&name));
    let (folder, image) = (format!("dir:{}", images.display()), format!("registry:{name}"));
    let (_, said) = built_on("two", &project, &["--force", "--cache-to", &folder, "--cache-to", &image]);
    assert_eq!(said.matches("is not written: reading the cache").count(), 2, "{said}");
    let after = (skopeo(&["inspect", "--raw", &format!("{output}:{name}")]), crate::project::skopeo_digest(&name));
    assert_eq!(after, before);
}

#[test]
fn a_writer_that_was_killed_is_in_nobodys_way() {
    let project = project("embeddedkilled", RANDOM);
    let left = project.state().join("left");
    std::fs::create_dir_all(left.join("blobs/sha256")).unwrap();
    std::fs::write(left.join("blobs/sha256/.half"), "half").unwrap();
    let cache = format!("dir:{}", left.display());
    let (first, _) = built_on("one", &project, &["--cache-from", &cache, "--cache-to", &cache]);
    assert_eq!(built_on("two", &project, &["--cache-from", &cache]).0, first);
    // Nor is one layer that the cache has lost.
    let biggest = std::fs::read_dir(left.join("blobs/sha256")).unwrap().map(|entry| entry.unwrap().path());
    let biggest = biggest.max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    std::fs::remove_file(biggest).unwrap();
    let (_, said) = built_on("three", &project, &["--cache-from", &cache, "--cache-to", &cache]);
    assert!(said.contains("a layer of the cache is of no use"), "{said}");
    assert!(said.contains("has 3 steps"), "{said}");
    let (_, said) = built_on("four", &project, &["--cache-from", &cache]);
    assert!(!said.contains("of no use"), "{said}");
}

#[test]
fn to_verify_leaves_no_trace_and_outputs_replace_no_device() {
    let project = project("embeddedtrace", RANDOM);
    let built = |project: &Project| ok(project, &["build", "--force", "--format", "json"]);
    let first = built(&project);
    let said = embedded(&project, &["verify", "app"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert_eq!(built(&project), first);
    let fifo = project.state().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let said = embedded(&project, &["build", "--output", &format!("docker-archive:{}", fifo.display())]);
    assert_eq!(said.code, Some(2), "{said:?}");
    let said = embedded(&project, &["build", "--load", "--host", "unix:///nowhere.sock"]);
    assert_eq!(said.code, Some(3), "{said:?}");
}
