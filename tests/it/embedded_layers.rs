//! Layers of the embedded engine: folders into archives and back, read by tar and Python.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;
use std::process::Command;

use expect_test::{Expect, expect};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use proptest::prelude::*;
use windlass::engine::embedded::beneath::{Attributes, Kind, Root};
use windlass::engine::embedded::layer::{Layer, Limits, Overlay, apply, write};
use windlass::engine::embedded::store::Store;

/// After all that the tests write, and before now.
const EPOCH: u64 = 1_000_000_000;

fn store(folder: &Path) -> Store {
    Store::open(&folder.join("store"), Overlay::User).unwrap()
}

/// One file, as a line says it.
#[derive(Debug, Clone)]
enum Node {
    Directory { is_opaque: bool },
    File(Vec<u8>),
    Symlink(String),
    HardLink(String),
    Whiteout,
    Fifo,
}

fn make(folder: &Path, path: &str, node: &Node, attributes: &Attributes) {
    let root = Root::open(folder).unwrap();
    let at = Path::new(path);
    match node {
        Node::Directory { is_opaque } => {
            root.create_dir(at, 0o700).unwrap();
            if *is_opaque {
                root.set_xattr(at, OsStr::new("user.overlay.opaque"), b"y").unwrap();
            }
        }
        Node::File(content) => {
            std::io::Write::write_all(&mut root.create_file(at, 0o600).unwrap(), content).unwrap();
        }
        Node::Symlink(target) => root.symlink(Path::new(target), at).unwrap(),
        Node::HardLink(to) => return root.hard_link(Path::new(to), at).unwrap(),
        Node::Whiteout => return root.make_node(at, Kind::CharacterDevice, 0, (0, 0)).unwrap(),
        Node::Fifo => root.make_node(at, Kind::Fifo, 0o600, (0, 0)).unwrap(),
    }
    // A link's owner can't be kept where it may not be given.
    let ours = Attributes { owner: (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw()), ..*attributes };
    let keeps_owner = matches!(node, Node::Directory { .. } | Node::File(_));
    root.set_attributes(at, if keeps_owner { attributes } else { &ours }).unwrap();
}

/// All that is in a folder, by the names of the files. Nothing of the engine reads it.
fn seen(folder: &Path) -> String {
    let mut lines = String::new();
    let mut inodes = Vec::new();
    let mut left = vec![folder.to_owned()];
    while let Some(path) = left.pop() {
        let stat = fs::symlink_metadata(&path).unwrap();
        let name = path.strip_prefix(folder).unwrap().display();
        let content = if stat.is_file() {
            format!("{:?}", fs::read(&path).unwrap())
        } else if stat.is_symlink() {
            fs::read_link(&path).unwrap().display().to_string()
        } else {
            String::new()
        };
        let same = inodes.iter().position(|ino| *ino == stat.ino()).unwrap_or(inodes.len());
        inodes.push(stat.ino());
        let mut xattrs = Vec::new();
        if stat.is_dir() || stat.is_file() {
            let mut names = vec![0; 4096];
            let n = rustix::fs::listxattr(&path, &mut names).unwrap();
            for name in names[..n].split(|byte| *byte == 0).filter(|name| name.starts_with(b"user.")) {
                let mut value = vec![0; 4096];
                let n = rustix::fs::getxattr(&path, OsStr::from_bytes(name), &mut value).unwrap();
                xattrs.push((String::from_utf8_lossy(name).into_owned(), value[..n].to_vec()));
            }
            xattrs.sort();
        }
        // The folder itself is not in the layer, nor is the time of what hides a name.
        let time = if path == folder || stat.rdev() == 0 && stat.mode() & 0o170_000 == 0o020_000 {
            None
        } else {
            Some((stat.mtime(), stat.mtime_nsec()))
        };
        let owner = (stat.uid(), stat.gid());
        if path != folder {
            let mode = stat.mode();
            writeln!(lines, "{name} {mode:o} {owner:?} {time:?} #{same} {xattrs:?} {content}").unwrap();
        }
        if stat.is_dir() {
            let mut inner: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect();
            inner.sort();
            left.extend(inner.into_iter().rev());
        }
    }
    lines
}

