//! Refs of git repositories that `ADD` takes files of: locked, counted, written into builders' Dockerfiles, and told when
//! they mean other commits.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use expect_test::{Expect, expect};
use serde_json::json;
use windlass::diag::SourceText;
use windlass::dockerfile::{ResolveInputs, SourceKind, parse, resolve};
use windlass::model::{GitCommit, GitPin, ImageName};
use windlass::plan::{Facts, Resolved, why};
use windlass::ui::Color;
use windlass::ui::plan_why::{self, Against};

use crate::git_sources::{HttpRemote, World};
use crate::sketch::{Sketch, project};

/// A project that takes files of a repository, and who serves that.
struct Shop {
    world: World,
    server: HttpRemote,
    first: String,
}

const A: &str = "FROM scratch AS unused\nADD REMOTE/remote.git#unused /\nFROM scratch\nARG REF=main\n\
    ADD REMOTE/remote.git#${REF}:docs /docs\nADD REMOTE/remote.git /all\n";
const B: &str = "FROM scratch\nADD [\"REMOTE/remote.git#main\", \"/x/\"]\nADD REMOTE/remote.git#FIRST /y\n\
    ADD --checksum=FIRST REMOTE/remote.git#other /z\nADD http://me:pass@HOST/secret.git#main /\n\
    ARG API_TOKEN=x\nADD REMOTE/$API_TOKEN.git#main /\n";

impl Shop {
    fn new() -> Self {
        let world = World::new();
        let first = world.repository("remote.git", &[("docs/x", "1"), ("Dockerfile", "FROM scratch\nCOPY docs /\n")]);
        let server = HttpRemote::serve(world.path(""), false);
        let shop = Self { world, server, first };
        shop.write("windlass.yaml", "version: 1\nproject: shop\n");
        shop.write("a/Dockerfile", A);
        shop.write("b/Dockerfile", B);
        shop
    }

    fn write(&self, path: &str, text: &str) {
        let host = self.server.address.strip_prefix("http://").unwrap();
        let text = text.replace("REMOTE", &self.server.address).replace("HOST", host).replace("FIRST", &self.first);
        self.world.write(&format!("project/{path}"), &text);
    }

    /// What windlass says and answers, and what the server was asked for.
    fn run(&self, args: &[&str]) -> String {
        let said = self.world.run(&[args, &["-q"]].concat());
        let commits = self.world.git("remote.git", &["log", "--all", "--format=%H %s"]);
        let commits = commits.lines().filter_map(|line| line.split_once(' '));
        let said = commits.fold(said, |said, (commit, subject)| {
            let name = if commit == self.first { "FIRST" } else { subject };
            said.replace(commit, name).replace(&commit[..12], name)
        });
        format!("{}{:?}\n", said.replace(&self.server.address, "REMOTE"), self.server.log())
    }

    #[expect(clippy::needless_pass_by_value, reason = "expect-test's own shape")]
    fn check(&self, args: &[&str], expected: Expect) {
        expected.assert_eq(&self.run(args));
    }

    fn hashes(&self) -> BTreeMap<String, String> {
        let plan = self.world.plan(&[]);
        assert_eq!(self.server.log(), Vec::<String>::new(), "a plan asks nobody for what is added");
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let images = plan["images"].as_array().unwrap().iter();
        images.map(|image| (text(&image["name"]), text(&image["content_hash"]))).collect()
    }

    /// Moves `main`; the commit is called `SECOND`.
    fn move_main(&self) -> String {
        self.world.write("remote.git/docs/x", "2");
        self.world.git("remote.git", &["commit", "--quiet", "--all", "--message", "SECOND"]);
        self.world.git("remote.git", &["rev-parse", "HEAD"])
    }
}

