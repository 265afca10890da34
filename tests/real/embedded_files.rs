//! Images of the embedded engine as files, read by skopeo, Docker and Podman, and layouts of skopeo's read by us.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use expect_test::expect;
use windlass::engine::embedded::beneath::{Attributes, Kind, Root};
use windlass::engine::embedded::images::{
    self, Chosen, Image, ImageConfig, Named, load_oci, write_docker_archive, write_oci,
};
use windlass::engine::embedded::layer::{MediaType, Overlay, write};
use windlass::engine::embedded::store::Store;
use windlass::model::{Platform, Reference};

use crate::parts;
use crate::registry_images::{Images, digest_of};

fn store(folder: &Path) -> Store {
    Store::open(&folder.join("store"), Overlay::Trusted).unwrap()
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn docker(arguments: &[&str]) -> String {
    output(Command::new("docker").args(["--host", &parts::docker_host()]).args(arguments))
}

fn skopeo(arguments: &[&str]) -> String {
    output(Command::new("skopeo").arg("--insecure-policy").args(arguments))
}

/// Two layers: busybox with a folder, then a file of it changed, one gone, and a folder emptied.
fn image(store: &Store, note: &str) -> Image {
    let at = |mode, owner| Attributes { owner: (owner, owner), mode, mtime: 1 };
    let lower = store.scratch().unwrap();
    let root = Root::open(lower.path()).unwrap();
    for directory in ["bin", "data", "data/full"] {
        root.create_dir(Path::new(directory), 0o755).unwrap();
    }
    fs::copy(parts::BUSYBOX, lower.path().join("bin/busybox")).unwrap();
    root.set_attributes(Path::new("bin/busybox"), &at(0o755, 0)).unwrap();
    for file in ["data/gone", "data/stays", "data/full/hidden"] {
        fs::write(lower.path().join(file), file).unwrap();
        root.set_attributes(Path::new(file), &at(0o640, 1000)).unwrap();
    }
    let first = write(lower.path(), store, 1).unwrap();
    let upper = store.scratch().unwrap();
    let root = Root::open(upper.path()).unwrap();
    root.create_dir(Path::new("data"), 0o755).unwrap();
    root.create_dir(Path::new("data/full"), 0o700).unwrap();
    root.set_xattr(Path::new("data/full"), "trusted.overlay.opaque".as_ref(), b"y").unwrap();
    root.make_node(Path::new("data/gone"), Kind::CharacterDevice, 0, (0, 0)).unwrap();
    fs::write(upper.path().join("note"), note).unwrap();
    root.set_attributes(Path::new("note"), &at(0o4755, 7)).unwrap();
    root.symlink(Path::new("note"), Path::new("link")).unwrap();
    let second = write(upper.path(), store, 1).unwrap();
    let mut config = ImageConfig::scratch(&Platform::linux_amd64());
    config.config.cmd = Some(vec!["/bin/busybox".to_owned(), "sh".to_owned()]);
    images::save(store, &config, &[first, second]).unwrap()
}

fn named(image: &Image, name: &str) -> Named {
    Named { image: image.clone(), name: Some(name.parse::<Reference>().unwrap()) }
}

#[test]
fn skopeo_reads_a_layout() {
    let place = tempfile::tempdir().unwrap();
    let store = store(place.path());
    let (first, second) = (image(&store, "first"), image(&store, "second"));
    let folder = place.path().join("layout");
    write_oci(&store, &[named(&first, "acme/a:1"), named(&first, "acme/b:1")], &folder).unwrap();
    write_oci(&store, &[named(&second, "acme/b:1")], &folder).unwrap();
    for (name, image) in [("acme/a:1", &first), ("acme/b:1", &second)] {
        let source = format!("oci:{}:docker.io/{name}", folder.display());
        let raw = skopeo(&["inspect", "--raw", &source]);
        assert_eq!(digest_of(raw.as_bytes()), image.manifest.to_string());
        skopeo(&["copy", &source, &format!("dir:{}", place.path().join("copy").display())]);
    }
    let other = tempfile::tempdir().unwrap();
    let other = self::store(other.path());
    let platform = Platform::linux_amd64();
    assert_eq!(load_oci(&other, &folder, Chosen::Name("acme/b:1"), &platform).unwrap(), second);
    assert_eq!(load_oci(&other, &folder, Chosen::Digest(first.manifest), &platform).unwrap(), first);
    let told = |chosen| {
        let error = format!("{:#}", load_oci(&other, &folder, chosen, &platform).unwrap_err());
        error.replace(&folder.display().to_string(), "LAYOUT")
    };
    expect!["the OCI layout `LAYOUT` has no image `acme/c:1`"].assert_eq(&told(Chosen::Name("acme/c:1")));
    let blob = folder.join("blobs/sha256").join(second.layers[1].blob.hex());
    let length = blob.metadata().unwrap().len();
    File::options().write(true).open(&blob).unwrap().set_len(length - 1).unwrap();
    let third = tempfile::tempdir().unwrap();
    let third = self::store(third.path());
    let error = format!("{:#}", load_oci(&third, &folder, Chosen::Name("acme/b:1"), &platform).unwrap_err());
    assert!(error.ends_with("is not what its name says"), "{error}");

    let foreign = place.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("mine"), "").unwrap();
    assert!(write_oci(&store, &[named(&first, "a")], &foreign).is_err());
    assert_eq!(fs::read_dir(&foreign).unwrap().count(), 1);
}

