//! What an image sees of its context, held against what arrives in an image that a builder makes of all of it. Every
//! file holds its own path, so that what arrived says where it was taken from.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use windlass::config::Config;
use windlass::diag::{Diagnostics, SourceText};
use windlass::engine::docker::Builder;
use windlass::model::{Listing, Node, Ranges, TestSpec, Tree};
use windlass::plan::{self, Folder, ImageInputs, Inputs};
use windlass::source::{ContextRequest, Folders, Repositories, list_contexts, load_contexts};

use crate::engine_build::{Build, Events, base, engine};
use crate::parts;

const FILES: &str = "top.txt other.md a/one.txt a/two.md a/b/three.txt a/b/c/four.go a-b/five.txt d1/x1.txt d2/x2.txt \
    d2/y.md grün/ü.txt .hidden/h.txt .env arr[0].txt weird/[x]/q.txt ignored/i.txt z.log a/z.log deep/1/2/3/4.txt";
const FOLDERS: &str = "empty d2/hollow";
const LINKS: &str = "ldir->a/b lfile->top.txt a/up->../top.txt a/inner->b labs->/a/one.txt out->../../etc/passwd \
    dangling->nowhere loop->loop chain->lfile d1/lk->../a ldot->. d2/far->/nowhere/at/all deep/l->1/2";

/// The instructions of an image, and whether both builders make the same of them.
const CASES: &[(&str, Classic)] = &[
    ("COPY top.txt /x/", Classic::Same),
    ("COPY a /x/", Classic::Same),
    ("COPY a/ /x/", Classic::Same),
    ("COPY . /x/", Classic::Same),
    ("COPY / /x/", Classic::Same),
    ("COPY ./ /x/", Classic::Same),
    ("COPY /a/one.txt /x/", Classic::Same),
    ("COPY a/b/c/four.go d1/x1.txt a-b /x/", Classic::Same),
    ("COPY *.txt /x/", Classic::Same),
    ("COPY a/*.txt /x/", Classic::Same),
    ("COPY */x?.txt /x/", Classic::Same),
    ("COPY d? /x/", Classic::Same),
    ("COPY d[12]/*.txt /x/", Classic::Same),
    ("COPY a* /x/", Classic::Same),
    ("COPY a/* /x/", Classic::Same),
    ("COPY */b/c /x/", Classic::Same),
    ("COPY ** /x/", Classic::Same),
    ("COPY **/*.txt /x/", Classic::Same),
    ("COPY deep/*/*/3 /x/", Classic::Same),
    ("COPY ../../top.txt /x/", Classic::Refuses),
    ("COPY a/../top.txt /x/", Classic::Same),
    ("COPY a/one.txt/ /x/", Classic::Same),
    ("COPY lfile /x/", Classic::Same),
    ("COPY ldir /x/", Classic::Same),
    ("COPY ldir/three.txt /x/", Classic::Same),
    ("COPY ldir/../d1 /x/", Classic::Same),
    ("COPY a/inner/c /x/", Classic::Same),
    ("COPY a/up /x/", Classic::Same),
    ("COPY labs /x/", Classic::Same),
    ("COPY chain /x/", Classic::Same),
    ("COPY lf* /x/", Classic::Same),
    ("COPY d1/lk/one.txt /x/", Classic::Same),
    ("COPY d1/lk/inner/c /x/", Classic::Same),
    ("COPY */lk /x/", Classic::Same),
    ("COPY */lk/one.txt /x/", Classic::Refuses),
    ("COPY deep/l/*/4.txt /x/", Classic::Refuses),
    ("COPY d2 /x/", Classic::Same),
    ("COPY out /x/", Classic::Same),
    ("COPY dangling /x/", Classic::Same),
    ("COPY loop /x/", Classic::Same),
    ("COPY nothing /x/", Classic::Same),
    ("COPY nothing* /x/", Classic::Refuses),
    ("COPY top.txt nothing* /x/", Classic::Same),
    ("COPY top.txt nothing /x/", Classic::Same),
    ("COPY nodir/*.txt /x/", Classic::Same),
    ("COPY top.txt/more /x/", Classic::Same),
    ("COPY top.txt/* /x/", Classic::Same),
    ("COPY [\"sp ace\", \"/x/\"]", Classic::Same),
    ("COPY grün /x/", Classic::Same),
    ("COPY .hidden .env /x/", Classic::Same),
    ("COPY arr[[]0].txt /x/", Classic::Same),
    ("COPY arr[0].txt /x/", Classic::Refuses),
    ("COPY weird/[[]x] /x/", Classic::Same),
    ("COPY [a /x/", Classic::Refuses),
    ("COPY empty /x/", Classic::Same),
    ("COPY ignored /x/", Classic::Same),
    ("COPY ignored* /x/", Classic::Refuses),
    ("COPY *.log top.txt /x/", Classic::Same),
    ("ADD pack.tar /x/", Classic::Same),
    ("ADD *.tar d1 /x/", Classic::Same),
    ("ADD a/one.txt d2 /x/", Classic::Same),
    ("ARG D=d1\nCOPY ${D}/x1.txt /x/", Classic::Same),
    ("ENV E=d2\nCOPY $E /x/", Classic::Same),
    ("COPY --chown=1:2 d1 /x/", Classic::Same),
    ("COPY --chmod=600 a/one.txt /x/", Classic::Refuses),
    ("COPY a /x/\nFROM scratch\nCOPY d1 /x/", Classic::Same),
    ("COPY a /x/\nFROM scratch\nCOPY --from=0 /x /y/\nCOPY d1 /x/", Classic::Same),
    ("RUN --mount=type=bind,source=a,target=/m cp -r /m/. /x", Classic::Refuses),
    ("RUN --mount=type=bind,target=/m cp -r /m/. /x", Classic::Refuses),
    ("RUN --mount=type=bind,source=ldir,target=/m cp -r /m/. /x", Classic::Refuses),
    ("RUN --mount=source=a/one.txt,target=/m cp /m /x", Classic::Refuses),
    ("RUN --mount=source=/d1/lk/b,target=/m cp -r /m/. /x", Classic::Refuses),
    ("RUN --mount=source=nothing,target=/m cp -r /m/. /x", Classic::Refuses),
];

