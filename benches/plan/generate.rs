//! Makes a repository of as many images as are asked for, in four levels, sixteen files an image.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Files of an image besides its Dockerfile, and how large each is.
const FILES: &[(&str, u64)] = &[
    ("entrypoint.sh", 1),
    ("app/main.py", 6),
    ("app/settings.py", 2),
    ("app/models.py", 12),
    ("app/views.py", 20),
    ("app/templates/index.html", 8),
    ("app/static/app.js", 160),
    ("app/static/app.css", 40),
    ("app/static/logo.png", 120),
    ("data/words.txt", 240),
    ("data/model.bin", 520),
    ("config/app.yaml", 1),
    ("config/log.yaml", 1),
    ("tests/test_app.py", 8),
    ("README.md", 4),
];

/// How large the files are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    /// About 1.1 MB an image.
    Usual,
    /// At most 1 KB a file, so that ten thousand images fit on a disk.
    Small,
}

/// A generated repository.
pub(crate) struct Repository {
    root: PathBuf,
    n: usize,
}

impl Repository {
    /// Writes the files of `n` images below `root`, which git does not know yet.
    pub(crate) fn new(root: &Path, n: usize, size: Size) -> io::Result<Self> {
        for i in 0..n {
            let folder = root.join(folder(i, n));
            for sub in ["app/templates", "app/static", "data", "config", "tests"] {
                fs::create_dir_all(folder.join(sub))?;
            }
            fs::write(folder.join("Dockerfile"), dockerfile(i, n))?;
            for (file, kib) in FILES {
                let length = if size == Size::Small { 1000 } else { kib << 10 };
                fs::write(folder.join(file), content(&format!("{i} {file}"), length))?;
            }
        }
        Ok(Self { root: root.to_owned(), n })
    }

    /// Makes git know all of it.
    pub(crate) fn commit(&self) -> io::Result<()> {
        self.git(&["init", "-q", "-b", "main"])?;
        self.git(&["add", "-A"])?;
        self.git(&["commit", "-q", "-m", "all"])?;
        // Git looks once more at what was written in the moment of the `add`, and notes that it is clean.
        self.git(&["status", "--porcelain"])
    }

    /// A file that an image copies.
    pub(crate) fn a_file(&self) -> PathBuf {
        self.root.join(folder(self.n / 2, self.n)).join("app/main.py")
    }

    /// A bake file that declares all images.
    pub(crate) fn bake(&self, root: &Path) -> String {
        let target = |i| {
            format!("    \"{}\": {{ \"context\": \"{}\" }}", name(i, self.n), root.join(folder(i, self.n)).display())
        };
        let names: Vec<String> = (0..self.n).map(|i| format!("\"{}\"", name(i, self.n))).collect();
        let targets: Vec<String> = (0..self.n).map(target).collect();
        let (names, targets) = (names.join(", "), targets.join(",\n"));
        format!(
            "{{\n  \"group\": {{ \"default\": {{ \"targets\": [{names}] }} }},\n  \"target\": {{\n{targets}\n  }}\n}}\n"
        )
    }

    /// A compose file that declares all images.
    pub(crate) fn compose(&self, root: &Path) -> String {
        let service = |i| format!("  {}: {{ build: {} }}\n", name(i, self.n), root.join(folder(i, self.n)).display());
        format!("services:\n{}", (0..self.n).map(service).collect::<String>())
    }

    fn git(&self, args: &[&str]) -> io::Result<()> {
        let mut git = Command::new("git");
        git.arg("-C").arg(&self.root);
        for setting in
            ["core.compression=1", "gc.auto=0", "maintenance.auto=false", "user.name=bench", "user.email=bench"]
        {
            git.args(["-c", setting]);
        }
        let status = git.args(args).stdout(Stdio::null()).status()?;
        if status.success() { Ok(()) } else { Err(io::Error::other(format!("git {args:?} failed"))) }
    }
}

/// A tenth of the images is the first level, two, three and four tenths are those above it.
fn level(i: usize, n: usize) -> usize {
    [1, 3, 6].iter().filter(|tenths| i >= n * **tenths / 10).count()
}

fn first_of(level: usize, n: usize) -> usize {
    n * [0, 1, 3, 6, 10][level] / 10
}

fn name(i: usize, n: usize) -> String {
    format!("{}-{i:05}", ["base", "runtime", "library", "service"][level(i, n)])
}

fn folder(i: usize, n: usize) -> String {
    format!("{}/{}", ["bases", "runtimes", "libraries", "services"][level(i, n)], name(i, n))
}

fn dockerfile(i: usize, n: usize) -> String {
    let level = level(i, n);
    let below = |salt: usize| {
        let (first, end) = (first_of(level - 1, n), first_of(level, n));
        name(first + (i * 31 + salt) % (end - first), n)
    };
    let from = if level == 0 { "docker.io/library/debian:13".to_owned() } else { below(0) };
    let tools = if level == 3 { format!("COPY --from={} /app/static /tools\n", below(7)) } else { String::new() };
    format!(
        "# syntax=docker/dockerfile:1\n\
         ARG VERSION=1.{i}\n\
         FROM {from} AS build\n\
         ARG VERSION\n\
         WORKDIR /app\n\
         COPY app/ /app/\n\
         COPY config/*.yaml /etc/app/\n\
         RUN python -m compileall /app && echo \"$VERSION\" >/app/version\n\
         \n\
         FROM {from}\n\
         # What runs.\n\
         ENV APP_HOME=/app \\\n    APP_ENV=production\n\
         COPY --from=build /app /app\n\
         {tools}\
         COPY data /data\n\
         COPY entrypoint.sh /\n\
         EXPOSE 8080\n\
         ENTRYPOINT [\"/entrypoint.sh\"]\n"
    )
}

/// Text that no other file has, and that git can make small.
fn content(seed: &str, length: u64) -> Vec<u8> {
    let line = format!("{seed}: a line of a file that has nothing to say\n");
    let length = usize::try_from(length).expect("files are small");
    line.bytes().cycle().take(length).collect()
}
