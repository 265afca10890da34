//! Where in a Dockerfile the steps of a builder are.

use std::collections::{BTreeMap, BTreeSet};

use crate::diag::{SourceText, Span};
use crate::dockerfile::{self, Command, Dockerfile, Instruction, ResolveInputs, TransferSource, only_stages, parse};
use crate::engine::BuildRequest;
use crate::model::{Platform, Reference};

/// What a builder says of the place of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place<'a> {
    /// Nothing.
    Unknown,
    /// A line, from 1.
    Line(usize),
    /// The first `FROM` is 0, and every instruction behind it counts that is in [`Outline::reached`].
    Nth(usize),
    /// What BuildKit calls a step: `[stage 2/5] RUN make`, or `load metadata for` an image.
    Named(&'a str),
}

/// A Dockerfile's instructions by line.
pub(super) struct Outline {
    dockerfile: Dockerfile,
    /// The images that are read, as references, each with its place.
    images: Vec<(String, Span)>,
    /// The stages that are built, by index; all where the Dockerfile is not understood.
    stages: BTreeSet<usize>,
    /// Whether a command mounts an agent of SSH.
    pub(super) wants_agents: bool,
}

impl Outline {
    /// Reads the request's Dockerfile; what is wrong with it is the builder's to say.
    pub(super) fn of(request: &BuildRequest<'_>) -> Self {
        Self::read(request.dockerfile, request.args, request.target, request.platform)
    }

    pub(super) fn read(text: &str, args: &BTreeMap<String, String>, target: Option<&str>, platform: &Platform) -> Self {
        let dockerfile = parse(&SourceText::new("Dockerfile", text)).dockerfile;
        let inputs = ResolveInputs {
            args,
            target,
            target_platform: platform,
            build_platform: platform,
            contexts: &BTreeSet::new(),
        };
        let resolved = dockerfile::resolve(&dockerfile, &inputs);
        let images = resolved.edges.into_iter().map(|edge| (edge.reference, edge.span)).collect();
        let stages = match resolved.stages.as_slice() {
            [] => (0..dockerfile.stages.len()).collect(),
            stages => stages.iter().map(|stage| stage.index).collect(),
        };
        Self { images, stages, dockerfile, wants_agents: !resolved.ssh.is_empty() }
    }

    /// The Dockerfile's text with only the stages that are built.
    pub(super) fn reached(&self) -> String {
        only_stages(&self.dockerfile, &self.stages)
    }

    /// The registries that the images are read from.
    pub(super) fn registries(&self) -> BTreeSet<String> {
        let references = self.images.iter().filter_map(|(image, _)| image.parse::<Reference>().ok());
        references.map(|reference| reference.repository().registry().to_owned()).collect()
    }

    /// The line of a step, from 1.
    pub(super) fn line(&self, place: Place<'_>) -> Option<usize> {
        match place {
            Place::Unknown => None,
            Place::Line(line) => Some(line),
            Place::Nth(n) => {
                let spans = self.dockerfile.stages.iter().enumerate().flat_map(|(index, stage)| {
                    let built = stage.instructions.iter().filter(move |_| self.stages.contains(&index));
                    std::iter::once(stage.span).chain(built.map(|instruction| instruction.span))
                });
                spans.into_iter().nth(n).map(|span| self.line_of(span))
            }
            Place::Named(name) => self.numbered(name).or_else(|| self.mentions(name)).map(|span| self.line_of(span)),
        }
    }

    /// The instruction that a line belongs to: its first line, its flags, and whether a text is written out below it.
    pub(super) fn instruction_at(&self, line: usize) -> Option<(usize, Vec<&str>, bool)> {
        let instructions = self.dockerfile.stages.iter().flat_map(|stage| &stage.instructions);
        let found = instructions.into_iter().find(|instruction| {
            let last = Span::new(instruction.span.end.saturating_sub(1), instruction.span.end);
            (self.line_of(instruction.span)..=self.line_of(last)).contains(&line)
        })?;
        let flags = found.flags.iter().map(|flag| flag.name.text.as_str()).collect();
        Some((self.line_of(found.span), flags, has_heredoc(found)))
    }

    fn line_of(&self, span: Span) -> usize {
        self.dockerfile.source.line_column(span.start).0
    }

    /// Finds `[stage 2/5] RUN make`. BuildKit counts the instructions that make layers, and an external base; an
    /// `ONBUILD` of the base comes before the stage's own, so that only the end is certain.
    fn numbered(&self, name: &str) -> Option<Span> {
        let (stage, (n, of)) = stage_and_number(name)?;
        let stages = &self.dockerfile.stages;
        let stage = match stage {
            None => stages.last()?,
            Some(name) => {
                let named = stages.iter().find(|stage| stage.name.as_ref().is_some_and(|own| own.text == name));
                let by_index = || stages.get(name.strip_prefix("stage-")?.parse::<usize>().ok()?);
                named.or_else(by_index)?
            }
        };
        let layers: Vec<&Instruction> = stage.instructions.iter().filter(|i| makes_a_layer(&i.command)).collect();
        let from_end = of.checked_sub(n)?;
        let Some(place) = layers.len().checked_sub(from_end + 1) else { return Some(stage.span) };
        // A step that another build runs at the same time has that build's number and stage, and our text.
        let (_, instruction) = name.split_once("] ")?;
        let instruction = words(instruction);
        let same_text = |candidate: &Instruction| self.words_of(candidate) == instruction;
        let mut all = stages.iter().flat_map(|stage| &stage.instructions);
        if same_text(layers[place]) {
            return Some(layers[place].span);
        }
        let elsewhere = all.find(|candidate| same_text(candidate)).map(|found| found.span);
        // What was written with variables reads differently.
        let keyword = layers[place].command.keyword();
        elsewhere.or_else(|| instruction.starts_with(keyword).then_some(layers[place].span))
    }

