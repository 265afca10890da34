//! The builders that a case is compared with, what each of them understands, and where they differ on purpose.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use windlass::engine::docker::{Builder, DockerEngine};

use self::Oracle::{BuildKit, Buildah, Classic};
use super::{Outcome, build_of, files_of_archive, name_of, of_config, outcome};
use crate::engine_build::{Build, Events, docker, engine};

/// A builder that is not ours.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Oracle {
    /// That of Docker 20.10.
    BuildKit,
    /// Docker's first, a container for each instruction.
    Classic,
    /// 1.28, in a store of its own.
    Buildah,
}

pub(super) const ALL: [Oracle; 3] = [Oracle::BuildKit, Oracle::Classic, Oracle::Buildah];

impl Oracle {
    /// Whether a case is built by it: it understands what is in it, and all cases are asked for, or it is in the sample.
    pub(super) fn is_asked(self, case: &Path) -> bool {
        let text = fs::read_to_string(case.join("Dockerfile")).unwrap();
        let understands = match self {
            Self::BuildKit => !name_of(case).starts_with("new-"),
            Self::Classic => !name_of(case).starts_with("new-") && !text.contains("--mount"),
            Self::Buildah => NEWER_THAN_BUILDAH.iter().all(|word| !text.contains(word)),
        };
        understands && (is_everything() || self.samples(name_of(case)))
    }

    /// One case in six, by its name, so that a new case moves no other; the two builders have different ones.
    fn samples(self, name: &str) -> bool {
        let sixth = Sha256::digest(name)[0] % 6;
        match self {
            Self::BuildKit => true,
            Self::Classic => sixth == 0,
            Self::Buildah => sixth == 1,
        }
    }

    /// Why it makes something else of a case, where it does.
    pub(super) fn known_difference(self, case: &str) -> Option<&'static str> {
        let known = DIFFERENCES.iter().find(|(oracles, known, _)| oracles.contains(&self) && *known == case);
        known.map(|(_, _, why)| *why)
    }

    /// What it makes of a case; Docker's image is to stay until no other case can be the same image.
    pub(super) async fn builds(self, case: &Path, builders: &Builders) -> (Outcome, Option<Build>) {
        let engine = match self {
            Self::BuildKit => &builders.buildkit,
            Self::Classic => &builders.classic,
            Self::Buildah => {
                let (buildah, case) = (Arc::clone(&builders.buildah), case.to_owned());
                return (tokio::task::spawn_blocking(move || buildah.build(&case)).await.unwrap(), None);
            }
        };
        let mut build = build_of(case);
        if self == Self::Classic {
            build.name.push_str("-classic");
            // Its cache takes links for the same that lead elsewhere.
            build.no_cache = true;
        }
        build.read_tree();
        let built = build.run(engine, &Events::default()).await;
        let archive = build.folder.path().join(".saved");
        let saved = built.map(|_| {
            docker(&["save", "--output", archive.to_str().unwrap(), &build.name]);
            files_of_archive(File::open(&archive).unwrap())
        });
        (outcome(saved), Some(build))
    }
}

#[expect(clippy::disallowed_methods, reason = "how much is asked for is said in the environment")]
fn is_everything() -> bool {
    std::env::var("WINDLASS_TEST_CONFORMANCE").is_ok_and(|value| value == "all")
}

/// The builders themselves.
pub(super) struct Builders {
    pub(super) buildkit: DockerEngine,
    classic: DockerEngine,
    buildah: Arc<Store>,
}

impl Builders {
    pub(super) async fn start() -> Self {
        let buildah = Arc::new(Store { folder: tempfile::tempdir().unwrap() });
        Self { buildkit: engine(Builder::Best).await, classic: engine(Builder::Classic).await, buildah }
    }

    /// Gives an image of Docker's to buildah.
    pub(super) fn share(&self, image: &str) {
        let archive = self.buildah.folder.path().join("shared.tar");
        docker(&["save", "--output", archive.to_str().unwrap(), image]);
        self.buildah.run(&["pull", "--quiet", &format!("docker-archive:{}", archive.display())]).unwrap();
    }
}

