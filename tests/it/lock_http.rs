//! Files that `ADD` fetches from web servers: locked, counted, checked, and told when they are others.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use expect_test::{Expect, expect};
use tempfile::TempDir;
use windlass::model::{Digest, HttpUrl, ImageName};
use windlass::plan::{Facts, Resolved, why};
use windlass::registry::{Keychain, Options, Registry, RetryPolicy};
use windlass::ui::Color;
use windlass::ui::plan_why::{self, Against};

use crate::bad_input::write;
use crate::sketch::{Sketch, project};
use crate::web_server::{Page, Web};

const DOCKERFILE: &str = "FROM scratch AS unused\nADD http://WEB/unused /\nFROM scratch\nARG VERSION=1.2\n\
    ADD http://WEB/tool-${VERSION}.tar.gz /\nADD http://WEB/moved /\n";

/// A project that fetches files, and who serves them.
struct World {
    web: Web,
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self { web: Web::start(), folder: tempfile::tempdir().unwrap() };
        world.web.put("/tool-1.2.tar.gz", Page::Body(vec![7; 3 << 20]));
        world.web.put("/moved", Page::LeadsTo("/there".to_owned()));
        world.web.put("/there", Page::Body(b"there".to_vec()));
        world.write("windlass.yaml", "version: 1\nproject: shop\n");
        world.write("a/Dockerfile", DOCKERFILE);
        let others = "FROM scratch\nADD http://WEB/moved /\nADD http://me:pass@WEB/secret /\n\
            ARG API_TOKEN=x\nADD http://WEB/?t=$API_TOKEN /\nADD --checksum=sha256:00 http://WEB/checked /\n";
        world.write("b/Dockerfile", others);
        world
    }

    fn write(&self, path: &str, text: &str) {
        write(self.folder.path(), &[(path, &text.replace("WEB", &self.web.address))]);
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_windlass"));
        command.current_dir(self.folder.path()).env_clear().env("DOCKER_HOST", "unix:///nonexistent/engine.sock");
        command.args(args);
        command
    }

    /// What windlass says and answers, and what was asked of the server.
    fn run(&self, args: &[&str]) -> String {
        let output = self.command(args).arg("-q").output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let log = self.web.log();
        let said =
            format!("{}{}exit {}\n{log}\n", text(&output.stderr), text(&output.stdout), output.status.code().unwrap());
        said.replace(&self.web.address, "WEB")
    }

    fn hashes(&self) -> BTreeMap<String, String> {
        let said = self.run(&["plan", "--format", "json"]);
        let json: serde_json::Value = serde_json::from_str(said.split("exit 0\n").next().unwrap()).unwrap();
        let images = json["images"].as_array().unwrap().iter();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        images.map(|image| (text(&image["name"]), text(&image["content_hash"]))).collect()
    }

    fn lock_file(&self) -> String {
        fs::read_to_string(self.folder.path().join("windlass.lock")).unwrap().replace(&self.web.address, "WEB")
    }
}

/// What `sha256sum` says.
fn sha256sum(bytes: &[u8]) -> String {
    let mut child = Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    let said = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    said.split(' ').next().unwrap().to_owned()
}

