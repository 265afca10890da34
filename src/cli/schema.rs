//! `windlass schema`.

use clap::ValueEnum;

use super::Exit;
use crate::{config, manifest, ui};

#[derive(Debug, clap::Args)]
pub(super) struct SchemaArgs {
    /// Of what.
    #[arg(value_enum)]
    of: Of,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Of {
    /// `windlass.yaml`.
    Config,
    /// The deploy manifest, `deploy.json`.
    Manifest,
    /// What `windlass plan --format json` prints.
    Plan,
    /// What `windlass plan --stale --format json` prints.
    Stale,
}

pub(super) fn run(args: &SchemaArgs) -> anyhow::Result<Exit> {
    let schema = match args.of {
        Of::Config => config::schema(),
        Of::Manifest => manifest::schema(),
        Of::Stale => format!("{:#}\n", ui::stale::schema().to_value()),
        Of::Plan => format!("{:#}\n", ui::plan_json::schema().to_value()),
    };
    ui::print(schema.as_bytes())?;
    Ok(Exit::Done)
}
