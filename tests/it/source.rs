//! Contexts and discovery, on folders that are really there.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use expect_test::{Expect, expect};
use tempfile::TempDir;
use windlass::diag::{Diagnostic, Diagnostics, SourceText};
use windlass::model::{Listing, Node, Ranges, Tree};
use windlass::source::{
    ContextRequest, Declared, Folders, Repositories, discover, list_contexts, load_contexts, revision,
};

/// Makes files below a folder: `path=content`, `path/` for a folder, `path->target` for a link, `path*=content`
/// for a program.
pub(crate) fn make(root: &Path, files: &str) {
    for file in files.split_whitespace() {
        let (path, content) = file.split_once('=').unwrap_or((file, ""));
        if let Some((path, target)) = file.split_once("->") {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            symlink(target, root.join(path)).unwrap();
        } else if path.ends_with('/') {
            fs::create_dir_all(root.join(path)).unwrap();
        } else {
            let at = root.join(path.trim_end_matches('*'));
            fs::create_dir_all(at.parent().unwrap()).unwrap();
            fs::write(&at, content).unwrap();
            let mode = if path.ends_with('*') { 0o755 } else { 0o644 };
            fs::set_permissions(&at, fs::Permissions::from_mode(mode)).unwrap();
        }
    }
}

/// Loads contexts as if somebody wanted all that is in them.
pub(crate) fn load_whole(requests: &[ContextRequest]) -> Result<Vec<Tree>, Diagnostics> {
    let folders = requests.first().map_or_else(|| Folders::of(Path::new("/")), |request| Folders::of(&request.root));
    let listings = list_contexts(&folders, requests)?;
    let refused = listings.iter().filter_map(Listing::refusal).map(|refusal| Diagnostic::error(&refusal.message));
    let refused: Vec<Diagnostic> = refused.collect();
    if !refused.is_empty() {
        return Err(Diagnostics(refused));
    }
    let all = |listing: &Listing| Ranges::from(0..listing.entries().len());
    let wanted: Vec<Ranges> = listings.iter().map(all).collect();
    let nodes = load_contexts(&folders, Repositories::default(), requests, listings, &wanted)?.nodes;
    Ok(nodes.iter().zip(wanted).map(|(nodes, all)| Tree::part_of(nodes, all, &Ranges::default())).collect())
}

fn request(root: &Path, shown: &str, ignore: &str) -> ContextRequest {
    let ignore = Some(SourceText::new(".dockerignore", ignore));
    ContextRequest { root: root.canonicalize().unwrap(), shown: shown.to_owned(), ignore }
}

fn show(tree: &Tree) -> String {
    let line = |(path, node): (_, &Node)| match node {
        Node::Directory => format!("{path}/\n"),
        Node::File { executable: true, size, .. } => format!("{path}* {size}\n"),
        Node::File { executable: false, size, .. } => format!("{path} {size}\n"),
        Node::Symlink { target } => format!("{path} -> {target}\n"),
    };
    tree.iter().map(line).collect()
}

fn show_all(diagnostics: &[Diagnostic]) -> String {
    let hint = |d: &Diagnostic| d.hint.as_ref().map_or(String::new(), |hint| format!("  hint: {hint}\n"));
    diagnostics.iter().map(|d| format!("{d}\n{}", hint(d))).collect()
}

fn load(root: &Path, ignore: &str) -> String {
    match load_whole(&[request(root, "ctx", ignore)]) {
        Ok(trees) => show(&trees[0]),
        Err(diagnostics) => show_all(&diagnostics.0),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "expect-test's own shape")]
fn check(files: &str, ignore: &str, expected: Expect) {
    let folder = TempDir::new().unwrap();
    make(folder.path(), files);
    expected.assert_eq(&load(folder.path(), ignore));
}

