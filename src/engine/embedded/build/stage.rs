//! One stage, from its `FROM` to its last instruction.

use std::sync::Arc;

use super::config;
use super::fault::Fault;
use super::{Job, Work, beforehand};
use crate::diag::{SourceText, Span};
use crate::dockerfile::{Base, Command, DEFAULT_PATH, Dockerfile, Instruction, ResolvedStage, Step, Variables, parse};
use crate::engine::embedded::images::{History, ImageConfig};
use crate::engine::embedded::layer::Layer;
use crate::event::Event;

/// What a stage has come to.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) config: ImageConfig,
    /// The lowest first.
    pub(super) layers: Vec<Layer>,
    pub(super) variables: Variables,
    /// Whether `CMD` was said in this stage.
    has_cmd: bool,
}

/// An instruction, with what it is part of.
struct Written<'a> {
    dockerfile: &'a Dockerfile,
    instruction: &'a Instruction,
    /// The line that is told when it fails, from 1.
    line: usize,
}

impl Work<'_> {
    /// Carries a stage out.
    pub(super) fn stage(&self, stage: &ResolvedStage) -> Result<State, Fault> {
        let mut state = self.base(stage)?;
        let triggers = std::mem::take(&mut state.config.config.on_build);
        for trigger in &triggers {
            let parsed = parse(&SourceText::new("ONBUILD", format!("FROM scratch\n{trigger}\n")));
            let instruction = parsed.dockerfile.stages.first().and_then(|stage| stage.instructions.first());
            let wrong = || Fault::image(format!("the trigger `{trigger}` of the base image can't be read"), stage.line);
            let instruction = instruction.ok_or_else(wrong)?;
            if let Command::Run(run) = &instruction.command {
                let (dockerfile, line) = (&parsed.dockerfile, stage.line);
                beforehand::check_run(run, self.allow_insecure, dockerfile, instruction, line)?;
            }
            let written = Written { dockerfile: &parsed.dockerfile, instruction, line: stage.line };
            self.instruction(stage, &mut state, &written)?;
        }
        let dockerfile = &self.job.dockerfile;
        for instruction in &dockerfile.stages[stage.index].instructions {
            let written = Written { dockerfile, instruction, line: self.job.line(instruction.span) };
            self.instruction(stage, &mut state, &written)?;
        }
        Ok(state)
    }

    /// What the stage begins with.
    fn base(&self, stage: &ResolvedStage) -> Result<State, Fault> {
        let mut state = match &stage.base {
            Base::Scratch => State {
                config: config::of_nothing(&stage.platform),
                layers: Vec::new(),
                variables: Variables::default(),
                has_cmd: false,
            },
            Base::Stage(index) => State { has_cmd: false, ..State::clone(&*self.wait_for(*index)?) },
            Base::Outside(reference) => {
                let (config, layers) = match self.job.named.get(reference) {
                    Some(folder) => {
                        let text = format!("FROM {reference}");
                        let place = Place { name: self.name_of(stage, &text), text: text.clone(), line: stage.line };
                        let mut config = config::of_nothing(&stage.platform);
                        let layer = self.of_folder(folder, &place)?;
                        config.history.push(self.history(text, layer.is_none()));
                        (config, layer.into_iter().collect())
                    }
                    None => {
                        let image = self.image(reference, &stage.platform, stage.line)?;
                        (image.config.clone(), image.layers.clone())
                    }
                };
                State { config, layers, variables: Variables::default(), has_cmd: false }
            }
        };
        if !config::environment(&state.config).any(|(name, _)| name == "PATH") && stage.platform.os != "windows" {
            config::set_env(&mut state.config, "PATH", DEFAULT_PATH);
        }
        state.variables = state.variables.with_environment(config::environment(&state.config));
        Ok(state)
    }

    fn instruction(&self, stage: &ResolvedStage, state: &mut State, written: &Written<'_>) -> Result<(), Fault> {
        if self.stop.is_stopped() {
            return Err(Fault::Stopped);
        }
        let Written { dockerfile, instruction, line } = *written;
        let text = dockerfile.text_of(instruction);
        let step = self.stepper.step(instruction, &mut state.variables);
        let step = step.map_err(|wrong| Fault::image(wrong.message, line))?;
        let place = Place { name: self.name_of(stage, &text), text: text.clone(), line };
        let layer = match &step {
            Step::Run(run) => self.run(state, run, &place)?,
            Step::Transfer(transfer) => self.transfer(state, transfer, &place)?,
            Step::Workdir(path) => self.workdir(state, &config::absolute(&state.config, path), &place)?,
            _ => {
                self.tell(&place, false);
                None
            }
        };
        config::apply(&mut state.config, &step, &mut state.has_cmd);
        state.config.history.push(self.history(text, layer.is_none()));
        if let Some(layer) = layer {
            state.layers.push(layer);
        }
        Ok(())
    }

    fn history(&self, text: String, empty_layer: bool) -> History {
        let created = Some(self.job.created.clone());
        History { created, created_by: Some(text), empty_layer, ..History::default() }
    }

    /// An instruction as it is shown: with its stage, where there are several.
    fn name_of(&self, stage: &ResolvedStage, text: &str) -> String {
        let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
        match (&stage.name, self.job.resolved.stages.len()) {
            (Some(name), 2..) => format!("[{name}] {text}"),
            (None, 2..) => format!("[{}] {text}", stage.index),
            (_, _) => text,
        }
    }

    /// Tells that an instruction begins, or is there already.
    pub(super) fn tell(&self, place: &Place, cached: bool) {
        self.send(Event::Step {
            image: self.job.image.clone(),
            number: Some(self.count()),
            name: place.name.clone(),
            cached,
        });
    }
}

/// Where in the Dockerfile something is done.
pub(super) struct Place {
    /// The instruction as it is shown.
    pub(super) name: String,
    /// The instruction as it is written, on one line.
    pub(super) text: String,
    /// Its line, from 1.
    pub(super) line: usize,
}

impl Job {
    pub(super) fn line(&self, span: Span) -> usize {
        self.dockerfile.source.line_column(span.start).0
    }
}

/// A stage that others wait for.
pub(super) type Done = Option<Arc<State>>;
