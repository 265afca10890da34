//! `windlass graph`.

use super::project::{self, Anew, Outlined, Project, SelectionArgs};
use super::{Exit, Settings, past};
use crate::plan::Choice;
use crate::ui::{self, Graph};

/// What `windlass graph` is asked.
#[derive(Debug, clap::Args)]
pub(super) struct GraphArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    /// Only images that are not the same as they were at this commit, or where the branch parted from it, and what they
    /// are made from.
    #[arg(long, value_name = "REF")]
    since: Option<String>,
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
    let answer = match &args.since {
        // What an image is made from stands in the Dockerfiles.
        None => {
            let SelectionArgs { images, build_args } = &args.selection;
            let choice = Choice::Words(images);
            let Outlined { understood, .. } = project::outline(settings, build_args, choice, Anew::Nothing)?;
            ui::notes(&understood.notes, &settings.ui);
            ui::warn(&understood.warnings, &settings.ui);
            drawn(&Graph::from(&understood), args.format, settings)
        }
        // Whether it changed needs its files.
        Some(name) => {
            let project = project::load(settings, &args.selection, None)?;
            let (Project { resolved, .. }, _) = past::changed_since(project, name, &args.selection, None, settings)?;
            ui::notes(&resolved.notes, &settings.ui);
            ui::warn(&resolved.warnings, &settings.ui);
            drawn(&Graph::of_chosen(&resolved), args.format, settings)
        }
    };
    ui::print(answer.as_bytes())?;
    Ok(Exit::Done)
}

fn drawn(graph: &Graph<'_>, format: Format, settings: &Settings) -> String {
    match format {
        Format::Text => graph.text(settings.ui.color),
        Format::Dot => graph.dot(),
        Format::Mermaid => graph.mermaid(),
        Format::Svg => graph.svg(),
    }
}
