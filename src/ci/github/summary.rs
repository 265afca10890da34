//! The summary of a step: Markdown with a table of the images and a graph.

use std::collections::BTreeMap;

use crate::model::{ImageName, Reference};

/// GitHub drops a summary over 1 MiB whole. What is between is for the few bytes around each failure's message.
const BYTES_AT_MOST: usize = 900_000;
/// More rows than this nobody reads, nor more failures.
const ROWS_AT_MOST: usize = 500;
/// A table of long reasons ends here, so that something is left for the failures.
const TABLE_BYTES: usize = 500_000;
/// A graph with more images than this is unreadable: those that are unchanged are left out of it.
const READABLE_NODES: usize = 60;
/// GitHub's mermaid draws no graph with 500 edges.
const EDGES_AT_MOST: usize = 499;
/// A longer message is folded.
const OPEN_LINES: usize = 10;
/// What the headline counts, worst first.
const WORDS_IN_ORDER: [&str; 5] = ["failed", "blocked", "built", "to build", "unchanged"];

/// What is told of a plan or a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The project's name.
    pub project: String,
    /// The images, each after its parents.
    pub rows: Vec<Row>,
    /// What else the user should hear, such as why nothing was pushed.
    pub notes: Vec<String>,
}

/// What is told of one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The image.
    pub image: ImageName,
    /// The images of the project that it is made from.
    pub parents: Vec<ImageName>,
    /// What became of it, or what will.
    pub state: State,
    /// Why it is built; empty where it isn't.
    pub why: String,
    /// Where it can be pulled from, by digest.
    pub pushed: Option<Reference>,
}

/// What became of an image, or what will.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It was or is there already.
    Unchanged,
    /// It is to be built.
    ToBuild,
    /// It was built, and passed its tests.
    Built,
    /// It failed: everything that led to it, however long.
    Failed(String),
    /// It was not tried, because these parents failed.
    Blocked(Vec<ImageName>),
}

impl State {
    /// The symbol, so that nothing is told by colour alone, and the word.
    fn label(&self) -> (&'static str, &'static str) {
        match self {
            Self::Failed(_) => ("✗", "failed"),
            Self::Blocked(_) => ("⊘", "blocked"),
            Self::Built => ("✓", "built"),
            Self::ToBuild => ("●", "to build"),
            Self::Unchanged => ("○", "unchanged"),
        }
    }

    fn fill(&self) -> &'static str {
        match self {
            Self::Failed(_) => "#ffcccc",
            Self::Blocked(_) => "#ffe8b3",
            Self::Built => "#ccf0d0",
            Self::ToBuild => "#cce3ff",
            Self::Unchanged => "#f0f0f0",
        }
    }
}

impl Summary {
    /// The summary as Markdown, never longer than GitHub takes: failures first, then the table, then the graph.
    pub fn markdown(&self) -> String {
        let mut head = format!("### windlass: {}: {}\n\n", plain(&self.project), self.counts());
        for note in &self.notes {
            head.push_str(&format!("> {}\n\n", plain(note)));
        }
        let (table, graph) = (self.table(), self.graph());
        let failed: Vec<(&ImageName, &str)> = self.rows.iter().filter_map(Row::failure).take(ROWS_AT_MOST).collect();
        let left = BYTES_AT_MOST.saturating_sub(head.len() + table.len() + graph.len());
        let failures: String =
            failed.iter().map(|(image, message)| failure(image, end_of(message, left / failed.len()))).collect();
        head + &failures + &table + &graph
    }

    /// `1 failed, 2 built, 3 unchanged`.
    fn counts(&self) -> String {
        let count = |word: &&str| match self.rows.iter().filter(|row| row.state.label().1 == *word).count() {
            0 => None,
            n => Some(format!("{n} {word}")),
        };
        let counts: Vec<String> = WORDS_IN_ORDER.iter().filter_map(count).collect();
        if counts.is_empty() { "no images".to_owned() } else { counts.join(", ") }
    }

    fn table(&self) -> String {
        let mut text = "| image | result | why | pull |\n|---|---|---|---|\n".to_owned();
        let mut n_shown = 0;
        for row in self.rows.iter().take(ROWS_AT_MOST) {
            if text.len() > TABLE_BYTES {
                break;
            }
            let Row { image, parents: _, state, why, pushed } = row;
            let (symbol, word) = state.label();
            let why = match state {
                State::Blocked(parents) => {
                    let parents: Vec<&str> = parents.iter().map(ImageName::as_str).collect();
                    format!("{} failed", parents.join(", "))
                }
                _ => plain(why),
            };
            let pushed = pushed.as_ref().map_or_else(String::new, |reference| format!("`{reference}`"));
            text.push_str(&format!("| {image} | {symbol} {word} | {why} | {pushed} |\n"));
            n_shown += 1;
        }
        match self.rows.len() - n_shown {
            0 => text,
            more => format!("{text}\nand {more} more\n"),
        }
    }

