//! What git knows of files gives the same tree as reading them, and is never believed where it may be wrong. The
//! repositories are made by the `git` program.

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use expect_test::expect;
use tempfile::TempDir;
use windlass::model::{BlobId, Node, Ranges};
use windlass::source::{ContextRequest, Folders, Loaded, Repositories, list_contexts, load_contexts};

use crate::source::make;

/// Runs git with nobody's configuration and returns what it says.
fn git(folder: &Path, args: &[&str]) -> String {
    let mut git = Command::new("git");
    git.arg("-C").arg(folder).args(["-c", "protocol.file.allow=always"]).args(args);
    for name in ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"] {
        git.env(name, "me@here");
    }
    let output = git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null").output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Makes a repository of files, committed, and old enough that git need not look at them again.
fn repository(files: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    git(folder.path(), &["init", "-q"]);
    make(folder.path(), files);
    commit(folder.path());
    folder
}

fn commit(root: &Path) {
    for path in git(root, &["ls-files", "-z", "--others", "--modified"]).split('\0').filter(|path| !path.is_empty()) {
        let file = File::open(root.join(path)).unwrap();
        let written = file.metadata().unwrap().modified().unwrap();
        file.set_times(FileTimes::new().set_modified(written - Duration::from_secs(60))).unwrap();
    }
    git(root, &["add", "-A"]);
    git(root, &["commit", "-q", "--allow-empty", "-m", "all"]);
}

fn load(root: &Path) -> Result<Loaded, String> {
    let root = root.canonicalize().unwrap();
    let folders = Folders::of(&root);
    let requests = [ContextRequest { root, shown: String::new(), ignore: None }];
    let listings = list_contexts(&folders, &requests).unwrap();
    let wanted = [Ranges::from(0..listings[0].entries().len())];
    let said = |d: &windlass::diag::Diagnostic| format!("{d}\n  hint: {}\n", d.hint.as_deref().unwrap_or_default());
    load_contexts(&folders, Repositories::default(), &requests, listings, &wanted)
        .map_err(|errors| errors.0.iter().map(|unread| said(&unread.error)).collect())
}

/// The files, each with the id of its content as it was learnt.
fn tree(root: &Path) -> String {
    let loaded = load(root).unwrap();
    let line = |(path, node): &(windlass::model::TreePath, Node)| match node {
        Node::File { executable, size, content } => {
            format!("{path}{} {size} {content}\n", if *executable { "*" } else { "" })
        }
        Node::Directory => format!("{path}/\n"),
        Node::Symlink { target } => format!("{path} -> {target}\n"),
    };
    loaded.nodes[0].iter().map(line).collect()
}

/// The id that was learnt of a file.
fn id(root: &Path, path: &str) -> BlobId {
    let path = path.parse().unwrap();
    let loaded = load(root).unwrap();
    match &loaded.nodes[0].iter().find(|(other, _)| *other == path).unwrap().1 {
        Node::File { content, .. } => *content,
        other => panic!("{other:?}"),
    }
}

/// The bytes are what counts, whatever git says of them.
fn assert_as_read(root: &Path, path: &str) {
    assert_eq!(id(root, path), BlobId::of(&fs::read(root.join(path)).unwrap()), "{path}");
}

/// Makes git's index say of a file that it has another content, with all else as it is: who believes the index shows it.
fn lie(root: &Path, path: &str) -> BlobId {
    fs::write(root.join(".git/lie"), "a lie").unwrap();
    let lie = git(root, &["hash-object", "-w", ".git/lie"]);
    git(root, &["update-index", "--really-refresh"]);
    let index = fs::read(root.join(".git/index")).unwrap();
    let truth = BlobId::of(&fs::read(root.join(path)).unwrap());
    let at = index.windows(20).position(|bytes| bytes == truth.as_bytes()).unwrap();
    let mut lying = index[..index.len() - 20].to_vec();
    lying[at..at + 20].copy_from_slice(BlobId::of(b"a lie").as_bytes());
    let checksum = sha1(&lying);
    lying.extend(checksum);
    fs::write(root.join(".git/index"), lying).unwrap();
    assert_eq!(lie, BlobId::of(b"a lie").to_string());
    BlobId::of(b"a lie")
}

