//! What changes a content hash and what does not. The defects that other builders shipped have a test each.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use proptest::prelude::*;
use tempfile::TempDir;
use windlass::hash::{BaseId, Fingerprint, InputHash, argument};
use windlass::model::{ContentHash, Digest, ImageDigest, ImageId, Platform, Reference};
use windlass::plan::KnownBase;
use windlass::source::ContextRequest;

use crate::sketch::{Sketch, hashes, project};
use crate::source::{load_whole, make};

fn hash(image: &Sketch) -> ContentHash {
    project(std::slice::from_ref(image)).unwrap().images[0].content_hash
}

/// An image that uses all that can be hashed.
fn rich() -> Sketch {
    let dockerfile = "ARG BASE=debian:12\nFROM ${BASE} AS build\nARG LEVEL=1\nCOPY . /src\nRUN make $LEVEL\n\
        FROM debian:12 AS unused\nRUN never\n\
        FROM scratch\nCOPY --from=build /out /out\nRUN --mount=type=secret,id=key <<EOF\ncat /out\nEOF\n";
    let mut image = Sketch::new("a", dockerfile).file("main.c", "int main;").file("run*", "sh").file("ln->main.c", "");
    image.secrets.insert("key".to_owned());
    image.labels.insert("owner".to_owned(), "me".to_owned());
    image.injected.push(("conf".to_owned(), "secret".to_owned(), 0o640, 0));
    image
}

fn assert_changes(change: impl FnOnce(&mut Sketch)) {
    let mut changed = rich();
    change(&mut changed);
    assert_ne!(hash(&rich()), hash(&changed));
}

fn assert_keeps(change: impl FnOnce(&mut Sketch)) {
    let mut changed = rich();
    change(&mut changed);
    assert_eq!(hash(&rich()), hash(&changed));
}

fn replace(image: &mut Sketch, from: &str, to: &str) {
    assert!(image.dockerfile.contains(from), "{from}");
    image.dockerfile = image.dockerfile.replace(from, to);
}

#[test]
fn osscontainertools_kaniko_873_neighbouring_values_are_framed() {
    let with = |args: &[(&str, &str)]| {
        let mut fingerprint = fingerprint();
        fingerprint.args = args.iter().map(|(k, v)| ((*k).to_owned(), argument(k, v))).collect();
        fingerprint.content_hash()
    };
    let hashes =
        [with(&[("A", "BC")]), with(&[("AB", "C")]), with(&[("A", "B"), ("C", "")]), with(&[("ABC", "")]), with(&[])];
    assert_eq!(BTreeSet::from(hashes).len(), hashes.len());
    let files =
        |paths: &[&str]| paths.iter().fold(Sketch::new("a", "FROM scratch\nCOPY . /\n"), |s, path| s.file(path, ""));
    assert_ne!(hash(&files(&["a", "bc"])), hash(&files(&["ab", "c"])));
    let run = |commands: &str| hash(&Sketch::new("a", &format!("FROM scratch\n{commands}")));
    assert_ne!(run("RUN [\"a\", \"b\"]\n"), run("RUN [\"a\\\", \\\"b\"]\n"));
    assert_ne!(run("ENV A=\"1 B=2\"\n"), run("ENV A=1 B=2\n"));
}

#[test]
fn googlecontainertools_kaniko_690_the_arguments_that_are_used_count_and_no_others() {
    assert_changes(|image| drop(image.args.insert("LEVEL".to_owned(), "2".to_owned())));
    assert_changes(|image| drop(image.args.insert("BASE".to_owned(), "debian:13".to_owned())));
    assert_changes(|image| replace(image, "LEVEL=1", "LEVEL=2"));
    assert_keeps(|image| drop(image.args.insert("NOBODY".to_owned(), "asks".to_owned())));
}

#[test]
fn googlecontainertools_kaniko_1833_the_stages_that_are_reached_count_and_no_others() {
    assert_changes(|image| replace(image, "RUN make", "RUN cmake"));
    assert_keeps(|image| replace(image, "RUN never", "RUN not even now"));
    assert_changes(|image| image.target = Some("build".to_owned()));
}