    /// The instruction on one line, as builders show it.
    fn words_of(&self, instruction: &Instruction) -> String {
        let escape = self.dockerfile.directives.escape.char();
        let text = &self.dockerfile.source.text()[instruction.span.range()];
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        words(&lines.map(|line| line.trim_end().trim_end_matches(escape)).collect::<Vec<_>>().join(" "))
    }

    /// Finds the instruction that reads the image which a step's name ends with.
    fn mentions(&self, name: &str) -> Option<Span> {
        let image: Reference = name.rsplit(' ').next()?.parse().ok()?;
        let same = |text: &str| {
            text.parse::<Reference>().is_ok_and(|other| {
                other.repository() == image.repository() && other.tag_or_latest() == image.tag_or_latest()
            })
        };
        let read = self.images.iter().find(|(text, _)| same(text)).map(|(_, span)| *span);
        let syntax =
            || self.dockerfile.directives.syntax.as_ref().filter(|word| same(&word.text)).map(|word| word.span);
        read.or_else(syntax)
    }
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn makes_a_layer(command: &Command) -> bool {
    matches!(command, Command::Add(_) | Command::Copy(_) | Command::Run(_) | Command::Workdir(_))
}

fn has_heredoc(instruction: &Instruction) -> bool {
    let written = |sources: &[TransferSource]| sources.iter().any(|s| matches!(s, TransferSource::Heredoc(_)));
    let command = &instruction.command;
    matches!(command, Command::Run(run) if !run.heredocs.is_empty())
        || matches!(command, Command::Copy(copy) if written(&copy.transfer.sources))
        || matches!(command, Command::Add(add) if written(&add.transfer.sources))
}

/// Reads the head of `[2/5] RUN make`, `[stage 2/5] RUN make` and `[linux/amd64 stage 2/5] RUN make`.
fn stage_and_number(name: &str) -> Option<(Option<&str>, (usize, usize))> {
    let (head, _) = name.strip_prefix('[')?.split_once("] ")?;
    let mut words = head.split_whitespace().rev();
    let (n, of) = words.next()?.split_once('/')?;
    Some((words.next(), (n.parse().ok()?, of.parse().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# syntax=docker/dockerfile:1
ARG A=1 B=2
FROM debian:12 AS build
RUN a && \\
  b
ENV x=y
WORKDIR /x

FROM scratch
COPY --from=build /x /x
COPY --from=acme/tool:1 --link /t /t
RUN <<EOF
c
EOF
";

    fn check(place: Place<'_>, line: Option<usize>) {
        let outline = Outline::read(TEXT, &BTreeMap::new(), None, &Platform::linux_amd64());
        assert_eq!(outline.line(place), line, "{place:?}");
    }

    #[test]
    fn steps_are_found_by_number() {
        for (n, line) in [(0, 3), (1, 4), (2, 6), (3, 7), (4, 9), (6, 11), (7, 12)] {
            check(Place::Nth(n), Some(line));
        }
        check(Place::Nth(8), None);
        check(Place::Unknown, None);
    }

    #[test]
    fn steps_are_found_by_name() {
        check(Place::Named("[build 1/3] FROM docker.io/library/debian:12"), Some(3));
        check(Place::Named("[build 2/3] RUN a && b"), Some(4));
        check(Place::Named("[build 3/3] WORKDIR /x"), Some(7));
        check(Place::Named("[build 3/4] RUN a && b"), Some(4));
        check(Place::Named("[build 2/4] RUN of an ONBUILD"), Some(3));
        check(Place::Named("[build 3/3] RUN a &&   b"), Some(4));
        check(Place::Named("[build 2/3] RUN a with values"), Some(4));
        check(Place::Named("[build 2/3] COPY of another build"), None);
        check(Place::Named("[linux/amd64 build 2/3] RUN a && b"), Some(4));
        check(Place::Named("[stage-1 3/3] RUN c"), Some(12));
        check(Place::Named("[nothing 3/3] RUN c"), None);
        check(Place::Named("[internal] load metadata for docker.io/library/debian:12"), Some(3));
        check(Place::Named("FROM docker.io/acme/tool:1"), Some(11));
        check(Place::Named("resolve image config for docker.io/docker/dockerfile:1"), Some(1));
        check(Place::Named("exporting to image"), None);
        check(Place::Named(""), None);
    }

    #[test]
    fn an_instruction_is_known_by_each_of_its_lines() {
        let outline = Outline::read(TEXT, &BTreeMap::new(), None, &Platform::linux_amd64());
        assert_eq!(outline.instruction_at(11), Some((11, vec!["from", "link"], false)));
        assert_eq!(outline.instruction_at(13), Some((12, vec![], true)));
        assert_eq!(outline.instruction_at(5), Some((4, vec![], false)));
        assert_eq!(outline.instruction_at(2), None);
        assert_eq!(outline.registries().into_iter().collect::<Vec<_>>(), ["docker.io"]);
    }
}
