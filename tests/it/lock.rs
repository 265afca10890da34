//! windlass.lock: what it says, what is made of it, and what is asked of registries, which are in this process.

use std::fs;
use std::path::Path;
use std::process::Command;

use expect_test::{Expect, expect};
use tempfile::TempDir;
use windlass::config::Lock as LockFile;
use windlass::diag::SourceText;

use crate::registry_server::{Fault, Lock, Server, digest_of};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

#[expect(clippy::needless_pass_by_value, reason = "expect-test's own shape")]
fn check(text: &str, expected: Expect) {
    let outcome = match LockFile::parse(&SourceText::new("windlass.lock", text)) {
        Ok(lock) => {
            let written = lock.to_text();
            assert_eq!(LockFile::parse(&SourceText::new("again", written.clone())), Ok(lock), "{written}");
            written
        }
        Err(diagnostics) => format!("{diagnostics}\n"),
    };
    expected.assert_eq(&outcome);
}

fn digest(digit: char) -> String {
    format!("sha256:{}", digit.to_string().repeat(64))
}

#[test]
fn the_file_is_sorted_and_reads_back() {
    let (one, two) = (digest('1'), digest('2'));
    check(
        &format!(
            "version: 1\nbases:\n  ghcr.io/acme/base: {{ linux/arm64: {two}, linux/amd64: {one}, digest: {two} }}\n  \
             docker.io/library/debian:12:\n    digest: {one}\n  127.0.0.1:5000/x: {{ digest: {two} }}\n"
        ),
        expect![[r#"
            # Written by `windlass lock`, which adds what is missing and drops what nothing uses.
            # `windlass lock --update` looks everything up anew. To be kept in git.
            version: 1
            bases:
              127.0.0.1:5000/x:
                digest: sha256:2222222222222222222222222222222222222222222222222222222222222222
              debian:12:
                digest: sha256:1111111111111111111111111111111111111111111111111111111111111111
              ghcr.io/acme/base:
                digest: sha256:2222222222222222222222222222222222222222222222222222222222222222
                linux/amd64: sha256:1111111111111111111111111111111111111111111111111111111111111111
                linux/arm64: sha256:2222222222222222222222222222222222222222222222222222222222222222
        "#]],
    );
    check(
        &format!(
            "version: 1\ngit:\n  git@host:a/b.git#v1: {{ commit: {} }}\n  'https://host/a#refs/tags/v2': {{ commit: {} }}\n",
            "1".repeat(40),
            "ab".repeat(32)
        ),
        expect![[r##"
            # Written by `windlass lock`, which adds what is missing and drops what nothing uses.
            # `windlass lock --update` looks everything up anew. To be kept in git.
            version: 1
            git:
              "git@host:a/b.git#v1":
                commit: "1111111111111111111111111111111111111111"
              "https://host/a#refs/tags/v2":
                commit: abababababababababababababababababababababababababababababababab
        "##]],
    );
    check(
        "version: 1\n",
        expect![[r#"
            # Written by `windlass lock`, which adds what is missing and drops what nothing uses.
            # `windlass lock --update` looks everything up anew. To be kept in git.
            version: 1
        "#]],
    );
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let one = digest('1');
    check(
        &format!(
            "version: 1\nbases:\n  a: {{ digest: {one} }}\n  a: {{ digest: {one} }}\n  debian: {{ digest: {one} }}\n  \
             docker.io/debian: {{ digest: {one} }}\n  B: {{ digest: {one} }}\n  c@{one}: {{ digest: {one} }}\n  \
             d: {{ linux/amd64: {one} }}\n  e: {{ digest: sha256:1, linux: {one} }}\n  f: {one}\nbase: {{}}\n"
        ),
        expect![[r#"
            windlass.lock:4:3: error: the key `a` is given twice
            windlass.lock:6:3: error: `debian` is given twice
            windlass.lock:7:3: error: `B` is no image reference: a repository is written in lower case
            windlass.lock:8:3: error: a name with a digest stands for that alone, and is not locked
            windlass.lock:9:3: error: `d` has no `digest`
            windlass.lock:10:16: error: `sha256:1` is no sha256 digest: expected `sha256:` and 64 lower-case hex digits
            windlass.lock:10:26: error: `linux` is no platform: expected `os/architecture` or `os/architecture/variant`, such as `linux/amd64`
            windlass.lock:11:6: error: expected a map with `digest` and the digest of every platform, found the text `sha256:111111111111111111111111111111111…`
            windlass.lock:12:1: error: unknown key `base` of the file
        "#]],
    );
    check(
        "",
        expect![[r#"
        windlass.lock:1:1: error: the file is empty
    "#]],
    );
    check(
        "version: 2\nbases: 7\n",
        expect![[r#"
        windlass.lock:1:10: error: the file is of a newer version: this windlass reads version 1
    "#]],
    );
    check(
        "version: 1\ngit:\n  host:a: { commit: 1 }\n  'ext::x#v1': {}\n  'host:a#b': { commit: abc }\n  'host:a#c': { comit: x }\n",
        expect![[r#"
            windlass.lock:3:3: error: `host:a` is no ref of a repository: expected its address, `#` and the ref
            windlass.lock:3:21: error: `1` is no commit: expected 40 lower-case hex digits, or 64
            windlass.lock:4:3: error: `ext::x` is no address of a git repository: expected `https://…`, `ssh://…`, `file:///…` or `user@host:path`
            windlass.lock:4:16: error: `ext::x#v1` has no `commit`
            windlass.lock:5:25: error: `abc` is no commit: expected 40 lower-case hex digits, or 64
            windlass.lock:6:15: error: `host:a#c` has no `commit`
            windlass.lock:6:17: error: unknown key `comit` of `host:a#c`
        "#]],
    );
    check(
        "version: 1\nbases:\n<<<<<<< HEAD\n  a: {}\n=======\n  b: {}\n>>>>>>> other\n",
        expect![[r#"
            windlass.lock:3:1: error: the file was not merged to the end
        "#]],
    );
}

/// A registry with an image of two platforms and one of one, and a project that is made from them.
struct World {
    server: Server,
    folder: TempDir,
}

impl World {
    async fn new() -> Self {
        let world = Self { server: Server::start(Lock::Open).await, folder: TempDir::new().unwrap() };
        world.put_index("pair", "1", "one", "one");
        world.server.put_manifest("single", "1", MANIFEST, &manifest("single"));
        world.write("windlass.yaml", "version: 1\nproject: shop\n");
        world.write("a/Dockerfile", "FROM HOST/pair:1\nCOPY --from=HOST/single:1 /x /x\n");
        world.write("b/Dockerfile", "FROM --platform=linux/arm64 HOST/pair:1\nRUN --mount=from=HOST/single:1 x\n");
        world.write("c/Dockerfile", "FROM a\n");
        world
    }

    fn put_index(&self, repository: &str, tag: &str, amd64: &str, arm64: &str) -> String {
        let entry = |architecture: &str, name: &str| {
            let digest =
                self.server.put_manifest(repository, &format!("{architecture}-{name}"), MANIFEST, &manifest(name));
            format!(
                r#"{{"mediaType":"{MANIFEST}","digest":"{digest}","size":1,"platform":{{"os":"linux","architecture":"{architecture}"}}}}"#
            )
        };
        let entries =
            format!("{},{}", entry("amd64", &format!("amd64 {amd64}")), entry("arm64", &format!("arm64 {arm64}")));
        let index = format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{entries}]}}"#);
        self.server.put_manifest(repository, tag, INDEX, &index)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text.replace("HOST", &self.server.address())).unwrap();
    }

    fn lock_file(&self) -> Option<String> {
        Some(self.named(&fs::read_to_string(self.folder.path().join("windlass.lock")).ok()?))
    }

    /// The text with what differs from run to run made constant: the registry's address counts for the hashes.
    fn named(&self, text: &str) -> String {
        let is_hash = |word: &str| word.len() == 16 && word.chars().all(|c| c.is_ascii_hexdigit());
        let words = text.split_inclusive([' ', '\n']);
        let words = words
            .map(|word| if is_hash(word.trim_end()) { word.replace(word.trim_end(), "HASH") } else { word.to_owned() });
        words.collect::<String>().replace(&self.server.address(), "HOST")
    }

    /// What windlass says, answers, and asked of the registry.
    async fn run(&self, args: &[&str]) -> String {
        let mut command = windlass(self.folder.path());
        command.args(args);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut log: Vec<String> = self.server.log().lines().map(|line| format!("{line}\n")).collect();
        log.sort();
        let said = format!(
            "{}{}exit {}\n{}",
            text(&output.stderr),
            text(&output.stdout),
            output.status.code().unwrap(),
            log.concat()
        );
        self.named(&said)
    }

    async fn check(&self, args: &[&str], expected: Expect) {
        expected.assert_eq(&self.run(args).await);
    }

    /// The content hashes of the images.
    async fn hashes(&self, args: &[&str]) -> Vec<String> {
        let mut command = windlass(self.folder.path());
        command.args(["plan", "--format", "json"]).args(args);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let plan: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        plan["images"].as_array().unwrap().iter().map(|image| image["content_hash"].to_string()).collect()
    }
}

fn windlass(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_windlass"));
    command.current_dir(folder).env_clear().env("DOCKER_HOST", "unix:///nonexistent/engine.sock");
    command
}

fn manifest(name: &str) -> String {
    let config = digest_of(name.as_bytes());
    format!(r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{{"digest":"{config}"}},"layers":[]}}"#)
}

#[tokio::test]
async fn a_lock_is_written_used_and_kept_in_order() {
    let world = World::new().await;
    // Without a lock file every name is looked up once, however many images are made from it.
    world
        .check(
            &["plan", "--locked"],
            expect![[r#"
        error: `HOST/pair:1` is not in windlass.lock
         --> a/Dockerfile:1:6
          |
        1 | FROM HOST/pair:1
          |      ^^^^^^^^^^^^^^^^^^^^^^
          |
         ::: b/Dockerfile:1:29
          |
        1 | FROM --platform=linux/arm64 HOST/pair:1
          |                             ----------------------
          |
          = hint: `windlass lock` adds what is missing

        error: `HOST/single:1` is not in windlass.lock
         --> a/Dockerfile:2:13
          |
        2 | COPY --from=HOST/single:1 /x /x
          |             ^^^^^^^^^^^^^^^^^^^^^^^^
          |
         ::: b/Dockerfile:2:18
          |
        2 | RUN --mount=from=HOST/single:1 x
          |                  ------------------------
          |
          = hint: `windlass lock` adds what is missing
        exit 2
    "#]],
        )
        .await;
    let looked_up = world.hashes(&[]).await;
    let mut log: Vec<String> = world.named(&world.server.log()).lines().map(str::to_owned).collect();
    log.sort();
    assert_eq!(
        log,
        ["HEAD /v2/pair/manifests/1 by nobody: 200", "HEAD /v2/single/manifests/1 by nobody: 200"],
        "at most one look-up a name"
    );
    world
        .check(
            &["lock"],
            expect![[r#"
        note: `a` is taken for the project's image, not for Docker Hub's: c/Dockerfile:1:6
        added    HOST/pair:1    333196d1e9e0 linux/amd64 linux/arm64
        added    HOST/single:1  00ac2314236c linux/amd64

        windlass.lock: 2 names, 2 changes
        exit 0
        GET /v2/pair/manifests/1 by nobody: 200
        GET /v2/single/manifests/1 by nobody: 200
    "#]],
        )
        .await;
    expect![[r#"
        # Written by `windlass lock`, which adds what is missing and drops what nothing uses.
        # `windlass lock --update` looks everything up anew. To be kept in git.
        version: 1
        bases:
          HOST/pair:1:
            digest: sha256:333196d1e9e033f76dd63a22e44a2f712073f8f307428add45bd254e89731d67
            linux/amd64: sha256:7861b363ee247cf1738f868adc301f6660561648b96b7373ba7196f495b7b217
            linux/arm64: sha256:1f05c3194719916bc182162769312cd435e6d965488dd95f0a7b37f39d64df61
          HOST/single:1:
            digest: sha256:00ac2314236c740df232ceca828a524b26bcffd5517615b3e58758ee48f1ab08
            linux/amd64: sha256:00ac2314236c740df232ceca828a524b26bcffd5517615b3e58758ee48f1ab08
    "#]]
    .assert_eq(&world.lock_file().unwrap());
    // What is locked counts as it did when it was looked up, and nobody is asked.
    assert_eq!(world.hashes(&["--locked"]).await, looked_up);
    assert_eq!(world.hashes(&["--offline"]).await, looked_up);
    assert_eq!(world.hashes(&[]).await, looked_up);
    world
        .check(
            &["lock"],
            expect![[r#"
        note: `a` is taken for the project's image, not for Docker Hub's: c/Dockerfile:1:6
        windlass.lock is as it should be: 2 names
        exit 0
    "#]],
        )
        .await;

    // A new name is added, one that nothing uses any more leaves, and the others stay though they moved.
    world.put_index("pair", "1", "two", "two");
    world.server.put_manifest("other", "latest", MANIFEST, &manifest("other"));
    world.write("a/Dockerfile", "FROM HOST/pair:1\nCOPY --from=HOST/other /x /x\n");
    world.write("b/Dockerfile", "FROM HOST/pair:1\n");
    world
        .check(
            &["plan", "--locked", "-q"],
            expect![[r#"
        error: `HOST/other` is not in windlass.lock
         --> a/Dockerfile:2:13
          |
        2 | COPY --from=HOST/other /x /x
          |             ^^^^^^^^^^^^^^^^^^^^^
          |
          = hint: `windlass lock` adds what is missing
        exit 2
    "#]],
        )
        .await;
    world
        .check(
            &["lock"],
            expect![[r#"
        note: `a` is taken for the project's image, not for Docker Hub's: c/Dockerfile:1:6
        added    HOST/other     d043787327ba linux/amd64
        updated  HOST/pair:1    333196d1e9e0 linux/amd64 linux/arm64 -> 333196d1e9e0 linux/amd64
        removed  HOST/single:1

        windlass.lock: 2 names, 3 changes
        exit 0
        GET /v2/other/manifests/latest by nobody: 200
    "#]],
        )
        .await;
    expect![[r#"
        # Written by `windlass lock`, which adds what is missing and drops what nothing uses.
        # `windlass lock --update` looks everything up anew. To be kept in git.
        version: 1
        bases:
          HOST/other:
            digest: sha256:d043787327bab481920470ef71d81afb540053a0885b4bebcdd862077862c20a
            linux/amd64: sha256:d043787327bab481920470ef71d81afb540053a0885b4bebcdd862077862c20a
          HOST/pair:1:
            digest: sha256:333196d1e9e033f76dd63a22e44a2f712073f8f307428add45bd254e89731d67
            linux/amd64: sha256:7861b363ee247cf1738f868adc301f6660561648b96b7373ba7196f495b7b217
    "#]]
    .assert_eq(&world.lock_file().unwrap());
}

#[tokio::test]
async fn what_moved_is_told_and_looked_up_anew() {
    let world = World::new().await;
    world
        .check(
            &["plan", "--stale"],
            expect![[r#"
        note: `a` is taken for the project's image, not for Docker Hub's: c/Dockerfile:1:6
        error: there is no windlass.lock to compare with
        hint: `windlass lock` writes it
        exit 2
    "#]],
        )
        .await;
    world
        .check(
            &["lock", "-q"],
            expect![[r#"
        added    HOST/pair:1    333196d1e9e0 linux/amd64 linux/arm64
        added    HOST/single:1  00ac2314236c linux/amd64

        windlass.lock: 2 names, 2 changes
        exit 0
        GET /v2/pair/manifests/1 by nobody: 200
        GET /v2/single/manifests/1 by nobody: 200
    "#]],
        )
        .await;
    let before = (world.hashes(&[]).await, world.lock_file());
    world
        .check(
            &["plan", "--stale"],
            expect![[r#"
        note: `a` is taken for the project's image, not for Docker Hub's: c/Dockerfile:1:6
        every name stands for what windlass.lock says
        exit 0
        HEAD /v2/pair/manifests/1 by nobody: 200
        HEAD /v2/single/manifests/1 by nobody: 200
    "#]],
        )
        .await;
    world
        .check(
            &["lock", "--update"],
            expect![[r#"
        note: `a` is taken for the project's image, not for Docker Hub's: c/Dockerfile:1:6
        windlass.lock is as it should be: 2 names
        exit 0
        HEAD /v2/pair/manifests/1 by nobody: 200
        HEAD /v2/single/manifests/1 by nobody: 200
    "#]],
        )
        .await;
    assert_eq!((world.hashes(&[]).await, world.lock_file()), before);

    // An index that moved for platforms that nobody takes is no other image.
    world.write("b/Dockerfile", "FROM HOST/pair:1\n");
    world
        .check(
            &["lock", "-q"],
            expect![[r#"
        updated  HOST/pair:1  333196d1e9e0 linux/amd64 linux/arm64 -> 333196d1e9e0 linux/amd64

        windlass.lock: 2 names, 1 change
        exit 0
    "#]],
        )
        .await;
    let before = (world.hashes(&[]).await, world.lock_file());
    world.put_index("pair", "1", "one", "two");
    world
        .check(
            &["plan", "--stale"],
            expect![[r#"
        note: `a` is taken for the project's image, not for Docker Hub's: c/Dockerfile:1:6
        every name stands for what windlass.lock says
        exit 0
        GET /v2/pair/manifests/1 by nobody: 200
        HEAD /v2/pair/manifests/1 by nobody: 200
        HEAD /v2/pair/manifests/sha256:333196d1e9e033f76dd63a22e44a2f712073f8f307428add45bd254e89731d67 by nobody: 200
        HEAD /v2/single/manifests/1 by nobody: 200
    "#]],
        )
        .await;
    world
        .check(
            &["lock", "--update"],
            expect![[r#"
        note: `a` is taken for the project's image, not for Docker Hub's: c/Dockerfile:1:6
        windlass.lock is as it should be: 2 names
        exit 0
        GET /v2/pair/manifests/1 by nobody: 200
        HEAD /v2/pair/manifests/1 by nobody: 200
        HEAD /v2/pair/manifests/sha256:333196d1e9e033f76dd63a22e44a2f712073f8f307428add45bd254e89731d67 by nobody: 200
        HEAD /v2/single/manifests/1 by nobody: 200
    "#]],
        )
        .await;
    assert_eq!((world.hashes(&[]).await, world.lock_file()), before);

    world.put_index("pair", "1", "three", "three");
    world.server.put_manifest("single", "1", MANIFEST, &manifest("moved"));
    world
        .check(
            &["plan", "--stale"],
            expect![[r#"
        note: `a` is taken for the project's image, not for Docker Hub's: c/Dockerfile:1:6
        NAME                      LOCKED        NOW           MADE FROM IT
        HOST/pair:1    333196d1e9e0  1ab86eb61632  a b
        HOST/single:1  00ac2314236c  75de8a7daf6e  a
        exit 10
        GET /v2/pair/manifests/1 by nobody: 200
        GET /v2/single/manifests/1 by nobody: 200
        HEAD /v2/pair/manifests/1 by nobody: 200
        HEAD /v2/single/manifests/1 by nobody: 200
    "#]],
        )
        .await;
    world
        .check(
            &["plan", "--stale", "--format", "json", "b"],
            expect![[r#"
                note: `a` is taken for the project's image, not for Docker Hub's: c/Dockerfile:1:6
                {
                  "version": 1,
                  "stale": [
                    {
                      "name": "HOST/pair:1",
                      "locked": "sha256:333196d1e9e033f76dd63a22e44a2f712073f8f307428add45bd254e89731d67",
                      "now": "sha256:1ab86eb61632ea77c170430c112cad4945a2d23a44890da2afbc74567f196615",
                      "images": [
                        "b"
                      ],
                      "containers": []
                    }
                  ]
                }
                exit 10
                GET /v2/pair/manifests/1 by nobody: 200
                HEAD /v2/pair/manifests/1 by nobody: 200
            "#]],
        )
        .await;
    world
        .check(
            &["lock", "--update", "b"],
            expect![[r#"
        note: `a` is taken for the project's image, not for Docker Hub's: c/Dockerfile:1:6
        updated  HOST/pair:1  333196d1e9e0 linux/amd64 -> 1ab86eb61632 linux/amd64

        windlass.lock: 2 names, 1 change
        exit 0
        GET /v2/pair/manifests/1 by nobody: 200
        HEAD /v2/pair/manifests/1 by nobody: 200
    "#]],
        )
        .await;
    world
        .check(
            &["plan", "--stale"],
            expect![[r#"
        note: `a` is taken for the project's image, not for Docker Hub's: c/Dockerfile:1:6
        NAME                      LOCKED        NOW           MADE FROM IT
        HOST/single:1  00ac2314236c  75de8a7daf6e  a
        exit 10
        GET /v2/single/manifests/1 by nobody: 200
        HEAD /v2/pair/manifests/1 by nobody: 200
        HEAD /v2/single/manifests/1 by nobody: 200
    "#]],
        )
        .await;
    world
        .check(
            &["lock", "--update", &format!("{}/single:1", world.server.address())],
            expect![[r#"
        note: `a` is taken for the project's image, not for Docker Hub's: c/Dockerfile:1:6
        updated  HOST/single:1  00ac2314236c linux/amd64 -> 75de8a7daf6e linux/amd64

        windlass.lock: 2 names, 1 change
        exit 0
        GET /v2/single/manifests/1 by nobody: 200
        HEAD /v2/single/manifests/1 by nobody: 200
    "#]],
        )
        .await;
    world
        .check(
            &["plan", "--stale"],
            expect![[r#"
        note: `a` is taken for the project's image, not for Docker Hub's: c/Dockerfile:1:6
        every name stands for what windlass.lock says
        exit 0
        HEAD /v2/pair/manifests/1 by nobody: 200
        HEAD /v2/single/manifests/1 by nobody: 200
    "#]],
        )
        .await;
    assert_ne!(world.hashes(&[]).await, before.0);
    world
        .check(
            &["lock", "--update", "sinlge"],
            expect![[r#"
        note: `a` is taken for the project's image, not for Docker Hub's: c/Dockerfile:1:6
        error: `sinlge` is no image of the project, and none is made from it
        hint: `windlass graph` shows what each image is made from
        exit 2
    "#]],
        )
        .await;
    world
        .check(
            &["lock", "--update", "d"],
            expect![[r#"
        note: `a` is taken for the project's image, not for Docker Hub's: c/Dockerfile:1:6
        error: `d` is no image of the project, and none is made from it
        hint: did you mean `a`?
        exit 2
    "#]],
        )
        .await;
}

#[tokio::test]
async fn a_platform_more_is_added_to_the_image_that_is_locked() {
    let world = World::new().await;
    world.write("b/Dockerfile", "FROM HOST/pair:1\n");
    world
        .check(
            &["lock", "-q"],
            expect![[r#"
        added    HOST/pair:1    333196d1e9e0 linux/amd64
        added    HOST/single:1  00ac2314236c linux/amd64

        windlass.lock: 2 names, 2 changes
        exit 0
        GET /v2/pair/manifests/1 by nobody: 200
        GET /v2/single/manifests/1 by nobody: 200
    "#]],
        )
        .await;
    world.put_index("pair", "1", "two", "two");
    world.write("b/Dockerfile", "FROM --platform=linux/arm64 HOST/pair:1\n");
    world
        .check(
            &["plan", "--locked", "-q"],
            expect![[r#"
        error: windlass.lock says nothing of `HOST/pair:1` for linux/arm64
         --> a/Dockerfile:1:6
          |
        1 | FROM HOST/pair:1
          |      ^^^^^^^^^^^^^^^^^^^^^^
          |
         ::: b/Dockerfile:1:29
          |
        1 | FROM --platform=linux/arm64 HOST/pair:1
          |                             ----------------------
          |
          = hint: `windlass lock` adds what is missing
        exit 2
    "#]],
        )
        .await;
    world
        .check(
            &["lock"],
            expect![[r#"
        note: `a` is taken for the project's image, not for Docker Hub's: c/Dockerfile:1:6
        updated  HOST/pair:1  333196d1e9e0 linux/amd64 -> 333196d1e9e0 linux/amd64 linux/arm64

        windlass.lock: 2 names, 1 change
        exit 0
        GET /v2/pair/manifests/sha256:333196d1e9e033f76dd63a22e44a2f712073f8f307428add45bd254e89731d67 by nobody: 200
    "#]],
        )
        .await;
    world.write("b/Dockerfile", "FROM --platform=linux/s390x HOST/pair:1\n");
    let before = world.lock_file();
    world
        .check(
            &["lock"],
            expect![[r#"
        note: `a` is taken for the project's image, not for Docker Hub's: c/Dockerfile:1:6
        error: `HOST/pair:1` has no image for linux/s390x
         --> a/Dockerfile:1:6
          |
        1 | FROM HOST/pair:1
          |      ^^^^^^^^^^^^^^^^^^^^^^
          |
         ::: b/Dockerfile:1:29
          |
        1 | FROM --platform=linux/s390x HOST/pair:1
          |                             ----------------------
        exit 2
        GET /v2/pair/manifests/1 by nobody: 200
        GET /v2/pair/manifests/sha256:333196d1e9e033f76dd63a22e44a2f712073f8f307428add45bd254e89731d67 by nobody: 200
    "#]],
        )
        .await;
    assert_eq!(world.lock_file(), before);
}

#[tokio::test]
async fn what_is_gone_upstream_is_said_where_it_is_named() {
    let world = World::new().await;
    world
        .check(
            &["lock", "-q"],
            expect![[r#"
        added    HOST/pair:1    333196d1e9e0 linux/amd64 linux/arm64
        added    HOST/single:1  00ac2314236c linux/amd64

        windlass.lock: 2 names, 2 changes
        exit 0
        GET /v2/pair/manifests/1 by nobody: 200
        GET /v2/single/manifests/1 by nobody: 200
    "#]],
        )
        .await;
    let before = world.lock_file();
    let gone = Fault::Answer(404, "", "{}");
    world.server.fail(&[gone, gone]);
    world
        .check(
            &["plan", "--stale"],
            expect![[r#"
        note: `a` is taken for the project's image, not for Docker Hub's: c/Dockerfile:1:6
        NAME                      LOCKED        NOW   MADE FROM IT
        HOST/pair:1    333196d1e9e0  gone  a b
        HOST/single:1  00ac2314236c  gone  a b
        exit 10
        HEAD /v2/pair/manifests/1 by nobody: 404
        HEAD /v2/single/manifests/1 by nobody: 404
    "#]],
        )
        .await;
    world.server.fail(&[gone, gone]);
    world
        .check(
            &["lock", "--update"],
            expect![[r#"
        note: `a` is taken for the project's image, not for Docker Hub's: c/Dockerfile:1:6
        error: `HOST/pair:1` is not in the registry `HOST` any more
         --> a/Dockerfile:1:6
          |
        1 | FROM HOST/pair:1
          |      ^^^^^^^^^^^^^^^^^^^^^^
          |
         ::: b/Dockerfile:1:29
          |
        1 | FROM --platform=linux/arm64 HOST/pair:1
          |                             ----------------------
          |
          = hint: windlass.lock still has it as sha256:333196d1e9e033f76dd63a22e44a2f712073f8f307428add45bd254e89731d67

        error: `HOST/single:1` is not in the registry `HOST` any more
         --> a/Dockerfile:2:13
          |
        2 | COPY --from=HOST/single:1 /x /x
          |             ^^^^^^^^^^^^^^^^^^^^^^^^
          |
         ::: b/Dockerfile:2:18
          |
        2 | RUN --mount=from=HOST/single:1 x
          |                  ------------------------
          |
          = hint: windlass.lock still has it as sha256:00ac2314236c740df232ceca828a524b26bcffd5517615b3e58758ee48f1ab08
        exit 2
        HEAD /v2/pair/manifests/1 by nobody: 404
        HEAD /v2/single/manifests/1 by nobody: 404
    "#]],
        )
        .await;
    assert_eq!(world.lock_file(), before, "a lock that can't be made leaves the former one");
    world.write("a/Dockerfile", "FROM HOST/nothing:1\n");
    world
        .check(
            &["lock"],
            expect![[r#"
        note: `a` is taken for the project's image, not for Docker Hub's: c/Dockerfile:1:6
        error: `HOST/nothing:1` is not in the registry `HOST`
         --> a/Dockerfile:1:6
          |
        1 | FROM HOST/nothing:1
          |      ^^^^^^^^^^^^^^^^^^^^^^^^^
        exit 2
        GET /v2/nothing/manifests/1 by nobody: 404
    "#]],
        )
        .await;
    world.check(&["plan"], expect![[r#"
        note: no engine answers at `unix:///nonexistent/engine.sock`: Socket not found: /nonexistent/engine.sock; the plan is made without an engine
        note: `a` is taken for the project's image, not for Docker Hub's: c/Dockerfile:1:6
        note: looking up `HOST/nothing:1`: registry `HOST` does not have it; of `HOST/nothing:1` the name alone counts
        LAYER  IMAGE  VERDICT  HASH              WHY
            0  a      build    HASH  never built
            0  b      build    HASH  never built
            1  c      build    HASH  never built

        3 images to build
        exit 0
        HEAD /v2/nothing/manifests/1 by nobody: 404
    "#]]).await;
}

#[tokio::test]
async fn a_plan_goes_on_without_a_registry_and_a_lock_does_not() {
    let world = World::new().await;
    world.write("a/Dockerfile", "FROM HOST/pair:1\n");
    world.write("b/Dockerfile", "FROM HOST/pair:1\n");
    world.check(&["plan", "--offline"], expect![[r#"
        note: no engine answers at `unix:///nonexistent/engine.sock`: Socket not found: /nonexistent/engine.sock; the plan is made without an engine
        note: `a` is taken for the project's image, not for Docker Hub's: c/Dockerfile:1:6
        note: no registry is asked: of `HOST/pair:1` the name alone counts
        LAYER  IMAGE  VERDICT  HASH              WHY
            0  a      build    HASH  never built
            0  b      build    HASH  never built
            1  c      build    HASH  never built

        3 images to build
        exit 0
    "#]]).await;
    world
        .check(
            &["lock", "--offline"],
            expect![[r#"
                note: `a` is taken for the project's image, not for Docker Hub's: c/Dockerfile:1:6
                error: something is to be looked up, and `--offline` asks nobody
                exit 2
            "#]],
        )
        .await;
    let broken = Fault::Answer(503, "Retry-After: 0", "{}");
    world.server.fail(&[broken; 3]);
    world.check(&["plan"], expect![[r#"
        note: no engine answers at `unix:///nonexistent/engine.sock`: Socket not found: /nonexistent/engine.sock; the plan is made without an engine
        looking up `HOST/pair:1`: registry `HOST` fails: 503 Service Unavailable; try 2
        looking up `HOST/pair:1`: registry `HOST` fails: 503 Service Unavailable; try 3
        note: `a` is taken for the project's image, not for Docker Hub's: c/Dockerfile:1:6
        note: looking up `HOST/pair:1`: registry `HOST` fails: 503 Service Unavailable; of `HOST/pair:1` the name alone counts
        LAYER  IMAGE  VERDICT  HASH              WHY
            0  a      build    HASH  never built
            0  b      build    HASH  never built
            1  c      build    HASH  never built

        3 images to build
        exit 0
        HEAD /v2/pair/manifests/1 by nobody: 503
        HEAD /v2/pair/manifests/1 by nobody: 503
        HEAD /v2/pair/manifests/1 by nobody: 503
    "#]]).await;
    world.server.fail(&[broken; 5]);
    world
        .check(
            &["lock"],
            expect![[r#"
                note: `a` is taken for the project's image, not for Docker Hub's: c/Dockerfile:1:6
                looking up `HOST/pair:1`: registry `HOST` fails: 503 Service Unavailable; try 2
                looking up `HOST/pair:1`: registry `HOST` fails: 503 Service Unavailable; try 3
                looking up `HOST/pair:1`: registry `HOST` fails: 503 Service Unavailable; try 4
                looking up `HOST/pair:1`: registry `HOST` fails: 503 Service Unavailable; try 5
                error: looking up `HOST/pair:1`: registry `HOST` fails: 503 Service Unavailable
                exit 3
                GET /v2/pair/manifests/1 by nobody: 503
                GET /v2/pair/manifests/1 by nobody: 503
                GET /v2/pair/manifests/1 by nobody: 503
                GET /v2/pair/manifests/1 by nobody: 503
                GET /v2/pair/manifests/1 by nobody: 503
            "#]],
        )
        .await;
    assert_eq!(world.lock_file(), None);
    // The names count as they do without anybody's help.
    let by_name = world.hashes(&["--offline"]).await;
    world.server.fail(&[broken; 3]);
    assert_eq!(world.hashes(&[]).await, by_name);
}

#[tokio::test]
async fn a_broken_lock_file_stops_everything_and_is_told_with_all_else() {
    let world = World::new().await;
    world.write("windlass.lock", "version: 1\n<<<<<<< HEAD\nbases: {}\n");
    world.write("b/Dockerfile", "FORM x\n");
    world
        .check(
            &["plan"],
            expect![[r#"
        error: the file was not merged to the end
         --> windlass.lock:2:1
          |
        2 | <<<<<<< HEAD
          | ^^^^^^^^^^^^
          |
          = hint: keep either side, as with `git checkout --ours`, and run `windlass lock`: it adds the rest

        error: unknown instruction `FORM`
         --> b/Dockerfile:1:1
          |
        1 | FORM x
          | ^^^^
          |
          = hint: did you mean `FROM`?
        exit 2
    "#]],
        )
        .await;
}

#[tokio::test]
async fn a_project_that_needs_nothing_of_others_gets_no_file() {
    let world = World::new().await;
    for image in ["a", "b", "c"] {
        world.write(&format!("{image}/Dockerfile"), "FROM scratch\nCOPY . /\n");
    }
    world
        .check(
            &["lock"],
            expect![[r#"
        nothing to lock
        exit 0
    "#]],
        )
        .await;
    assert_eq!(world.lock_file(), None);
    world
        .check(
            &["plan", "--locked", "-q"],
            expect![[r#"
                LAYER  IMAGE  VERDICT  HASH              WHY
                    0  a      build    HASH  never built
                    0  b      build    HASH  never built
                    0  c      build    HASH  never built

                3 images to build
                exit 0
            "#]],
        )
        .await;
}

#[tokio::test]
async fn a_registry_that_never_answers_is_asked_once_a_name_and_waited_for_in_vain() {
    let world = World::new().await;
    world.server.fail(&[Fault::Hang; 2]);
    world.check(&["plan"], expect![[r#"
        note: no engine answers at `unix:///nonexistent/engine.sock`: Socket not found: /nonexistent/engine.sock; the plan is made without an engine
        note: `a` is taken for the project's image, not for Docker Hub's: c/Dockerfile:1:6
        note: looking up `HOST/pair:1`: registry `HOST` does not answer: nothing came within 10s; of `HOST/pair:1` and `HOST/single:1` the name alone counts
        LAYER  IMAGE  VERDICT  HASH              WHY
            0  a      build    HASH  never built
            0  b      build    HASH  never built
            1  c      build    HASH  never built

        3 images to build
        exit 0
        HEAD /v2/pair/manifests/1 by nobody: Hang
        HEAD /v2/single/manifests/1 by nobody: Hang
    "#]]).await;
}

#[tokio::test]
async fn what_containers_run_is_locked_with_the_rest() {
    let world = World::new().await;
    world.server.put_manifest("cache", "7", MANIFEST, &manifest("cache"));
    let containers = "\n    web: { image: a }\n    db: { image: HOST/single:1 }\n    cache: { image: \"HOST/cache:7\" }\n    \
        spare: { image: HOST/cache:7 }\n";
    world.write("windlass.yaml", &format!("version: 1\nproject: shop\ndeploy:\n  containers:{containers}"));
    world.write("b/Dockerfile", "FROM scratch\n");
    world
        .check(
            &["plan", "b", "--locked", "-q"],
            expect![[r#"
        error: `HOST/cache:7` is not in windlass.lock
         --> windlass.yaml:7:21
          |
        7 |     cache: { image: "HOST/cache:7" }
          |                     ^^^^^^^^^^^^^^^^^^^^^^^^^
        8 |     spare: { image: HOST/cache:7 }
          |                     -----------------------
          |
          = hint: `windlass lock` adds what is missing

        error: `HOST/single:1` is not in windlass.lock
         --> windlass.yaml:6:18
          |
        6 |     db: { image: HOST/single:1 }
          |                  ^^^^^^^^^^^^^^^^^^^^^^^^
          |
          = hint: `windlass lock` adds what is missing
        exit 2
    "#]],
        )
        .await;
    world
        .check(
            &["lock", "-q"],
            expect![[r#"
        added    HOST/cache:7   507d464542b0 linux/amd64
        added    HOST/pair:1    333196d1e9e0 linux/amd64
        added    HOST/single:1  00ac2314236c linux/amd64

        windlass.lock: 3 names, 3 changes
        exit 0
        GET /v2/cache/manifests/7 by nobody: 200
        GET /v2/pair/manifests/1 by nobody: 200
        GET /v2/single/manifests/1 by nobody: 200
    "#]],
        )
        .await;
    world
        .check(
            &["plan", "--locked", "-q"],
            expect![[r#"
        LAYER  IMAGE  VERDICT  HASH              WHY
            0  a      build    HASH  never built
            0  b      build    HASH  never built
            1  c      build    HASH  never built

        3 images to build
        exit 0
    "#]],
        )
        .await;
    world.server.put_manifest("cache", "7", MANIFEST, &manifest("another"));
    world
        .check(
            &["plan", "--stale", "-q"],
            expect![[r#"
        NAME                     LOCKED        NOW           MADE FROM IT
        HOST/cache:7  507d464542b0  d8efdf9b227d  (container cache) (container spare)
        exit 10
        GET /v2/cache/manifests/7 by nobody: 200
        HEAD /v2/cache/manifests/7 by nobody: 200
        HEAD /v2/pair/manifests/1 by nobody: 200
        HEAD /v2/single/manifests/1 by nobody: 200
    "#]],
        )
        .await;
    let json = world.run(&["plan", "--stale", "--format", "json", "-q"]).await;
    let json: serde_json::Value = serde_json::from_str(json.split("exit 10").next().unwrap()).unwrap();
    assert_eq!(json["stale"][0]["containers"], serde_json::json!(["cache", "spare"]));
}

#[tokio::test]
async fn a_locked_plan_asks_nobody_even_where_the_project_has_a_registry() {
    let world = World::new().await;
    world.write("windlass.yaml", "version: 1\nproject: shop\nregistry: HOST/shop\n");
    world.write("c/Dockerfile", "FROM HOST/shop/a\n");
    world.run(&["lock"]).await;
    for format in ["text", "github-matrix"] {
        let asked = world.run(&["plan", "--format", format]).await;
        assert!(asked.contains("HEAD /v2/shop/c/manifests/"), "{asked}");
        let said = world.run(&["plan", "--locked", "--format", format]).await;
        assert!(!said.contains("/v2/"), "{said}");
    }
    world
        .check(
            &["plan", "--locked", "-q"],
            expect![[r#"
        LAYER  IMAGE  VERDICT  HASH              WHY
            0  a      build    HASH  never built
            0  b      build    HASH  never built
            1  c      build    HASH  never built

        3 images to build
        exit 0
    "#]],
        )
        .await;
}

#[test]
fn the_documentation_shows_a_file_as_it_is_written() {
    let documentation = include_str!("../../docs/lock.md");
    let (_, rest) = documentation.split_once("```yaml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    assert_eq!(LockFile::parse(&SourceText::new("windlass.lock", example)).unwrap().to_text(), example);
}
