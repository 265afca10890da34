//! Images whose files are in git repositories elsewhere, built by a real engine, and `ADD` of such repositories.

use std::fs::{Permissions, set_permissions};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
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
    std::fs::remove_dir_all(project.state().join("cache")).unwrap();
    let again = embedded(&project, "other", &[]);
    assert!(latest(&built).is_some());
    assert_eq!(latest(&again), latest(&built), "{again:?}");
    for (flags, code, complaint) in [
        (format!("--checksum={} ", &commit[..12]), 1, "has the commit "),
        ("--checksum=sha256:1 ".to_owned(), 1, "`--checksum` of a repository is the id of a commit"),
        ("--keep-git-dir=true ".to_owned(), 1, "line 3: what git keeps for itself is no two times the same"),
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
