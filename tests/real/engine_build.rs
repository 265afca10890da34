//! Building on a real engine, with both of its builders. What came out is asked of Docker's own client.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use expect_test::expect;
use tempfile::TempDir;
use windlass::engine::docker::{Builder, DockerEngine, Options};
use windlass::engine::{BuildRequest, BuiltImage, Engine, Error, NamedContext, Secret, SshAgent};
use windlass::event::{Event, Sink};
use windlass::model::{BlobHasher, BlobId, InjectedFile, Node, Platform, Tree};
use windlass::registry::{Keychain, RetryPolicy};

use crate::parts;

pub(crate) const BOTH: [Builder; 2] = [Builder::Best, Builder::Classic];
/// 2001-09-09 01:46:40 UTC.
const EPOCH: u64 = 1_000_000_000;

/// Keeps all that happened.
#[derive(Default)]
pub(crate) struct Events(Mutex<Vec<Event>>);

impl Sink for Events {
    fn send(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

impl Events {
    pub(crate) fn all(&self) -> Vec<Event> {
        self.0.lock().unwrap().clone()
    }

    /// The instructions and what they printed, a line each; what the builder does for itself is left out.
    pub(crate) fn shown(&self) -> String {
        let show = |event: &Event| match event {
            Event::Step { number: Some((n, of)), name, cached, .. } => {
                Some(format!("{n}/{of} {name}{}\n", if *cached { " (cached)" } else { "" }))
            }
            Event::Output { stream, line, .. } => Some(format!("{stream:?}: {line}\n")),
            Event::Step { number: None, .. } => None,
            other => Some(format!("{other:?}\n")),
        };
        self.0.lock().unwrap().iter().filter_map(show).collect()
    }
}

pub(crate) async fn engine(builder: Builder) -> DockerEngine {
    connect(&parts::docker_host(), builder, Keychain::empty()).await
}

pub(crate) async fn connect(host: &str, builder: Builder, keychain: Keychain) -> DockerEngine {
    let options = Options {
        builder,
        run: "engine-build".to_owned(),
        answers_within: Duration::from_secs(20),
        keychain,
        retry: RetryPolicy { attempts: 1, ..RetryPolicy::default() },
    };
    DockerEngine::connect(host, options).await.unwrap()
}

/// Runs Docker's client.
pub(crate) fn docker(args: &[&str]) -> String {
    run("docker", &[&["-H", &parts::docker_host()], args].concat())
}

pub(crate) fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// A context and all that is asked of a build, to be changed by a test before it runs.
pub(crate) struct Build {
    pub(crate) folder: TempDir,
    pub(crate) name: String,
    pub(crate) dockerfile: String,
    pub(crate) tree: Tree,
    pub(crate) named: BTreeMap<String, (TempDir, Tree)>,
    pub(crate) injected: Vec<InjectedFile>,
    pub(crate) target: Option<&'static str>,
    pub(crate) args: BTreeMap<String, String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) secrets: Vec<Secret>,
    pub(crate) ssh: Vec<SshAgent>,
    pub(crate) no_cache: bool,
    pub(crate) timeout: Duration,
}

impl Build {
    /// An image whose name begins with `engine-` and which is removed when this is dropped.
    pub(crate) fn of(name: &str, dockerfile: &str) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            name: format!("engine-{name}"),
            dockerfile: dockerfile.to_owned(),
            tree: Tree::default(),
            named: BTreeMap::new(),
            injected: Vec::new(),
            target: None,
            args: BTreeMap::new(),
            labels: BTreeMap::new(),
            secrets: Vec::new(),
            ssh: Vec::new(),
            no_cache: false,
            timeout: Duration::from_secs(120),
        }
    }

    /// Writes a file; [`Build::read_tree`] makes it part of the context.
    pub(crate) fn file(&self, path: &str, content: &str) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn read_tree(&mut self) {
        self.tree = tree_of(self.folder.path());
    }

    /// Gives the Dockerfile a folder by a name.
    pub(crate) fn name_context(&mut self, name: &str, folder: TempDir) {
        let tree = tree_of(folder.path());
        self.named.insert(name.to_owned(), (folder, tree));
    }

    pub(crate) async fn run<E: Engine>(&self, engine: &E, events: &dyn Sink) -> Result<BuiltImage, Error> {
        let named = self.named.iter();
        let named = named.map(|(name, (folder, tree))| (name.as_str(), NamedContext { root: folder.path(), tree }));
        let request = BuildRequest {
            image: &"probe".parse().unwrap(),
            context_root: self.folder.path(),
            context: &self.tree,
            named: &named.collect(),
            injected: &self.injected,
            dockerfile: &self.dockerfile,
            target: self.target,
            args: &self.args,
            labels: &self.labels,
            platform: &Platform::linux_amd64(),
            secrets: &self.secrets,
            tag: &self.name.parse().unwrap(),
            no_cache: self.no_cache,
            ssh: &self.ssh,
            source_date_epoch: EPOCH,
            timeout: self.timeout,
        };
        engine.build(&request, events).await
    }
}

