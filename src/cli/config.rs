//! `windlass config`, and how every command comes to the configuration.

use std::path::PathBuf;

use clap::ValueEnum;

use super::{Exit, Settings};
use crate::config::{self, Config, Spanned};
use crate::diag::{Diagnostic, Diagnostics, Span};
use crate::model::ProjectName;
use crate::{source, ui};

/// The file that is read where no other is asked for.
pub(super) const FILE: &str = "windlass.yaml";
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
        config.project = Some(Spanned::new(project(&config, settings), Span::new(0, 0)));
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

/// Where the configuration is, if there is one.
pub(super) fn path(settings: &Settings) -> PathBuf {
    settings.file.clone().unwrap_or_else(|| settings.root.join(FILE))
}

/// Reads the configuration that the settings name; without a file, what holds then.
///
/// # Errors
/// Everything that is wrong with the file.
pub(super) fn read(settings: &Settings) -> Result<Config, Diagnostics> {
    let path = path(settings);
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

/// The project's name: as the configuration says, else the root folder's, made into a name that a project can have.
pub(super) fn project(config: &Config, settings: &Settings) -> ProjectName {
    if let Some(project) = &config.project {
        return project.value.clone();
    }
    let folder = settings.root.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let plain: String = folder.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(40).collect();
    let fallback = || "project".parse().expect("a lower-case word is a name");
    plain.trim_matches('-').parse().unwrap_or_else(|_| fallback())
}