fn sha1(bytes: &[u8]) -> [u8; 20] {
    use sha1::Digest as _;
    sha1::Sha1::digest(bytes).into()
}

#[test]
fn clean_dirty_untracked_and_no_git_give_one_tree() {
    let files = "Dockerfile=FROM a/b=12345 a/run*=x a/link->b a-b=1 empty= ä=ö";
    let clean = repository(files);
    let dirty = repository("Dockerfile=other a/b=54321 a/run=x a-b=2 empty=1");
    make(dirty.path(), files);
    let untracked = TempDir::new().unwrap();
    git(untracked.path(), &["init", "-q"]);
    make(untracked.path(), files);
    let without = TempDir::new().unwrap();
    make(without.path(), files);
    let expected = tree(without.path());
    assert_eq!(tree(clean.path()), expected);
    assert_eq!(tree(dirty.path()), expected);
    assert_eq!(tree(untracked.path()), expected);
    for line in git(clean.path(), &["ls-files", "-s"]).lines().filter(|line| line.starts_with("100")) {
        assert!(expected.contains(line.split(' ').nth(1).unwrap()), "{line}");
    }
}

#[test]
fn a_clean_file_is_not_read() {
    let folder = repository("a=1 sub/b=2");
    let lie = lie(folder.path(), "a");
    assert_eq!(id(folder.path(), "a"), lie);
    assert_eq!(id(&folder.path().join("sub"), "b"), BlobId::of(b"2"));
}

/// Git believes of such an entry what the index says; a rewrite within one tick of the clock would go unseen.
#[test]
fn a_file_as_young_as_the_index_is_read() {
    let folder = repository("a=1");
    let lie = lie(folder.path(), "a");
    let written = |root: &Path| fs::metadata(root.join("a")).unwrap().modified().unwrap();
    let index =
        |time| File::open(folder.path().join(".git/index")).unwrap().set_times(FileTimes::new().set_modified(time));
    index(written(folder.path()) + Duration::from_secs(1)).unwrap();
    assert_eq!(id(folder.path(), "a"), lie);
    index(written(folder.path())).unwrap();
    assert_as_read(folder.path(), "a");
}

#[test]
fn a_rewrite_of_the_same_length_in_the_moment_of_the_add_is_seen() {
    let folder = TempDir::new().unwrap();
    git(folder.path(), &["init", "-q"]);
    fs::write(folder.path().join("a"), "one").unwrap();
    git(folder.path(), &["add", "a"]);
    fs::write(folder.path().join("a"), "two").unwrap();
    assert_as_read(folder.path(), "a");
}

#[test]
fn what_git_is_told_not_to_look_at_is_read() {
    for flag in ["--assume-unchanged", "--skip-worktree"] {
        let folder = repository("a=1 b=1x");
        git(folder.path(), &["update-index", flag, "a"]);
        let _lie = lie(folder.path(), "a");
        assert_as_read(folder.path(), "a");
    }
    let folder = repository("a=1");
    make(folder.path(), "new=n");
    git(folder.path(), &["add", "--intent-to-add", "new"]);
    assert_as_read(folder.path(), "new");
}

#[test]
fn a_conflicted_file_is_read() {
    let folder = repository("a=1");
    git(folder.path(), &["checkout", "-q", "-b", "other"]);
    make(folder.path(), "a=22");
    commit(folder.path());
    git(folder.path(), &["checkout", "-q", "-"]);
    make(folder.path(), "a=333");
    commit(folder.path());
    let merge = Command::new("git").arg("-C").arg(folder.path()).args(["merge", "-q", "other"]).output().unwrap();
    assert!(!merge.status.success());
    assert_as_read(folder.path(), "a");
}

