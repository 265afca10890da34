//! Images whose files are in git repositories elsewhere, built by a real engine, and `ADD` of such repositories.

use std::collections::BTreeSet;
use std::fs::{Permissions, create_dir, create_dir_all, remove_dir_all, set_permissions};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use expect_test::expect;

use crate::project::{Project, Said, docker, said};

fn git(project: &Project, args: &[&str]) {
    let mut git = Command::new("git");
    git.current_dir(project.path("remote")).args(["-c", "user.name=me", "-c", "user.email=me@localhost"]).args(args);
    let output = git.output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn an_image_is_built_from_a_repository_as_from_a_folder() {
    let project = Project::new("gitsource");
    project.write("remote/docker/Dockerfile", "FROM scratch\nCOPY data /data\nLABEL generation=1\n");
    project.write("remote/docker/data", "1\n");
    git(&project, &["init", "--quiet", "--initial-branch=main"]);
    git(&project, &["add", "--all"]);
    git(&project, &["commit", "--quiet", "--message", "x"]);
    let remote = project.path("remote");
    let config = format!("version: 1\nproject: gitsource\nregistry: {}\nignore: [remote/]\n", project.registry());
    let images = format!("images: {{ a: {{ git: 'file://{}', ref: main, path: docker }} }}\n", remote.display());
    project.write("windlass.yaml", &format!("{config}{images}"));
    project.ok(&["lock"]);
    let (code, build) = project.build(&["--locked"]);
    assert_eq!(code, Some(0), "{build}");
    let generation = || {
        let image = format!("{}/a:latest", project.registry());
        docker(&["image", "inspect", "--format", "{{index .Config.Labels \"generation\"}}", &image])
    };
    assert_eq!(generation(), "1");
    project.write("remote/docker/Dockerfile", "FROM scratch\nCOPY data /data\nLABEL generation=2\n");
    git(&project, &["commit", "--quiet", "--all", "--message", "x"]);
    assert!(project.ok(&["plan"]).contains("nothing to build"));
    project.ok(&["lock", "--update", "a"]);
    assert_eq!(project.build(&[]).0, Some(0));
    assert_eq!(generation(), "2");
    // The same files in a folder of the project are the same image.
    project.write("windlass.yaml", &format!("{config}images: {{ a: {{ context: remote/docker }} }}\n"));
    assert!(project.ok(&["plan"]).contains("nothing to build"));
    project.remove_images();
}

/// Serves the repositories of a folder over git's own protocol, for as long as the tests run; tells where.
fn serve(folder: &Path) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let base = format!("--base-path={}", folder.display());
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let theirs = connection.unwrap();
            let mut daemon = Command::new("git");
            daemon.args(["daemon", "--inetd", "--export-all", &base]);
            daemon.stdin(OwnedFd::from(theirs.try_clone().unwrap())).stdout(OwnedFd::from(theirs));
            // It ends with the connection.
            std::thread::spawn(move || daemon.status().unwrap());
        }
    });
    format!("git://{address}")
}

fn embedded(project: &Project, store: &str, args: &[&str]) -> Said {
    let mut command = project.command(&["build", "app", "--engine", "embedded", "--progress", "plain", "--force"]);
    command.args(args).env("SOURCE_DATE_EPOCH", "1000000000");
    command.arg("--store").arg(project.state().join(store)).env("WINDLASS_CACHE", project.state().join("cache"));
    said(&command.output().unwrap())
}