    /// The graph in mermaid; nothing where it would not be drawn or not be read.
    fn graph(&self) -> String {
        let all = self.rows.len() <= READABLE_NODES;
        let shown: Vec<&Row> = self.rows.iter().filter(|row| all || row.state != State::Unchanged).collect();
        let numbers: BTreeMap<&ImageName, usize> =
            shown.iter().enumerate().map(|(number, row)| (&row.image, number)).collect();
        let mut nodes = String::new();
        let mut edges = Vec::new();
        for (number, row) in shown.iter().enumerate() {
            let (symbol, _) = row.state.label();
            let (image, fill) = (&row.image, row.state.fill());
            nodes.push_str(&format!("  i{number}[\"{symbol} {image}\"]\n  style i{number} fill:{fill},color:#000\n"));
            let parents = row.parents.iter().filter_map(|parent| numbers.get(parent));
            edges.extend(parents.map(|parent| format!("  i{parent} --> i{number}\n")));
        }
        if edges.is_empty() || edges.len() > EDGES_AT_MOST || numbers.len() > 4 * READABLE_NODES {
            return String::new();
        }
        format!("\n```mermaid\nflowchart LR\n{nodes}{}```\n", edges.concat())
    }
}

impl Row {
    fn failure(&self) -> Option<(&ImageName, &str)> {
        match &self.state {
            State::Failed(message) => Some((&self.image, message)),
            State::Unchanged | State::ToBuild | State::Built | State::Blocked(_) => None,
        }
    }
}

/// A failure with its message, folded where that is long.
fn failure(image: &ImageName, message: &str) -> String {
    let mut fence = "```".to_owned();
    while message.contains(&fence) {
        fence.push('`');
    }
    let quoted = format!("{fence}text\n{}\n{fence}\n", message.trim_end());
    match message.lines().count() {
        ..=OPEN_LINES => format!("**{image}** failed\n\n{quoted}\n"),
        n => format!("<details><summary><b>{image}</b> failed ({n} lines)</summary>\n\n{quoted}\n</details>\n\n"),
    }
}

/// The whole lines at the end of a text that fit, since what failed is told at the end.
fn end_of(text: &str, bytes: usize) -> &str {
    let Some(start) = text.len().checked_sub(bytes) else { return text };
    let end = &text[text.ceil_char_boundary(start)..];
    end.split_once('\n').map_or(end, |(_, lines)| lines)
}

/// A text on one line, in which Markdown, HTML and a table see nothing but letters.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' | '>' | '&' | '*' | '_' | '`' | '[' | ']' | '|' | '~' | '\\' => {
                plain.push_str(&format!("&#{};", u32::from(character)));
            }
            c if c.is_control() => plain.push(' '),
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn row(image: &str, parents: &[&str], state: State, why: &str) -> Row {
        let name = |text: &str| text.parse().expect("a good name");
        let parents = parents.iter().copied().map(name).collect();
        Row { image: name(image), parents, state, why: why.to_owned(), pushed: None }
    }

    fn check(rows: Vec<Row>, expected: &Expect) {
        let summary = Summary { project: "shop".to_owned(), rows, notes: Vec::new() };
        expected.assert_eq(&summary.markdown());
    }

    #[test]
    fn failures_come_first_then_the_table_then_the_graph() {
        let failed = State::Failed("`RUN make` exited with 2\n```\nmake: *** no rule".to_owned());
        let blocked = State::Blocked(vec!["api".parse().expect("a good name")]);
        let mut base = row("base", &[], State::Built, "context changed");
        let digest = format!("127.0.0.1:5000/shop/base@sha256:{}", "0".repeat(64));
        base.pushed = Some(digest.parse().expect("a good reference"));
        check(
            vec![
                base,
                row("tools", &[], State::Unchanged, ""),
                row("api", &["base"], failed, "`FRUIT` is `<b>|`, was `a_b`"),
                row("web", &["api", "tools"], blocked, "`api` changed"),
            ],
            &expect![[r####"
                ### windlass: shop: 1 failed, 1 blocked, 1 built, 1 unchanged

                **api** failed

                ````text
                `RUN make` exited with 2
                ```
                make: *** no rule
                ````

                | image | result | why | pull |
                |---|---|---|---|
                | base | ✓ built | context changed | `127.0.0.1:5000/shop/base@sha256:0000000000000000000000000000000000000000000000000000000000000000` |
                | tools | ○ unchanged |  |  |
                | api | ✗ failed | &#96;FRUIT&#96; is &#96;&#60;b&#62;&#124;&#96;, was &#96;a&#95;b&#96; |  |
                | web | ⊘ blocked | api failed |  |

                ```mermaid
                flowchart LR
                  i0["✓ base"]
                  style i0 fill:#ccf0d0,color:#000
                  i1["○ tools"]
                  style i1 fill:#f0f0f0,color:#000
                  i2["✗ api"]
                  style i2 fill:#ffcccc,color:#000
                  i3["⊘ web"]
                  style i3 fill:#ffe8b3,color:#000
                  i0 --> i2
                  i2 --> i3
                  i1 --> i3
                ```
            "####]],
        );
    }

    #[test]
    fn nothing_makes_a_summary_too() {
        check(
            vec![],
            &expect![[r#"
            ### windlass: shop: no images

            | image | result | why | pull |
            |---|---|---|---|
        "#]],
        );
    }

    #[test]
    fn whatever_fails_the_summary_is_never_dropped() {
        let message = "é".repeat(600_000) + "\nthe end";
        let why = "|".repeat(1000);
        let rows = (0..900).map(|n| row(&format!("i{n}"), &["i0"], State::Failed(message.clone()), &why)).collect();
        let summary = Summary { project: "shop".to_owned(), rows, notes: Vec::new() }.markdown();
        assert!(summary.len() < 1 << 20, "{}", summary.len());
        assert_eq!(summary.matches("the end").count(), ROWS_AT_MOST);
        assert!(!summary.contains("mermaid"), "a graph of 900 images is not drawn");
    }
}