/// What the classic builder makes of an instruction.
#[derive(Clone, Copy, PartialEq)]
enum Classic {
    /// The same as BuildKit.
    Same,
    /// It does not know it, or makes an error of it where BuildKit copies nothing.
    Refuses,
}

fn make(root: &Path) {
    let parent = |path: &str| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    };
    for file in FILES.split_whitespace().chain(["sp ace/f.txt"]) {
        fs::write(parent(file), file).unwrap();
    }
    for folder in FOLDERS.split_whitespace() {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    for (link, target) in LINKS.split_whitespace().filter_map(|link| link.split_once("->")) {
        symlink(target, parent(link)).unwrap();
    }
    fs::write(root.join(".dockerignore"), "ignored\n**/*.log\n.dockerignore\n").unwrap();
    let mut tar = tar::Builder::new(fs::File::create(root.join("pack.tar")).unwrap());
    let mut header = tar::Header::new_gnu();
    header.set_size(8);
    header.set_mode(0o644);
    tar.append_data(&mut header, "packed/p.txt", "pack.tar".as_bytes()).unwrap();
    tar.finish().unwrap();
}

/// The files that are in an image's `/x` and `/y`, each by what it holds; links by their names.
fn arrived(image: &str) -> BTreeSet<String> {
    let docker = |args: &[&str]| {
        let mut command = Command::new("docker");
        command.args(["-H", &parts::docker_host()]).args(args).stderr(Stdio::piped());
        command
    };
    let created = docker(&["create", image, "x"]).output().unwrap();
    let container = String::from_utf8(created.stdout).unwrap();
    let mut export = docker(&["export", container.trim()]).stdout(Stdio::piped()).spawn().unwrap();
    let mut archive = tar::Archive::new(export.stdout.take().unwrap());
    let mut files = BTreeSet::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_str().unwrap().to_owned();
        if !path.starts_with("x") && !path.starts_with("y/") {
            continue;
        }
        let kind = entry.header().entry_type();
        if kind.is_file() {
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            // The archive itself begins with the name of the file in it, which holds the archive's.
            let begin = text.split('\0').next().unwrap();
            files.insert(if begin == "packed/p.txt" { "pack.tar" } else { begin }.to_owned());
        } else if kind.is_symlink() {
            files.insert(format!("{} ->", path.rsplit('/').next().unwrap()));
        }
    }
    assert!(export.wait().unwrap().success());
    assert!(docker(&["rm", "-f", container.trim()]).output().unwrap().status.success());
    files
}