#[test]
fn heredoc_bodies_missing_the_body_of_a_heredoc_counts() {
    assert_changes(|image| replace(image, "cat /out\n", "cat  /out\n"));
}

#[test]
fn comments_white_space_and_case_do_not_count() {
    assert_keeps(|image| replace(image, "RUN make", "# how\n  run   \\\n # why\n  make"));
    assert_keeps(|image| image.dockerfile.insert_str(0, "# how\n\n"));
}

/// The frontend reads the file: another one may make something else of it.
#[test]
fn the_frontend_of_the_syntax_line_counts() {
    assert_changes(|image| image.dockerfile.insert_str(0, "# syntax=docker/dockerfile:1\n"));
}

#[test]
fn moby_buildkit_4374_the_mode_that_copy_sets_counts_and_not_that_of_the_source() {
    assert_changes(|image| replace(image, "COPY . /src", "COPY --chmod=755 . /src"));
    let with = |mode: &str| hash(&Sketch::new("a", &format!("FROM scratch\nCOPY --chmod={mode} x /\n")).file("x", ""));
    assert_ne!(with("755"), with("644"));
    let of = |mode: &str, program: &str| {
        hash(&Sketch::new("a", &format!("FROM scratch\nCOPY {mode}x /\n")).file(program, "sh"))
    };
    assert_eq!(of("--chmod=755 ", "x"), of("--chmod=755 ", "x*"));
    assert_ne!(of("--chmod=u+w ", "x"), of("--chmod=u+w ", "x*"));
}

#[test]
fn file_mode_ignored_the_executable_bit_counts() {
    let of = |program: &str| hash(&Sketch::new("a", "FROM scratch\nCOPY x /\n").file(program, "sh"));
    assert_ne!(of("x"), of("x*"));
}

#[test]
fn moby_moby_32816_neither_umask_nor_owner_nor_time_nor_place_counts() {
    let hash_of = |mode: u32| {
        let folder = TempDir::new().unwrap();
        make(folder.path(), "file=x sub/file=y");
        fs::set_permissions(folder.path().join("file"), fs::Permissions::from_mode(mode)).unwrap();
        fs::set_permissions(folder.path().join("sub"), fs::Permissions::from_mode(0o700 | mode)).unwrap();
        let old = fs::File::open(folder.path().join("sub/file")).unwrap();
        old.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(u64::from(mode))).unwrap();
        let root = folder.path().canonicalize().unwrap();
        let request = ContextRequest { root, shown: String::new(), ignore: None };
        windlass::hash::Trees::default().hash(&load_whole(&[request]).unwrap()[0])
    };
    assert_eq!(hash_of(0o644), hash_of(0o600));
    assert_eq!(hash_of(0o644), hash_of(0o666));
    assert_eq!(hash_of(0o755), hash_of(0o700));
    assert_ne!(hash_of(0o644), hash_of(0o744));
}

#[test]
fn rename_collisions_names_contents_kinds_and_targets_of_files_count() {
    assert_changes(|image| drop(image.files.insert("main.c".to_owned(), "int mian;".to_owned())));
    assert_changes(|image| {
        let content = image.files.remove("main.c").unwrap();
        image.files.insert("man.c".to_owned(), content);
    });
    assert_changes(|image| {
        let content = image.files.remove("run*").unwrap();
        image.files.insert("run".to_owned(), content);
    });
    assert_changes(|image| {
        image.files.remove("ln->main.c");
        image.files.insert("ln->run".to_owned(), String::new());
    });
    assert_changes(|image| {
        image.files.remove("ln->main.c");
        image.files.insert("ln".to_owned(), "main.c".to_owned());
    });
    // Two files that change places are not the same tree.
    assert_changes(|image| {
        image.files.insert("main.c".to_owned(), "sh".to_owned());
        image.files.insert("run*".to_owned(), "int main;".to_owned());
    });
}