/// What commands of the image `app` printed.
fn listed(said: &str) -> String {
    let lines = said.lines().filter_map(|line| line.strip_prefix("app |   "));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn add_takes_the_files_of_a_repository() {
    let project = Project::with_base("gitadd");
    let server = serve(&project.path(""));
    let base = format!("FROM {}/base\n", project.registry());
    project.write("remote/docs/plain", "1\n").write("remote/docs/more/deep", "deep\n").write("remote/top", "top\n");
    symlink("plain", project.path("remote/docs/link")).unwrap();
    git(&project, &["init", "--quiet", "--initial-branch=main"]);
    project.write("sub/file", "of a submodule\n");
    for args in
        [&["init", "--quiet", "../sub"][..], &["-C", "../sub", "add", "--all"], &["-C", "../sub", "commit", "-qm", "x"]]
    {
        git(&project, args);
    }
    set_permissions(project.path("remote/top"), Permissions::from_mode(0o755)).unwrap();
    git(&project, &["submodule", "--quiet", "add", &format!("{server}/sub"), "below"]);
    git(&project, &["add", "--all"]);
    git(&project, &["commit", "--quiet", "--message", "x"]);
    git(&project, &["tag", "--annotate", "v1", "--message", "x"]);
    let commit = {
        let mut git = Command::new("git");
        let output = git.current_dir(project.path("remote")).args(["rev-parse", "HEAD"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    project.write("remote/docs/plain", "2\n");
    git(&project, &["commit", "--quiet", "--all", "--message", "x"]);
    let list = "find /d /e -exec stat -c '%A %u:%g %Y %n' {} + | sort -k 4; cat /d/plain /e/docs/plain /e/below/file";
    let text = |flags: &str| {
        format!(
            "{base}ADD {server}/remote#v1:docs /d\n\
             ADD {flags}--exclude=*/more --chown=3:4 {server}/remote /e/\nRUN {list}\n"
        )
    };
    project.write("app/Dockerfile", &text(""));
    let built = embedded(&project, "store", &[]);
    assert_eq!(built.code, Some(0), "{built:?}");
    expect![[r#"
        drwxr-xr-x 0:0 1000000000 /d
        lrwxrwxrwx 0:0 1000000000 /d/link
        drwxr-xr-x 0:0 1000000000 /d/more
        -rw-r--r-- 0:0 1000000000 /d/more/deep
        -rw-r--r-- 0:0 1000000000 /d/plain
        drwxr-xr-x 3:4 1000000000 /e
        -rw-r--r-- 3:4 1000000000 /e/.gitmodules
        drwxr-xr-x 3:4 1000000000 /e/below
        -rw-r--r-- 3:4 1000000000 /e/below/file
        drwxr-xr-x 3:4 1000000000 /e/docs
        lrwxrwxrwx 3:4 1000000000 /e/docs/link
        -rw-r--r-- 3:4 1000000000 /e/docs/plain
        -rwxr-xr-x 3:4 1000000000 /e/top
        1
        2
        of a submodule
    "#]]
    .assert_eq(&listed(&built.stderr));
    let latest = |said: &Said| said.stderr.lines().find(|line| line.contains("app:latest is now")).map(str::to_owned);
    // Another store, another copy of the files.
    remove_dir_all(project.state().join("cache")).unwrap();
    let again = embedded(&project, "other", &[]);
    assert!(latest(&built).is_some());
    assert_eq!(latest(&again), latest(&built), "{again:?}");
    for (flags, code, complaint) in [
        (format!("--checksum={} ", &commit[..12]), 1, "has the commit "),
        ("--checksum=sha256:1 ".to_owned(), 1, "`--checksum` of a repository is the id of a commit"),
    ] {
        project.write("app/Dockerfile", &text(&flags));
        let refused = embedded(&project, "store", &[]);
        assert_eq!(refused.code, Some(code), "{refused:?}");
        assert!(refused.stderr.contains(complaint), "{refused:?}");
    }
    for (source, complaint) in [
        ("#v2", "the repository has no branch and no tag `v2`"),
        ("#v1:top", "`top` is no folder of the repository"),
        ("#v1:none", "none"),
    ] {
        project.write("app/Dockerfile", &format!("{base}ADD {server}/remote{source} /d\n"));
        let refused = embedded(&project, "store", &[]);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.stderr.contains(complaint), "{refused:?}");
    }
    // A commit with its files in the cache needs nobody.
    project.write("app/Dockerfile", &format!("{base}ADD --checksum={commit} {server}/remote#{commit} /d\n"));
    let pinned = embedded(&project, "store", &["--offline"]);
    assert_eq!(pinned.code, Some(0), "{pinned:?}");
    project.write("app/Dockerfile", &format!("{base}ADD {server}/remote /d\n"));
    let refused = embedded(&project, "store", &["--offline"]);
    assert!(refused.stderr.contains("is not asked with `--offline`"), "{refused:?}");
}

#[test]
fn a_locked_commit_is_built_whatever_became_of_its_branch() {
    let project = Project::with_base("gitlocked");
    let server = serve(&project.path(""));
    project.write("remote/docs/plain", "1\n").write("remote/top", "1\n");
    git(&project, &["init", "--quiet", "--initial-branch=main"]);
    git(&project, &["add", "--all"]);
    git(&project, &["commit", "--quiet", "--message", "x"]);
    let text = format!(
        "FROM {}/base\nARG REF=main\nADD {server}/remote#${{REF}}:docs /d\nADD [\"{server}/remote\", \"/e/\"]\n\
         RUN cat /d/plain /e/top && ls -A / /d /e | grep -v busybox\n",
        project.registry()
    );
    project.write("app/Dockerfile", &text);
    let build = |what: &str| {
        let built = embedded(&project, "store", &[]);
        assert_eq!(built.code, Some(0), "{what}: {built:?}");
        listed(&built.stderr)
    };
    let first = build("nothing is locked");
    assert!(first.starts_with("1\n1\n"), "{first}");
    project.ok(&["lock"]);
    project.write("remote/docs/plain", "2\n").write("remote/top", "2\n");
    git(&project, &["commit", "--quiet", "--all", "--message", "x"]);
    // The step is known; in another store it is made anew.
    assert_eq!(build("locked"), "");
    let built = embedded(&project, "other", &["--locked"]);
    assert_eq!((built.code, listed(&built.stderr)), (Some(0), first.clone()), "{built:?}");
    assert_eq!(project.read("app/Dockerfile"), text);
    let plan = |args: &[&str]| {
        let mut command = project.command(&["plan", "--engine", "embedded", "--offline"]);
        let output = command.args(args).arg("--store").arg(project.state().join("store")).output().unwrap();
        said(&output).stdout
    };
    assert!(plan(&[]).contains("nothing to build"), "{}", plan(&[]));
    project.ok(&["lock", "--update", "app"]);
    assert!(plan(&[]).contains("remote#HEAD is another commit, "), "{}", plan(&[]));
    assert_eq!(build("moved"), first.replacen("1\n1\n", "2\n2\n", 1));
    std::fs::remove_file(project.path("windlass.lock")).unwrap();
    project.write("remote/docs/plain", "3\n");
    git(&project, &["commit", "--quiet", "--all", "--message", "x"]);
    assert_eq!(build("not locked any more"), first.replacen("1\n1\n", "3\n2\n", 1));
}

/// The digest of the one layer of an image in an OCI layout, and a folder that tar unpacked it to.
fn layer(layout: &Path) -> (String, PathBuf) {
    let read = |path: &Path| serde_json::from_slice::<serde_json::Value>(&std::fs::read(path).unwrap()).unwrap();
    let blob = |digest: &str| layout.join("blobs").join(digest.replace(':', "/"));
    let text = |value: &serde_json::Value| value["digest"].as_str().unwrap().to_owned();
    let manifest = read(&blob(&text(&read(&layout.join("index.json"))["manifests"][0])));
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 1, "{manifest}");
    let digest = text(&manifest["layers"][0]);
    let files = layout.join("files");
    create_dir(&files).unwrap();
    let tar = Command::new("tar").arg("-xzpf").arg(blob(&digest)).arg("-C").arg(&files).status().unwrap();
    assert!(tar.success());
    (digest, files)
}

/// What git says in a folder, with nobody's settings.
fn git_in(folder: &Path, args: &[&str]) -> String {
    let mut git = Command::new("git");
    git.arg("-C").arg(folder).args(["-c", "safe.directory=*", "-c", "protocol.version=2"]).args(args);
    let output = git.env("GIT_CONFIG_NOSYSTEM", "1").env("HOME", "/nonexistent").output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn what_git_keeps_is_the_same_bytes_each_time() {
    let project = Project::new("gitkept");
    let server = serve(&project.path(""));
    project.write("sub/file", "of a submodule\n").write("remote/docs/plain", "1\n").write("remote/empty", "");
    // Longer than a block of what is stored as it is, and than a few bits of a length.
    project
        .write("remote/docs/long", &"0123456789\n".repeat(20_000))
        .write("remote/docs.x/Dockerfile", "FROM scratch\n");
    project.write("remote/docs/run", "#!/bin/sh\n").write("remote/\u{e4} b", "a name\n");
    set_permissions(project.path("remote/docs/run"), Permissions::from_mode(0o755)).unwrap();
    symlink("docs/plain", project.path("remote/link")).unwrap();
    let sub = ["init --quiet ../sub", "-C ../sub add --all", "-C ../sub commit --quiet --message x"];
    for words in ["init --quiet --initial-branch=main", "config uploadpack.allowFilter true"].iter().chain(&sub) {
        git(&project, &words.split(' ').collect::<Vec<_>>());
    }
    git(&project, &["submodule", "--quiet", "add", &format!("{server}/sub"), "below"]);
    let commit = |message: &str| {
        git(&project, &["add", "--all"]);
        git(&project, &["commit", "--quiet", "--message", message]);
        git_in(&project.path("remote"), &["rev-parse", "HEAD"]).trim().to_owned()
    };
    let first = commit("the first");
    git(&project, &["tag", "v1"]);
    project.write("remote/docs/plain", "2\n");
    let second = commit("the second");
    project.write("remote/docs/plain", "3\n");
    commit("the third");
    let configure = |images: &str| {
        project.write(
            "windlass.yaml",
            &format!("version: 1\nproject: gitkept\nignore: [remote/]\nimages:\n  app: {{ context: app }}\n{images}"),
        );
    };
    let add = |flags: &str, of: &str| {
        project.write("app/Dockerfile", &format!("FROM scratch\nADD {flags} {server}/remote#{of} /src/\n"));
    };
    // Each name is a cache and a store of its own.
    let build = |name: &str, shell: &str| {
        let home = project.state().join(name);
        create_dir_all(&home).unwrap();
        let windlass = "exec \"$0\" build app --engine embedded --quiet --no-promote --store \"$HOME/store\" --output oci:\"$HOME/out\"";
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("{shell}\n{windlass}")).arg(env!("CARGO_BIN_EXE_windlass"));
        command.current_dir(project.path("")).env_clear().env("HOME", &home).env("SOURCE_DATE_EPOCH", "1000000000");
        command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").env("SERVER", &server);
        let built = said(&command.output().unwrap());
        assert_eq!(built.code, Some(0), "{name}: {built:?}");
        layer(&home.join("out"))
    };
    configure("");
    add("--keep-git-dir=true", &second);
    let (digest, files) = build("shallow", "umask 077");
    let ask = |args: &[&str]| git_in(&files.join("src"), args);
    let facts = [
        ask(&["rev-parse", "HEAD"]),
        ask(&["describe", "--always"]),
        ask(&["log", "--format=%H %s"]),
        ask(&["status", "--porcelain", "--ignored"]),
        ask(&["remote", "get-url", "origin"]),
        ask(&["for-each-ref"]),
    ];
    let expected =
        [&format!("{second}\n"), &second[..7], "\n", &format!("{second} the second\n"), "", &server, "/remote\n"]
            .concat();
    assert_eq!(facts.concat(), expected);
    ask(&["fsck", "--full", "--strict"]);
    assert_eq!(
        ask(&["ls-files", "--stage"]),
        git_in(
            &project.path("remote"),
            &["ls-tree", "-r", "--format=%(objectmode) %(objectname) 0%x09%(path)", &second]
        )
    );
    assert_eq!(std::fs::read_to_string(files.join("src/below/file")).unwrap(), "of a submodule\n");
    // From there one goes on as from any shallow clone.
    std::fs::write(files.join("src/docs/plain"), "changed\n").unwrap();
    assert_eq!(ask(&["status", "--porcelain"]), " M docs/plain\n");
    ask(&["fetch", "--quiet", "--unshallow", "--tags"]);
    assert_eq!(ask(&["describe", "--tags"]), format!("v1-1-g{}\n", &second[..7]));

    let settings = "umask 022; git config --global core.compression 9; git config --global index.version 4
        git config --global feature.manyFiles true; git config --global protocol.version 0";
    assert_eq!(build("whole", settings).0, digest, "all of the history is in the cache");
    let all = Command::new("find").arg(project.state().join("whole/.cache")).args(["-name", "all"]).output().unwrap();
    assert_eq!(all.stdout.iter().filter(|byte| **byte == b'\n').count(), 1);
    configure(&format!("  part: {{ git: '{server}/remote', ref: {second}, path: docs.x }}\n"));
    let with_part = "\"$0\" plan part --quiet >\"$HOME/plan\" || exit 7";
    assert_eq!(build("partial", with_part).0, digest, "of other files only the names were in the cache");
    configure("");
    // Without it the step is another one, and so is what comes of it.
    add("--keep-git-dir=false", &second);
    remove_dir_all(project.state().join("shallow/out")).unwrap();
    let plain = build("shallow", "");
    let names = |folder: &Path| {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<BTreeSet<_>>()
    };
    assert!(plain.0 != digest && !names(&plain.1.join("src")).contains(".git"), "{plain:?}");
    // The first commit is all of its history.
    add("--keep-git-dir", &first);
    let root = build("root", "");
    assert_eq!(git_in(&root.1.join("src"), &["log", "--format=%s"]), "the first\n");
    assert!(!root.1.join("src/.git/shallow").exists());
    git_in(&root.1.join("src"), &["fsck", "--full", "--strict"]);
    add("--keep-git-dir", &format!("{second}:docs"));
    assert_eq!(names(&build("folder", "").1.join("src")), ["long", "plain", "run"].map(str::to_owned).into());
    git(&project, &["init", "--quiet", "--object-format=sha256", "../wide"]);
    project.write("wide/a", "1\n").write("wide/b/c", "2\n");
    git(&project, &["-C", "../wide", "add", "--all"]);
    git(&project, &["-C", "../wide", "commit", "--quiet", "--message", "x"]);
    project.write("app/Dockerfile", &format!("FROM scratch\nADD --keep-git-dir {server}/wide /src/\n"));
    let wide = build("wide", "").1.join("src");
    assert_eq!(git_in(&wide, &["rev-parse", "HEAD"]), git_in(&project.path("wide"), &["rev-parse", "HEAD"]));
    assert_eq!(git_in(&wide, &["status", "--porcelain"]), "");
    git_in(&wide, &["fsck", "--full", "--strict"]);
}