impl Drop for Build {
    fn drop(&mut self) {
        // It may never have been built.
        let args = ["-H", &parts::docker_host(), "rmi", "--force", &self.name];
        let _removed = Command::new("docker").args(args).output();
    }
}

fn tree_of(root: &Path) -> Tree {
    let mut entries = Vec::new();
    walk(root, "", &mut entries);
    entries.into_iter().map(|(path, node)| (path.parse().unwrap(), node)).collect()
}

fn walk(root: &Path, below: &str, entries: &mut Vec<(String, Node)>) {
    for entry in fs::read_dir(root.join(below)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        let status = entry.metadata().unwrap();
        if status.is_dir() {
            entries.push((path.clone(), Node::Directory));
            walk(root, &path, entries);
        } else if status.is_symlink() {
            let target = fs::read_link(entry.path()).unwrap().into_os_string().into_string().unwrap();
            entries.push((path, Node::Symlink { target }));
        } else {
            let content = content(&entry.path(), status.len());
            let executable = status.permissions().mode() & 0o100 != 0;
            entries.push((path, Node::File { executable, size: status.len(), content }));
        }
    }
}

/// What a file holds, read in pieces: some are larger than the memory that a test may take.
fn content(path: &Path, size: u64) -> BlobId {
    let (mut file, mut hasher) = (fs::File::open(path).unwrap(), BlobHasher::new(size));
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).unwrap() {
            0 => return hasher.finish(),
            n => hasher.update(&buffer[..n]),
        }
    }
}

/// Makes the image that the tests' images stand on: busybox, with its applets in /bin.
pub(crate) async fn base() -> &'static str {
    static BASE: tokio::sync::OnceCell<Build> = tokio::sync::OnceCell::const_new();
    let make = || async {
        let text = "FROM scratch\nCOPY busybox /bin/busybox\nRUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\n";
        let mut build = Build::of("base", text);
        fs::copy(parts::BUSYBOX, build.folder.path().join("busybox")).unwrap();
        build.read_tree();
        build.run(&engine(Builder::Best).await, &Events::default()).await.unwrap();
        build
    };
    &BASE.get_or_init(make).await.name
}

/// All that is in an image, as tar lists it.
fn listing(image: &str) -> String {
    let container = docker(&["create", image, "/none"]);
    let container = container.trim();
    let tar = tempfile::NamedTempFile::new().unwrap();
    let tar = tar.path().to_str().unwrap();
    docker(&["export", "-o", tar, container]);
    docker(&["rm", container]);
    run("tar", &["--list", "--verbose", "--numeric-owner", "--utc", "--quoting-style=literal", "-f", tar])
}