#[test]
fn git_is_no_part_of_a_context_unless_it_is_asked_for() {
    check(
        ".git/index=1 a=1 sub/.git/index=1",
        "",
        expect![[r#"
        a 1
        sub/
        sub/.git/
        sub/.git/index 1
    "#]],
    );
    check(
        ".git/index=1 a=1",
        "!.git",
        expect![[r#"
        .git/
        .git/index 1
        a 1
    "#]],
    );
}

#[test]
fn a_context_is_files_folders_and_links() {
    check(
        "Dockerfile=FROM a/b=12345 a/run*=x empty/ a/out->../../etc/passwd a/loop->loop a/here->.",
        "",
        expect![[r#"
            Dockerfile 4
            a/
            a/b 5
            a/here -> .
            a/loop -> loop
            a/out -> ../../etc/passwd
            a/run* 1
            empty/
        "#]],
    );
}

#[test]
fn dockerignore_has_the_meaning_that_the_engines_give_it() {
    let files = "a.md b.txt docs/a.md docs/deep/c.md docs/deep/d.txt src/main src/target/x target/y";
    check(
        files,
        "*.md\n**/target\n",
        expect![[r#"
            b.txt 0
            docs/
            docs/a.md 0
            docs/deep/
            docs/deep/c.md 0
            docs/deep/d.txt 0
            src/
            src/main 0
        "#]],
    );
    check(
        files,
        "\u{feff}docs\r\n# a comment\r\n  /src/  \r\n!docs/deep/*.txt\r\n",
        expect![[r#"
            a.md 0
            b.txt 0
            docs/
            docs/deep/
            docs/deep/d.txt 0
            target/
            target/y 0
        "#]],
    );
    check(
        files,
        "**\n!src\nsrc/target/\n",
        expect![[r#"
            src/
            src/main 0
        "#]],
    );
    check(
        files,
        "*\n!**/*.md\n!docs/deep\n",
        expect![[r#"
            a.md 0
            docs/
            docs/a.md 0
            docs/deep/
            docs/deep/c.md 0
            docs/deep/d.txt 0
        "#]],
    );
    check(
        files,
        "[a-c].*\nd?cs/**\n./x/../src/.\n\\target\n",
        expect![[r#"
            docs/
        "#]],
    );
}

/// BuildKit decides folder by folder (fsutil with `MatchesUsingParentResults`); older clients differ here.
#[test]
fn exceptions_are_inherited_as_by_buildkit() {
    let files = "docs/a.md docs/b tools/e tools/deep/e words";
    check(files, "docs/**\n!docs\n**s\n", expect![[""]]);
    check(
        files,
        "tools\ndocs\n!**/e\n",
        expect![[r#"
        tools/
        tools/deep/
        tools/deep/e 0
        tools/e 0
        words 0
    "#]],
    );
}

#[test]
fn patterns_that_no_engine_takes_are_shown_with_their_place() {
    check(
        "f",
        "ok\n  [a\n!\na\\\n[z-a]\n[]\n[-]\n",
        expect![[r#"
            .dockerignore:2:1: error: `[a` is no pattern: its `[` has no `]`
              hint: a `\` takes the meaning from the character that follows it
            .dockerignore:3:1: error: `!` is no pattern: nothing follows its `!`
              hint: a `\` takes the meaning from the character that follows it
            .dockerignore:4:1: error: `a\` is no pattern: nothing follows its last `\`
              hint: a `\` takes the meaning from the character that follows it
            .dockerignore:5:1: error: `[z-a]` is no pattern: `z-a` runs backwards
              hint: a `\` takes the meaning from the character that follows it
            .dockerignore:6:1: error: `[]` is no pattern: its `[` holds no character
              hint: a `\` takes the meaning from the character that follows it
            .dockerignore:7:1: error: `[-]` is no pattern: a `-` in `[…]` stands between two characters, or behind `\`
              hint: a `\` takes the meaning from the character that follows it
        "#]],
    );
}

#[test]
fn many_wildcards_take_no_longer_than_few() {
    let folder = TempDir::new().unwrap();
    let deep = format!("{}x", "a/".repeat(100));
    make(folder.path(), &deep);
    let ignore = format!("{}y\n{}\n", "**/a/*/".repeat(30), "*a".repeat(60));
    assert_eq!(load(folder.path(), &ignore).lines().count(), 101);
}

#[test]
fn what_no_image_can_hold_is_an_error_unless_it_is_ignored() {
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    make(root, "fine sub/");
    nix::unistd::mkfifo(&root.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let _listener = UnixListener::bind(root.join("sub/sock")).unwrap();
    fs::write(root.join(OsStr::from_bytes(b"sub/l\xf8ve")), "").unwrap();
    symlink(OsStr::from_bytes(b"\xff"), root.join("link")).unwrap();
    expect![[r#"
        error: `ctx/pipe` is a fifo, which no image can hold
          hint: if the image does not need it, add a line `pipe` to the context's .dockerignore
        error: `ctx/sub/sock` is a socket, which no image can hold
          hint: if the image does not need it, add a line `sub/sock` to the context's .dockerignore
        error: the link `ctx/link` points to a name that is not UTF-8
          hint: if the image does not need it, add a line `link` to the context's .dockerignore
        error: the name of `ctx/sub/l�ve` is not UTF-8
          hint: if the image does not need it, add a line `sub/l?ve` to the context's .dockerignore
    "#]]
    .assert_eq(&load(root, ""));
    expect![[r#"
        fine 0
        sub/
    "#]]
    .assert_eq(&load(root, "pipe\nsub/sock\nlink\nsub/l?ve\n"));
}

#[test]
fn a_missing_context_is_an_error() {
    let folder = TempDir::new().unwrap();
    let root = folder.path().join("nowhere");
    let request = ContextRequest { root, shown: "nowhere".to_owned(), ignore: None };
    let error = load_whole(&[request]).unwrap_err();
    expect![[r#"
        error: `nowhere` does not exist
    "#]]
    .assert_eq(&show_all(&error.0));
}

#[test]
fn what_may_not_be_read_is_an_error_and_what_is_ignored_is_not_read() {
    if nix::unistd::geteuid().is_root() {
        // Root reads everything; the same is tested as somebody else below.
        let program = std::env::current_exe().unwrap();
        let folder = TempDir::new().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let copy = folder.path().join("tests");
        fs::copy(program, &copy).unwrap();
        let status = Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(&copy)
            .args(["--exact", "source::what_may_not_be_read_is_an_error_and_what_is_ignored_is_not_read"])
            .env("TMPDIR", folder.path())
            .current_dir("/")
            .output()
            .unwrap();
        assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stdout));
        return;
    }
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    make(root, "secret locked/x fine");
    fs::set_permissions(root.join("secret"), fs::Permissions::from_mode(0o0)).unwrap();
    fs::set_permissions(root.join("locked"), fs::Permissions::from_mode(0o0)).unwrap();
    expect![[r#"
        error: `ctx/locked` may not be read: permission denied
          hint: if the image does not need it, add a line `locked` to the context's .dockerignore
        error: `ctx/secret` may not be read: permission denied
          hint: if the image does not need it, add a line `secret` to the context's .dockerignore
    "#]]
    .assert_eq(&load(root, ""));
    expect![[r#"
        fine 0
    "#]]
    .assert_eq(&load(root, "secret\nlocked\n!locked/y\n"));
    fs::set_permissions(root.join("locked"), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn contexts_that_share_files_have_equal_trees() {
    let folder = TempDir::new().unwrap();
    make(folder.path(), "a/x=1 a/y*=2 b/x=1 b/y*=2 c/x=1 c/y=2");
    let requests = ["a", "b", "c"].map(|name| request(&folder.path().join(name), name, ""));
    let trees = load_whole(&requests).unwrap();
    assert_eq!(trees[0], trees[1]);
    assert_ne!(trees[0], trees[2]);
}

#[expect(clippy::needless_pass_by_value, reason = "expect-test's own shape")]
fn check_discovery(files: &str, claimed: &[&str], expected: Expect) {
    let folder = TempDir::new().unwrap();
    make(folder.path(), files);
    let declared = Declared {
        dockerfiles: claimed.iter().map(|path| (*path).to_owned()).collect(),
        names: BTreeSet::from(["taken".parse().unwrap()]),
        ignored: vec!["skipped/".to_owned(), "*.skipped".to_owned()],
    };
    let discovered = discover(&Folders::of(folder.path()), "shop", &declared);
    let found = discovered.found.iter().map(|found| format!("{} <- {}\n", found.name, found.path));
    let shown = found.collect::<String>() + &show_all(&discovered.diagnostics);
    expected.assert_eq(&shown);
}

#[test]
fn every_dockerfile_below_the_root_is_an_image() {
    check_discovery(
        "Dockerfile images/base/Dockerfile images/api/Containerfile api.Dockerfile.dockerignore docker/Dockerfile.worker
         docker/web.Dockerfile docker/Dockerfile.dockerignore docker/Dockerfile.web.dockerignore x/Dockerfile.j2
         x/Dockerfile~ x/dockerfile x/MyDockerfile x/Dockerfile. .Dockerfile Big/Dockerfile link/Dockerfile->../Dockerfile
         dangling/Dockerfile->nowhere .hidden/Dockerfile .git/Dockerfile dir/Dockerfile/ Containerfile.cron skipped/Dockerfile a/skipped/Dockerfile x/Dockerfile.skipped",
        &[],
        expect![[r#"
            hidden <- .hidden/Dockerfile
            big <- Big/Dockerfile
            cron <- Containerfile.cron
            shop <- Dockerfile
            worker <- docker/Dockerfile.worker
            web <- docker/web.Dockerfile
            api <- images/api/Containerfile
            base <- images/base/Dockerfile
            link <- link/Dockerfile
        "#]],
    );
}

#[test]
fn links_to_folders_of_the_project_are_images_of_their_own_names() {
    check_discovery(
        "php/8.3/Dockerfile php/8.3/dev/Dockerfile php/latest->8.3 php/8->8.3 php/8.3/self->. php/8.3/up->.. php/dangling->nowhere
         php/out->/usr web/Dockerfile all->. next/web->../web file->web/Dockerfile",
        &["php/latest/dev/Dockerfile"],
        expect![[r#"
            next-web <- next/web/Dockerfile
            php-8.3 <- php/8.3/Dockerfile
            dev <- php/8.3/dev/Dockerfile
            php-8 <- php/8/Dockerfile
            php-8-dev <- php/8/dev/Dockerfile
            php-latest <- php/latest/Dockerfile
            web <- web/Dockerfile
        "#]],
    );
}

#[test]
fn what_git_ignores_and_what_is_claimed_is_no_image() {
    check_discovery(
        ".gitignore=/vendor/ vendor/x/Dockerfile a/.gitignore=gen a/gen/Dockerfile a/Dockerfile b/Dockerfile",
        &["b/Dockerfile"],
        expect![[r#"
            a <- a/Dockerfile
        "#]],
    );
}

#[test]
fn folders_stand_before_names_that_several_would_have() {
    check_discovery(
        "api/Dockerfile old/api/Dockerfile old/Dockerfile.api b/Dockerfile c/Dockerfile
         a-_./Dockerfile w..eb/Dockerfile C++/Dockerfile x/taken/Dockerfile deep/web/test/Dockerfile deep/db/test/Dockerfile
         so/deep/db/test/Dockerfile a-b/Dockerfile x/a/b/Dockerfile y/a/b/Dockerfile z/a-b/Dockerfile
         Dockerfile shop/Dockerfile taken/Dockerfile",
        &["c/Dockerfile"],
        expect![[r#"
            c <- C++/Dockerfile
            shop <- Dockerfile
            a <- a-_./Dockerfile
            a-b <- a-b/Dockerfile
            api <- api/Dockerfile
            b <- b/Dockerfile
            deep-db-test <- deep/db/test/Dockerfile
            web-test <- deep/web/test/Dockerfile
            shop-shop <- shop/Dockerfile
            so-deep-db-test <- so/deep/db/test/Dockerfile
            shop-taken <- taken/Dockerfile
            w.eb <- w..eb/Dockerfile
            x-a-b <- x/a/b/Dockerfile
            x-taken <- x/taken/Dockerfile
            y-a-b <- y/a/b/Dockerfile
            z-a-b <- z/a-b/Dockerfile
            error: the image name `old-api` is claimed by `old/Dockerfile.api` and `old/api/Dockerfile`
              hint: name them apart in windlass.yaml, as `windlass init` does, or leave some out with `ignore`
        "#]],
    );
}

#[test]
fn what_a_version_is_of_stands_before_it() {
    check_discovery(
        "3.12/Dockerfile 3.12/slim/Dockerfile 3.13/slim/Dockerfile php/8.1-alpine/Dockerfile v2/Dockerfile node/22/Dockerfile
         3proxy/Dockerfile py/Dockerfile.3.9 vault/Dockerfile x/2048/Dockerfile Dockerfile-alpine docker/cron.dockerfile
         tools/Dockerfile.py tools/Dockerfile.go",
        &[],
        expect![[r#"
            shop-3.12 <- 3.12/Dockerfile
            shop-3.12-slim <- 3.12/slim/Dockerfile
            shop-3.13-slim <- 3.13/slim/Dockerfile
            3proxy <- 3proxy/Dockerfile
            alpine <- Dockerfile-alpine
            cron <- docker/cron.dockerfile
            node-22 <- node/22/Dockerfile
            php-8.1-alpine <- php/8.1-alpine/Dockerfile
            py-3.9 <- py/Dockerfile.3.9
            go <- tools/Dockerfile.go
            shop-v2 <- v2/Dockerfile
            vault <- vault/Dockerfile
            x-2048 <- x/2048/Dockerfile
        "#]],
    );
}

#[test]
fn names_that_stay_the_same_and_names_that_no_image_can_have_are_errors() {
    let long = "a".repeat(201);
    check_discovery(
        &format!("lts/Dockerfile ci/lts/Dockerfile ci/Dockerfile.lts {long}/Dockerfile ___/Dockerfile"),
        &[],
        expect![[r#"
            shop <- ___/Dockerfile
            lts <- lts/Dockerfile
            error: `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/Dockerfile` makes no image name: `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa` is no name for an image: lower-case letters, digits, and `.`, `_`, `-` between them, components parted by `/`, at most 200 characters
              hint: give the image a name in windlass.yaml, with this file as its `dockerfile`
            error: the image name `ci-lts` is claimed by `ci/Dockerfile.lts` and `ci/lts/Dockerfile`
              hint: name them apart in windlass.yaml, as `windlass init` does, or leave some out with `ignore`
        "#]],
    );
}

#[test]
fn a_revision_is_told_by_git_where_there_is_one() {
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    assert_eq!(revision(root, None).unwrap(), None);
    let git = |args: &[&str]| {
        let config = ["-c", "user.name=a", "-c", "user.email=a@example.invalid"];
        let output = Command::new("git").arg("-C").arg(root).args(config).args(args).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    git(&["init", "-q"]);
    assert_eq!(revision(root, None).unwrap(), None, "no commit yet");
    make(root, "sub/f=1");
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "m", "--date", "2001-01-01T00:00:00Z"]);
    let clean = revision(&root.join("sub"), None).unwrap().unwrap();
    assert_eq!((clean.commit.len(), clean.dirty), (40, false));
    make(root, "other=1");
    assert!(!revision(&root.join("sub"), None).unwrap().unwrap().dirty);
    assert!(revision(root, None).unwrap().unwrap().dirty);
}
