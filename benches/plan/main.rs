//! Compares `windlass plan` with what people measure it by: git, sha256, bake and compose, on generated repositories.
//!
//!     cargo bench --bench plan [-- N...]        with 10, 100, 1000 and 10000 images, or as many as are named
//!     cargo bench --bench plan -- make N DIR    only makes such a repository
//!
//! Two commands that are compared run in turn, and their ratio is the median of the ratios of the pairs, so that other
//! work on the machine disturbs both. Times are those of whole processes. What was written is removed; the files of
//! 10,000 images are small ones, so that it takes 2 GB of disk and not 20.

#![expect(clippy::print_stdout, reason = "the table is what it is for")]

mod generate;
mod measure;

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use generate::{Repository, Size};
use measure::{Measured, Run};

const WINDLASS: &str = env!("CARGO_BIN_EXE_windlass");
/// Runs of each command of a pair that count; one more goes first.
const RUNS: usize = 9;
/// Of commands that take many seconds.
const FEW_RUNS: usize = 3;

fn main() -> io::Result<()> {
    // What cargo itself adds.
    let args: Vec<_> = std::env::args_os().skip(1).filter(|arg| arg != "--bench").collect();
    let words: Vec<&str> = args.iter().filter_map(|arg| arg.to_str()).collect();
    match words[..] {
        ["measure", ..] => measure::measure(&args[1..]),
        ["sha256"] => measure::sha256(),
        ["make", n, folder] => make(Path::new(folder), number(n)?).map(drop),
        [] => bench(&[10, 100, 1000, 10_000]),
        _ => bench(&words.iter().map(|n| number(n)).collect::<io::Result<Vec<usize>>>()?),
    }
}

fn number(text: &str) -> io::Result<usize> {
    text.parse().map_err(|_| io::Error::other(format!("`{text}` is no number of images")))
}

fn make(folder: &Path, n: usize) -> io::Result<Repository> {
    fs::create_dir_all(folder)?;
    let size = if n > 1000 { Size::Small } else { Size::Usual };
    let repository = Repository::new(folder, n, size)?;
    repository.commit()?;
    Ok(repository)
}

/// One row of the table.
fn row(n: usize, what: &str, ours: &[Run], theirs: &[Run]) {
    let ratios = ours.iter().zip(theirs).map(|(one, other)| one.time.as_secs_f64() / other.time.as_secs_f64());
    let ratio = median(ratios.collect());
    let memory = ours.iter().map(|run| run.memory).max().unwrap_or_default() / 1024;
    let (ours, theirs) = (shown(time(ours)), shown(time(theirs)));
    println!("| {n} | {what} | {ours} | {theirs} | {ratio:.2} | {memory} MiB |");
}

fn time(runs: &[Run]) -> Duration {
    Duration::from_secs_f64(median(runs.iter().map(|run| run.time.as_secs_f64()).collect()))
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

fn shown(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds >= 1.0 => format!("{seconds:.2} s"),
        seconds => format!("{:.1} ms", seconds * 1000.0),
    }
}

/// Runs two commands in turn; `before` sets the stage for each run.
fn pairs(
    ours: &Measured,
    theirs: &Measured,
    n_runs: usize,
    mut before: impl FnMut() -> io::Result<()>,
) -> io::Result<(Vec<Run>, Vec<Run>)> {
    let mut runs = (Vec::new(), Vec::new());
    for i in 0..=n_runs {
        before()?;
        let pair = (ours.run()?, theirs.run()?);
        // The first run of both warms the caches.
        if i > 0 {
            runs.0.push(pair.0);
            runs.1.push(pair.1);
        }
    }
    Ok(runs)
}

fn bench(sizes: &[usize]) -> io::Result<()> {
    println!("| images | what | windlass | the other | ratio | memory |\n|---|---|---|---|---|---|");
    let none = Path::new(".");
    let start =
        pairs(&Measured::new(none, &[WINDLASS, "--version"]), &Measured::new(none, &["true"]), RUNS, || Ok(()))?;
    row(0, "`--version` / `true`", &start.0, &start.1);
    let mut warm = Vec::new();
    for n in sizes {
        let folder = tempfile::Builder::new().prefix("plan-").tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        warm.push((*n, of_size(folder.path(), *n)?));
    }
    for pair in warm.windows(2) {
        let [(few, of_few), (many, of_many)] = pair else { continue };
        let growth = of_many.as_secs_f64() / of_few.as_secs_f64();
        println!("| {many} | clean, against {few} images | {} | {} | {growth:.2} | |", shown(*of_many), shown(*of_few));
    }
    Ok(())
}

/// All rows of one size; the time of a plan of a clean tree.
fn of_size(folder: &Path, n: usize) -> io::Result<Duration> {
    let repository = make(folder, n)?;
    let plan = Measured::new(folder, &[WINDLASS, "plan", "--offline"]);
    let status = Measured::new(folder, &["git", "status", "--porcelain"]);
    let clean = pairs(&plan, &status, RUNS, || Ok(()))?;
    row(n, "clean / `git status`", &clean.0, &clean.1);
    let mut edits = 0;
    let edit = || {
        edits += 1;
        fs::write(repository.a_file(), format!("# edit {edits}\n"))
    };
    let changed = pairs(&plan, &status, RUNS, edit)?;
    row(n, "one file changed / `git status`", &changed.0, &changed.1);
    others(folder, &repository, n, &plan)?;
    fs::remove_dir_all(folder.join(".git"))?;
    let this = std::env::current_exe()?;
    let sha256 = Measured { folder: folder.to_owned(), words: vec![this.into(), "sha256".into()] };
    let cold = pairs(&plan, &sha256, RUNS, || Ok(()))?;
    row(n, "without git / sha256 by two threads", &cold.0, &cold.1);
    Ok(time(&clean.0))
}

/// Bake and compose, which read no Dockerfile and hash nothing, where they are installed.
fn others(folder: &Path, repository: &Repository, n: usize, plan: &Measured) -> io::Result<()> {
    let declared = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let compose = Measured::new(declared.path(), &["docker", "compose", "config", "--quiet"]);
    let bake = Measured::new(declared.path(), &["docker", "buildx", "bake", "--print"]);
    fs::write(declared.path().join("docker-bake.json"), repository.bake(folder))?;
    fs::write(declared.path().join("compose.yaml"), repository.compose(folder))?;
    for (what, other) in [("clean / `docker compose config`", compose), ("clean / `docker buildx bake --print`", bake)]
    {
        let n_runs = if n > 1000 { FEW_RUNS } else { RUNS };
        match pairs(plan, &other, n_runs, || Ok(())) {
            Ok(runs) => row(n, what, &runs.0, &runs.1),
            Err(why) => {
                let why = why.to_string();
                println!("| {n} | {what} | | not measured: {} | | |", why.lines().next().unwrap_or_default());
            }
        }
    }
    Ok(())
}