#[test]
fn the_mode_is_that_of_the_work_tree() {
    let folder = repository("a=1");
    git(folder.path(), &["config", "core.fileMode", "false"]);
    fs::set_permissions(folder.path().join("a"), fs::Permissions::from_mode(0o755)).unwrap();
    git(folder.path(), &["update-index", "--really-refresh"]);
    assert_eq!(tree(folder.path()), format!("a* 1 {}\n", BlobId::of(b"1")));
}

#[test]
fn the_bytes_of_the_work_tree_count_where_git_converts() {
    let cases: &[(&str, &[&str])] = &[
        ("*.txt text", &[]),
        ("*.txt text=auto", &[]),
        ("*.txt eol=crlf", &[]),
        ("*.txt crlf", &[]),
        ("*.txt ident", &[]),
        ("*.txt working-tree-encoding=UTF-16LE", &[]),
        ("*.txt filter=upper", &["filter.upper.smudge", "tr a-z A-Z", "filter.upper.clean", "tr A-Z a-z"]),
        ("[attr]mine text eol=crlf\n*.txt mine", &[]),
        ("", &["core.autocrlf", "true"]),
    ];
    for (attributes, settings) in cases {
        let folder = TempDir::new().unwrap();
        let root = folder.path();
        git(root, &["init", "-q"]);
        settings.chunks(2).for_each(|setting| drop(git(root, &["config", setting[0], setting[1]])));
        fs::write(root.join(".gitattributes"), attributes).unwrap();
        let content =
            if attributes.contains("UTF-16") { b"a\0\r\0\n\0$\0I\0d\0$\0".to_vec() } else { b"a\r\n$Id$".to_vec() };
        fs::write(root.join("a.txt"), &content).unwrap();
        fs::write(root.join("b.bin"), "b").unwrap();
        commit(root);
        assert_as_read(root, "a.txt");
    }
}

#[test]
fn attributes_that_convert_nothing_keep_the_index_in_use() {
    let folder = repository("a.png=1 .gitattributes=*.png");
    fs::write(folder.path().join(".gitattributes"), "*.png binary\n*.txt text\n").unwrap();
    commit(folder.path());
    let lie = lie(folder.path(), "a.png");
    assert_eq!(id(folder.path(), "a.png"), lie);
    make(folder.path(), "sub/.gitattributes= a.png=1");
    fs::write(folder.path().join(".git/info/attributes"), "a.png text\n").unwrap();
    assert_as_read(folder.path(), "a.png");
}