#[test]
fn files_are_locked_once_and_count() {
    let world = World::new();
    let before = world.hashes();
    assert_eq!(world.run(&["plan", "--locked"]).lines().last().unwrap(), "", "nobody is asked");
    expect![[r#"
        error: `http://WEB/moved` is not in windlass.lock
         --> a/Dockerfile:6:5
          |
        6 | ADD http://WEB/moved /
          |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          |
         ::: b/Dockerfile:2:5
          |
        2 | ADD http://WEB/moved /
          |     ----------------------------
          |
          = hint: `windlass lock` adds what is missing

        error: `http://WEB/tool-1.2.tar.gz` is not in windlass.lock
         --> a/Dockerfile:5:5
          |
        5 | ADD http://WEB/tool-${VERSION}.tar.gz /
          |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          |
          = hint: `windlass lock` adds what is missing
        exit 2

    "#]]
    .assert_eq(&world.run(&["plan", "--locked"]));
    expect![[r#"
        added    http://WEB/moved            e244f187f696
        added    http://WEB/tool-1.2.tar.gz  fadc8b76fb9e

        windlass.lock: 2 names, 2 changes
        exit 0
        GET /moved
        GET /there
        GET /tool-1.2.tar.gz
    "#]]
    .assert_eq(&world.run(&["lock"]));
    expect![[r#"
        # Written by `windlass lock`, which adds what is missing and drops what nothing uses.
        # `windlass lock --update` looks everything up anew. To be kept in git.
        version: 1
        http:
          http://WEB/moved:
            digest: sha256:e244f187f696561d5fd7e00f618e7ba641dc52e3c137380f6fa23a854b773aac
          http://WEB/tool-1.2.tar.gz:
            digest: sha256:fadc8b76fb9e2447c118e8b612cb1280904241214f6b9b5b7010f445bcc3d10b
    "#]]
    .assert_eq(&world.lock_file());
    for bytes in [vec![7; 3 << 20], b"there".to_vec()] {
        assert!(world.lock_file().contains(&sha256sum(&bytes)));
    }
    fs::rename(world.folder.path().join("windlass.lock"), world.folder.path().join("first")).unwrap();
    let output = world.command(&["lock"]).output().unwrap();
    let note = String::from_utf8(output.stderr).unwrap().replace(&world.web.address, "WEB");
    expect![[r#"
        note: fetching `http://WEB/moved` and `http://WEB/tool-1.2.tar.gz` to learn the sha256
    "#]]
    .assert_eq(&note);
    world.web.log();
    expect![[r#"
        windlass.lock is as it should be: 2 names
        exit 0

    "#]]
    .assert_eq(&world.run(&["lock"]));
    let locked = world.hashes();
    assert!(locked.iter().all(|(name, hash)| before[name] != *hash), "what is locked counts");
    assert!(world.run(&["plan", "--locked"]).ends_with("exit 0\n\n"), "nobody is asked");

    world.web.put("/there", Page::Body(b"another".to_vec()));
    assert_eq!(world.hashes(), locked, "the file is fetched by nobody");
    expect![[r#"
        NAME                          LOCKED        NOW           MADE FROM IT
        http://WEB/moved  e244f187f696  ae448ac86c4e  a b
        exit 10
        GET /moved
        GET /there
        GET /tool-1.2.tar.gz
    "#]]
    .assert_eq(&world.run(&["plan", "--stale"]));
    expect![[r#"
        {
          "version": 1,
          "stale": [
            {
              "name": "http://WEB/moved",
              "locked": "sha256:e244f187f696561d5fd7e00f618e7ba641dc52e3c137380f6fa23a854b773aac",
              "now": "sha256:ae448ac86c4e8e4dec645729708ef41873ae79c6dff84eff73360989487f08e5",
              "images": [
                "b"
              ],
              "containers": []
            }
          ]
        }
        exit 10
        GET /moved
        GET /there
    "#]]
    .assert_eq(&world.run(&["plan", "b", "--stale", "--format", "json"]));
    let url = format!("http://{}/moved", world.web.address);
    expect![[r#"
        updated  http://WEB/moved  e244f187f696 -> ae448ac86c4e

        windlass.lock: 2 names, 1 change
        exit 0
        GET /moved
        GET /there
    "#]]
    .assert_eq(&world.run(&["lock", "--update", &url]));
    let updated = world.hashes();
    assert!(updated.iter().all(|(name, hash)| locked[name] != *hash));
    expect![[r#"
        every name stands for what windlass.lock says
        exit 0
        GET /moved
        GET /there
        GET /tool-1.2.tar.gz
    "#]]
    .assert_eq(&world.run(&["plan", "--stale"]));
    expect![[r#"
        error: `http://WEB/movd` is no image of the project, and none is made from it
        hint: `windlass graph` shows what each image is made from
        exit 2

    "#]]
    .assert_eq(&world.run(&["lock", "--update", "http://WEB/movd"]));

    world.web.put("/moved", Page::Status(404));
    expect![[r#"
        NAME                          LOCKED        NOW   MADE FROM IT
        http://WEB/moved  ae448ac86c4e  gone  a
        exit 10
        GET /moved
        GET /tool-1.2.tar.gz
    "#]]
    .assert_eq(&world.run(&["plan", "a", "--stale"]));
    expect![[r#"
        error: there is nothing at `http://WEB/moved` any more
         --> a/Dockerfile:6:5
          |
        6 | ADD http://WEB/moved /
          |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          |
         ::: b/Dockerfile:2:5
          |
        2 | ADD http://WEB/moved /
          |     ----------------------------
          |
          = hint: windlass.lock still has it as sha256:ae448ac86c4e8e4dec645729708ef41873ae79c6dff84eff73360989487f08e5
        exit 2
        GET /moved
    "#]]
    .assert_eq(&world.run(&["lock", "--update", "b"]));
    world.web.put("/moved", Page::Status(403));
    expect![[r#"
        error: fetching `http://WEB/moved`: the server answers 403 Forbidden
        hint: where a file needs credentials, or is another each time, say its checksum with `ADD --checksum`
        exit 1
        GET /moved
    "#]]
    .assert_eq(&world.run(&["lock", "--update", "b"]));
    world.write("b/Dockerfile", "FROM scratch\n");
    world.write("a/Dockerfile", "FROM scratch\n");
    expect![[r#"
        removed  http://WEB/moved
        removed  http://WEB/tool-1.2.tar.gz

        windlass.lock: 0 names, 2 changes
        exit 0

    "#]]
    .assert_eq(&world.run(&["lock"]));
}

#[test]
fn a_change_is_told_with_both_checksums() {
    let digest = |digit: char| format!("sha256:{}", digit.to_string().repeat(64)).parse().unwrap();
    let name: ImageName = "a".parse().unwrap();
    let url: HttpUrl = "https://files.test/tool?token=1".parse().unwrap();
    let images = [Sketch::new("a", "FROM scratch\nadd https://files.test/tool?token=1 /\n")];
    let resolved = project(&images).unwrap();
    let with = |digit| resolved.clone().with_files(&BTreeMap::from([(url.clone(), digest(digit))]));
    let (one, two) = (with('1'), with('2'));
    let told = |now: &Resolved, then: &Resolved| {
        let facts = |resolved: &Resolved| BTreeMap::from([(name.clone(), Facts::of(&resolved.images[0]))]);
        let explained = why(&name, &facts(now), &facts(then));
        plan_why::why(&explained, &Against::LastBuild, |_| "a/Dockerfile", Color::Never)
    };
    let shown = |told: String| told.replace(&"1".repeat(64), "ONE").replace(&"2".repeat(64), "TWO");
    expect![[r#"
        `a` is not the same as at its last build

        a
          https://files.test/tool: sha256:ONE -> sha256:TWO
    "#]]
    .assert_eq(&shown(told(&two, &one)));
    expect![[r#"
        `a` is the same as at its last build
    "#]]
    .assert_eq(&shown(told(&one, &one)));
    expect![[r#"
        `a` is not the same as at its last build

        a
          https://files.test/tool: not locked -> sha256:ONE
    "#]]
    .assert_eq(&shown(told(&one, &resolved)));
}

#[test]
fn builds_check_what_is_locked_where_an_instruction_has_a_place_for_it() {
    let text = "FROM scratch\nADD https://files.test/one /\nadd  --chown=1 \\\n  https://files.test/two /\n\
        ADD https://files.test/three https://files.test/four /x/\nADD --checksum=sha256:00 https://files.test/one /y\n";
    let resolved = project(&[Sketch::new("a", text)]).unwrap();
    let files = ["one", "two", "three"].map(|name| format!("https://files.test/{name}").parse::<HttpUrl>().unwrap());
    let digest: Digest = format!("sha256:{}", "1".repeat(64)).parse().unwrap();
    let locked = files.into_iter().map(|url| (url, digest)).collect();
    let resolved = resolved.with_files(&locked);
    let image = &resolved.images[0];
    assert_eq!(image.pinned_dockerfile(&BTreeMap::new()), text, "for a builder that takes none");
    let pinned = image.pinned_dockerfile_with_checksums(&BTreeMap::new()).replace(&"1".repeat(64), "…");
    expect![[r#"
        FROM scratch
        ADD --checksum=sha256:… https://files.test/one /
        add --checksum=sha256:…  --chown=1 \
          https://files.test/two /
        ADD https://files.test/three https://files.test/four /x/
        ADD --checksum=sha256:00 https://files.test/one /y
    "#]]
    .assert_eq(&pinned);
    let shared =
        "FROM scratch AS base\nONBUILD ADD https://files.test/one /\nFROM base AS a\nFROM base\nCOPY --from=a / /\n";
    let triggered = project(&[Sketch::new("a", shared)]).unwrap().with_files(&locked);
    let pinned = triggered.images[0].pinned_dockerfile_with_checksums(&BTreeMap::new());
    assert_eq!(pinned, shared.replace("ADD ", &format!("ADD --checksum={digest} ")), "two stages, one place");
    let unchecked = |takes| image.unchecked(takes).map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(unchecked(true), ["https://files.test/three"]);
    assert_eq!(unchecked(false), ["one", "two", "three"].map(|name| format!("https://files.test/{name}")));
}

/// What comes of a page, asked up to two times.
async fn check_fetch(pages: &[(&str, Page)], expected: Expect) {
    let web = Web::start();
    pages.iter().for_each(|(path, page)| web.put(path, page.clone()));
    let retry = RetryPolicy { attempts: 2, first_wait: Duration::ZERO, ..RetryPolicy::default() };
    let options = Options { retry, ..Options::new(Keychain::empty()) };
    let registry = Registry::new(options, |_| {});
    let url: HttpUrl = format!("http://{}/file?token=secret", web.address).parse().unwrap();
    let outcome = match registry.sha256_of(&url).await {
        Ok(digest) => format!("{:?}", digest.map(|digest| digest.to_string())),
        Err(error) => error.to_string(),
    };
    expected.assert_eq(&format!("{outcome}\n{}\n", web.log()).replace(&web.address, "WEB"));
}

#[tokio::test]
async fn servers_fail_in_their_ways() {
    let file = |page| [("/file?token=secret", page)];
    let leads = |url: &str| Page::LeadsTo(url.to_owned());
    check_fetch(
        &file(Page::Body(Vec::new())),
        expect![[r#"
        Some("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        GET /file?token=secret
    "#]],
    )
    .await;
    check_fetch(
        &file(Page::Cut(b"half".to_vec())),
        expect![[r#"
        fetching `http://WEB/file`: end of file before message length reached
        GET /file?token=secret
        GET /file?token=secret
    "#]],
    )
    .await;
    check_fetch(
        &file(Page::Status(404)),
        expect![[r#"
        None
        GET /file?token=secret
    "#]],
    )
    .await;
    check_fetch(
        &file(Page::Status(410)),
        expect![[r#"
        None
        GET /file?token=secret
    "#]],
    )
    .await;
    check_fetch(
        &file(Page::Status(403)),
        expect![[r#"
        fetching `http://WEB/file`: the server answers 403 Forbidden
        GET /file?token=secret
    "#]],
    )
    .await;
    check_fetch(
        &file(Page::Status(503)),
        expect![[r#"
        fetching `http://WEB/file`: the server answers 503 Service Unavailable
        GET /file?token=secret
        GET /file?token=secret
    "#]],
    )
    .await;
    check_fetch(
        &file(leads("file:///etc/passwd")),
        expect![[r#"
        fetching `http://WEB/file`: it leads to an address of `file`
        GET /file?token=secret
    "#]],
    )
    .await;
    let round = [("/file?token=secret", leads("/a")), ("/a", leads("/b")), ("/b", leads("/a"))];
    check_fetch(
        &round,
        expect![[r#"
        fetching `http://WEB/file`: too many redirects
        GET /a
        GET /a
        GET /a
        GET /a
        GET /a
        GET /a
        GET /a
        GET /a
        GET /a
        GET /a
        GET /b
        GET /b
        GET /b
        GET /b
        GET /b
        GET /b
        GET /b
        GET /b
        GET /b
        GET /b
        GET /file?token=secret
        GET /file?token=secret
    "#]],
    )
    .await;
}