#[test]
fn refs_are_locked_once_and_count() {
    let shop = Shop::new();
    let before = shop.hashes();
    shop.check(
        &["plan", "--locked"],
        expect![[r#"
            error: `REMOTE/remote.git#HEAD` is not in windlass.lock
             --> a/Dockerfile:6:5
              |
            6 | ADD REMOTE/remote.git /all
              |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
              |
              = hint: `windlass lock` adds what is missing

            error: `REMOTE/remote.git#main` is not in windlass.lock
             --> a/Dockerfile:5:5
              |
            5 | ADD REMOTE/remote.git#${REF}:docs /docs
              |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
              |
             ::: b/Dockerfile:2:6
              |
            2 | ADD ["REMOTE/remote.git#main", "/x/"]
              |      ----------------------------------------
              |
              = hint: `windlass lock` adds what is missing
            exit 2
            []
        "#]],
    );
    shop.check(
        &["lock"],
        expect![[r#"
        added    REMOTE/remote.git#HEAD  FIRST
        added    REMOTE/remote.git#main  FIRST

        windlass.lock: 2 names, 2 changes
        exit 0
        ["ls-refs"]
    "#]],
    );
    let lock = || fs::read_to_string(shop.world.path("project/windlass.lock")).unwrap();
    expect![[r##"
        # Written by `windlass lock`, which adds what is missing and drops what nothing uses.
        # `windlass lock --update` looks everything up anew. To be kept in git.
        version: 1
        git:
          "REMOTE/remote.git#HEAD":
            commit: FIRST
          "REMOTE/remote.git#main":
            commit: FIRST
    "##]]
    .assert_eq(&lock().replace(&shop.server.address, "REMOTE").replace(&shop.first, "FIRST"));
    shop.check(
        &["lock"],
        expect![[r#"
        windlass.lock is as it should be: 2 names
        exit 0
        []
    "#]],
    );
    let locked = shop.hashes();
    assert!(locked.iter().all(|(name, hash)| before[name] != *hash), "what is locked counts");
    assert!(shop.run(&["plan", "--locked"]).ends_with("exit 0\n[]\n"), "nobody is asked");

    shop.move_main();
    assert_eq!(shop.hashes(), locked, "what is locked stays");
    shop.check(
        &["plan", "--stale"],
        expect![[r#"
        NAME                                    LOCKED        NOW           MADE FROM IT
        REMOTE/remote.git#HEAD  FIRST  SECOND  a
        REMOTE/remote.git#main  FIRST  SECOND  a b
        exit 10
        ["ls-refs"]
    "#]],
    );
    let main = format!("{}/remote.git#main", shop.server.address);
    shop.check(
        &["lock", "--update", &main],
        expect![[r#"
        updated  REMOTE/remote.git#main  FIRST -> SECOND

        windlass.lock: 2 names, 1 change
        exit 0
        ["ls-refs"]
    "#]],
    );
    let updated = shop.hashes();
    assert!(updated.iter().all(|(name, hash)| locked[name] != *hash));
    let of_a = &shop.world.plan(&["a"])["images"][0]["repositories"];
    let remote = format!("{}/remote.git", shop.server.address);
    let second = shop.world.git("remote.git", &["rev-parse", "HEAD"]);
    let expected = json!([
        { "remote": remote, "ref": "main", "commit": second },
        { "remote": remote, "ref": "HEAD", "commit": shop.first },
    ]);
    assert_eq!(*of_a, expected);
    shop.check(
        &["lock", "--update", "a"],
        expect![[r#"
        updated  REMOTE/remote.git#HEAD  FIRST -> SECOND

        windlass.lock: 2 names, 1 change
        exit 0
        ["ls-refs"]
    "#]],
    );
    shop.check(
        &["plan", "--stale"],
        expect![[r#"
        every name stands for what windlass.lock says
        exit 0
        ["ls-refs"]
    "#]],
    );
    shop.check(
        &["lock", "--update", &main.replace("main", "mian")],
        expect![[r#"
        error: `REMOTE/remote.git#mian` is no image of the project, and none is made from it
        hint: did you mean `REMOTE/remote.git#main`?
        exit 2
        []
    "#]],
    );

    shop.world.git("remote.git", &["branch", "--quiet", "--move", "trunk"]);
    shop.check(
        &["plan", "--stale", "b"],
        expect![[r#"
        NAME                                    LOCKED        NOW   MADE FROM IT
        REMOTE/remote.git#main  SECOND  gone  b
        exit 10
        ["ls-refs"]
    "#]],
    );
    shop.check(
        &["lock", "--update", "b"],
        expect![[r#"
        error: `REMOTE/remote.git`: the repository has no branch and no tag `main`
         --> a/Dockerfile:5:5
          |
        5 | ADD REMOTE/remote.git#${REF}:docs /docs
          |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          |
         ::: b/Dockerfile:2:6
          |
        2 | ADD ["REMOTE/remote.git#main", "/x/"]
          |      ----------------------------------------
          |
          = hint: windlass.lock still has it as SECOND
        exit 2
        ["ls-refs"]
    "#]],
    );
    for secret in ["pass", "TOKEN", "secret"] {
        assert!(!lock().contains(secret));
    }
    shop.write("a/Dockerfile", "FROM scratch\n");
    shop.write("b/Dockerfile", "FROM scratch\n");
    shop.check(
        &["lock"],
        expect![[r#"
        removed  REMOTE/remote.git#HEAD
        removed  REMOTE/remote.git#main

        windlass.lock: 0 names, 2 changes
        exit 0
        []
    "#]],
    );
}

#[test]
fn windlass_yaml_and_dockerfiles_share_what_is_locked() {
    let shop = Shop::new();
    shop.write(
        "windlass.yaml",
        "version: 1\nproject: shop\nimages:\n  a: { context: a }\n  c: { git: 'REMOTE/remote.git', ref: main }\n",
    );
    shop.check(
        &["lock"],
        expect![[r#"
            added    REMOTE/remote.git#HEAD  FIRST
            added    REMOTE/remote.git#main  FIRST

            windlass.lock: 2 names, 2 changes
            exit 0
            ["ls-refs", "fetch"]
        "#]],
    );
    shop.move_main();
    shop.check(
        &["plan", "--stale"],
        expect![[r#"
        NAME                                    LOCKED        NOW           MADE FROM IT
        REMOTE/remote.git#HEAD  FIRST  SECOND  a
        REMOTE/remote.git#main  FIRST  SECOND  a b c
        exit 10
        ["ls-refs"]
    "#]],
    );
    shop.check(
        &["lock", "--update", "a"],
        expect![[r#"
        updated  REMOTE/remote.git#HEAD  FIRST -> SECOND
        updated  REMOTE/remote.git#main  FIRST -> SECOND

        windlass.lock: 2 names, 2 changes
        exit 0
        ["ls-refs"]
    "#]],
    );
    shop.check(
        &["lock", "--update"],
        expect![[r#"
            windlass.lock is as it should be: 2 names
            exit 0
            ["ls-refs", "fetch"]
        "#]],
    );
    shop.check(
        &["plan", "--stale"],
        expect![[r#"
        every name stands for what windlass.lock says
        exit 0
        ["ls-refs"]
    "#]],
    );
}

fn commit(digit: char) -> GitCommit {
    digit.to_string().repeat(40).parse().unwrap()
}

fn locked(resolved: &Resolved, refs: &[&str], digit: char) -> Resolved {
    let pin = |name: &&str| (name.parse::<GitPin>().unwrap(), commit(digit));
    resolved.clone().with_commits(&refs.iter().map(pin).collect())
}

#[test]
fn a_change_is_told_with_both_commits() {
    let name: ImageName = "a".parse().unwrap();
    let resolved = project(&[Sketch::new("a", "FROM scratch\nadd https://git.test/x.git#main /\n")]).unwrap();
    let with = |digit| locked(&resolved, &["https://git.test/x.git#main"], digit);
    let (one, two) = (with('1'), with('2'));
    let told = |now: &Resolved, then: &Resolved| {
        let facts = |resolved: &Resolved| BTreeMap::from([(name.clone(), Facts::of(&resolved.images[0]))]);
        let explained = why(&name, &facts(now), &facts(then));
        let told = plan_why::why(&explained, &Against::LastBuild, |_| "a/Dockerfile", Color::Never);
        told.replace(commit('1').as_str(), "ONE").replace(commit('2').as_str(), "TWO")
    };
    expect![[r#"
        `a` is not the same as at its last build

        a
          https://git.test/x.git#main: ONE -> TWO
    "#]]
    .assert_eq(&told(&two, &one));
    expect![[r#"
        `a` is the same as at its last build
    "#]]
    .assert_eq(&told(&one, &one));
    expect![[r#"
        `a` is not the same as at its last build

        a
          https://git.test/x.git#main: not locked -> ONE
    "#]]
    .assert_eq(&told(&one, &resolved));
    let label = two.images[0].fingerprint.to_label();
    assert!(label.ends_with(&format!(" git:https://git.test/x.git%23main={}", commit('2'))), "{label}");
}

/// What builders are given of a Dockerfile when these refs are locked, and which they take as they are now.
#[expect(clippy::needless_pass_by_value, reason = "expect-test's own shape")]
fn check_pinned(text: &str, refs: &[&str], expected: Expect) {
    let resolved = locked(&project(&[Sketch::new("a", text)]).unwrap(), refs, '1');
    let image = &resolved.images[0];
    let pinned = image.pinned_dockerfile(&BTreeMap::new());
    // What a builder makes of it.
    let dockerfile = parse(&SourceText::new("Dockerfile", pinned.as_str())).dockerfile;
    let inputs = ResolveInputs {
        args: &BTreeMap::new(),
        target: None,
        target_platform: &image.platform,
        build_platform: &image.platform,
        contexts: &BTreeSet::new(),
    };
    let taken = resolve(&dockerfile, &inputs).sources.into_iter().map(|source| match source.what {
        SourceKind::Remote(address) => format!("takes {address}\n"),
        other => format!("{other:?}\n"),
    });
    let unpinned = image.unpinned().into_iter().map(|pin| format!("as it is now: {pin}\n"));
    let said: String = taken.chain(unpinned).collect();
    expected.assert_eq(&format!("{pinned}{said}").replace(commit('1').as_str(), "ONE"));
}

#[test]
fn builders_are_given_the_commit_in_the_place_of_the_ref() {
    check_pinned(
        "FROM scratch\nADD https://git.test/x.git#main /\nadd  --chown=1 \\\n  git@git.test:x#main:docs/more /d\n\
         ADD https://git.test/x.git ssh://git@git.test/y#main:/docs/ /e/\nADD [\"https://git.test/x.git#main\", \"/f g\"]\n\
         ADD https://git.test/x.git#other /h\n",
        &[
            "https://git.test/x.git#main",
            "git@git.test:x#main",
            "https://git.test/x.git#HEAD",
            "ssh://git@git.test/y#main",
        ],
        expect![[r#"
            FROM scratch
            ADD https://git.test/x.git#ONE /
            add  --chown=1 \
              git@git.test:x#ONE:docs/more /d
            ADD https://git.test/x.git#ONE ssh://git@git.test/y#ONE:docs /e/
            ADD ["https://git.test/x.git#ONE", "/f g"]
            ADD https://git.test/x.git#other /h
            takes https://git.test/x.git#ONE
            takes git@git.test:x#ONE:docs/more
            takes https://git.test/x.git#ONE
            takes ssh://git@git.test/y#ONE:docs
            takes https://git.test/x.git#ONE
            takes https://git.test/x.git#other
        "#]],
    );
}

#[test]
fn variables_and_quotes_are_filled_in_where_a_commit_is_written() {
    check_pinned(
        "FROM scratch\nARG HOST=git.test REF=main FOLDER=\"a b\"\nADD https://$HOST/x.git#${REF}:it\\'s\\$ /\n\
         ADD \"https://git.test/x.git#main\" /q\nADD [\"https://$HOST/x.git#$REF:$FOLDER\\\\$\", \"/\"]\n\
         ADD https://$HOST/x.git#$REF:$FOLDER /\n",
        &["https://git.test/x.git#main"],
        expect![[r#"
            FROM scratch
            ARG HOST=git.test REF=main FOLDER="a b"
            ADD https://git.test/x.git#ONE:it\'s\$ /
            ADD https://git.test/x.git#ONE /q
            ADD ["https://git.test/x.git#ONE:a b\\$", "/"]
            ADD https://$HOST/x.git#$REF:$FOLDER /
            takes https://git.test/x.git#ONE:it's$
            takes https://git.test/x.git#ONE
            takes https://git.test/x.git#ONE:a b$
            takes https://git.test/x.git#main:a b
            as it is now: https://git.test/x.git#main
        "#]],
    );
    check_pinned(
        "# escape=`\nFROM scratch\nARG HOST=git.test\nADD https://$HOST/x.git#main:a\\b`$`` /\n",
        &["https://git.test/x.git#main"],
        expect![[r#"
            # escape=`
            FROM scratch
            ARG HOST=git.test
            ADD https://git.test/x.git#ONE:a\b`$`` /
            takes https://git.test/x.git#ONE:a\b$`
        "#]],
    );
}

#[test]
fn what_several_stages_trigger_is_written_once_for_all() {
    check_pinned(
        "FROM scratch AS base\nENV NAME=x\nONBUILD ADD https://git.test/x.git#main /\n\
         ONBUILD ADD https://git.test/$NAME.git#main /\nFROM base AS one\nFROM base\nCOPY --from=one / /\n",
        &["https://git.test/x.git#main"],
        expect![[r#"
            FROM scratch AS base
            ENV NAME=x
            ONBUILD ADD https://git.test/x.git#ONE /
            ONBUILD ADD https://git.test/$NAME.git#main /
            FROM base AS one
            FROM base
            COPY --from=one / /
            takes https://git.test/x.git#ONE
            takes https://git.test/x.git#main
            takes https://git.test/x.git#ONE
            takes https://git.test/x.git#main
            as it is now: https://git.test/x.git#main
        "#]],
    );
}