#[test]
fn werf_werf_4626_a_base_counts_by_its_digest_once_that_is_known() {
    let resolved = project(&[rich(), Sketch::new("b", "FROM shop/a\n"), Sketch::new("c", "FROM scratch\n")]).unwrap();
    let debian: Reference = "debian:12".parse().unwrap();
    let moving = resolved.moving_bases();
    assert_eq!(moving.keys().collect::<Vec<_>>(), [&debian]);
    let digest = |byte| ImageDigest::new(Digest::from_bytes([byte; 32]));
    let known = |id, pinned| BTreeMap::from([(debian.clone(), KnownBase { id, pinned })]);
    let with = |byte| resolved.clone().with_bases(&known(BaseId::Registry(digest(byte)), true));
    let hashes = |byte| with(byte).images.iter().map(|image| image.content_hash).collect::<Vec<_>>();
    let (one, two) = (hashes(1), hashes(2));
    assert_ne!(one[0], two[0], "the image on the base");
    assert_eq!(one[1], two[1], "an image on nothing");
    assert_ne!(one[2], two[2], "the child of the image on the base");
    assert!(with(1).images[0].pinned_dockerfile(&BTreeMap::new()).contains(&format!("FROM debian@{}", digest(1))));
    assert_eq!(with(1).moving_bases(), moving);
    // What only an engine has counts too, is none of a registry's images, and is built on by its name.
    let local = resolved.clone().with_bases(&known(BaseId::Engine(ImageId::new(Digest::from_bytes([1; 32]))), false));
    assert_ne!(local.images[0].content_hash, one[0]);
    assert_ne!(local.images[0].content_hash, resolved.images[0].content_hash);
    assert_eq!(
        local.images[0].pinned_dockerfile(&BTreeMap::new()),
        resolved.images[0].pinned_dockerfile(&BTreeMap::new())
    );
}

#[test]
fn everything_else_that_the_configuration_gives_counts() {
    assert_changes(|image| image.platform = "linux/arm64".parse().unwrap());
    assert_changes(|image| drop(image.labels.insert("owner".to_owned(), "you".to_owned())));
    assert_changes(|image| {
        image.secrets.remove("key");
    });
    assert_changes(|image| image.injected[0].0 = "other".to_owned());
    assert_changes(|image| image.injected[0].1 = "changed".to_owned());
    assert_changes(|image| image.injected[0].2 = 0o600);
    assert_changes(|image| image.injected[0].3 = 7);
    // What an injected file hides does not arrive.
    assert_keeps(|image| drop(image.files.insert("conf".to_owned(), "hidden".to_owned())));
}

/// What is changed, and how.
type Change = (&'static str, fn(&mut Sketch));

/// What can be changed in an image of a generated project.
const CHANGES: &[Change] = &[
    ("instruction", |image| image.dockerfile.push_str("RUN more\n")),
    ("argument", |image| drop(image.args.insert("LEVEL".to_owned(), "9".to_owned()))),
    ("file", |image| drop(image.files.insert("new".to_owned(), "file".to_owned()))),
    ("content", |image| drop(image.files.insert("file".to_owned(), "other".to_owned()))),
    ("platform", |image| image.platform = "linux/arm64".parse().unwrap()),
    ("label", |image| drop(image.labels.insert("new".to_owned(), "label".to_owned()))),
    ("injected", |image| image.injected.push(("i".to_owned(), "x".to_owned(), 0o600, 0))),
];

/// What can be changed without any effect.
const IDLE_CHANGES: &[Change] = &[
    ("comment", |image| image.dockerfile.push_str("# more\n")),
    ("unused argument", |image| drop(image.args.insert("UNUSED".to_owned(), "9".to_owned()))),
    ("unmounted secret", |image| {
        image.secrets.insert("idle".to_owned());
    }),
    ("blank lines", |image| image.dockerfile.push_str("\n\n")),
];

/// Images `i0`, `i1`, …, each made from some of those before it.
fn projects() -> impl Strategy<Value = (Vec<Sketch>, Vec<BTreeSet<usize>>)> {
    prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..3), 1..7).prop_map(|wishes| {
        let mut parents: Vec<BTreeSet<usize>> = Vec::new();
        for (i, wishes) in wishes.iter().enumerate() {
            parents.push(if i == 0 { BTreeSet::new() } else { wishes.iter().map(|wish| wish.index(i)).collect() });
        }
        let image = |(i, parents): (usize, &BTreeSet<usize>)| {
            let copies: String = parents.iter().map(|p| format!("COPY --from=shop/i{p} /x /x{p}\n")).collect();
            let text = format!("FROM scratch\nARG LEVEL\nCOPY . /\n{copies}");
            Sketch::new(&format!("i{i}"), &text).file("file", "content").arg("LEVEL", "1")
        };
        (parents.iter().enumerate().map(image).collect(), parents)
    })
}

