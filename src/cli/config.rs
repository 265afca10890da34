//! `windlass config`, and how every command comes to the configuration.

use clap::ValueEnum;

use super::project::project_name;
use super::{Exit, Settings};
use crate::config::{self, Config, Spanned};
use crate::diag::{Diagnostic, Diagnostics, Span};
use crate::{source, ui};

/// The file that is read where no other is asked for.
const FILE: &str = "windlass.yaml";
/// What people call it too.
const NOT_FILE: &str = "windlass.yml";

#[derive(Debug, clap::Args)]
pub(super) struct ConfigArgs {
    /// How it is written.
    #[arg(long, value_enum, default_value = "yaml")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// As in `windlass.yaml`.
    Yaml,
    /// The same as JSON.
    Json,
}

pub(super) fn run(args: &ConfigArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let mut config = read(settings)?;
    if config.project.is_none() {
        config.project = Some(Spanned::new(project_name(settings), Span::new(0, 0)));
    }
    let effective = config::effective(&config);
    let text = match args.format {
        Format::Yaml => effective.to_yaml(),
        Format::Json => effective.to_json(),
    };
    ui::warn(&config.warnings, &settings.ui);
    ui::print(text.as_bytes())?;
    Ok(Exit::Done)
}

/// Reads the configuration that the settings name; without a file, what holds then.
///
/// # Errors
/// Everything that is wrong with the file.
pub(super) fn read(settings: &Settings) -> Result<Config, Diagnostics> {
    let path = settings.file.clone().unwrap_or_else(|| settings.root.join(FILE));
    let shown = path.strip_prefix(&settings.root).unwrap_or(&path).display().to_string();
    // A dangling link is no missing file: somebody meant one to be there.
    if settings.file.is_none() && path.symlink_metadata().is_err() {
        if settings.root.join(NOT_FILE).exists() {
            let message = format!("`{NOT_FILE}` is not read");
            return Err(Diagnostics(vec![Diagnostic::error(message).hint(format!("name it `{FILE}`"))]));
        }
        return Ok(Config::without_file(&shown));
    }
    config::parse(&source::read_text(&path, &shown)?)
}
