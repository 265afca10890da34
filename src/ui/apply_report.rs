//! Shows what `apply` would do, what a host runs and what it ran: tables for people, JSON for programs.

use jiff::Timestamp;
use serde::Serialize;

use super::{Color, Paint, paint};
use crate::apply::undo::{Entry, Outcome};
use crate::apply::{ContainerStatus, Health, RunState, Step, Verdict};
use crate::model::ProjectName;

/// The version of the JSON that this module writes.
const VERSION: u32 = 1;

/// The steps, a line each with its cause.
pub fn steps_text(steps: &[Step]) -> String {
    if steps.is_empty() {
        return "nothing to do\n".to_owned();
    }
    let line = |step: &Step| match &step.container {
        Some(container) => format!("{container}: {}, because {}\n", step.action, step.cause),
        None => format!("{}, because {}\n", step.action, step.cause),
    };
    steps.iter().map(line).collect()
}

#[derive(Serialize)]
struct StepsJson {
    version: u32,
    project: String,
    serial: u64,
    steps: Vec<StepJson>,
}

#[derive(Serialize)]
struct StepJson {
    container: Option<String>,
    action: String,
    cause: String,
    /// Whether something on the host changes by it; else it is a wait.
    changes: bool,
}

/// The steps as JSON.
pub fn steps_json(project: &ProjectName, serial: u64, steps: &[Step]) -> String {
    let step = |step: &Step| StepJson {
        container: step.container.as_ref().map(ToString::to_string),
        action: step.action.to_string(),
        cause: step.cause.to_string(),
        changes: step.action.is_change(),
    };
    let steps = steps.iter().map(step).collect();
    pretty(&StepsJson { version: VERSION, project: project.to_string(), serial, steps })
}

/// What is wanted against what runs, a line a container.
pub fn status_text(containers: &[ContainerStatus], now: Timestamp, color: Color) -> String {
    if containers.is_empty() {
        return "no containers are wanted, and none are there\n".to_owned();
    }
    let mut rows = vec![["CONTAINER", "IMAGE", "STATE", "HEALTH", "SINCE", "SERIAL", "VERDICT"].map(str::to_owned)];
    let dash = || "-".to_owned();
    rows.extend(containers.iter().map(|status| {
        let ContainerStatus { container: _, name, image, run, since, serial, verdict } = status;
        [
            name.clone(),
            image.clone().unwrap_or_else(dash),
            run.map_or_else(dash, |(run, _)| run.to_string()),
            run.map_or_else(dash, |(run, health)| shown_health(run, health)),
            since.map_or_else(dash, |since| ago(since, now)),
            serial.map_or_else(dash, |serial| serial.to_string()),
            verdict.to_string(),
        ]
    }));
    table(&rows, |row, column, text| match containers.get(row.wrapping_sub(1)).map(|status| status.verdict) {
        None => paint(text, Paint::Name, color),
        Some(Verdict::AsWanted | Verdict::Kept) if column == 6 => paint(text, Paint::Good, color),
        Some(_) if column == 6 => paint(text, Paint::Bad, color),
        Some(_) => text.to_owned(),
    })
}

#[derive(Serialize)]
struct StatusJson {
    version: u32,
    project: String,
    /// The serial of the manifest that is wanted.
    serial: u64,
    /// Whether everything is as wanted.
    as_wanted: bool,
    containers: Vec<ContainerJson>,
}

#[derive(Serialize)]
struct ContainerJson {
    container: String,
    name: String,
    image: Option<String>,
    state: Option<&'static str>,
    exit_code: Option<i64>,
    health: Option<String>,
    since: Option<String>,
    serial: Option<u64>,
    verdict: String,
}