fn unpack(store: &Store, layer: &Layer, folder: &Path) {
    fs::create_dir(folder).unwrap();
    let blob = File::open(store.blob_path(&layer.blob)).unwrap();
    assert_eq!(apply(blob, folder, Overlay::User, &Limits::OF_ANY_LAYER).unwrap(), layer.diff_id);
}

fn node() -> impl Strategy<Value = Node> {
    prop_oneof![
        4 => any::<bool>().prop_map(|is_opaque| Node::Directory { is_opaque }),
        4 => prop::collection::vec(any::<u8>(), 0..1500).prop_map(Node::File),
        1 => "[a-z/.]{1,150}".prop_map(Node::Symlink),
        1 => Just(Node::Whiteout),
        1 => Just(Node::Fifo),
        2 => Just(Node::HardLink(String::new())),
    ]
}

prop_compose! {
    fn attributes()(uid in 0..4_000_000_u32, gid in 0..4_000_000_u32, mode in 0..0o10000_u32, mtime in 0..2 * EPOCH)
        -> Attributes
    {
        Attributes { owner: (uid, gid), mode, mtime: i64::try_from(mtime).unwrap() }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_folder_is_what_its_layer_unpacks_to(
        nodes in prop::collection::vec((0..1000_usize, "[a-zA-Z0-9 é=.-]{1,60}", node(), attributes()), 0..40),
        xattr in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let place = tempfile::tempdir().unwrap();
        let store = store(place.path());
        let folder = place.path().join("folder");
        fs::create_dir(&folder).unwrap();
        let mut directories = vec![String::new()];
        let mut files: Vec<String> = Vec::new();
        for (n, (parent, name, node, attributes)) in nodes.into_iter().enumerate() {
            let path = format!("{}{n}{name}", directories[parent % directories.len()]);
            let node = match node {
                Node::HardLink(_) if files.is_empty() => Node::File(Vec::new()),
                Node::HardLink(_) => Node::HardLink(files[parent % files.len()].clone()),
                other => other,
            };
            make(&folder, &path, &node, &attributes);
            match &node {
                Node::Directory { .. } => directories.push(format!("{path}/")),
                Node::File(_) => {
                    Root::open(&folder).unwrap().set_xattr(Path::new(&path), OsStr::new("user.x"), &xattr).unwrap();
                    files.push(path);
                }
                _ => {}
            }
        }
        let layer = write(&folder, &store, EPOCH).unwrap();
        unpack(&store, &layer, &place.path().join("unpacked"));
        prop_assert_eq!(seen(&place.path().join("unpacked")), seen(&folder));
        prop_assert_eq!(write(&place.path().join("unpacked"), &store, EPOCH).unwrap(), layer);
    }
}

/// What there is to say of a layer: each kind of file, names too long for a header, great owners.
fn everything(folder: &Path, is_reversed: bool) {
    fs::create_dir(folder).unwrap();
    let long = "n".repeat(120);
    let at = |owner, mode, mtime| Attributes { owner: (owner, owner), mode, mtime };
    let directory = || Node::Directory { is_opaque: false };
    make(folder, "etc", &directory(), &at(0, 0o755, 0));
    make(folder, "opaque", &Node::Directory { is_opaque: true }, &at(0, 0o1777, 5));
    let mut files = vec![
        ("etc/passwd".to_owned(), Node::File(b"root:x:0:0\n".to_vec()), at(0, 0o644, 7)),
        ("etc/su".to_owned(), Node::File(vec![b'x'; 600]), at(1000, 0o4755, 1 << 31)),
        ("etc/gone".to_owned(), Node::Whiteout, at(0, 0, 0)),
        ("opaque/new".to_owned(), Node::File(b"new".to_vec()), at(3_000_000, 0o600, 1)),
        (format!("etc/{long}"), Node::File(Vec::new()), at(0, 0o640, 3)),
        (long.clone(), Node::File(Vec::new()), at(0, 0o640, 3)),
        ("link".to_owned(), Node::Symlink(format!("../{long}")), at(0, 0o777, 4)),
        ("grüße".to_owned(), Node::File(Vec::new()), at(0, 0o444, 3)),
        ("fifo".to_owned(), Node::Fifo, at(0, 0o600, 3)),
    ];
    if is_reversed {
        files.reverse();
    }
    for (path, node, attributes) in &files {
        make(folder, path, node, attributes);
    }
    make(folder, "opaque/again", &Node::HardLink("etc/su".to_owned()), &at(0, 0, 0));
    Root::open(folder).unwrap().set_xattr(Path::new("etc/su"), OsStr::new("user.note"), b"a\nb=c").unwrap();
    Root::open(folder).unwrap().set_attributes(Path::new("etc"), &at(0, 0o755, 0)).unwrap();
    Root::open(folder).unwrap().set_attributes(Path::new("opaque"), &at(0, 0o1777, 5)).unwrap();
}

fn check_output(command: &mut Command, expected: &Expect) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    expected.assert_eq(&String::from_utf8(output.stdout).unwrap().replace(&"n".repeat(120), "LONG"));
}

