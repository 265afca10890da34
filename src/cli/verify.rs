//! `windlass verify`.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;

use super::bases::{Bases, Settled};
use super::build::{clean_up, labels_of_run};
use super::connect::Allowed;
use super::deploy::Format;
use super::project::{self, Project};
use super::secrets::Masked;
use super::settings::EngineChoice;
use super::ssh::SshArgs;
use super::{Exit, Refusal, Settings, bases, block_on, connect, lookups, secrets, ssh, until_interrupted};
use crate::engine::embedded::{Difference, EmbeddedEngine, compare, images};
use crate::engine::{AnyEngine, Engine as _};
use crate::event::Sink;
use crate::model::Tag;
use crate::pipeline::{self, Run};
use crate::plan::{self, Image, Known};
use crate::registry::Registry;
use crate::ui::{self, Reporter, verify_report};

/// What `windlass verify --help` shows before the options.
pub(super) const EXAMPLES: &str = "\
Examples:
  windlass verify                         build every image once more, and compare it with what was built before
  windlass verify api                     only this one, on the images that it was made from";

/// How the name begins that an image has which is built to be compared; the run follows.
const TAG: &str = "windlass-verify-";

/// What `windlass verify` is asked.
#[derive(Debug, clap::Args)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    selection: project::SelectionArgs,
    /// Let `RUN --security=insecure` have every right on this machine.
    #[arg(long, env = "WINDLASS_ALLOW_INSECURE", value_parser = clap::builder::BoolishValueParser::new())]
    allow_insecure: bool,
    #[command(flatten)]
    ssh: SshArgs,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Builds images once more from the same inputs, without the cache, and tells in what they differ from those that are
/// there.
pub(super) fn run(args: &VerifyArgs, settings: &Settings) -> anyhow::Result<Exit> {
    if !matches!(settings.engine, EngineChoice::Auto | EngineChoice::Embedded) {
        let message = "images are built the same way twice by the embedded engine alone";
        return Err(Refusal::usage_with_hint(message, "leave `--engine` away").into());
    }
    connect::enter_user_namespace()?;
    let Project { resolved, config, lock, names: _ } = project::load(settings, &args.selection, None)?;
    ui::warn(&resolved.warnings, &settings.ui);
    if settings.locked {
        bases::complete(&resolved, &Bases::new(), lock.as_ref())?;
    }
    let agents = ssh::agents(&args.ssh, settings)?;
    let chosen = resolved.chosen.clone();
    let reporter = Arc::new(Reporter::new(&settings.ui, chosen.len()));
    let engine = connect::embedded(settings, Allowed { insecure: args.allow_insecure, no_trace: true })?;
    let verify = async {
        let registry = lookups::registry(settings, &reporter)?;
        let Settled { resolved, containers: _ } =
            bases::settle(resolved, &Bases::new(), lock.as_ref(), Some(&engine), registry.as_ref()).await?;
        let plan = plan::decide(resolved, &Known::new(), &chosen);
        let secrets = secrets::read(&plan, settings)?;
        let run = Run {
            plan: &plan,
            engine: &engine,
            registry: lookups::of_project(registry.as_ref(), &config),
            push: false,
            promote: false,
            secrets: &secrets,
            ssh: &agents,
            labels: &BTreeMap::new(),
            jobs: settings.jobs,
            no_cache: true,
            source_date_epoch: 0,
            events: &Masked::new(&*reporter, &secrets),
        };
        let mut verified = Vec::new();
        for image in plan.images.iter().map(|planned| &planned.image).filter(|image| chosen.contains(&image.name)) {
            verified.push((image.name.clone(), differences(&run, image, settings).await?));
        }
        Ok(verified)
    };
    let verified = block_on(async {
        let verified = until_interrupted(settings, verify).await;
        reporter.end();
        clean_up(&engine, settings).await;
        verified
    })?;
    let answer = match args.format {
        Format::Text => verify_report::text(&verified, settings.ui.color),
        Format::Json => verify_report::json(&verified),
    };
    ui::print(answer.as_bytes())?;
    let is_same = verified.iter().all(|(_, differences)| differences.is_empty());
    Ok(if is_same { Exit::Done } else { Exit::Failed })
}

/// Builds an image once more as the one that is there was built, and tells in what they differ.
async fn differences(run: &Run<'_, AnyEngine>, image: &Image, settings: &Settings) -> anyhow::Result<Vec<Difference>> {
    let AnyEngine::Embedded(embedded) = run.engine else { unreachable!("it was opened as the embedded one") };
    let before = there(image, embedded, run.registry, run.events).await?;
    // Those of the commit that it was built from, which may not be this one.
    let labels = labels_of_run(&before.config.config.labels);
    let created = before.config.created.as_deref().and_then(|time| time.parse::<jiff::Timestamp>().ok());
    let source_date_epoch = created.and_then(|time| u64::try_from(time.as_second()).ok()).unwrap_or(0);
    let run = Run { labels: &labels, source_date_epoch, ..*run };
    let tag: Tag = format!("{TAG}{}", settings.run_id).parse().context("naming what is built")?;
    let name = image.repository.with_tag(&tag);
    let built = pipeline::build(&run, image, &name).await;
    let built = built.with_context(|| format!("building `{}` once more", image.name))?;
    let after = embedded.image_of(&built.id)?;
    let store = embedded.store().clone();
    let differences = tokio::task::spawn_blocking(move || compare(&store, &before, &after)).await?;
    embedded.untag(&name).await?;
    differences
}

/// The image that was built of the same inputs: in the store, else from its registry.
async fn there(
    image: &Image,
    engine: &EmbeddedEngine,
    registry: Option<&Registry>,
    events: &dyn Sink,
) -> anyhow::Result<images::Image> {
    let stored = match (engine.find(&image.content).await?, registry) {
        (Some(stored), _) => Some(stored),
        (None, Some(registry)) if registry.exists(&image.content).await? => {
            Some(engine.pull(&image.content, events).await?)
        }
        (None, _) => None,
    };
    let missing = || {
        let message = format!("there is no image `{}` of these sources to compare with", image.name);
        Refusal::usage_with_hint(message, "`windlass build` it first, or go to the commit that it was built from")
    };
    Ok(engine.image_of(&stored.ok_or_else(missing)?.id)?)
}