/// What is wanted against what runs, as JSON.
pub fn status_json(project: &ProjectName, serial: u64, containers: &[ContainerStatus]) -> String {
    let container = |status: &ContainerStatus| {
        let ContainerStatus { container, name, image, run, since, serial, verdict } = status;
        ContainerJson {
            container: container.to_string(),
            name: name.clone(),
            image: image.clone(),
            state: run.map(|(run, _)| state(run)),
            exit_code: run.and_then(|(run, _)| match run {
                RunState::Exited(code) => Some(code),
                _ => None,
            }),
            health: run.filter(|(run, _)| run.is_active()).map(|(_, health)| health.to_string()),
            since: since.map(|since| since.to_string()),
            serial: *serial,
            verdict: verdict.to_string().replace(' ', "-"),
        }
    };
    pretty(&StatusJson {
        version: VERSION,
        project: project.to_string(),
        serial,
        as_wanted: containers.iter().all(|status| status.verdict.is_fine()),
        containers: containers.iter().map(container).collect(),
    })
}

/// What was applied, the last first.
pub fn history_text(entries: &[Entry], current: Option<&Entry>, color: Color) -> String {
    if entries.is_empty() {
        return "nothing was applied yet\n".to_owned();
    }
    let mut rows = vec![["SERIAL", "APPLIED", "OUTCOME", ""].map(str::to_owned)];
    rows.extend(entries.iter().rev().map(|entry| {
        let is_current = if current == Some(entry) { "current" } else { "" };
        [entry.serial.to_string(), time(entry.at), entry.outcome.to_string(), is_current.to_owned()]
    }));
    let outcomes: Vec<Outcome> = entries.iter().rev().map(|entry| entry.outcome).collect();
    table(&rows, |row, column, text| match (row.checked_sub(1).map(|row| outcomes[row]), column) {
        (None, _) => paint(text, Paint::Name, color),
        (Some(Outcome::Done), 2) => paint(text, Paint::Good, color),
        (Some(Outcome::Failed | Outcome::Restored | Outcome::Cut), 2) => paint(text, Paint::Bad, color),
        (Some(_), _) => text.to_owned(),
    })
}

#[derive(Serialize)]
struct HistoryJson {
    version: u32,
    project: String,
    /// The serial of what the host runs.
    current: Option<u64>,
    entries: Vec<EntryJson>,
}

#[derive(Serialize)]
struct EntryJson {
    sequence: u64,
    serial: u64,
    applied: String,
    outcome: String,
}

/// What was applied, as JSON, the first first.
pub fn history_json(project: &ProjectName, entries: &[Entry], current: Option<&Entry>) -> String {
    let entry = |entry: &Entry| {
        let Entry { sequence, serial, at, outcome } = entry;
        EntryJson { sequence: *sequence, serial: *serial, applied: time(*at), outcome: outcome.to_string() }
    };
    pretty(&HistoryJson {
        version: VERSION,
        project: project.to_string(),
        current: current.map(|entry| entry.serial),
        entries: entries.iter().map(entry).collect(),
    })
}

fn pretty(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("texts, numbers and lists are valid JSON");
    text.push('\n');
    text
}

fn state(run: RunState) -> &'static str {
    match run {
        RunState::Created => "created",
        RunState::Running => "running",
        RunState::Paused => "paused",
        RunState::Restarting => "restarting",
        RunState::Exited(_) => "exited",
        RunState::Dead => "dead",
    }
}

fn shown_health(run: RunState, health: Health) -> String {
    if run.is_active() && health != Health::Unchecked { health.to_string() } else { "-".to_owned() }
}

fn time(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| "-".to_owned(), |time| time.to_string())
}

