//! Where the cases run, and how they are told of.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, symlink};
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;

use windlass::engine::embedded::sandbox::{Command, Ended, Identity, Limits, Mode, Network, Sandbox, Stop, Workspace};
use windlass::event::Stream;

/// One thing that must hold, by its name.
pub(crate) type Case = (&'static str, fn(&World));

/// Runs the cases that one of `words` is a part of the name of, or all.
pub(crate) fn run(cases: &[Case], words: &[String]) -> ExitCode {
    let mut n_failed = 0;
    for (name, case) in cases {
        if !words.is_empty() && !words.iter().any(|word| name.contains(word.as_str())) {
            continue;
        }
        let ended = catch_unwind(|| {
            let folder = tempfile::tempdir().unwrap();
            // A case may change what its thread sees.
            std::thread::scope(|scope| scope.spawn(|| case(&World::new(folder.path()))).join()).unwrap();
        });
        println!("test {name} ... {}", if ended.is_ok() { "ok" } else { "FAILED" });
        n_failed += usize::from(ended.is_err());
    }
    ExitCode::from(u8::from(n_failed > 0))
}

/// A folder of a case's own, and a sandbox on it.
pub(crate) struct World {
    pub(crate) folder: PathBuf,
    pub(crate) sandbox: Sandbox,
    n_made: Mutex<usize>,
}

/// How a command ended, and what it wrote: both streams in one where the order does not matter.
pub(crate) struct Outcome {
    pub(crate) ended: Ended,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl World {
    pub(crate) fn new(folder: &Path) -> Self {
        let sandbox = Sandbox::find_out(folder).unwrap();
        Self { folder: folder.to_owned(), sandbox, n_made: Mutex::new(0) }
    }

    /// Whether there is no user but root.
    pub(crate) fn has_single_id(&self) -> bool {
        self.sandbox.mode() == Mode::UserNamespace { single_id: true }
    }

    /// Whether there are no namespaces.
    pub(crate) fn is_chroot(&self) -> bool {
        self.sandbox.mode() == Mode::Chroot
    }

    /// An empty folder.
    pub(crate) fn folder(&self) -> PathBuf {
        let mut n_made = self.n_made.lock().unwrap();
        *n_made += 1;
        let folder = self.folder.join(n_made.to_string());
        fs::create_dir(&folder).unwrap();
        folder
    }

    /// A layer with a shell and nothing else.
    pub(crate) fn busybox(&self) -> PathBuf {
        let layer = self.folder();
        fs::create_dir(layer.join("bin")).unwrap();
        fs::copy("/bin/busybox", layer.join("bin/busybox")).unwrap();
        let names =
            "cat chmod chown env grep head hostname id kill ln ls mkdir mknod mount rm sh sleep stat tail test touch";
        for name in names.split(' ') {
            symlink("busybox", layer.join("bin").join(name)).unwrap();
        }
        layer
    }

    pub(crate) fn begin(&self, lowers: Vec<PathBuf>) -> Workspace {
        Workspace::begin(&self.sandbox, &self.folder(), &lowers).unwrap()
    }
}

/// A line for the shell.
pub(crate) fn shell(line: &str) -> Command {
    command(&["/bin/sh", "-c", line])
}

pub(crate) fn command(argv: &[&str]) -> Command {
    Command {
        argv: argv.iter().map(ToString::to_string).collect(),
        env: vec![("PATH".to_owned(), "/bin".to_owned())],
        cwd: "/".to_owned(),
        user: Identity::ROOT,
        mounts: Vec::new(),
        network: Network::Default,
        privileged: false,
        capabilities: Vec::new(),
        hostname: "build".to_owned(),
        limits: Limits::default(),
    }
}

/// Runs a command to its end.
pub(crate) fn run_in(workspace: &mut Workspace, command: &Command) -> Outcome {
    let said = Mutex::new((Vec::new(), Vec::new()));
    let hear = |stream: Stream, chunk: &[u8]| {
        let mut said = said.lock().unwrap();
        match stream {
            Stream::Stdout => said.0.extend_from_slice(chunk),
            Stream::Stderr => said.1.extend_from_slice(chunk),
        }
    };
    let ended = workspace.run(command, &hear, &Stop::new().unwrap()).unwrap();
    let (stdout, stderr) = said.into_inner().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Outcome { ended, stdout: text(stdout), stderr: text(stderr) }
}

/// What a line of the shell writes; it must end well and complain of nothing.
pub(crate) fn says(workspace: &mut Workspace, line: &str) -> String {
    let outcome = run_in(workspace, &shell(line));
    assert_eq!((outcome.ended, outcome.stderr.as_str()), (Ended::Exited(0), ""), "{line}: {}", outcome.stdout);
    outcome.stdout
}

/// All that is in a layer's folder, one a line: permissions, owner, path; what a link leads to, what is in a file. What
/// an overlay writes for itself is told where it means something: `gone` for what is hidden, `opaque`.
pub(crate) fn listing(folder: &Path) -> String {
    let mut lines = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let name = path.strip_prefix(folder).unwrap().display().to_string();
            let owner = format!("{:o} {}:{}", metadata.mode(), metadata.uid(), metadata.gid());
            let kind = metadata.file_type();
            lines.push(if kind.is_char_device() && metadata.rdev() == 0 || has(&path, "user.overlay.whiteout") {
                format!("{name} gone")
            } else if kind.is_dir() {
                folders.push(path.clone());
                format!("{name}/ {owner}{}", if is_opaque(&path) { " opaque" } else { "" })
            } else if kind.is_symlink() {
                format!("{name} -> {}", fs::read_link(&path).unwrap().display())
            } else if kind.is_file() {
                let links = if metadata.nlink() > 1 { format!(" {} links", metadata.nlink()) } else { String::new() };
                format!("{name} {owner}{links} {:?}", String::from_utf8_lossy(&fs::read(&path).unwrap()))
            } else {
                format!("{name} {owner}")
            });
        }
    }
    lines.sort();
    lines.into_iter().map(|line| line + "\n").collect()
}

fn is_opaque(folder: &Path) -> bool {
    ["trusted.overlay.opaque", "user.overlay.opaque"].iter().any(|name| has(folder, name))
}

fn has(path: &Path, name: &str) -> bool {
    rustix::fs::lgetxattr(path, name, &mut [0_u8; 8][..]).is_ok_and(|n_bytes| n_bytes == 1)
}

/// Whether a process of this machine has a text among its arguments.
pub(crate) fn runs_something_with(text: &str) -> bool {
    let has =
        |path: &Path| fs::read(path.join("cmdline")).is_ok_and(|all| String::from_utf8_lossy(&all).contains(text));
    fs::read_dir("/proc").unwrap().any(|entry| has(&entry.unwrap().path()))
}
