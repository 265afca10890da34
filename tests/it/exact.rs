//! Generated projects on disk: what can change an image changes its hash and those of its descendants, and nothing
//! else does. What each instruction reads is written down here, by hand, not asked of the code under test.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use assert_cmd::Command;
use proptest::prelude::*;
use tempfile::TempDir;

/// The files of every image's context; `*` at the end makes a program, `->` a link.
const FILES: &str = "src/main.c src/util/deep.c lib/one.h lib/two.h lib/skip.md conf/app.ini conf/more.ini run* docs/a.md \
    docs/b.txt notes.txt link->src/main.c skip.log src/skip.log far->/etc/hostname other/x";

/// An instruction, the files that it reads, and the files of [`NEW`] that it would read. Of a path behind `!`, the mode
/// does not count.
const READS: &[(&str, &str, &str)] = &[
    ("COPY src /s/", "src/main.c src/util/deep.c", "src/new.c src/hollow/"),
    ("COPY ./src/ /s", "src/main.c src/util/deep.c", "src/new.c src/hollow/"),
    ("COPY /src/util/../main.c /s/", "src/main.c", ""),
    ("COPY lib/*.h /l/", "lib/one.h lib/two.h", "lib/new.h"),
    ("COPY */*.ini /i/", "conf/app.ini conf/more.ini", ""),
    ("COPY conf/app.ini notes.txt /", "conf/app.ini notes.txt", ""),
    ("COPY run /", "run", ""),
    ("COPY --chmod=755 run /r", "!run", ""),
    ("COPY --chmod=u+x run /r", "run", ""),
    ("COPY link /k", "link src/main.c", ""),
    ("COPY far[x] nothing* notes.txt /n/", "notes.txt", "nothing1"),
    ("COPY --exclude=*.md lib docs /d/", "lib/one.h lib/two.h docs/b.txt", "lib/new.h"),
    ("COPY --parents src/./util/deep.c /p/", "src/util/deep.c", ""),
    ("COPY --parents **/*.md /p/", "lib/skip.md docs/a.md", "docs/new.md"),
    ("ADD conf /c/", "conf/app.ini conf/more.ini", ""),
    ("ADD https://example.invalid/x.tar /", "", ""),
    ("RUN --mount=type=bind,source=lib,target=/m true", "lib/one.h lib/two.h lib/skip.md", "lib/new.h"),
    ("RUN --mount=target=/m true", ALL, ALL_NEW),
    ("COPY . /all/", ALL, ALL_NEW),
    ("ARG DIR=lib\nCOPY $DIR /v/", "docs/a.md docs/b.txt", "docs/new.md"),
    ("ENV WHERE=docs\nADD ${WHERE}/a.md /v/", "docs/a.md", ""),
    ("COPY <<EOF /h\nbody\nEOF", "", ""),
    ("RUN make", "", ""),
];

/// Files that are not there, and what no instruction reads among them.
const ALL_NEW: &str = "src/new.c src/hollow/ lib/new.h docs/new.md nothing1 other/new";
const NEW: &str = "src/new.c src/hollow/ lib/new.h docs/new.md nothing1 other/new src/new.log lib/.log new.log";

/// Everything but what the ignore file names.
const ALL: &str = "src/main.c src/util/deep.c lib/one.h lib/two.h lib/skip.md conf/app.ini conf/more.ini run docs/a.md \
    docs/b.txt notes.txt link far other/x";

/// An image of a generated project.
#[derive(Debug, Clone)]
struct Image {
    /// Which of [`READS`] its stages have: the one that is not reached, the one that is copied from, the last.
    stages: [Vec<usize>; 3],
    /// Those before it that it is made from.
    parents: BTreeSet<usize>,
    has_from: bool,
}

