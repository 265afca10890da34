//! `windlass graph`.

use super::project::{self, Anew, Outlined, SelectionArgs};
use super::{Exit, Settings};
use crate::plan::Choice;
use crate::ui::{self, Graph};

/// What `windlass graph` is asked.
#[derive(Debug, clap::Args)]
pub(super) struct GraphArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    /// How the graph is written.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// `--format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// What each image is made from, and where that is written.
    Text,
    /// The language of Graphviz.
    Dot,
    /// The language of mermaid.
    Mermaid,
    /// A picture.
    Svg,
}

pub(super) fn run(args: &GraphArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let SelectionArgs { images, build_args } = &args.selection;
    let Outlined { understood, .. } = project::outline(settings, build_args, Choice::Words(images), Anew::Nothing)?;
    ui::notes(&understood.notes, &settings.ui);
    ui::warn(&understood.warnings, &settings.ui);
    let graph = Graph::from(&understood);
    let answer = match args.format {
        Format::Text => graph.text(settings.ui.color),
        Format::Dot => graph.dot(),
        Format::Mermaid => graph.mermaid(),
        Format::Svg => graph.svg(),
    };
    ui::print(answer.as_bytes())?;
    Ok(Exit::Done)
}
