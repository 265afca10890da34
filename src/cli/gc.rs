//! `windlass gc`.

use std::time::Duration;

use super::deploy::{self, Format};
use super::{Exit, Settings, connect};
use crate::engine::embedded::store::{Collected, GcLimits};
use crate::model::{parse_duration, parse_size};
use crate::ui::{self, gc_report};

/// What `windlass gc --help` shows before the options.
pub(super) const EXAMPLES: &str = "\
Examples:
  windlass gc                             remove what no build used for two weeks
  windlass gc --unused-for 2d             for two days
  windlass gc --max-size 20g              and then what was not used for longest, until 20 GiB stay";

/// What `windlass gc` is asked.
#[derive(Debug, clap::Args)]
pub(super) struct GcArgs {
    /// What was not used for so long goes, such as `12h` or `7d`.
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "14d", env = "WINDLASS_GC_UNUSED_FOR")]
    unused_for: Duration,
    /// So much may stay, such as `20g`: what was not used for longest goes first, names last [default: any amount].
    #[arg(long, value_name = "SIZE", value_parser = parse_size, env = "WINDLASS_GC_MAX_SIZE")]
    max_size: Option<u64>,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Bounds the embedded engine's store. What another windlass uses meanwhile stays.
pub(super) fn run(args: &GcArgs, settings: &Settings) -> anyhow::Result<Exit> {
    connect::enter_user_namespace()?;
    let limits = GcLimits { unused_for: Some(args.unused_for), bytes: args.max_size };
    let collected = match connect::store_folder(settings)? {
        folder if folder.exists() => connect::store(settings)?.gc(&limits, deploy::now().into())?,
        _ => Collected::default(),
    };
    let answer = match args.format {
        Format::Text => gc_report::text(&collected),
        Format::Json => gc_report::json(&collected),
    };
    ui::print(answer.as_bytes())?;
    Ok(Exit::Done)
}
