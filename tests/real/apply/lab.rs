//! A project on the tests' engine, with images that are good and bad, a folder for windlass' state, and nothing left
//! behind.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{fs, io};

use expect_test::Expect;
use tempfile::TempDir;
use windlass::apply::host_folder;

use crate::parts;

/// A server of `/www/version`, which stops when it is asked to.
const SERVES: &str =
    r#"["/bin/sh", "-c", "trap 'exit 0' TERM; httpd -p 80 -h /www; while :; do sleep 1 & wait $!; done"]"#;

/// What the images are called, and what is particular to each.
const IMAGES: [(&str, &str, &str); 8] = [
    ("one", "CMD", SERVES),
    ("two", "CMD", SERVES),
    ("crash", "CMD", r#"["/bin/sh", "-c", "echo it does not work; exit 3"]"#),
    ("sick", "HEALTHCHECK --interval=200ms --retries=2 CMD echo not well; false\nCMD", SERVES),
    ("absent", "CMD", r#"["/bin/there-is-no-such-program"]"#),
    // It is healthy at its fourth check.
    (
        "slow",
        "HEALTHCHECK --interval=100ms --retries=50 CMD echo x >> /checks; [ $(wc -l < /checks) -ge 4 ]\nCMD",
        SERVES,
    ),
    // It ends at its third check, so that it was healthy before.
    (
        "short",
        "HEALTHCHECK --interval=100ms CMD echo x >> /checks\nCMD",
        r#"["/bin/sh", "-c", "until [ -e /checks ] && [ $(wc -l < /checks) -ge 3 ]; do sleep 0.1; done; echo it was well; exit 3"]"#,
    ),
    // It ends when it is told to.
    (
        "later",
        "CMD",
        r#"["/bin/sh", "-c", "httpd -p 80 -h /www; until [ -e /end ]; do sleep 0.1; done; rm /end; exit 3"]"#,
    ),
];

/// The head of a program for another machine than any that tests run on: ELF of 64 bits for the Alpha.
const FOREIGN: [u8; 20] = [0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0x26, 0x90];

/// Runs Docker's client.
pub(crate) fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(["-H", &parts::docker_host()]).args(args).output().unwrap();
    assert!(output.status.success(), "docker {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// The images' ids by name, built once.
fn images() -> &'static BTreeMap<&'static str, String> {
    static BUILT: OnceLock<BTreeMap<&str, String>> = OnceLock::new();
    BUILT.get_or_init(|| {
        let context = tempfile::tempdir().unwrap();
        fs::copy(parts::BUSYBOX, context.path().join("busybox")).unwrap();
        let build = |(name, keyword, value): (&'static str, &str, &str)| {
            let dockerfile = format!(
                "FROM scratch\nCOPY busybox /bin/busybox\nRUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\n\
                 RUN mkdir /www && echo {name} > /www/version\n{keyword} {value}\n"
            );
            let file = context.path().join("Dockerfile");
            fs::write(&file, dockerfile).unwrap();
            let tag = format!("windlass-test-apply:{name}");
            // What is cached may be removed by another test while it is built upon.
            docker(&["build", "--quiet", "--no-cache", "--tag", &tag, &context.path().display().to_string()]);
            (name, docker(&["image", "inspect", "--format", "{{.Id}}", &tag]))
        };
        IMAGES.into_iter().map(build).chain([("foreign", foreign())]).collect()
    })
}

/// Makes an image for another machine.
fn foreign() -> String {
    let context = tempfile::tempdir().unwrap();
    let program = context.path().join("program");
    fs::write(&program, FOREIGN).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(context.path().join("Dockerfile"), "FROM scratch\nCOPY program /\nCMD [\"/program\"]\n").unwrap();
    let (tag, folder) = ("windlass-test-apply:foreign", context.path().display().to_string());
    docker(&["build", "--quiet", "--no-cache", "--platform", "linux/arm64", "--tag", tag, &folder])
}

/// How a run of windlass ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) exit: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Compares the whole of it. How often a container that is started again and again has said the same depends on
    /// the machine, so lines that repeat the one before are left out.
    #[expect(clippy::needless_pass_by_value, reason = "expect-test's own shape")]
    pub(crate) fn is(&self, expected: Expect) {
        let exit = self.exit.map_or("killed".to_owned(), |exit| exit.to_string());
        let mut shown = String::new();
        for line in format!("{}{}exit {exit}", self.stderr, self.stdout).lines() {
            if !shown.ends_with(&format!("{line}\n")) {
                shown.push_str(&format!("{line}\n"));
            }
        }
        expected.assert_eq(&shown);
    }
}

/// A project of its own on the engine.
pub(crate) struct Lab {
    pub(crate) project: String,
    engine: String,
    folder: TempDir,
}

impl Lab {
    pub(crate) fn new(name: &str) -> Self {
        let (project, engine) = (format!("windlass-test-{name}"), parts::docker_host());
        let lab = Self { project, engine, folder: tempfile::tempdir().unwrap() };
        lab.sweep();
        lab
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where windlass keeps what it remembers of the tests' engine.
    pub(crate) fn state(&self) -> PathBuf {
        host_folder(&self.path("state/windlass"), &self.address())
    }

    /// The address of the tests' engine, without symbolic links.
    pub(crate) fn address(&self) -> String {
        let socket = fs::canonicalize(self.engine.trim_start_matches("unix://")).unwrap();
        format!("unix://{}", socket.display())
    }

    /// The image's id.
    pub(crate) fn image(&self, name: &str) -> &'static str {
        &images()[name]
    }

    /// Writes a manifest with all images and these containers.
    pub(crate) fn manifest(&self, serial: u64, containers: &str) {
        let entry = |(name, id): (&&str, &String)| format!(r#""{name}": {{"id": "{id}", "content_hash": "{id}"}}"#);
        let entries: Vec<String> = images().iter().map(entry).collect();
        self.manifest_with_images(serial, &entries.join(", "), containers);
    }

    pub(crate) fn manifest_with_images(&self, serial: u64, images: &str, containers: &str) {
        let project = &self.project;
        let text = format!(
            r#"{{"version": 1, "project": "{project}", "serial": {serial},
"images": {{{images}}},
"containers": {{{containers}}}}}"#
        );
        fs::write(self.path("deploy.json"), text).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_windlass"));
        command.args(["--directory", &self.folder.path().display().to_string()]).args(args);
        let variables =
            ["WINDLASS_MANIFEST", "WINDLASS_POLICY", "WINDLASS_STATE_DIR", "GITHUB_ACTIONS", "DOCKER_CONFIG"];
        variables.iter().for_each(|name| {
            command.env_remove(name);
        });
        command.env("WINDLASS_HOST", parts::docker_host()).env("WINDLASS_PROGRESS", "plain");
        command.env("HOME", self.folder.path()).env("XDG_STATE_HOME", self.path("state"));
        command
    }

    /// Runs windlass in the lab's folder.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.ran(self.command(args).output().unwrap())
    }

    /// Starts windlass and does not wait for it.
    pub(crate) fn start(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The same with a variable of the environment.
    pub(crate) fn start_with(&self, args: &[&str], name: &str, value: &str) -> Child {
        self.command(args).env(name, value).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Runs windlass with a text on its standard input.
    pub(crate) fn run_with_input(&self, args: &[&str], input: &str) -> Ran {
        let mut command = self.command(args);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        self.ran(child.wait_with_output().unwrap())
    }

    pub(crate) fn ran(&self, output: std::process::Output) -> Ran {
        let text = |bytes: Vec<u8>| self.plain(&String::from_utf8(bytes).unwrap());
        Ran { exit: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// A text without what differs from run to run.
    pub(crate) fn plain(&self, text: &str) -> String {
        let text = text.replace(&self.project, "PROJECT").replace(&self.folder.path().display().to_string(), "FOLDER");
        let mut parts = text.split(".next-");
        let first = parts.next().unwrap().to_owned();
        parts.fold(first, |shown, rest| format!("{shown}.next{}", &rest[12..]))
    }

    /// Applies `deploy.json`, which has to work.
    pub(crate) fn apply(&self) -> Ran {
        let ran = self.run(&["apply"]);
        assert_eq!(ran.exit, Some(0), "{ran:?}");
        ran
    }

    /// The engine's name of a container.
    pub(crate) fn name(&self, container: &str) -> String {
        format!("{}-{container}", self.project)
    }

    /// All containers that carry the project's label, with what they do, in the order of their names.
    pub(crate) fn containers(&self) -> String {
        let label = format!("label=dev.windlass.project={}", self.project);
        let listed = docker(&["ps", "--all", "--filter", &label, "--format", "{{.Names}} {{.State}}"]);
        let mut lines: Vec<String> = listed.lines().map(|line| self.plain(line)).collect();
        lines.sort();
        lines.join("\n")
    }

    /// Something that the engine knows of a container.
    pub(crate) fn inspect(&self, container: &str, format: &str) -> String {
        docker(&["inspect", "--type", "container", "--format", format, &self.name(container)])
    }

    /// What a container's server says, asked from within another one.
    pub(crate) fn asks(&self, container: &str, server: &str) -> String {
        let url = format!("http://{server}/version");
        docker(&["exec", &self.name(container), "wget", "-q", "-O", "-", &url])
    }

    /// What happened to the project's containers since a moment, `action name` a line; health checks are left out.
    pub(crate) fn events_since(&self, since: &str) -> Vec<String> {
        let label = format!("label=dev.windlass.project={}", self.project);
        let format = "{{.Action}} {{.Actor.Attributes.name}}";
        let now = self.now();
        let listed = docker(&["events", "--since", since, "--until", &now, "--filter", &label, "--format", format]);
        let lines = listed.lines().filter(|line| !line.starts_with("exec_"));
        lines.map(|line| self.plain(line)).collect()
    }

    /// The engine's clock.
    pub(crate) fn now(&self) -> String {
        docker(&["info", "--format", "{{.SystemTime}}"])
    }

    /// Removes all that carries the project's label. What can't be removed fails no test but the next of its name.
    fn sweep(&self) {
        let label = format!("label=dev.windlass.project={}", self.project);
        let ask = |args: &[&str]| {
            let output = Command::new("docker").args(["-H", &self.engine]).args(args).output().unwrap();
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        let remove = |list: &[&str], remove: &[&str]| {
            for id in ask(&[list, &["--quiet", "--filter", &label]].concat()).lines() {
                ask(&[remove, &[id]].concat());
            }
        };
        remove(&["ps", "--all"], &["rm", "--force", "--volumes"]);
        remove(&["network", "ls"], &["network", "rm"]);
        remove(&["volume", "ls"], &["volume", "rm"]);
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.sweep();
    }
}

/// A port that is free: below those that the kernel gives to whoever asks for any (from 32768 on), which would be taken
/// again before a container has it; and none twice.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(997);
    loop {
        let place = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
        let port = 12_000 + u16::try_from(place).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// What a server on a port of the host says.
pub(crate) fn ask(port: u16) -> io::Result<String> {
    use std::io::Read as _;
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.write_all(b"GET /version HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(body.trim_end().to_owned())
}

/// The path of a file as an argument.
pub(crate) fn shown(path: &Path) -> String {
    path.display().to_string()
}
