//! Images whose files are in git repositories elsewhere: the real `git` program, on this machine alone.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use expect_test::{Expect, expect};
use tempfile::TempDir;

/// A folder with a cache, repositories and a project, and windlass run in it.
pub(crate) struct World {
    folder: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        // Always as long: places are told by columns.
        let world = Self { folder: TempDir::new_in("/tmp").unwrap() };
        fs::create_dir_all(world.path("project")).unwrap();
        fs::create_dir_all(world.path("home")).unwrap();
        world
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text.replace("WORLD", self.folder.path().to_str().unwrap())).unwrap();
    }

    /// Runs git in one of the repositories; returns what it prints.
    pub(crate) fn git(&self, repository: &str, args: &[&str]) -> String {
        let mut git = Command::new("git");
        git.current_dir(self.path(repository)).args(["-c", "protocol.file.allow=always"]).args(args);
        git.env_clear().env("PATH", PATH).env("HOME", self.path("home"));
        for who in ["AUTHOR", "COMMITTER"] {
            git.env(format!("GIT_{who}_NAME"), "me").env(format!("GIT_{who}_EMAIL"), "me@localhost");
            git.env(format!("GIT_{who}_DATE"), "2026-01-01T00:00:00Z");
        }
        let output = git.output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// A repository with these files on `main`; returns the commit.
    pub(crate) fn repository(&self, name: &str, files: &[(&str, &str)]) -> String {
        fs::create_dir_all(self.path(name)).unwrap();
        self.git(name, &["init", "--quiet", "--initial-branch=main"]);
        self.commit(name, files)
    }

    pub(crate) fn commit(&self, name: &str, files: &[(&str, &str)]) -> String {
        for (path, text) in files {
            self.write(&format!("{name}/{path}"), text);
        }
        self.git(name, &["add", "--all"]);
        self.git(name, &["commit", "--quiet", "--allow-empty", "--message", "x"]);
        self.git(name, &["rev-parse", "HEAD"])
    }

    /// The configuration of the project, with one image `a`.
    fn configure(&self, image: &str) {
        self.write("project/windlass.yaml", &format!("version: 1\nproject: shop\nimages:\n  a: {{ {image} }}\n"));
    }

    fn windlass(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_windlass"));
        command.current_dir(self.path("project")).env_clear().env("PATH", PATH).env("HOME", self.path("home"));
        command.env("DOCKER_HOST", "unix:///nonexistent/engine.sock").args(args);
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> String {
        self.said(&mut self.windlass(args))
    }

    /// What a command says, answers, and how it ends, with what differs from run to run made constant.
    fn said(&self, command: &mut Command) -> String {
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let said = format!("{}{}exit {}\n", text(&output.stderr), text(&output.stdout), output.status.code().unwrap());
        let is_hash = |word: &&str| word.len() == 16 && word.chars().all(|c| c.is_ascii_hexdigit());
        let said = said.split_whitespace().filter(is_hash).fold(said.clone(), |said, hash| said.replace(hash, "HASH"));
        said.replace(self.folder.path().to_str().unwrap(), "WORLD")
    }

    #[expect(clippy::needless_pass_by_value, reason = "expect-test's own shape")]
    fn check(&self, args: &[&str], expected: Expect) {
        expected.assert_eq(&self.run(args));
    }

    /// The plan's content hash of `a`, which has to be known.
    fn hash(&self, args: &[&str]) -> String {
        let plan = self.plan(args);
        let image = plan["images"].as_array().unwrap().iter().find(|image| image["name"] == "a").unwrap();
        image["content_hash"].as_str().unwrap().to_owned()
    }

    pub(crate) fn plan(&self, args: &[&str]) -> serde_json::Value {
        let output = self.windlass(&["plan", "--quiet", "--format", "json"]).args(args).output().unwrap();
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
    }
}

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const DOCKERFILE: &str = "FROM scratch\nCOPY . /\n";

#[test]
fn the_files_of_a_ref_are_those_of_a_folder_with_the_same_content() {
    let world = World::new();
    let files =
        [("docker/Dockerfile", DOCKERFILE), ("docker/run", "#!/bin/sh\n"), ("docker/deep/x", "1\n"), ("other", "")];
    world.repository("remote", &files);
    fs::set_permissions(world.path("remote/docker/run"), PermissionsExt::from_mode(0o755)).unwrap();
    symlink("deep/x", world.path("remote/docker/link")).unwrap();
    world.commit("remote", &[("docker/.gitattributes", "*.bat text eol=crlf\n"), ("docker/x.bat", "a\n")]);
    world.git("remote", &["tag", "--annotate", "--message", "x", "v1"]);
    world.configure("git: 'file://WORLD/remote', ref: v1, path: docker");
    let from_git = world.hash(&[]);
    let origin = &world.plan(&[])["images"][0]["git"];
    let commit = world.git("remote", &["rev-parse", "v1^{commit}"]);
    let remote = format!("file://{}", world.path("remote").display());
    assert_eq!(*origin, serde_json::json!({ "remote": remote, "ref": "v1", "commit": commit.trim() }));
    // A clone, made by git alone, as a folder of a project.
    world.git("project", &["clone", "--quiet", &format!("file://{}", world.path("remote").display()), "clone"]);
    world.configure("context: clone/docker");
    assert_eq!(world.hash(&[]), from_git);
    assert_eq!(world.plan(&[])["images"][0]["git"], serde_json::Value::Null);
    world.write("project/clone/docker/deep/x", "2\n");
    assert_ne!(world.hash(&[]), from_git);
}

#[test]
fn a_ref_is_locked_fetched_once_and_used_without_its_repository() {
    let world = World::new();
    let first = world.repository("remote", &[("Dockerfile", DOCKERFILE), ("x", "1")]);
    world.configure("git: 'file://WORLD/remote', ref: main");
    world.check(
        &["plan", "--locked"],
        expect![[r#"
        error: `file://WORLD/remote#main` is not in windlass.lock, and `--locked` asks nobody
         --> windlass.yaml:4:51
          |
        4 |   a: { git: 'file://WORLD/remote', ref: main }
          |                                                   ^^^^
          |
          = hint: `windlass lock` adds what is missing
        exit 2
    "#]],
    );
    world.check(
        &["plan", "--offline"],
        expect![[r#"
        error: `file://WORLD/remote#main` is not in windlass.lock, and `--offline` asks nobody
         --> windlass.yaml:4:51
          |
        4 |   a: { git: 'file://WORLD/remote', ref: main }
          |                                                   ^^^^
          |
          = hint: `windlass lock` adds what is missing
        exit 2
    "#]],
    );
    world.check(
        &["lock"],
        expect![[r#"
        note: `file://WORLD/remote` is fetched
        added    file://WORLD/remote#main  c2d35b493cc9

        windlass.lock: 1 name, 1 change
        exit 0
    "#]],
    );
    let lock = fs::read_to_string(world.path("project/windlass.lock")).unwrap();
    assert!(lock.contains(&format!("remote#main\":\n    commit: {first}\n")), "{lock}");
    let hash = world.hash(&["--locked"]);

    let second = world.commit("remote", &[("x", "2")]);
    assert_eq!(world.hash(&[]), hash, "what is locked stays");
    expect![[r#"
        NAME                                LOCKED        NOW           MADE FROM IT
        file://WORLD/remote#main  FIRST  SECOND  a
        exit 10
    "#]]
    .assert_eq(&world.run(&["plan", "--stale"]).replace(&first[..12], "FIRST").replace(&second[..12], "SECOND"));
    fs::rename(world.path("remote"), world.path("gone")).unwrap();
    assert_eq!(world.hash(&[]), hash, "the commit is in the cache");
    assert_eq!(world.hash(&["--offline", "--locked"]), hash);
    world.check(&["plan", "--stale"], expect![[r#"
        error: git does not get through to `file://WORLD/remote`: 'WORLD/remote' does not appear to be a git repository; Could not read from remote repository.
        hint: try `git ls-remote` with the same address: credentials and proxies are git's own
        exit 3
    "#]]);
    world.check(&["lock", "--update"], expect![[r#"
        error: git does not get through to `file://WORLD/remote`: 'WORLD/remote' does not appear to be a git repository; Could not read from remote repository.
        hint: try `git ls-remote` with the same address: credentials and proxies are git's own
        exit 3
    "#]]);
    fs::rename(world.path("gone"), world.path("remote")).unwrap();
    expect![[r#"
        note: `file://WORLD/remote` is fetched
        updated  file://WORLD/remote#main  FIRST -> SECOND

        windlass.lock: 1 name, 1 change
        exit 0
    "#]]
    .assert_eq(&world.run(&["lock", "--update", "a"]).replace(&first[..12], "FIRST").replace(&second[..12], "SECOND"));
    assert_ne!(world.hash(&["--locked"]), hash);
    world.check(
        &["plan", "--stale"],
        expect![[r#"
        every name stands for what windlass.lock says
        exit 0
    "#]],
    );
}

#[test]
fn what_a_ref_does_not_mean_is_told_where_it_is_written() {
    let world = World::new();
    let commit = world.repository("remote", &[("docker/Dockerfile", DOCKERFILE)]);
    world.git("remote", &["tag", "both"]);
    world.git("remote", &["branch", "both"]);
    symlink("/etc/hostname", world.path("remote/docker/escape")).unwrap();
    symlink("/etc", world.path("remote/etc")).unwrap();
    world.commit("remote", &[]);
    let check = |image: &str, expected: Expect| {
        world.configure(image);
        world.check(&["plan", "-q"], expected);
    };
    check(
        "git: 'file://WORLD/remote', ref: both, path: docker",
        expect![[r#"
        error: `both` is a branch and a tag of the repository
         --> windlass.yaml:4:51
          |
        4 |   a: { git: 'file://WORLD/remote', ref: both, path: docker }
          |                                                   ^^^^
          |
          = hint: write `refs/tags/both` or `refs/heads/both`
        exit 2
    "#]],
    );
    check(
        "git: 'file://WORLD/remote', ref: mian, path: docker",
        expect![[r#"
        error: the repository has no branch and no tag `mian`
         --> windlass.yaml:4:51
          |
        4 |   a: { git: 'file://WORLD/remote', ref: mian, path: docker }
          |                                                   ^^^^
          |
          = hint: did you mean `main`?
        exit 2
    "#]],
    );
    check(
        "git: 'file://WORLD/remote', path: dokcer",
        expect![[r#"
        error: the commit 0b31d18e393a of `file://WORLD/remote` has no folder `dokcer`
         --> windlass.yaml:4:52
          |
        4 |   a: { git: 'file://WORLD/remote', path: dokcer }
          |                                                    ^^^^^^
        exit 2
    "#]],
    );
    check(
        "git: 'file://WORLD/remote', path: etc",
        expect![[r#"
        error: the commit 0b31d18e393a of `file://WORLD/remote` has no folder `etc`
         --> windlass.yaml:4:52
          |
        4 |   a: { git: 'file://WORLD/remote', path: etc }
          |                                                    ^^^
        exit 2
    "#]],
    );
    check(
        "git: 'file://WORLD/remote'",
        expect![[r#"
        error: the context `file://WORLD/remote#HEAD:.` has no Dockerfile
         --> windlass.yaml:4:13
          |
        4 |   a: { git: 'file://WORLD/remote' }
          |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          |
          = hint: `dockerfile` beside it names one that is called otherwise
        exit 2
    "#]],
    );
    check(
        "git: 'file://WORLD/remote', path: docker, dockerfile: escape",
        expect![[r#"
            error: the Dockerfile `file://WORLD/remote#HEAD:docker/escape` does not exist
             --> windlass.yaml:4:72
              |
            4 |   a: { git: 'file://WORLD/remote', path: docker, dockerfile: escape }
              |                                                                        ^^^^^^
              |
              = hint: the path is seen from the context, `docker`
            exit 2
        "#]],
    );
    check(
        "git: 'file://WORLD/remote', ref: 0123456789012345678901234567890123456789",
        expect![[r#"
            error: `file://WORLD/remote` has no commit 0123456789012345678901234567890123456789
             --> windlass.yaml:4:51
              |
            4 |   a: { git: 'file://WORLD/remote', ref: 0123456789012345678901234567890123456789 }
              |                                                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
            exit 2
        "#]],
    );
    check(
        "git: 'file://WORLD/nothing'",
        expect![[r#"
        error: git does not get through to `file://WORLD/nothing`: 'WORLD/nothing' does not appear to be a git repository; Could not read from remote repository.
        hint: try `git ls-remote` with the same address: credentials and proxies are git's own
        exit 3
    "#]],
    );
    check(
        &format!("git: 'file://WORLD/remote', ref: {}", &commit[..10]),
        expect![[r#"
        error: the repository has no branch and no tag `463267296c`
         --> windlass.yaml:4:51
          |
        4 |   a: { git: 'file://WORLD/remote', ref: 463267296c }
          |                                                   ^^^^^^^^^^
          |
          = hint: a commit is written with all of its digits
        exit 2
    "#]],
    );
    check(
        "git: 'https://me:secret@localhost/x', ref: v1",
        expect![[r#"
        error: windlass.yaml holds a secret in line 4, in the address `https://localhost/x`
         |
         = hint: leave it to git: a credential helper, `url.….insteadOf`, or a key of ssh
        exit 2
    "#]],
    );
    check(
        "git: 'ext::sh -c true', ref: -x, path: /etc",
        expect![[r#"
        error: `ext::sh -c true` is no address of a git repository: it holds white space
         --> windlass.yaml:4:13
          |
        4 |   a: { git: 'ext::sh -c true', ref: -x, path: /etc }
          |             ^^^^^^^^^^^^^^^^^

        error: `-x` is no ref: expected the name of a branch or tag, `refs/…`, or the 40 digits of a commit
         --> windlass.yaml:4:37
          |
        4 |   a: { git: 'ext::sh -c true', ref: -x, path: /etc }
          |                                     ^^

        error: `/etc` is no path of the project: it is absolute, and must be relative to stay valid on another machine
         --> windlass.yaml:4:47
          |
        4 |   a: { git: 'ext::sh -c true', ref: -x, path: /etc }
          |                                               ^^^^
        exit 2
    "#]],
    );
    check(
        "ref: v1, path: x",
        expect![[r#"
        error: `ref` is given without `git`, to which it belongs
         --> windlass.yaml:4:8
          |
        4 |   a: { ref: v1, path: x }
          |        ^^^
          |
          = hint: `context` names a folder of the project itself

        error: `path` is given without `git`, to which it belongs
         --> windlass.yaml:4:17
          |
        4 |   a: { ref: v1, path: x }
          |                 ^^^^
          |
          = hint: `context` names a folder of the project itself
        exit 2
    "#]],
    );
    check(
        "git: 'file://WORLD/remote', context: docker",
        expect![[r#"
        error: image `a` has both `git` and `context`
         --> windlass.yaml:4:46
          |
        4 |   a: { git: 'file://WORLD/remote', context: docker }
          |        --- and this one                      ^^^^^^^ this one
          |
          = hint: `path` names the folder in the repository
        exit 2
    "#]],
    );
    check(
        "git: 'file://WORLD/remote', ref: refs/tags/both, path: docker",
        expect![[r#"
            LAYER  IMAGE  VERDICT  HASH              WHY
                0  a      build    HASH  never built

            1 image to build
            exit 0
        "#]],
    );
}

#[test]
fn submodules_come_along_where_they_are_asked_for() {
    let world = World::new();
    world.repository("inner", &[("y", "1")]);
    world.repository("library", &[("x", "1")]);
    let add = |repository: &str, which: &str| {
        world.git(repository, &["submodule", "--quiet", "add", &format!("../{which}"), which]);
        world.commit(repository, &[]);
    };
    add("library", "inner");
    world.repository("remote", &[("Dockerfile", DOCKERFILE)]);
    add("remote", "library");
    world.configure("git: 'file://WORLD/remote'");
    let without = world.hash(&[]);
    world.configure("git: 'file://WORLD/remote', submodules: true");
    let with = world.hash(&[]);
    assert_ne!(with, without);
    let remote = format!("file://{}", world.path("remote").display());
    world.git("project", &["clone", "--quiet", "--recurse-submodules", &remote, "clone"]);
    for git in ["clone/.git", "clone/library/.git", "clone/library/inner/.git"] {
        let git = world.path("project").join(git);
        if git.is_dir() { fs::remove_dir_all(git).unwrap() } else { fs::remove_file(git).unwrap() }
    }
    world.configure("context: clone");
    assert_eq!(world.hash(&[]), with);
}

/// git's own server over HTTP, behind as much of CGI as it needs. Tells who asked for what.
pub(crate) struct HttpRemote {
    pub(crate) address: String,
    log: Arc<Mutex<Vec<String>>>,
}

impl HttpRemote {
    /// Serves the repositories below a folder; with a password, only to `me:secret`.
    pub(crate) fn serve(root: PathBuf, locked: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let log = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&log);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (root, log) = (root.clone(), Arc::clone(&shared));
                std::thread::spawn(move || answer(stream.unwrap(), &root, locked, &log));
            }
        });
        Self { address, log }
    }

    /// The services that were asked for since the last time.
    pub(crate) fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock().unwrap())
    }
}

/// Answers one request and closes the connection. A client that goes away ends it.
fn answer(mut stream: TcpStream, root: &Path, locked: bool, log: &Mutex<Vec<String>>) -> Option<()> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    let head_end = loop {
        let n = stream.read(&mut buffer).ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&buffer[..n]);
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).ok()?;
    let header = |name: &str| {
        let line = head.lines().find(|line| line.to_lowercase().starts_with(&format!("{name}: ")))?;
        Some(line.split_once(": ")?.1.to_owned())
    };
    let mut body = bytes[head_end..].to_vec();
    let length: usize = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    while body.len() < length {
        let n = stream.read(&mut buffer).ok().filter(|n| *n > 0)?;
        body.extend_from_slice(&buffer[..n]);
    }
    let mut words = head.split(' ');
    let (method, url) = (words.next()?, words.next()?);
    if locked && header("authorization").as_deref() != Some("Basic bWU6c2VjcmV0") {
        let refusal =
            b"HTTP/1.1 401 -\r\nWWW-Authenticate: Basic realm=x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        return stream.write_all(refusal).ok();
    }
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let mut backend = Command::new("git");
    backend.arg("http-backend").env_clear().env("PATH", PATH).stdin(Stdio::piped()).stdout(Stdio::piped());
    backend.env("GIT_PROJECT_ROOT", root).env("GIT_HTTP_EXPORT_ALL", "1").env("REQUEST_METHOD", method);
    backend.env("PATH_INFO", path).env("QUERY_STRING", query).env("CONTENT_LENGTH", body.len().to_string());
    backend.env("CONTENT_TYPE", header("content-type").unwrap_or_default());
    backend.env("HTTP_CONTENT_ENCODING", header("content-encoding").unwrap_or_default());
    backend.env("GIT_PROTOCOL", header("git-protocol").unwrap_or_default());
    let service = body.windows(8).find(|window| window.starts_with(b"command=")).map(|_| {
        let text = String::from_utf8_lossy(&body);
        text.split("command=")
            .nth(1)
            .unwrap_or_default()
            .chars()
            .take_while(|c| c.is_ascii_lowercase() || *c == '-')
            .collect::<String>()
    });
    log.lock().unwrap().extend(service);
    let mut child = backend.spawn().ok()?;
    let mut stdin = child.stdin.take()?;
    let writer = std::thread::spawn(move || stdin.write_all(&body).is_ok());
    let output = child.wait_with_output().ok()?;
    writer.join().ok()?;
    let end = output.stdout.windows(4).position(|window| window == b"\r\n\r\n")?;
    let (head, body) = output.stdout.split_at(end + 4);
    let head = String::from_utf8_lossy(head);
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    let reply = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n{head}", body.len());
    stream.write_all(reply.as_bytes()).ok()?;
    stream.write_all(body).ok()
}

#[test]
fn two_images_of_one_remote_ask_it_once_and_fetch_no_more_than_their_folders() {
    let world = World::new();
    let files = [("one/Dockerfile", DOCKERFILE), ("two/Dockerfile", DOCKERFILE), ("two/x", "1"), ("three/big", "b")];
    world.repository("remote", &files);
    world.git("remote", &["config", "uploadpack.allowFilter", "true"]);
    let remote = HttpRemote::serve(world.path(""), false);
    world.write(
        "project/windlass.yaml",
        &format!(
            "version: 1\nproject: shop\nimages:\n  a: {{ git: '{0}/remote', ref: main, path: one }}\n  \
             b: {{ git: '{0}/remote', ref: main, path: two }}\n  c: {{ context: c }}\n",
            remote.address
        ),
    );
    world.write("project/c/Dockerfile", "FROM shop/a\n");
    let said = world.run(&["lock"]).replace(&remote.address, "REMOTE");
    let commit = world.git("remote", &["rev-parse", "main"]);
    expect![[r#"
        note: `REMOTE/remote` is fetched
        added    REMOTE/remote#main  COMMIT

        windlass.lock: 1 name, 1 change
        exit 0
    "#]]
    .assert_eq(&said.replace(&commit[..12], "COMMIT"));
    // The refs, the commit, and the files of each folder.
    assert_eq!(remote.log(), ["ls-refs", "fetch", "fetch", "fetch"]);
    world.hash(&[]);
    assert_eq!(remote.log(), Vec::<String>::new(), "what is locked and in the cache asks nobody");
    let big = world.git("remote", &["rev-parse", "main:three/big"]);
    let cache = fs::read_dir(world.path("home/.cache/windlass/git")).unwrap().next().unwrap().unwrap().path();
    let mut here = Command::new("git");
    here.arg("--git-dir")
        .arg(cache.join("repository.git"))
        .args(["cat-file", "-e", &big])
        .env("GIT_NO_LAZY_FETCH", "1");
    assert!(!here.output().unwrap().status.success(), "the files of a third folder did not come");
}

#[test]
fn credentials_come_from_gits_own_helpers_and_are_never_shown() {
    let world = World::new();
    world.repository("remote", &[("Dockerfile", DOCKERFILE)]);
    let remote = HttpRemote::serve(world.path(""), true);
    world.configure(&format!("git: '{}/remote'", remote.address));
    let said = |world: &World| world.run(&["plan", "-q"]).replace(&remote.address, "REMOTE");
    expect![[r#"
        error: git does not get through to `REMOTE/remote`: could not read Username for 'REMOTE': terminal prompts disabled
        hint: try `git ls-remote` with the same address: credentials and proxies are git's own
        exit 3
    "#]].assert_eq(&said(&world));
    let host = remote.address.strip_prefix("http://").unwrap();
    world.write("home/.gitconfig", &format!("[url \"http://me:wrong@{host}/\"]\n\tinsteadOf = http://{host}/\n"));
    expect![[r#"
        error: git does not get through to `REMOTE/remote`: Authentication failed for 'REMOTE/remote/'
        hint: try `git ls-remote` with the same address: credentials and proxies are git's own
        exit 3
    "#]]
    .assert_eq(&said(&world));
    world.write("home/.gitconfig", "[credential]\n\thelper = store\n");
    world.write("home/.git-credentials", &format!("http://me:secret@{host}\n"));
    world.hash(&[]);
    // Nothing of it is kept.
    let mut grep = Command::new("grep");
    let found = grep.args(["-r", "secret"]).arg(world.path("home/.cache")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
}

/// What stands for ssh runs the command that it is given on this machine: all that git wants of it.
#[test]
fn ssh_is_whatever_git_takes_for_it() {
    let world = World::new();
    world.repository("remote", &[("Dockerfile", DOCKERFILE)]);
    world.write("home/ssh", "#!/bin/sh\necho \"$@\" >> WORLD/home/log\nfor last; do :; done\nexec sh -c \"$last\"\n");
    fs::set_permissions(world.path("home/ssh"), PermissionsExt::from_mode(0o755)).unwrap();
    let remote = world.path("remote");
    for address in ["ssh://me@nowhere.test:22WORLD/remote", "me@nowhere.test:WORLD/remote"] {
        world.configure(&format!("git: '{address}'"));
        let mut command = world.windlass(&["plan", "-q"]);
        command.env("GIT_SSH_COMMAND", world.path("home/ssh")).env("GIT_SSH_VARIANT", "ssh");
        assert!(world.said(&mut command).ends_with("exit 0\n"));
        // Both are fetched once, and then nobody is asked but for the refs.
        let asked = fs::read_to_string(world.path("home/log")).unwrap();
        assert_eq!(asked.matches(&format!("'{}'", remote.display())).count(), 2, "{asked}");
        assert!(asked.lines().all(|line| line.contains("me@nowhere.test git-upload-pack")), "{asked}");
        fs::remove_file(world.path("home/log")).unwrap();
    }
}

#[test]
fn a_server_that_hands_out_tips_alone_is_fetched_whole() {
    let world = World::new();
    let first = world.repository("remote", &[("Dockerfile", DOCKERFILE), ("x", "1")]);
    world.commit("remote", &[("x", "2")]);
    world.write("home/.gitconfig", "[protocol]\n\tversion = 0\n");
    world.configure(&format!("git: 'file://WORLD/remote', ref: {first}"));
    let old = world.hash(&[]);
    world.configure("git: 'file://WORLD/remote'");
    assert_ne!(world.hash(&[]), old);
    world.configure("git: 'file://WORLD/remote', ref: 0123456789012345678901234567890123456789");
    world.check(
        &["plan", "-q"],
        expect![[r#"
            error: `file://WORLD/remote` has no commit 0123456789012345678901234567890123456789
             --> windlass.yaml:4:51
              |
            4 |   a: { git: 'file://WORLD/remote', ref: 0123456789012345678901234567890123456789 }
              |                                                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
            exit 2
        "#]],
    );
}

#[test]
fn what_a_killed_run_left_is_in_nobodys_way() {
    let world = World::new();
    world.repository("remote", &[("Dockerfile", DOCKERFILE)]);
    world.configure("git: 'file://WORLD/remote'");
    let hash = world.hash(&[]);
    let git = world.path("home/.cache/windlass/git");
    let cache = fs::read_dir(&git).unwrap().next().unwrap().unwrap().path();
    // Killed while it wrote the files of the next commit, and while git moved a ref.
    fs::create_dir_all(cache.join(".half-x/tree")).unwrap();
    fs::write(cache.join(".half-x/tree/Dockerfile"), "FROM").unwrap();
    for lock in ["shallow.lock", "config.lock", "refs/windlass/x.lock"] {
        fs::write(cache.join("repository.git").join(lock), "").unwrap();
    }
    world.commit("remote", &[("x", "1")]);
    assert_ne!(world.hash(&[]), hash);
    let left: Vec<_> = fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with(".half")), "{left:?}");
    // Another run that holds the cache is waited for.
    let held = fs::File::options().write(true).open(cache.join("lock")).unwrap();
    held.lock().unwrap();
    world.commit("remote", &[("x", "2")]);
    let waiting = world.windlass(&["plan", "--quiet"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(held);
    assert!(waiting.wait_with_output().unwrap().status.success());
}

/// A server that is there and says nothing: the fetch is under way when it is interrupted.
#[test]
fn an_interrupted_fetch_leaves_no_git_and_nothing_half_done() {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    world.configure(&format!("git: 'http://{}/remote', ref: {}", listener.local_addr().unwrap(), "0".repeat(40)));
    let run = world.windlass(&["plan", "--quiet"]).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut connection, _) = listener.accept().unwrap();
    let pid = nix::unistd::Pid::from_raw(i32::try_from(run.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    // The program that asked ends too: its connection is closed.
    connection.read_to_end(&mut Vec::new()).unwrap();
    let cache = fs::read_dir(world.path("home/.cache/windlass/git")).unwrap().next().unwrap().unwrap().path();
    assert_eq!(fs::read_dir(cache.join("trees")).unwrap().count(), 0);
    // The next run goes on from there.
    world.repository("remote", &[("Dockerfile", DOCKERFILE)]);
    let remote = HttpRemote::serve(world.path(""), false);
    world.configure(&format!("git: '{}/remote'", remote.address));
    world.hash(&[]);
}