impl Image {
    /// What its reached instructions are.
    fn reached(&self) -> impl Iterator<Item = &'static (&'static str, &'static str, &'static str)> {
        self.stages[1..].iter().flatten().map(|read| &READS[*read])
    }

    fn reads(&self, path: &str) -> bool {
        self.reached().any(|(_, reads, _)| reads.split_whitespace().any(|read| read.trim_start_matches('!') == path))
    }

    fn reads_mode_of(&self, path: &str) -> bool {
        self.reached().any(|(_, reads, _)| reads.split_whitespace().any(|read| read == path))
    }

    fn would_read(&self, new: &str) -> bool {
        self.reached().any(|(_, _, would)| would.split_whitespace().any(|would| would == new))
    }

    fn says(&self, text: &str) -> bool {
        self.reached().any(|(instruction, ..)| instruction.contains(text))
    }

    fn dockerfile(&self) -> String {
        let mut text = String::new();
        let mut parents = self.parents.iter();
        let base = parents.next().filter(|_| self.has_from).map_or("scratch".to_owned(), |i| format!("gen/i{i}"));
        for (stage, (name, base)) in
            self.stages.iter().zip([("idle", "scratch"), ("build", "scratch"), ("last", &base)])
        {
            writeln!(text, "FROM {base} AS {name}").unwrap();
            for read in stage {
                writeln!(text, "{}", READS[*read].0).unwrap();
            }
        }
        writeln!(text, "COPY --from=build / /b/").unwrap();
        for parent in &self.parents {
            writeln!(text, "COPY --from=gen/i{parent} / /p{parent}/").unwrap();
        }
        text
    }
}

/// Images, each made from some of those before it.
fn projects() -> impl Strategy<Value = Vec<Image>> {
    let stage = || prop::collection::vec(0..READS.len(), 0..4);
    let image = ([stage(), stage(), stage()], prop::collection::vec(any::<prop::sample::Index>(), 0..3), any::<bool>());
    prop::collection::vec(image, 2..5).prop_map(|images| {
        let images = images.into_iter().enumerate();
        let images = images.map(|(i, (stages, wishes, has_from))| {
            let parents = if i == 0 { BTreeSet::new() } else { wishes.iter().map(|wish| wish.index(i)).collect() };
            Image { stages, parents, has_from }
        });
        images.collect()
    })
}

const CONFIG: &str = "version: 1\nproject: gen\nregistry: gen\nimages:\n";