fn descendants(parents: &[BTreeSet<usize>], of: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::from([of]);
    for (i, parents) in parents.iter().enumerate() {
        if parents.iter().any(|parent| reached.contains(parent)) {
            reached.insert(i);
        }
    }
    reached
}

fn changed(before: &[Sketch], after: &[Sketch]) -> BTreeSet<usize> {
    let (before, after) = (hashes(before), hashes(after));
    let index = |name: &str| name[1..].parse::<usize>().unwrap();
    before.iter().filter(|(name, hash)| after[*name] != **hash).map(|(name, _)| index(name.as_str())).collect()
}

fn fingerprint() -> Fingerprint {
    Fingerprint {
        dockerfile: InputHash::from_bytes([1; 32]),
        written: None,
        context: InputHash::from_bytes([2; 32]),
        named_contexts: BTreeMap::new(),
        args: BTreeMap::new(),
        platform: Platform::linux_amd64(),
        bases: BTreeMap::new(),
        remote_files: BTreeMap::new(),
        repositories: BTreeMap::new(),
        parents: BTreeMap::new(),
        secrets: BTreeSet::new(),
        files: BTreeMap::new(),
        labels: BTreeMap::new(),
    }
}

fn base_id(is_local: bool, bytes: [u8; 32]) -> BaseId {
    let digest = Digest::from_bytes(bytes);
    if is_local { BaseId::Engine(ImageId::new(digest)) } else { BaseId::Registry(ImageDigest::new(digest)) }
}

