//! Layers that were made to do harm. Each is unpacked beside a folder that must stay as it is.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, symlink};
use std::path::Path;

use expect_test::{Expect, expect};
use proptest::prelude::*;
use tar::{EntryType, Header};
use windlass::engine::embedded::layer::{Limits, Overlay, apply};

const LIMITS: Limits = Limits { bytes: 1 << 20, entries: 100 };

/// An archive that is made byte by byte, whatever it says.
#[derive(Default)]
struct Tar(Vec<u8>);

impl Tar {
    fn put(mut self, entry_type: EntryType, name: &str, link: &str, content: &[u8]) -> Self {
        let mut header = Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(entry_type);
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        header.set_device_major(1).unwrap();
        header.set_device_minor(3).unwrap();
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn file(self, name: &str, content: &str) -> Self {
        self.put(EntryType::Regular, name, "", content.as_bytes())
    }

    fn directory(self, name: &str) -> Self {
        self.put(EntryType::Directory, name, "", b"")
    }

    fn link(self, name: &str, target: &str) -> Self {
        self.put(EntryType::Symlink, name, target, b"")
    }

    fn hard_link(self, name: &str, target: &str) -> Self {
        self.put(EntryType::Link, name, target, b"")
    }

    fn pax(self, key: &str, value: &str) -> Self {
        let rest = key.len() + value.len() + 3;
        let length = (rest..rest + 9).find(|length| rest + length.to_string().len() == *length).unwrap();
        self.put(EntryType::XHeader, "pax", "", format!("{length} {key}={value}\n").as_bytes())
    }

    fn end(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }
}

fn files_below(folder: &Path) -> String {
    let mut lines = Vec::new();
    let mut left = vec![folder.to_owned()];
    while let Some(path) = left.pop() {
        let stat = fs::symlink_metadata(&path).unwrap();
        let name = path.strip_prefix(folder).unwrap().display().to_string();
        let what = match stat.file_type() {
            kind if kind.is_dir() => {
                left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
                let mut value = [0; 8];
                let opaque = rustix::fs::getxattr(&path, "user.overlay.opaque", &mut value);
                if opaque.is_ok() { "/ opaque".to_owned() } else { "/".to_owned() }
            }
            kind if kind.is_symlink() => format!(" -> {}", fs::read_link(&path).unwrap().display()),
            kind if kind.is_char_device() => {
                use std::os::unix::fs::MetadataExt as _;
                format!(" device {}", stat.rdev())
            }
            kind if kind.is_file() => format!(" {:?}", fs::read_to_string(&path).unwrap()),
            other => format!(" {other:?}"),
        };
        if !name.is_empty() {
            lines.push(format!("{name}{what}\n"));
        }
    }
    lines.sort();
    lines.concat()
}

/// What comes of a layer, with nothing changed outside.
fn outcome(layer: &[u8]) -> String {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir_all(place.path().join("inside")).unwrap();
    fs::create_dir_all(place.path().join("outside/folder")).unwrap();
    fs::write(place.path().join("outside/file"), "mine").unwrap();
    symlink("file", place.path().join("outside/link")).unwrap();
    let before = files_below(&place.path().join("outside"));
    let result = apply(layer, &place.path().join("inside"), Overlay::User, &LIMITS);
    assert_eq!(files_below(&place.path().join("outside")), before);
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 2);
    let files = files_below(&place.path().join("inside"));
    match result {
        Ok(_) => files,
        Err(error) => format!("error: {error:#}\n"),
    }
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "a case is read more easily without borrows")]
fn check(tar: Tar, expected: Expect) {
    expected.assert_eq(&outcome(&tar.end()));
}