#[test]
fn a_pointer_of_lfs_that_was_not_fetched_is_an_error() {
    let folder = repository("model.bin=0 Dockerfile=FROM notes.txt=1");
    fs::write(folder.path().join(".gitattributes"), "*.bin filter=lfs diff=lfs merge=lfs -text\n").unwrap();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n";
    for file in ["model.bin", "notes.txt"] {
        fs::write(folder.path().join(file), pointer).unwrap();
    }
    commit(folder.path());
    expect![[r#"
        error: `model.bin` is a pointer of git-lfs, not the file itself
          hint: `git lfs pull` fetches the files that pointers stand for
    "#]]
    .assert_eq(&load(folder.path()).unwrap_err());
    fs::write(folder.path().join("model.bin"), "the model").unwrap();
    assert_as_read(folder.path(), "model.bin");
}

#[test]
fn a_submodule_answers_for_its_own_files() {
    let inner = repository("lib.c=int deep/x=1");
    let outer = repository("Dockerfile=FROM");
    git(outer.path(), &["submodule", "--quiet", "add", inner.path().to_str().unwrap(), "vendor/lib"]);
    let top = outer.path().join("vendor/lib");
    assert_eq!(id(outer.path(), "vendor/lib/lib.c"), BlobId::of(b"int"));
    fs::write(top.join("lib.c"), "INT").unwrap();
    assert_as_read(outer.path(), "vendor/lib/lib.c");
    git(outer.path(), &["commit", "-q", "-m", "submodule"]);
    let clone = TempDir::new().unwrap();
    git(clone.path(), &["clone", "-q", outer.path().to_str().unwrap(), "."]);
    expect![[r#"
        error: the submodule `vendor/lib` is not checked out
          hint: `git submodule update --init vendor/lib` checks it out
    "#]]
    .assert_eq(&load(clone.path()).unwrap_err());
    git(clone.path(), &["submodule", "--quiet", "update", "--init"]);
    assert_eq!(id(clone.path(), "vendor/lib/deep/x"), BlobId::of(b"1"));
}

#[test]
fn a_work_tree_beside_the_repository_has_its_own_index() {
    let folder = repository("a=1");
    let other = TempDir::new().unwrap();
    let tree = other.path().join("tree");
    git(folder.path(), &["worktree", "add", "-q", tree.to_str().unwrap()]);
    assert_eq!(id(&tree, "a"), BlobId::of(b"1"));
}

/// A note says why clean files are read; the content is that of the files.
#[test]
fn an_index_that_can_not_be_read_is_not_believed() {
    fn index(root: &Path) -> Vec<u8> {
        fs::read(root.join(".git/index")).unwrap()
    }
    let flip = |root: &Path| {
        let mut bytes = index(root);
        let at = bytes.windows(20).position(|id| id == BlobId::of(b"1").as_bytes()).unwrap();
        bytes[at] ^= 1;
        bytes
    };
    let newer = |root: &Path| {
        let mut bytes = index(root);
        bytes[7] = 9;
        let end = bytes.len() - 20;
        let checksum = sha1(&bytes[..end]);
        bytes[end..].copy_from_slice(&checksum);
        bytes
    };
    let cut = |root: &Path| index(root)[..50].to_vec();
    for broken in [flip, newer, cut, |_: &Path| Vec::new()] {
        let folder = repository("a=1");
        fs::write(folder.path().join(".git/index"), broken(folder.path())).unwrap();
        assert_as_read(folder.path(), "a");
        let notes = load(folder.path()).unwrap().notes;
        let begins = format!("the files of `{}` are read, ", folder.path().canonicalize().unwrap().display());
        assert!(matches!(&notes[..], [note] if note.starts_with(&begins)), "{notes:?}");
    }
}

#[test]
fn a_lock_is_nobody_elses_business() {
    let folder = repository("a=1");
    fs::write(folder.path().join(".git/index.lock"), "").unwrap();
    let lie = lie_under_lock(folder.path());
    assert_eq!(id(folder.path(), "a"), lie);
    assert_eq!(load(folder.path()).unwrap().notes, Vec::<String>::new());
}

fn lie_under_lock(root: &Path) -> BlobId {
    fs::remove_file(root.join(".git/index.lock")).unwrap();
    let lie = lie(root, "a");
    fs::write(root.join(".git/index.lock"), "").unwrap();
    lie
}

#[test]
fn a_repository_of_sha256_is_read() {
    let folder = TempDir::new().unwrap();
    git(folder.path(), &["init", "-q", "--object-format=sha256"]);
    make(folder.path(), "a=1");
    commit(folder.path());
    assert_as_read(folder.path(), "a");
    assert_eq!(load(folder.path()).unwrap().notes, Vec::<String>::new());
}

#[test]
fn split_and_compressed_indexes_are_understood() {
    for setting in [["update-index", "--split-index"], ["update-index", "--index-version=4"]] {
        let folder = repository("a=1 sub/b=2 sub/c=3");
        git(folder.path(), &setting);
        make(folder.path(), "sub/b=4");
        for (path, content) in [("a", b"1"), ("sub/b", b"4"), ("sub/c", b"3")] {
            assert_eq!(id(folder.path(), path), BlobId::of(content), "{setting:?}");
        }
        assert_eq!(load(folder.path()).unwrap().notes, Vec::<String>::new());
    }
}