/// How long ago something was, in its largest unit: `5m`, `3d`.
fn ago(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(then).as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Rows of columns below one another; `dress` paints a cell once its width is known.
fn table<const N: usize>(rows: &[[String; N]], dress: impl Fn(usize, usize, &str) -> String) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for (at, row) in rows.iter().enumerate() {
        let last = row.iter().rposition(|cell| !cell.is_empty()).unwrap_or(0);
        for (column, cell) in row.iter().enumerate().take(last + 1) {
            text.push_str(&dress(at, column, cell));
            if column < last {
                text.push_str(&" ".repeat(widths[column] - cell.chars().count() + 2));
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn second(n: i64) -> Timestamp {
        Timestamp::from_second(n).unwrap()
    }

    fn containers() -> Vec<ContainerStatus> {
        let status = |name: &str, run, since: i64, verdict| ContainerStatus {
            container: name.parse().unwrap(),
            name: format!("shop-{name}"),
            image: (verdict != Verdict::NotWanted).then(|| "team/api".to_owned()),
            run,
            since: run.filter(|(run, _): &(RunState, Health)| run.is_active()).map(|_| second(since)),
            serial: run.map(|_| 7),
            verdict,
        };
        vec![
            status("db", Some((RunState::Running, Health::Healthy)), 900_000, Verdict::AsWanted),
            status("job", Some((RunState::Exited(0), Health::Unchecked)), 0, Verdict::AsWanted),
            status("old", Some((RunState::Running, Health::Unchecked)), 996_400, Verdict::NotWanted),
            status("web", None, 0, Verdict::Missing),
            status("worker", Some((RunState::Restarting, Health::Starting)), 999_995, Verdict::NotRunning),
        ]
    }

    #[test]
    fn a_status_is_a_table() {
        expect![[r#"
            CONTAINER    IMAGE     STATE       HEALTH    SINCE  SERIAL  VERDICT
            shop-db      team/api  running     healthy   1d     7       as wanted
            shop-job     team/api  exited (0)  -         -      7       as wanted
            shop-old     -         running     -         1h     7       not wanted
            shop-web     team/api  -           -         -      -       missing
            shop-worker  team/api  restarting  starting  5s     7       not running
        "#]]
        .assert_eq(&status_text(&containers(), second(1_000_000), Color::Never));
        expect![[r#"
            no containers are wanted, and none are there
        "#]]
        .assert_eq(&status_text(&[], second(0), Color::Never));
        let coloured = status_text(&containers(), second(1_000_000), Color::Always);
        assert!(coloured.contains("\u{1b}[32mas wanted\u{1b}[0m"), "{coloured}");
    }

    #[test]
    fn a_status_is_json() {
        expect![[r#"
            {
              "version": 1,
              "project": "shop",
              "serial": 7,
              "as_wanted": false,
              "containers": [
                {
                  "container": "web",
                  "name": "shop-web",
                  "image": "team/api",
                  "state": null,
                  "exit_code": null,
                  "health": null,
                  "since": null,
                  "serial": null,
                  "verdict": "missing"
                },
                {
                  "container": "worker",
                  "name": "shop-worker",
                  "image": "team/api",
                  "state": "restarting",
                  "exit_code": null,
                  "health": "starting",
                  "since": "1970-01-12T13:46:35Z",
                  "serial": 7,
                  "verdict": "not-running"
                }
              ]
            }
        "#]]
        .assert_eq(&status_json(&"shop".parse().unwrap(), 7, &containers()[3..]));
    }

    #[test]
    fn a_history_is_a_table_and_json() {
        let entry = |sequence, serial, outcome| Entry { sequence, serial, at: 1_000_000_000, outcome };
        let entries = [entry(1, 4, Outcome::Done), entry(2, 5, Outcome::Done), entry(3, 6, Outcome::Restored)];
        expect![[r#"
            SERIAL  APPLIED               OUTCOME
            6       2001-09-09T01:46:40Z  restored
            5       2001-09-09T01:46:40Z  done      current
            4       2001-09-09T01:46:40Z  done
        "#]]
        .assert_eq(&history_text(&entries, Some(&entries[1]), Color::Never));
        expect![[r#"
            nothing was applied yet
        "#]]
        .assert_eq(&history_text(&[], None, Color::Never));
        expect![[r#"
            {
              "version": 1,
              "project": "shop",
              "current": 4,
              "entries": [
                {
                  "sequence": 1,
                  "serial": 4,
                  "applied": "2001-09-09T01:46:40Z",
                  "outcome": "done"
                }
              ]
            }
        "#]]
        .assert_eq(&history_json(&"shop".parse().unwrap(), &entries[..1], Some(&entries[0])));
    }
}