/// What an image of these instructions sees: its tree, the whole of its context, and the source files by path.
fn seen(root: &Path, dockerfile: &str) -> Result<(Tree, Tree), Diagnostics> {
    let config = Config::without_file("windlass.yaml");
    let image = ImageInputs {
        name: "probe".parse().unwrap(),
        config: Arc::new(config.unnamed_image()),
        dockerfile: SourceText::new("Dockerfile", dockerfile),
        context: Folder { root: root.to_owned(), listing: 0 },
        named_contexts: std::collections::BTreeMap::new(),
        injected: Vec::new(),
        test: TestSpec::default(),
        commit: None,
        problems: Vec::new(),
    };
    let inputs = Inputs {
        project: "probe".parse().unwrap(),
        config: &config,
        images: vec![image],
        build_args: &[],
        unreadable: BTreeSet::new(),
    };
    let ignore = SourceText::new(".dockerignore", fs::read_to_string(root.join(".dockerignore")).unwrap());
    let requests = [ContextRequest { root: root.to_owned(), shown: String::new(), ignore: Some(ignore) }];
    let folders = Folders::of(root);
    let listings: Vec<Listing> = list_contexts(&folders, &requests)?;
    let all = [Ranges::from(0..listings[0].entries().len())];
    let visible = plan::understand(inputs)?.look(&listings);
    let nodes = load_contexts(&folders, Repositories::default(), &requests, listings.clone(), visible.wanted())?;
    let tree = visible.resolve(&nodes.nodes)?.images[0].context.clone();
    let everything = load_contexts(&folders, Repositories::default(), &requests, listings, &all)?.nodes;
    let [all] = all;
    Ok((tree, Tree::part_of(&everything[0], all, &Ranges::default())))
}

/// The files of a tree by path, its links by name.
fn shown(tree: &Tree) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut files, mut links) = (BTreeSet::new(), BTreeSet::new());
    for (path, node) in tree.iter() {
        match node {
            Node::File { .. } => drop(files.insert(path.to_string())),
            Node::Symlink { .. } => drop(links.insert(format!("{} ->", path.as_str().rsplit('/').next().unwrap()))),
            Node::Directory => {}
        }
    }
    (files, links)
}

#[tokio::test]
async fn an_image_sees_what_arrives() {
    let base = base().await;
    let (buildkit, classic) = (engine(Builder::Best).await, engine(Builder::Classic).await);
    let mut differences = Vec::new();
    for (i, (instructions, as_classic)) in CASES.iter().enumerate() {
        let from = if instructions.starts_with("RUN") { base } else { "scratch" };
        let mut build = Build::of(&format!("exact-sources-{i}"), &format!("FROM {from}\n{instructions}\n"));
        let root = build.folder.path().canonicalize().unwrap();
        make(&root);
        let (dockerfile, mut outcomes) = (build.dockerfile.clone(), Vec::new());
        let ours = seen(&root, &dockerfile).map_err(|Diagnostics(said)| said[0].message.clone());
        let trees = match &ours {
            Ok((tree, all)) => vec![all.clone(), tree.clone()],
            Err(_) => vec![seen(&root, "FROM scratch\n").unwrap().1],
        };
        for tree in trees {
            build.tree = tree;
            for engine in [&buildkit, &classic].into_iter().take(1 + usize::from(*as_classic == Classic::Same)) {
                let built = build.run(engine, &Events::default()).await;
                outcomes.push(built.map(|_| arrived(&build.name)).map_err(|error| error.to_string()));
            }
        }
        let says =
            format!("{instructions}\n  ours {:?}\n  theirs {outcomes:?}", ours.as_ref().map(|(tree, _)| shown(tree)));
        let agree = match &ours {
            Ok((tree, _)) => {
                let (files, links) = shown(tree);
                outcomes.iter().all(|outcome| {
                    outcome.as_ref().is_ok_and(|arrived| {
                        let (their_links, their_files): (BTreeSet<String>, BTreeSet<String>) =
                            arrived.iter().cloned().partition(|name| name.ends_with(" ->"));
                        // A link that was followed is seen and does not arrive.
                        their_files == files && their_links.is_subset(&links)
                    })
                })
            }
            Err(_) => outcomes.iter().all(Result::is_err),
        };
        if !agree {
            differences.push(says);
        }
    }
    assert!(differences.is_empty(), "{} differ\n{}", differences.len(), differences.join("\n"));
}