#[tokio::test]
async fn stages_arguments_and_labels_are_as_asked() {
    let base = base().await;
    for builder in BOTH {
        let text = format!(
            "ARG BASE={base}\nFROM $BASE AS first\nARG WHO=nobody\nRUN echo hello $WHO > /greeting\n\
             FROM scratch AS second\nCOPY --from=first /greeting /\nLABEL own=1\nENTRYPOINT [\"/bin/cat\"]\n\
             FROM first AS third\nRUN exit 1\n"
        );
        let mut build = Build::of("stages", &text);
        build.target = Some("second");
        build.args = [("WHO".to_owned(), "a $b \"c\"".to_owned())].into();
        build.labels = [("dev.windlass.image".to_owned(), "a $HOME \"b\" ü".to_owned())].into();
        let events = Events::default();
        let built = build.run(&engine(builder).await, &events).await.unwrap();
        assert_eq!(docker(&["image", "inspect", "--format", "{{.Id}}", &build.name]).trim(), built.id.to_string());
        let labels = docker(&["image", "inspect", "--format", "{{json .Config.Labels}}", &build.name]);
        expect![[r#"
            {"dev.windlass.image":"a $HOME \"b\" ü","own":"1"}
        "#]]
        .assert_eq(&labels);
        assert_eq!(listing(&build.name).lines().filter(|line| line.ends_with(" greeting")).count(), 1);
    }
}

#[tokio::test]
async fn a_context_arrives_as_it_is_and_the_same_by_both_ways() {
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(200));
    let mut listings = Vec::new();
    for builder in BOTH {
        let mut build = Build::of("context", "FROM scratch\nCOPY . /ctx/\n");
        for path in ["a/b/plain", "a/run", "a.txt", "a-b", "grün/日本 x", "Dockerfile", &long] {
            build.file(path, path);
        }
        build.file(".dockerignore", "*.pem\n");
        let at = |path: &str| build.folder.path().join(path);
        fs::create_dir(at("empty")).unwrap();
        fs::set_permissions(at("a/run"), fs::Permissions::from_mode(0o711)).unwrap();
        fs::set_permissions(at("a/b/plain"), fs::Permissions::from_mode(0o600)).unwrap();
        symlink("b/plain", at("a/link")).unwrap();
        symlink("/nowhere", at("dangling")).unwrap();
        symlink(format!("/{}", "t".repeat(150)), at("far")).unwrap();
        build.read_tree();
        let inject = |path: &str, mode| InjectedFile {
            path: path.parse().unwrap(),
            content: b"injected".to_vec(),
            mode,
            uid: 7,
            gid: 8,
        };
        build.injected = vec![inject("a.txt", 0o640), inject("new/key.pem", 0o400)];
        build.run(&engine(builder).await, &Events::default()).await.unwrap();
        let listing = listing(&build.name);
        let own = listing.lines().filter(|line| line.contains(" ctx/"));
        listings.push(own.map(|line| format!("{}\n", undated(line).replace(&long, "LONG"))).collect::<String>());
    }
    // The classic builder gives what it copies to root, and the Dockerfile that came with the context is hidden by
    // one more line of the ignore file.
    let as_buildkit = listings[1]
        .replace("0/0               8", "7/8               8")
        .replace("48 2001-09-09 01:46 ctx/.dockerignore", " 6 2001-09-09 01:46 ctx/.dockerignore");
    expect![[r#"
        drwxr-xr-x 0/0               0 ctx/
        -rw-r--r-- 0/0               6 2001-09-09 01:46 ctx/.dockerignore
        -rw-r--r-- 0/0              10 2001-09-09 01:46 ctx/Dockerfile
        drwxr-xr-x 0/0               0 ctx/a/
        drwxr-xr-x 0/0               0 ctx/a/b/
        -rw-r--r-- 0/0               9 2001-09-09 01:46 ctx/a/b/plain
        lrwxrwxrwx 0/0               0 2001-09-09 01:46 ctx/a/link -> b/plain
        -rwxr-xr-x 0/0               5 2001-09-09 01:46 ctx/a/run
        -rw-r--r-- 0/0               3 2001-09-09 01:46 ctx/a-b
        -rw-r----- 7/8               8 2001-09-09 01:46 ctx/a.txt
        lrwxrwxrwx 0/0               0 2001-09-09 01:46 ctx/dangling -> /nowhere
        drwxr-xr-x 0/0               0 ctx/dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd/
        -rw-r--r-- 0/0             321 2001-09-09 01:46 ctx/LONG
        drwxr-xr-x 0/0               0 ctx/empty/
        lrwxrwxrwx 0/0               0 2001-09-09 01:46 ctx/far -> /tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt
        drwxr-xr-x 0/0               0 ctx/grün/
        -rw-r--r-- 0/0              14 2001-09-09 01:46 ctx/grün/日本 x
        drwxr-xr-x 0/0               0 ctx/new/
        -r-------- 7/8               8 2001-09-09 01:46 ctx/new/key.pem
    "#]].assert_eq(&listings[0]);
    assert_eq!(as_buildkit, listings[0]);
}

/// BuildKit dates the directories that it writes files into by its own clock.
fn undated(line: &str) -> String {
    let mut words: Vec<&str> = line.splitn(2, " 20").collect();
    if line.starts_with('d') {
        words[1] = &words[1]["01-09-09 01:46".len()..];
    }
    words.join(if line.starts_with('d') { "" } else { " 20" })
}

#[tokio::test]
async fn an_instruction_that_fails_is_named_with_its_line() {
    let base = base().await;
    let marker = format!("last words of {}", std::process::id());
    let text = format!(
        "# comment\nFROM {base} AS a\n\nRUN echo out; \\\n  echo err >&2; printf unended\nFROM {base} AS b\n\
         COPY --from=a \\\n  /bin/busybox /x\nRUN true\nRUN echo {marker} && \\\n  exit 3\n"
    );
    for (builder, expected) in BOTH.into_iter().zip([
        expect![[r#"
        2/2 [a] RUN echo out;   echo err >&2; printf unended
        Stderr: err
        Stdout: out
        Stdout: unended
        2/4 [b] COPY --from=a   /bin/busybox /x
        3/4 [b] RUN true
        4/4 [b] RUN echo last words &&   exit 3
        Stdout: last words
        Image { message: "`RUN echo last words && exit 3` failed with exit code 3", line: Some(10), hint: None }"#]],
        expect![[r#"
        1/6 FROM engine-base AS a
        2/6 RUN echo out;   echo err >&2; printf unended
        Stderr: err
        Stdout: out
        Stdout: unended
        3/6 FROM engine-base AS b
        4/6 COPY --from=a   /bin/busybox /x
        5/6 RUN true
        6/6 RUN echo last words &&   exit 3
        Stdout: last words
        Image { message: "`RUN echo last words && exit 3` failed with exit code 3", line: Some(10), hint: None }"#]],
    ]) {
        let events = Events::default();
        let mut build = Build::of("failing", &text);
        build.no_cache = true;
        let error = build.run(&engine(builder).await, &events).await.unwrap_err();
        assert!(!docker(&["ps", "--all", "--no-trunc"]).contains(&marker), "its container is left");
        let shown: String = sorted_output(&events.shown());
        // BuildKit has one step for the same base of all builds that run, with the name that one of them gave it.
        let shown: String = shown.split_inclusive('\n').filter(|line| !line.contains("FROM docker.io")).collect();
        expected.assert_eq(&format!("{shown}{error:?}").replace(&marker, "last words"));
    }
}

/// Standard output and standard error of one step come in any order.
fn sorted_output(shown: &str) -> String {
    let mut lines: Vec<&str> = shown.lines().collect();
    for group in lines.chunk_by_mut(|a, b| a.starts_with("Std") && b.starts_with("Std")) {
        group.sort_unstable();
    }
    lines.into_iter().map(|line| format!("{line}\n")).collect()
}

#[tokio::test]
async fn what_a_builder_refuses_is_explained() {
    let base = base().await;
    let cases = [
        (
            "FROM scratch\nCOPY nothing /\n",
            [
                expect![[
                    r#"Image { message: "`COPY nothing /` failed: `/nothing` does not exist", line: Some(2), hint: Some("it is not in the context: is it misspelt, or hidden by .dockerignore?") }"#
                ]],
                expect![[
                    r#"Image { message: "`COPY nothing /` failed: `nothing` does not exist", line: Some(2), hint: Some("it is not in the context: is it misspelt, or hidden by .dockerignore?") }"#
                ]],
            ],
        ),
        (
            "FROM scratch\nFOO bar\n",
            [
                expect![[r#"Image { message: "unknown instruction: FOO", line: Some(2), hint: None }"#]],
                expect![[r#"Image { message: "unknown instruction: FOO", line: Some(2), hint: None }"#]],
            ],
        ),
        (
            "FROM scratch\nCOPY --link a b\n",
            [
                expect![[
                    r#"Unsupported { message: "line 2: this engine's builder has no `--link`", hint: "use a newer engine, or begin the Dockerfile with `# syntax=docker/dockerfile:1`" }"#
                ]],
                expect![[
                    r#"Unsupported { message: "line 2: this engine's builder has no `--link`", hint: "use an engine with BuildKit, such as Docker since 18.09" }"#
                ]],
            ],
        ),
        (
            "FROM scratch\nCOPY <<EOF /a\nLABEL a=b\nEOF\n",
            [
                expect![[
                    r#"Unsupported { message: "line 2: this engine's builder has no here-documents", hint: "use a newer engine, or begin the Dockerfile with `# syntax=docker/dockerfile:1`" }"#
                ]],
                expect![[
                    r#"Unsupported { message: "line 2: this engine's builder has no here-documents", hint: "use an engine with BuildKit, such as Docker since 18.09" }"#
                ]],
            ],
        ),
        (
            "FROM base\nRUN --mount=type=cache,target=/x false\n",
            [
                expect![[
                    r#"Image { message: "`RUN --mount=type=cache,target=/x false` failed with exit code 1", line: Some(2), hint: None }"#
                ]],
                expect![[
                    r#"Unsupported { message: "line 2: this engine's builder has no `--mount`", hint: "use an engine with BuildKit, such as Docker since 18.09" }"#
                ]],
            ],
        ),
        (
            "FROM base\nRUN --mount=type=ssh,required=true true\n",
            [
                expect![[
                    r#"Image { message: "`RUN --mount=type=ssh,required=true true` failed: the agent `default` of SSH is not given", line: Some(2), hint: Some("add `--ssh default`") }"#
                ]],
                expect![[
                    r#"Unsupported { message: "line 2: this engine's builder has no `--mount`", hint: "use an engine with BuildKit, such as Docker since 18.09" }"#
                ]],
            ],
        ),
        (
            "FROM base\nRUN --mount=type=secret,id=x,required=true true\n",
            [
                expect![[
                    r#"Image { message: "`RUN --mount=type=secret,id=x,required=true true` failed: the secret `x` is not given", line: Some(2), hint: Some("name it under the image's `secrets`") }"#
                ]],
                expect![[
                    r#"Unsupported { message: "line 2: this engine's builder has no `--mount`", hint: "use an engine with BuildKit, such as Docker since 18.09" }"#
                ]],
            ],
        ),
        (
            "FROM scratch AS a\nFROM b:c:d\n",
            [
                expect![[
                    r#"Image { message: "failed to parse stage name \"b:c:d\": invalid reference format", line: None, hint: None }"#
                ]],
                expect![[
                    r#"Image { message: "`FROM b:c:d` failed: invalid reference format", line: Some(2), hint: None }"#
                ]],
            ],
        ),
        (
            "\nFROM 127.0.0.1:1/nothing\n",
            [
                expect![[
                    r#"Unreachable(line 2: failed to do request: Head "http://127.0.0.1:1/v2/nothing/manifests/latest": dial tcp 127.0.0.1:1: connect: connection refused)"#
                ]],
                expect![[
                    r#"Unreachable(line 2: Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused)"#
                ]],
            ],
        ),
        (
            "FROM REGISTRY/engine-nothing\n",
            [
                expect![[
                    r#"Image { message: "REGISTRY/engine-nothing:latest: not found", line: Some(1), hint: None }"#
                ]],
                expect![[
                    r#"Image { message: "`FROM REGISTRY/engine-nothing` failed: manifest for REGISTRY/engine-nothing:latest not found: manifest unknown: manifest unknown", line: Some(1), hint: None }"#
                ]],
            ],
        ),
        (
            "",
            [
                expect![[r#"Image { message: "the Dockerfile cannot be empty", line: None, hint: None }"#]],
                expect![[r#"Image { message: "the Dockerfile cannot be empty", line: None, hint: None }"#]],
            ],
        ),
    ];
    for (text, expected) in cases {
        let text = text.replace("base", base).replace("REGISTRY", &parts::registry());
        for (builder, expected) in BOTH.into_iter().zip(expected) {
            let built = Build::of("refused", &text).run(&engine(builder).await, &Events::default()).await;
            expected.assert_eq(&format!("{:?}", built.unwrap_err()).replace(&parts::registry(), "REGISTRY"));
        }
    }
}

#[tokio::test]
async fn a_secret_is_mounted_or_refused() {
    let text = format!("FROM {}\nRUN --mount=type=secret,id=key cp /run/secrets/key /copy\n", base().await);
    let mut build = Build::of("secret", &text);
    build.secrets = vec![Secret { id: "key".to_owned(), value: b"s3cr\0t".to_vec() }];
    build.no_cache = true;
    build.run(&engine(Builder::Best).await, &Events::default()).await.unwrap();
    assert_eq!(docker(&["run", "--rm", &build.name, "cat", "/copy"]), "s3cr\0t");
    let error = build.run(&engine(Builder::Classic).await, &Events::default()).await.unwrap_err();
    expect![[r#"Unsupported { message: "`probe` has the secret `key`, and the classic builder carries none", hint: "use an engine with BuildKit, such as Docker since 18.09" }"#]].assert_eq(&format!("{error:?}"));
}

#[tokio::test]
async fn a_file_that_changed_since_it_was_hashed_is_named() {
    type Change = fn(&Path);
    let changes: [(&str, Change); 6] = [
        ("longer", |file| fs::write(file, "hashed long ago").unwrap()),
        ("other", |file| fs::write(file, "hasheD long ag").unwrap()),
        ("gone", |file| fs::remove_file(file).unwrap()),
        ("link", |file| {
            fs::remove_file(file).unwrap();
            symlink("/etc/hostname", file).unwrap();
        }),
        ("folder", |file| {
            fs::remove_file(file).unwrap();
            fs::create_dir(file).unwrap();
        }),
        ("link above", |file| {
            let folder = file.parent().unwrap();
            fs::rename(folder, folder.with_file_name("moved")).unwrap();
            symlink("moved", folder).unwrap();
        }),
    ];
    for builder in BOTH {
        let mut said = String::new();
        for (name, change) in changes {
            let mut build = Build::of("changed", "FROM scratch\nCOPY . /\n");
            // BuildKit asks for no file that it has from an earlier run.
            build.file("a/file", &format!("{:014}", std::process::id()));
            build.read_tree();
            change(&build.folder.path().join("a/file"));
            let error = build.run(&engine(builder).await, &Events::default()).await.unwrap_err();
            said.push_str(&format!("{name}: {error}\n"));
        }
        expect![[r#"
            longer: `a/file` changed since the context was read: it has 15 bytes and had 14
            other: `a/file` changed since the context was read: it has another content
            gone: `a/file` changed since the context was read: it is gone
            link: `a/file` changed since the context was read: it is a symbolic link, or reached by one
            folder: `a/file` changed since the context was read: it is no regular file any more
            link above: `a/file` changed since the context was read: it is a symbolic link, or reached by one
        "#]]
        .assert_eq(&said);
    }
}

#[tokio::test]
async fn a_warm_cache_gives_the_same_image() {
    let mut build = Build::of("warm", &format!("FROM {}\nRUN date > /when\nCOPY . /\n", base().await));
    build.file("x", "y");
    build.read_tree();
    for builder in BOTH {
        let engine = engine(builder).await;
        let first = build.run(&engine, &Events::default()).await.unwrap();
        let events = Events::default();
        assert_eq!(build.run(&engine, &events).await.unwrap(), first);
        assert!(events.shown().contains("RUN date > /when (cached)"), "{}", events.shown());
    }
}

#[tokio::test]
async fn buildkit_reads_only_what_is_copied() {
    let mut build =
        Build::of("followed", "FROM scratch\nCOPY [\"link/wanted\", \"grün [[]x]\", \"/\"]\nCOPY a*.txt /texts/\n");
    for path in ["a/b/wanted", "a/b/unwanted", "grün [x]", "a1.txt", "a2.txt", "b.txt"] {
        build.file(path, path);
    }
    symlink("a/b", build.folder.path().join("link")).unwrap();
    build.read_tree();
    for path in ["a/b/unwanted", "b.txt"] {
        fs::remove_file(build.folder.path().join(path)).unwrap();
    }
    // In a JSON array, or between quotes that the shell form does not know, a name may have blanks.
    build.dockerfile =
        build.dockerfile.replace("link/wanted \"grün [x]\" /", "[\"link/wanted\", \"grün [[]x]\", \"/\"]");
    build.run(&engine(Builder::Best).await, &Events::default()).await.unwrap();
    let listing = listing(&build.name);
    let own = |line: &&str| ["wanted", "x]", ".txt"].iter().any(|end| line.ends_with(end));
    let names: Vec<&str> = listing.lines().filter(own).filter_map(|line| line.split(":46 ").nth(1)).collect();
    assert_eq!(names, ["grün [x]", "texts/a1.txt", "texts/a2.txt", "wanted"]);
}

#[tokio::test]
async fn another_content_of_the_same_size_is_seen() {
    let mut build = Build::of("same-size", &format!("FROM {}\nCOPY x /\n", base().await));
    for builder in BOTH {
        for content in ["first", "other"] {
            build.file("x", content);
            build.read_tree();
            build.run(&engine(builder).await, &Events::default()).await.unwrap();
            assert_eq!(docker(&["run", "--rm", &build.name, "cat", "/x"]), content, "{builder:?}");
        }
    }
}

#[tokio::test]
async fn long_paths_are_asked_for() {
    // More than the 16 KiB that HTTP/2 usually allows for headers, in few sources: BuildKit makes a step of each.
    let mut build = Build::of("long", "");
    let folder = vec!["d".repeat(200); 17].join("/");
    let paths: Vec<String> = (0..6).map(|n| format!("{folder}/file{n}")).collect();
    for path in &paths {
        build.file(path, "");
    }
    build.read_tree();
    build.dockerfile = format!("FROM scratch\nCOPY {} /d/\n", paths.join(" \\\n"));
    for builder in BOTH {
        build.run(&engine(builder).await, &Events::default()).await.unwrap();
        assert_eq!(listing(&build.name).matches(" d/file").count(), paths.len(), "{builder:?}");
    }
}