#[test]
fn docker_podman_and_skopeo_read_an_archive() {
    let place = tempfile::tempdir().unwrap();
    let store = store(place.path());
    let image = image(&store, "archive");
    let file = place.path().join("archive.tar");
    let name = "embedded-files/archive:1";
    write_docker_archive(&store, &[named(&image, name)], &mut File::create(&file).unwrap()).unwrap();
    let file = file.to_str().unwrap();

    let id = docker(&["load", "--quiet", "--input", file]);
    assert_eq!(id, format!("Loaded image: {name}\n"));
    assert_eq!(docker(&["image", "inspect", "--format", "{{.Id}}", name]).trim(), image.id.to_string());
    let files = docker(&["run", "--rm", "--network=none", name, "/bin/busybox", "find", "/data", "/note", "/link"]);
    let mut files: Vec<&str> = files.lines().collect();
    files.sort_unstable();
    assert_eq!(files, ["/data", "/data/full", "/data/stays", "/link", "/note"]);
    let stat = ["/bin/busybox", "stat", "-c", "%n %a %u", "/note", "/data/stays", "/data/full"];
    let stat = docker(&[&["run", "--rm", "--network=none", name], &stat[..]].concat());
    assert_eq!(stat, "/note 4755 7\n/data/stays 640 1000\n/data/full 700 0\n");
    docker(&["image", "rm", name]);

    let raw = skopeo(&["inspect", "--config", "--raw", &format!("docker-archive:{file}:{name}")]);
    assert_eq!(digest_of(raw.as_bytes()), image.id.to_string());
    skopeo(&["copy", &format!("oci-archive:{file}"), &format!("dir:{}", place.path().join("copy").display())]);

    let storage = |part: &str| place.path().join(part).display().to_string();
    let podman = |arguments: &[&str]| {
        let mut command = Command::new("podman");
        command.args(["--root", &storage("root"), "--runroot", &storage("run"), "--storage-driver", "vfs"]);
        output(command.args(arguments))
    };
    podman(&["load", "--quiet", "--input", file]);
    let listed = podman(&["images", "--no-trunc", "--format", "{{.ID}} {{.Repository}}:{{.Tag}}"]);
    assert_eq!(listed, format!("{} docker.io/{name}\n", image.id));
}

#[test]
fn a_layout_of_others_is_read_by_platform_and_its_zstd_is_unpacked_for_docker() {
    let place = tempfile::tempdir().unwrap();
    let store = store(place.path());
    let folder = place.path().join("layout");
    let to = format!("oci:{}:many", folder.display());
    Images::make(&["arm64", "amd64"]).copy_to(&to, &["--dest-compress-format", "zstd"]);
    let image = load_oci(&store, &folder, Chosen::Name("many"), &Platform::linux_amd64()).unwrap();
    assert_eq!(load_oci(&store, &folder, Chosen::Only, &Platform::linux_amd64()).unwrap(), image);
    assert_eq!(image.config.config.labels["for"], "amd64");
    assert_eq!(image.layers[0].media_type, MediaType::Zstd);
    let error = load_oci(&store, &folder, Chosen::Only, &"linux/s390x".parse().unwrap()).unwrap_err();
    assert!(format!("{error:#}").ends_with("it has no image for linux/s390x"), "{error:#}");

    let file = place.path().join("archive.tar");
    let name = "embedded-files/zstd:1";
    write_docker_archive(&store, &[named(&image, name)], &mut File::create(&file).unwrap()).unwrap();
    docker(&["load", "--quiet", "--input", file.to_str().unwrap()]);
    assert_eq!(docker(&["image", "inspect", "--format", "{{.Id}}", name]).trim(), image.id.to_string());
    docker(&["image", "rm", name]);
}
