//! The example is built and tested without a daemon, by root and by a normal user, and comes out the same.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::engine_build::run;

const UID: u32 = 23_456;

/// The example, its busybox included, as files that everybody may read.
fn example() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let shop = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shop");
    run("cp", &["-r", shop.to_str().unwrap(), folder.path().join("shop").to_str().unwrap()]);
    run("sh", &["-c", &format!("{}/shop/prepare", folder.path().display())]);
    // Others may not read where it was built.
    run("cp", &[env!("CARGO_BIN_EXE_windlass"), folder.path().join("windlass").to_str().unwrap()]);
    run("chmod", &["-R", "a+rX,u+w", folder.path().to_str().unwrap()]);
    folder
}

/// Builds the example by a shell's words before the program, and tells what became `latest`, sorted.
fn built_by(words: &str, jobs: &str) -> Vec<String> {
    let folder = example();
    let home = folder.path().join("home");
    fs::create_dir(&home).unwrap();
    for (name, text) in [
        ("passwd", format!("root:x:0:0::/root:/bin/sh\ntester:x:{UID}:{UID}::/:/bin/sh\n")),
        ("subordinate", "tester:300000:65536\n".to_owned()),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    run("chown", &["-R", &UID.to_string(), home.to_str().unwrap(), folder.path().join("shop").to_str().unwrap()]);
    let script = format!(
        "set -e; cd {folder}; export HOME={folder}/home DOCKER_CONFIG={folder}/home SOURCE_DATE_EPOCH=1000000000
mount --bind passwd /etc/passwd; mount --bind subordinate /etc/subuid; mount --bind subordinate /etc/subgid
cd shop; {words} ../windlass build --engine embedded --offline --progress plain --store {folder}/home/store --jobs {jobs}",
        folder = folder.path().display(),
    );
    let output = Command::new("unshare").args(["--mount", "sh", "-c", &script]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{words}: {said}\n{}", String::from_utf8_lossy(&output.stdout));
    let mut latest: Vec<String> =
        said.lines().filter(|line| line.contains(":latest is now ")).map(str::to_owned).collect();
    latest.sort();
    latest
}

#[test]
fn root_and_a_normal_user_build_the_same() {
    let by_root = built_by("umask 022;", "4");
    assert_eq!(by_root.len(), 5, "{by_root:?}");
    let user = format!("umask 077; setpriv --reuid {UID} --regid {UID} --clear-groups");
    assert_eq!(built_by(&user, "1"), by_root);
}
