//! A project in a folder of its own, and windlass run in it as a user would.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::parts;

/// A project that lasts as long as its test. Its name is a word that no other test's images have, and no other run's
/// images have its registry.
pub(crate) struct Project {
    folder: tempfile::TempDir,
    /// What windlass remembers, which is no part of the project.
    state: tempfile::TempDir,
    name: &'static str,
}

/// What a run of windlass said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Project {
    /// An empty project.
    pub(crate) fn new(name: &'static str) -> Self {
        let folder = tempfile::Builder::new().prefix(name).tempdir().unwrap();
        Self { folder, state: tempfile::tempdir().unwrap(), name }
    }

    /// A project with one image `base` of busybox, and a configuration that says so.
    pub(crate) fn with_base(name: &'static str) -> Self {
        let project = Self::new(name);
        project.write("windlass.yaml", &format!("version: 1\nproject: {name}\nregistry: {}\n", project.registry()));
        project.write(
            "base/Dockerfile",
            "FROM scratch\nCOPY busybox /bin/busybox\nRUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\n",
        );
        project.write("base/busybox", "");
        fs::copy(parts::BUSYBOX, project.path("base/busybox")).unwrap();
        project
    }

    /// What stands before the names of its images.
    pub(crate) fn registry(&self) -> String {
        format!("{}/{}-{}", parts::registry(), self.name, std::process::id())
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    pub(crate) fn write(&self, path: &str, text: &str) -> &Self {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        self
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    /// The folder for what windlass remembers.
    pub(crate) fn state(&self) -> &Path {
        self.state.path()
    }

    /// The command, ready to be run or changed.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = windlass(self.folder.path());
        command.args(args).env("XDG_STATE_HOME", self.state.path());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Said {
        said(&self.command(args).output().unwrap())
    }

    /// Runs a command that has to succeed; returns what it wrote to standard output.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let said = self.run(args);
        assert_eq!(said.code, Some(0), "{args:?}: {}{}", said.stdout, said.stderr);
        said.stdout
    }

    /// `windlass build --format json` with its exit code.
    pub(crate) fn build(&self, args: &[&str]) -> (Option<i32>, serde_json::Value) {
        let said = self.run(&[&["build", "--format", "json"], args].concat());
        let json = serde_json::from_str(&said.stdout).unwrap_or_else(|e| panic!("{e}: {}{}", said.stdout, said.stderr));
        (said.code, json)
    }
}

impl Project {
    /// Removes the project's images from the engine, with the containers of failed tests.
    pub(crate) fn remove_images(&self) {
        let below = format!("reference={}/*", self.registry());
        let images = docker(&["image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "--filter", &below]);
        for image in images.lines() {
            docker(&["ps", "--all", "--quiet", "--filter", &format!("ancestor={image}")]).lines().for_each(
                |container| {
                    docker(&["rm", "--force", container]);
                },
            );
            docker(&["image", "rm", image]);
        }
    }
}

/// windlass in a folder, with the tests' engine, in an environment that holds nothing else that it heeds.
pub(crate) fn windlass(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_windlass"));
    command.current_dir(folder).env_clear();
    command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    command.env("HOME", folder).env("DOCKER_HOST", parts::docker_host());
    command
}

pub(crate) fn said(output: &Output) -> Said {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

/// Docker's own client, on the tests' engine; it has to succeed.
pub(crate) fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").arg("--host").arg(parts::docker_host()).args(args).output().unwrap();
    let said = said(&output);
    assert!(output.status.success(), "docker {args:?}: {}", said.stderr);
    said.stdout.trim().to_owned()
}

/// What skopeo, which is not our code, reads of an image in the registry.
pub(crate) fn skopeo_digest(reference: &str) -> Option<String> {
    let mut command = Command::new("skopeo");
    command.args(["inspect", "--tls-verify=false", "--format", "{{.Digest}}", &format!("docker://{reference}")]);
    let output = command.output().unwrap();
    output.status.success().then(|| said(&output).stdout.trim().to_owned())
}