/// buildah, with a store that is gone with this.
struct Store {
    folder: TempDir,
}

impl Store {
    fn run(&self, args: &[&str]) -> Result<(), String> {
        let at = |name: &str| self.folder.path().join(name);
        let mut command = Command::new("buildah");
        command.arg("--root").arg(at("root")).arg("--runroot").arg(at("run")).args(["--storage-driver", "vfs"]);
        // It wants the file of credentials to be there, and needs none.
        command.env_remove("DOCKER_CONFIG").env_remove("REGISTRY_AUTH_FILE");
        let output = command.args(args).current_dir(self.folder.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(()) } else { Err(said) }
    }

    fn build(&self, case: &Path) -> Outcome {
        let build = build_of(case);
        let (name, folder) = (name_of(case), build.folder.path().to_str().unwrap());
        let archive = build.folder.path().join(".saved");
        let words =
            ["bud", "--quiet", "--isolation", "chroot", "--format", "docker", "--pull-never", "--identity-label=false"];
        let named =
            build.named.iter().map(|(name, (folder, _))| format!("--build-context={name}={}", folder.path().display()));
        let named: Vec<String> = named.collect();
        let named = named.iter().map(String::as_str);
        let words: Vec<&str> = words.into_iter().chain(named).chain(["--tag", name, folder]).collect();
        if let Err(why) = self.run(&words) {
            return Outcome::Failed(why);
        }
        self.run(&["push", "--quiet", name, &format!("docker-archive:{}:{name}:latest", archive.display())]).unwrap();
        let (mut files, config) = files_of_archive(File::open(&archive).unwrap());
        // It leaves what it mounts things on.
        files.retain(|path, line| !(MOUNTED_ON.contains(&path.as_str()) && MADE.contains(&line.as_str())));
        Outcome::Built { files, config: of_config(&config) }
    }
}

/// What buildah leaves in a layer that runs something, and what it is like.
const MOUNTED_ON: [&str; 4] = ["etc/hostname", "etc/hosts", "etc/resolv.conf", "run"];
const MADE: [&str; 2] = ["0755 0:0 \"\"", "0755 0:0 directory"];

/// What no Dockerfile says that is given to buildah 1.28.
const NEWER_THAN_BUILDAH: [&str; 8] =
    ["<<", "--link", "--parents", "--exclude", "--unpack", "--chmod=u=", "env=", "{A#"];