#[test]
fn paths_do_not_leave_the_folder() {
    let tar = Tar::default;
    check(
        tar().file("../outside/file", "x"),
        expect![[r#"
        error: unpacking `../outside/file`: its path leads out of the root
    "#]],
    );
    check(
        tar().file("a/../../outside/file", "x"),
        expect![[r#"
        error: unpacking `a/../../outside/file`: its path leads out of the root
    "#]],
    );
    check(
        tar().file("/a/../b", "x"),
        expect![[r#"
        b "x"
    "#]],
    );
    check(
        tar().file("./a//b/", "x"),
        expect![[r#"
        a/
        a/b "x"
    "#]],
    );
    check(
        tar().file("", "x"),
        expect![[r#"
        error: unpacking ``: the root is no directory
    "#]],
    );
    check(
        tar().file(".wh../x", "x"),
        expect![[r#"
            error: unpacking `.wh../x`: it is below a name that hides another
        "#]],
    );
    check(
        tar().pax("path", "../outside/file").file("a", "x"),
        expect![[r#"
        error: unpacking `../outside/file`: its path leads out of the root
    "#]],
    );
}

#[test]
fn links_do_not_lead_out() {
    let tar = Tar::default;
    check(
        tar().link("a", "../outside").file("a/file", "x"),
        expect![[r#"
        error: unpacking `a/file`: `a` is a link to no directory
    "#]],
    );
    check(
        tar().link("a", "..").file("a/file", "x"),
        expect![[r#"
        a -> ..
        file "x"
    "#]],
    );
    check(
        tar().link("a", "/b").directory("b").file("a/file", "x"),
        expect![[r#"
        a -> /b
        b/
        b/file "x"
    "#]],
    );
    check(
        tar().link("a", "../outside/file").file("a", "x"),
        expect![[r#"
        a "x"
    "#]],
    );
    check(
        tar().link("a", "../outside").directory("a").file("a/file", "x"),
        expect![[r#"
        a/
        a/file "x"
    "#]],
    );
    check(
        tar().link("a", "a").file("a/b", "x"),
        expect![[r#"
        error: unpacking `a/b`: Too many levels of symbolic links (os error 40)
    "#]],
    );
    check(
        tar().hard_link("a", "../outside/file"),
        expect![[r#"
        error: unpacking `a`: its path leads out of the root
    "#]],
    );
    check(
        tar().hard_link("a", "/etc/passwd"),
        expect![[r#"
        error: unpacking `a`: linking it to `etc/passwd`: No such file or directory (os error 2)
    "#]],
    );
    check(
        tar().link("l", "../outside/file").hard_link("h", "l").file("h", "x"),
        expect![[r#"
        h "x"
        l -> ../outside/file
    "#]],
    );
    check(
        tar().link("l", "../outside").hard_link("h", "l/file"),
        expect![[r#"
        error: unpacking `h`: linking it to `l/file`: No such file or directory (os error 2)
    "#]],
    );
    check(
        tar().file("a", "x").hard_link("a", "a"),
        expect![[r#"
        error: unpacking `a`: it is a link to itself
    "#]],
    );
    check(
        tar().file("a", "x").hard_link("b", "a").hard_link("a", "b"),
        expect![[r#"
        a "x"
        b "x"
    "#]],
    );
}

#[test]
fn what_is_named_twice_is_the_last() {
    let tar = Tar::default;
    check(
        tar().file("a", "1").file("a", "2"),
        expect![[r#"
        a "2"
    "#]],
    );
    check(
        tar().file("a", "1").directory("a").file("a/b", "2"),
        expect![[r#"
        a/
        a/b "2"
    "#]],
    );
    check(
        tar().directory("a").file("a/b", "1").link("a", "c"),
        expect![[r#"
        a -> c
    "#]],
    );
    check(
        tar().directory("a").file("a/b", "1").directory("a"),
        expect![[r#"
        a/
        a/b "1"
    "#]],
    );
    check(
        tar().file("a", "1").file("a/b", "2"),
        expect![[r#"
        error: unpacking `a/b`: `a` is no directory
    "#]],
    );
}

#[test]
fn whiteouts_hide_what_is_below_and_nothing_else() {
    let tar = Tar::default;
    check(
        tar().file(".wh.a", "").file("b/.wh.c", "").file("b/.wh..wh..opq", ""),
        expect![[r#"
        a device 0
        b/ opaque
        b/c device 0
    "#]],
    );
    check(
        tar().file(".wh.a", "").file("a/b", "x"),
        expect![[r#"
        a/ opaque
        a/b "x"
    "#]],
    );
    check(
        tar().file(".wh.a", "").directory("a"),
        expect![[r#"
        a/ opaque
    "#]],
    );
    check(
        tar().file(".wh.a", "").file("a", "x").file(".wh.a", ""),
        expect![[r#"
        a "x"
    "#]],
    );
    check(
        tar().directory("a").file("a/b", "x").file(".wh.a", ""),
        expect![[r#"
        a/ opaque
        a/b "x"
    "#]],
    );
    check(tar().file(".wh..wh.plnk/1", "x").file(".wh..wh.aufs", ""), expect![""]);
    check(
        tar().file(".wh.", ""),
        expect![[r#"
        error: unpacking `.wh.`: it hides no name
    "#]],
    );
    check(
        tar().file("a/.wh...", ""),
        expect![[r#"
        error: unpacking `a/.wh...`: it hides no name
    "#]],
    );
    check(
        tar().link("a", "../outside").file("a/.wh.file", ""),
        expect![[r#"
        error: unpacking `a/.wh.file`: `a` is a link to no directory
    "#]],
    );
    check(
        tar().link("a", "../outside").file("a/.wh..wh..opq", ""),
        expect![[r#"
        error: unpacking `a/.wh..wh..opq`: Too many levels of symbolic links (os error 40)
    "#]],
    );
}

#[test]
fn devices_and_attributes_of_the_machine_are_contained() {
    let tar = Tar::default;
    check(
        tar().put(EntryType::Char, "null", "", b"").put(EntryType::Fifo, "fifo", "", b""),
        expect![[r#"
        fifo FileType { is_file: false, is_dir: false, is_symlink: false, .. }
        null device 259
    "#]],
    );
    let tar = tar().pax("SCHILY.xattr.user.overlay.opaque", "y").directory("a");
    check(
        tar.pax("SCHILY.xattr.trusted.overlay.redirect", "/etc").directory("b"),
        expect![[r#"
        a/
        b/
    "#]],
    );
}

#[test]
fn bombs_and_broken_archives_end() {
    let tar = Tar::default;
    check(
        (0..101).fold(tar(), |tar, n| tar.file(&format!(".wh.{n}"), "")),
        expect![[r#"
        error: the layer has more than 100 files
    "#]],
    );
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let mut header = Header::new_ustar();
    header.set_size(100 << 20);
    header.as_old_mut().name[0] = b'a';
    header.set_cksum();
    gzip.write_all(header.as_bytes()).unwrap();
    std::io::copy(&mut std::io::repeat(0).take(100 << 20), &mut gzip).unwrap();
    expect![[r#"
        error: unpacking `a`: the layer holds more bytes than any layer may
    "#]]
    .assert_eq(&outcome(&gzip.finish().unwrap()));
    header.set_size(1 << 40);
    header.set_entry_type(EntryType::GNULongName);
    header.set_cksum();
    expect![[r#"
        error: a header of long names has 1099511627776 bytes; 1048576 at most are read
    "#]]
    .assert_eq(&outcome(header.as_bytes()));
    header.set_entry_type(EntryType::Regular);
    header.set_cksum();
    expect![[r#"
        error: unpacking `a`: the archive ends within a file
    "#]]
    .assert_eq(&outcome(header.as_bytes()));
    header.as_mut_bytes()[0] = b'b';
    expect![[r#"
        error: the archive has a broken header: its checksum is 1713, not 1714
    "#]]
    .assert_eq(&outcome(header.as_bytes()));
    expect![[r#"
        error: the archive ends within a file
    "#]]
    .assert_eq(&outcome(&Tar::default().file("a", "x").end()[..700]));
    expect![[r#"
        error: corrupt deflate stream
    "#]]
    .assert_eq(&outcome(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 7, 7, 7]));
    expect![[r#"
        error: incomplete frame
    "#]]
    .assert_eq(&outcome(&[0x28, 0xb5, 0x2f, 0xfd, 7, 7, 7, 7]));
    expect![""].assert_eq(&outcome(b""));
}

fn entry() -> impl Strategy<Value = (EntryType, String, String)> {
    let name = "(\\.\\./|/|\\./)?([ab]/){0,2}(\\.wh\\.)?(a|b|c|\\.\\.|\\.wh\\.\\.opq)";
    let kinds = [
        EntryType::Regular,
        EntryType::Directory,
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Char,
        EntryType::Fifo,
    ];
    (prop::sample::select(kinds.to_vec()), name, "(/|\\.\\./|\\.\\./\\.\\./)?(a|b|outside|outside/file|a/b)")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_layer_changes_anything_outside(entries in prop::collection::vec(entry(), 0..12)) {
        let put = |tar: Tar, (kind, name, link): (EntryType, String, String)| {
            let content = if kind == EntryType::Regular { &b"evil"[..] } else { b"" };
            tar.put(kind, &name, &link, content)
        };
        outcome(&entries.into_iter().fold(Tar::default(), put).end());
    }
}