prop_compose! {
    fn fingerprints()(
        dockerfile in any::<[u8; 32]>(),
        is_written_known in any::<bool>(),
        named in prop::collection::btree_map(".*", any::<[u8; 32]>(), 0..3),
        args in prop::collection::btree_map(".*", any::<[u8; 32]>(), 0..4),
        platform in prop::sample::select(vec!["linux/amd64", "linux/arm/v7"]),
        bases in prop::collection::btree_map(
            prop::sample::select(vec!["debian:12", "ghcr.io/a/b", "localhost:5000/x:y", "debian"]),
            prop::option::of(any::<(bool, [u8; 32])>()), 0..3),
        files_elsewhere in prop::collection::btree_map(
            prop::sample::select(vec!["https://host/a?b=%20#c", "http://host/x"]), any::<[u8; 32]>(), 0..3),
        refs in prop::collection::btree_map(
            prop::sample::select(vec!["https://host/a.git#HEAD", "git@host:a#x/y=%", "git@host:a#x"]),
            prop::sample::select(vec!["1", "2"]), 0..3),
        parents in prop::collection::btree_map(prop::sample::select(vec!["a", "b/c"]), any::<[u8; 32]>(), 0..3),
        secrets in prop::collection::btree_set(".*", 0..3),
        files in prop::collection::btree_map("[^/\0]{1,9}x", any::<[u8; 32]>(), 0..3),
        labels in prop::collection::btree_map(".*", ".*", 0..3),
    ) -> Fingerprint {
        Fingerprint {
            dockerfile: InputHash::from_bytes(dockerfile),
            written: is_written_known.then(|| InputHash::from_bytes(dockerfile)),
            named_contexts: named.into_iter().map(|(k, v)| (k, InputHash::from_bytes(v))).collect(),
            args: args.into_iter().map(|(k, v)| (k, InputHash::from_bytes(v))).collect(),
            platform: platform.parse().unwrap(),
            bases: bases.into_iter().map(|(k, v)| {
                (k.parse().unwrap(), v.map(|(is_local, bytes)| base_id(is_local, bytes)))
            }).collect(),
            remote_files: files_elsewhere
                .into_iter()
                .map(|(k, v)| (k.parse().unwrap(), Digest::from_bytes(v)))
                .collect(),
            repositories: refs
                .into_iter()
                .map(|(k, v)| (k.parse().unwrap(), v.repeat(40).parse().unwrap()))
                .collect(),
            parents: parents.into_iter().map(|(k, v)| {
                (k.parse().unwrap(), ContentHash::new(Digest::from_bytes(v)))
            }).collect(),
            secrets,
            files: files.into_iter().map(|(k, v)| (k.parse().unwrap(), InputHash::from_bytes(v))).collect(),
            labels,
            ..fingerprint()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_change_changes_the_image_and_its_descendants_alone(
        (images, parents) in projects(),
        which in any::<prop::sample::Index>(),
        (name, change) in prop::sample::select(CHANGES),
    ) {
        let which = which.index(images.len());
        let mut after = images.clone();
        change(&mut after[which]);
        prop_assert_eq!(changed(&images, &after), descendants(&parents, which), "{}", name);
    }

    #[test]
    fn an_idle_change_changes_nothing(
        (images, _) in projects(),
        which in any::<prop::sample::Index>(),
        (name, change) in prop::sample::select(IDLE_CHANGES),
    ) {
        let mut after = images.clone();
        change(&mut after[which.index(images.len())]);
        after.reverse();
        prop_assert_eq!(changed(&images, &after), BTreeSet::new(), "{}", name);
    }

    #[test]
    fn a_label_reads_back_as_the_fingerprint_it_was_made_of(fingerprint in fingerprints()) {
        let label = fingerprint.to_label();
        prop_assert!(label.is_ascii() && !label.contains(|c: char| c.is_control()), "{}", label);
        prop_assert_eq!(Fingerprint::from_label(&label), Some(fingerprint));
    }

    #[test]
    fn two_fingerprints_have_one_hash_only_if_nothing_differs(one in fingerprints(), other in fingerprints()) {
        let reasons = one.reasons_since(&other);
        prop_assert_eq!(reasons.is_empty(), one == other);
        prop_assert_eq!(one.content_hash() == other.content_hash(), one == other);
        prop_assert_eq!(one.reasons_since(&one), Vec::new());
    }

    #[test]
    fn any_text_is_a_label_or_none(text in ".*", tail in "( (arg|base|file|parent|x):?[a-z%=:.0-9]*){0,4}") {
        let _read = Fingerprint::from_label(&text);
        let _read = Fingerprint::from_label(&format!("{}{tail}", fingerprint().to_label()));
    }
}

/// The text is a stored format: images carry it for years.
#[test]
fn labels_and_hashes_stay_what_they_are() {
    let mut fingerprint = fingerprint();
    fingerprint.args.insert("A".to_owned(), argument("A", "1"));
    fingerprint.labels.insert("a".to_owned(), "1 = \"ä\"".to_owned());
    fingerprint.bases.insert("debian:12".parse().unwrap(), None);
    let hash = fingerprint.content_hash();
    fingerprint.written = Some(InputHash::from_bytes([3; 32]));
    assert_eq!(fingerprint.content_hash(), hash, "how instructions are written is no input");
    expect_test::expect![[r#"
        2 dockerfile=0101010101010101010101010101010101010101010101010101010101010101 written=0303030303030303030303030303030303030303030303030303030303030303 context=0202020202020202020202020202020202020202020202020202020202020202 platform=linux/amd64 arg:A=febe85f769fb63cbc172c019f2a86968997882dc4f3b5719f319d7657b8ef169 base:debian:12= label:a=1%20%3D%20%22%C3%A4%22
        sha256:5e377a5cd035bda7327d8e631edf7324448213e0165e2c446c28ed6d76c13440
    "#]].assert_eq(&format!("{}\n{}\n", fingerprint.to_label(), fingerprint.content_hash()));
    assert_eq!(Fingerprint::from_label(&fingerprint.to_label().replacen('2', "3", 1)), None);
}