/// The cases in which the engine differs from another builder on purpose, and why. Where builders disagree it is BuildKit
/// that is followed, as the reference is its own.
const DIFFERENCES: &[(&[Oracle], &str, &str)] = &[
    (&ALL, "add-tar-dot-dot", "an archive with a path that leads up is refused"),
    (&ALL, "add-tar-link-out", "a link of an archive is followed inside the image, the others fail on it"),
    (&ALL, "add-tar-sparse-gnu", "a file with holes is unpacked in GNU's older form too, the others fail on it"),
    (BUILDKIT, "copy-chown-unknown-group", "the reference has it fail, BuildKit takes root"),
    (BUILDKIT, "copy-chown-unknown-user", "the reference has it fail, BuildKit takes root"),
    (
        &[BuildKit, Buildah],
        "copy-two-files-no-slash",
        "the reference wants the slash, they let one file replace the other",
    ),
    (BUILDKIT, "run-mount-bind", MOUNT_POINTS),
    (BUILDKIT, "run-mount-bind-rw", MOUNT_POINTS),
    (BUILDKIT, "run-mount-bind-stage", MOUNT_POINTS),
    (BUILDKIT, "run-mount-cache", MOUNT_POINTS),
    (BUILDKIT, "run-mount-cache-empty-after", MOUNT_POINTS),
    (
        &[BuildKit, Buildah],
        "run-mount-relative",
        "BuildKit: mount points stay (see below); buildah takes no relative target",
    ),
    (BUILDKIT, "run-mount-tmpfs", MOUNT_POINTS),
    (BUILDKIT, "stage-copy-fifo", "pipes are copied, as BuildKit does since 0.9"),
    (&ALL, "var-workdir-slash", "the path is cleaned, as BuildKit does since 0.13"),
    (CLASSIC, "add-tar-chown", "BuildKit gives folders on the way to `--chown`, the classic builder to root"),
    (CLASSIC, "copy-chown-folder-new", "BuildKit gives folders on the way to `--chown`, the classic builder to root"),
    (CLASSIC, "copy-dot-destination", "the classic builder wants a slash even behind `.`"),
    (CLASSIC, "copy-dot-dot", "BuildKit ends a path that leads up at the context, the classic builder fails"),
    (CLASSIC, "var-platform-args", "the classic builder has no platform arguments"),
    (CLASSIC, "var-workdir-user", "BuildKit makes the directory for the user, the classic builder for root"),
    (BUILDAH, "var-workdir-over-file", "a directory never takes the place of a file, as with Docker"),
    (&[Classic, Buildah], "var-volume-written-after", "the reference has BuildKit keep what is written into a volume"),
    (&[Classic, Buildah], "copy-file-onto-nested-folder", "a file never takes the place of a folder, as with BuildKit"),
    (&[Classic, Buildah], "copy-nested-folder-onto-file", "a folder never takes the place of a file, as with BuildKit"),
    (&[Classic, Buildah], "copy-star-none", "BuildKit copies nothing where a pattern finds nothing, the others fail"),
    (&[Classic, Buildah], "run-id", "BuildKit gives groups to who is named by `USER` alone, the others to root always"),
    (&[Classic, Buildah], "stage-from-stage-arg", "the reference has arguments go on in stages made from a stage"),
    (&[Classic, Buildah], "stage-scratch-only", FROM_SCRATCH),
    (&[Classic, Buildah], "stage-three", FROM_SCRATCH),
    (&[Classic, Buildah], "var-arg-after-env", "the reference has `ENV` come before `ARG` wherever it stands"),
    (BUILDAH, "stage-name-case", "names of stages are the same in any case, as the reference has it"),
    (BUILDAH, "var-cmd-shell-changed", "a changed `SHELL` holds for `CMD`, as with Docker"),
    (
        BUILDAH,
        "var-env-escaped-dollar",
        "buildah takes an escaped backslash at the end of a line for a line that goes on",
    ),
    (BUILDAH, "var-escape-directive", "the escape character of the directive escapes in values too, as with Docker"),
    (BUILDAH, "var-expose-range", "a range of ports is each of them, as with Docker"),
    (BUILDAH, "var-volume", "a volume's folder is nobody's to make but who writes to it, as with Docker"),
    (BUILDAH, "var-volume-json", "a volume's folder is nobody's to make but who writes to it, as with Docker"),
    (BUILDAH, "add-tar-dot-entries", "an archive's `./` says nothing of the destination, as with Docker"),
    (BUILDAH, "copy-broken-link-destination", "what a link leads to is written, as with BuildKit"),
    (BUILDAH, "copy-escaped-star", "a backslash makes no star a plain one, as with Docker"),
    (BUILDAH, "copy-onto-link-to-file", "what a link leads to is written, as with Docker"),
    (BUILDAH, "new-context-from", "buildah has no folder for `FROM`"),
    (BUILDAH, "new-network-none", "buildah 1.28 has no `RUN --network`"),
    (BUILDAH, "run-device", IN_A_CHROOT),
    (BUILDAH, "run-killed", IN_A_CHROOT),
    (BUILDAH, "run-pid-one", IN_A_CHROOT),
];

const BUILDKIT: &[Oracle] = &[BuildKit];
const CLASSIC: &[Oracle] = &[Classic];
const BUILDAH: &[Oracle] = &[Buildah];

const MOUNT_POINTS: &str = "mount points leave nothing in a layer, as BuildKit has it since 0.11";
const FROM_SCRATCH: &str = "BuildKit says the working directory where the base has none, the others do not";
const IN_A_CHROOT: &str = "buildah runs it in a chroot here, with neither a process namespace nor devices of its own";