#[test]
fn tar_and_python_read_a_layer() {
    let place = tempfile::tempdir().unwrap();
    let store = store(place.path());
    everything(&place.path().join("folder"), false);
    let layer = write(&place.path().join("folder"), &store, EPOCH).unwrap();
    let blob = store.blob_path(&layer.blob);
    check_output(
        Command::new("tar")
            .args(["--utc", "--numeric-owner", "--full-time", "-tvzf"])
            .arg(&blob)
            .env("LC_ALL", "C.UTF-8"),
        &expect![[r#"
            drwxr-xr-x 0/0               0 1970-01-01 00:00:00 etc/
            ---------- 0/0               0 1970-01-01 00:00:00 etc/.wh.gone
            -rw-r----- 0/0               0 1970-01-01 00:00:03 etc/LONG
            -rw-r--r-- 0/0              11 1970-01-01 00:00:07 etc/passwd
            -rwsr-xr-x 1000/1000       600 2001-09-09 01:46:40 etc/su
            prw------- 0/0               0 1970-01-01 00:00:03 fifo
            -r--r--r-- 0/0               0 1970-01-01 00:00:03 grüße
            lrwxrwxrwx 0/0               0 1970-01-01 00:00:04 link -> ../LONG
            -rw-r----- 0/0               0 1970-01-01 00:00:03 LONG
            drwxrwxrwt 0/0               0 1970-01-01 00:00:05 opaque/
            ---------- 0/0               0 1970-01-01 00:00:00 opaque/.wh..wh..opq
            hrwsr-xr-x 1000/1000         0 2001-09-09 01:46:40 opaque/again link to etc/su
            -rw------- 3000000/3000000   3 1970-01-01 00:00:01 opaque/new
        "#]],
    );
    let python = "import sys, tarfile\n\
        for m in tarfile.open(sys.argv[1]):\n    \
            print(m.name, m.type.decode(), oct(m.mode), m.uid, m.size, int(m.mtime), m.linkname, \
                {k: v for k, v in m.pax_headers.items() if k.startswith('SCHILY')})";
    check_output(
        Command::new("python3").args(["-c", python]).arg(&blob),
        &expect![[r#"
        etc 5 0o755 0 0 0  {}
        etc/.wh.gone 0 0o0 0 0 0  {}
        etc/LONG 0 0o640 0 0 3  {}
        etc/passwd 0 0o644 0 11 7  {}
        etc/su 0 0o4755 1000 600 1000000000  {'SCHILY.xattr.user.note': 'a\nb=c'}
        fifo 6 0o600 0 0 3  {}
        grüße 0 0o444 0 0 3  {}
        link 2 0o777 0 0 4 ../LONG {}
        LONG 0 0o640 0 0 3  {}
        opaque 5 0o1777 0 0 5  {}
        opaque/.wh..wh..opq 0 0o0 0 0 0  {}
        opaque/again 1 0o4755 1000 0 1000000000 etc/su {}
        opaque/new 0 0o600 3000000 3 1  {}
    "#]],
    );
}

#[test]
fn neither_the_order_of_making_nor_the_number_of_cores_counts() {
    let place = tempfile::tempdir().unwrap();
    let store = store(place.path());
    let mut layers = Vec::new();
    for (name, is_reversed, n_cores) in [("a", false, 1), ("b", true, 2)] {
        let folder = place.path().join(name);
        everything(&folder, is_reversed);
        for n in 0..5_u8 {
            let bytes: Vec<u8> = (0..700_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 27) as u8 ^ n).collect();
            fs::write(folder.join(format!("big-{n}")), bytes).unwrap();
        }
        let write = || {
            // The number of threads is that of the cores which the thread may use.
            let mut cores = CpuSet::new();
            (0..n_cores).for_each(|core| cores.set(core).unwrap());
            sched_setaffinity(Pid::from_raw(0), &cores).unwrap();
            write(&folder, &store, EPOCH).unwrap()
        };
        layers.push(std::thread::scope(|scope| scope.spawn(write).join().unwrap()));
    }
    assert_eq!(layers[0], layers[1]);
}

#[test]
fn what_no_layer_can_hold_is_refused() {
    let check = |make: &dyn Fn(&Path), expected: Expect| {
        let place = tempfile::tempdir().unwrap();
        let store = store(place.path());
        let folder = place.path().join("folder");
        fs::create_dir(&folder).unwrap();
        make(&folder);
        expected.assert_eq(&format!("{:#}", write(&folder, &store, EPOCH).unwrap_err()));
    };
    check(
        &|folder| fs::write(folder.join(".wh.a"), "").unwrap(),
        expect!["reading `.wh.a`: a name that begins with `.wh.` can't be in a layer: it would remove a file"],
    );
    check(
        &|folder| {
            Root::open(folder).unwrap().set_xattr(Path::new("."), OsStr::new("user.x"), b"").unwrap();
            fs::write(folder.join("a"), "").unwrap();
            Root::open(folder).unwrap().set_xattr(Path::new("a"), OsStr::new("user.a=b"), b"").unwrap();
        },
        expect!["reading `a`: the extended attribute `user.a=b` can't be in a layer: its name has a `=`"],
    );
    check(
        &|folder| {
            fs::create_dir(folder.join("a")).unwrap();
            let redirect = OsStr::new("user.overlay.redirect");
            Root::open(folder).unwrap().set_xattr(Path::new("a"), redirect, b"/etc").unwrap();
        },
        expect!["reading `a`: the overlay left the attribute `user.overlay.redirect`, which no layer can hold"],
    );
}

#[test]
fn a_link_to_a_folder_is_not_followed_out() {
    let place = tempfile::tempdir().unwrap();
    let (inside, outside) = (place.path().join("inside"), place.path().join("outside"));
    fs::create_dir_all(inside.join("real")).unwrap();
    fs::create_dir(&outside).unwrap();
    symlink(&outside, inside.join("absolute")).unwrap();
    symlink("../outside", inside.join("relative")).unwrap();
    symlink("/real", inside.join("good")).unwrap();
    symlink("loop", inside.join("loop")).unwrap();
    let root = Root::open(&inside).unwrap();
    for path in ["absolute/new", "relative/new", "../outside/new", "good/../../outside/new", "loop/new"] {
        assert!(root.create_file(Path::new(path), 0o600).is_err(), "{path}");
    }
    root.create_file(Path::new("/good/../../good/new"), 0o600).unwrap();
    assert!(inside.join("real/new").exists());
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}