/// Writes the project. The order in which files and keys are written is turned around by `reversed`.
fn write(root: &Path, images: &[Image], reversed: bool) {
    let mut entries = Vec::new();
    for (i, image) in images.iter().enumerate() {
        let folder = root.join(format!("i{i}"));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("Dockerfile"), image.dockerfile()).unwrap();
        fs::write(folder.join(".dockerignore"), "# no image holds these\n**/*.log\nDockerfile\n.dockerignore\n")
            .unwrap();
        let mut files: Vec<&str> = FILES.split_whitespace().collect();
        if reversed {
            files.reverse();
        }
        for file in files {
            let path = folder.join(file.trim_end_matches('*').split("->").next().unwrap());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match file.split_once("->") {
                Some((_, target)) => symlink(target, &path).unwrap(),
                None => fs::write(&path, file).unwrap(),
            }
            if file.ends_with('*') {
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
        let keys = [
            format!("context: i{i}"),
            "args: { NOBODY: \"1\", DIR: docs }".to_owned(),
            "labels: { a: b, c: d }".to_owned(),
        ];
        let keys: Vec<String> = if reversed { keys.into_iter().rev().collect() } else { keys.to_vec() };
        entries.push(format!("  i{i}: {{ {} }}\n", keys.join(", ")));
    }
    if reversed {
        entries.reverse();
    }
    fs::write(root.join("windlass.yaml"), format!("{CONFIG}{}", entries.concat())).unwrap();
}

/// The content hash of every image, in the order of their names.
fn hashes(root: &Path) -> Vec<String> {
    let args = ["plan", "--offline", "--format", "json", "--engine", "docker", "--host", "unix:///nowhere"];
    let output = Command::cargo_bin("windlass").unwrap().env_clear().arg("-C").arg(root).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let plan: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
    let images = plan["images"].as_array().unwrap().iter();
    let mut hashes: Vec<String> = images.map(|image| format!("{} {}", image["name"], image["content_hash"])).collect();
    hashes.sort();
    hashes
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    fs::write(path, text.replace(from, to)).unwrap();
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// What is done to an image's folder, and whether that can change the image.
type Mutation = (&'static str, fn(&Path), fn(&Image) -> bool);

const MUTATIONS: &[Mutation] = &[
    ("a program becomes none", |root| mode(&root.join("run"), 0o644), |image| image.reads_mode_of("run")),
    ("a file becomes a program", |root| mode(&root.join("lib/one.h"), 0o755), |image| image.reads("lib/one.h")),
    ("others may execute it", |root| mode(&root.join("lib/one.h"), 0o655), |_| false),
    ("nobody else may read it", |root| mode(&root.join("run"), 0o700), |_| false),
    ("a folder is closed to others", |root| mode(&root.join("src"), 0o700), |_| false),
    (
        "a link leads elsewhere",
        |root| {
            fs::remove_file(root.join("link")).unwrap();
            symlink("./src/main.c", root.join("link")).unwrap();
        },
        |image| image.reads("link"),
    ),
    (
        "a link out of the context leads elsewhere",
        |root| {
            fs::remove_file(root.join("far")).unwrap();
            symlink("/etc/passwd", root.join("far")).unwrap();
        },
        |image| image.reads("far"),
    ),
    (
        "a file gets another name",
        |root| fs::rename(root.join("docs/b.txt"), root.join("docs/c.txt")).unwrap(),
        |image| image.reads("docs/b.txt"),
    ),
    ("a file goes", |root| fs::remove_file(root.join("docs/b.txt")).unwrap(), |image| image.reads("docs/b.txt")),
    (
        "a file becomes a link to its twin",
        |root| {
            fs::remove_file(root.join("conf/more.ini")).unwrap();
            symlink("app.ini", root.join("conf/more.ini")).unwrap();
        },
        |image| image.reads("conf/more.ini"),
    ),
    ("what is ignored", |root| fs::write(root.join("src/skip.log"), "more").unwrap(), |_| false),
    ("a comment", |root| edit(&root.join("Dockerfile"), "FROM", "# why\nFROM"), |_| false),
    ("blank lines", |root| edit(&root.join("Dockerfile"), "FROM", "\n\n  FROM"), |_| false),
    ("line breaks", |root| edit(&root.join("Dockerfile"), "FROM ", "FROM \\\n  # why\n  "), |_| false),
    ("lower case", |root| edit(&root.join("Dockerfile"), "COPY", "copy"), |_| false),
    (
        "a stage that is not reached",
        |root| edit(&root.join("Dockerfile"), "AS idle\n", "AS idle\nRUN more\nCOPY notes.txt /\n"),
        |_| false,
    ),
    ("a stage that is reached", |root| edit(&root.join("Dockerfile"), "AS build\n", "AS build\nRUN more\n"), |_| true),
    ("the body of a heredoc", |root| edit(&root.join("Dockerfile"), "body", "soul"), |image| image.says("body")),
    ("a URL", |root| edit(&root.join("Dockerfile"), "x.tar", "y.tar"), |image| image.says("x.tar")),
    ("a comment of the ignore file", |root| edit(&root.join(".dockerignore"), "these", "those"), |_| false),
    (
        "the ignore file lets something in",
        |root| edit(&root.join(".dockerignore"), "Dockerfile", "!src/skip.log\nDockerfile"),
        |image| image.would_read("src/hollow/"),
    ),
    (
        "the ignore file hides something",
        |root| edit(&root.join(".dockerignore"), "Dockerfile", "docs/b.txt\nDockerfile"),
        |image| image.reads("docs/b.txt"),
    ),
    ("an argument that nobody uses", |root| config(root, "NOBODY: \"1\"", "NOBODY: \"2\""), |_| false),
    ("an argument's value", |root| config(root, "DIR: docs", "DIR: lib"), |image| image.says("ARG DIR")),
    ("a label", |root| config(root, "a: b", "a: c"), |_| true),
    ("the order of labels", |root| config(root, "{ a: b, c: d }", "{ c: d, a: b }"), |_| false),
    ("its place in the configuration", |root| config(root, "labels", "timeout: 5m, labels"), |_| false),
];

/// Changes the image's line of the configuration.
fn config(root: &Path, from: &str, to: &str) {
    let path = root.with_file_name("windlass.yaml");
    let name = format!("  {}:", root.file_name().unwrap().to_str().unwrap());
    let line = |line: &str| if line.starts_with(&name) { line.replace(from, to) } else { line.to_owned() };
    let text: Vec<String> = fs::read_to_string(&path).unwrap().lines().map(line).collect();
    fs::write(&path, text.join("\n")).unwrap();
}

/// One mutation of an image: one of the table, another content of a file, or a file more.
#[derive(Debug, Clone)]
enum Change {
    Table(usize),
    Content(&'static str),
    New(&'static str),
}

fn changes() -> impl Strategy<Value = Change> {
    let contents: Vec<&str> = ALL.split_whitespace().filter(|path| *path != "link" && *path != "far").collect();
    let new: Vec<&str> = NEW.split_whitespace().collect();
    prop_oneof![
        2 => (0..MUTATIONS.len()).prop_map(Change::Table),
        1 => prop::sample::select(contents).prop_map(Change::Content),
        1 => prop::sample::select(new).prop_map(Change::New),
    ]
}

impl Change {
    fn apply(&self, folder: &Path) {
        match self {
            Self::Table(number) => MUTATIONS[*number].1(folder),
            Self::Content(path) => fs::write(folder.join(path), "other").unwrap(),
            Self::New(path) if path.ends_with('/') => fs::create_dir_all(folder.join(path)).unwrap(),
            Self::New(path) => fs::write(folder.join(path), "new").unwrap(),
        }
    }

    fn changes(&self, image: &Image) -> bool {
        match self {
            Self::Table(number) => MUTATIONS[*number].2(image),
            Self::Content(path) => image.reads(path),
            Self::New(path) => image.would_read(path),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Table(number) => MUTATIONS[*number].0.to_owned(),
            other => format!("{other:?}"),
        }
    }
}

fn with_descendants(images: &[Image], of: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::from([of]);
    for (i, image) in images.iter().enumerate() {
        if image.parents.iter().any(|parent| reached.contains(parent)) {
            reached.insert(i);
        }
    }
    reached
}

/// The same bytes by other means: other owners, modes for others, times, order of creation, and under git.
fn clone_otherwise(root: &Path, images: &[Image]) {
    write(root, images, true);
    for entry in ignore::WalkBuilder::new(root).standard_filters(false).build().map(Result::unwrap) {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_file() {
            if nix::unistd::geteuid().is_root() {
                chown(path, Some(7), Some(8)).unwrap();
            }
            let file = fs::File::open(path).unwrap();
            mode(path, file.metadata().unwrap().permissions().mode() & 0o700);
            file.set_modified(UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
        }
    }
    for args in
        [&["init", "-q"][..], &["add", "."], &["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "all"]]
    {
        assert!(std::process::Command::new("git").arg("-C").arg(root).args(args).status().unwrap().success());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_mutation_changes_the_images_that_it_can_change_and_no_others(
        images in projects(),
        which in any::<prop::sample::Index>(),
        change in changes(),
    ) {
        let folder = TempDir::new().unwrap();
        write(folder.path(), &images, false);
        let before = hashes(folder.path());
        let which = which.index(images.len());
        change.apply(&folder.path().join(format!("i{which}")));
        let after = hashes(folder.path());
        let changed: BTreeSet<usize> = (0..images.len()).filter(|i| before[*i] != after[*i]).collect();
        let expected = if change.changes(&images[which]) { with_descendants(&images, which) } else { BTreeSet::new() };
        prop_assert_eq!(changed, expected, "{} of i{}:\n{}", change.name(), which, images[which].dockerfile());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn clones_have_the_same_hashes_whatever_else_differs(images in projects()) {
        let (one, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        write(one.path(), &images, false);
        let deeper = other.path().join("a/b");
        fs::create_dir_all(&deeper).unwrap();
        clone_otherwise(&deeper, &images);
        prop_assert_eq!(hashes(one.path()), hashes(&deeper));
    }
}
