//! What can be told of a Dockerfile as a whole before anything is expanded: names of stages and references to them.

use std::collections::BTreeMap;

use super::ast::{Command, Dockerfile, Escape, Instruction, MountKey, Stage, Word};
use super::expand::{Reading, Scope, expand};
use super::problems::{MISSPELT_AT_MOST, Problems, suggestion};
use crate::diag::Diagnostic;

/// The stages by name. Of two stages with one name the later one is meant.
#[derive(Default)]
pub(super) struct Names<'a>(BTreeMap<&'a str, usize>);

/// In a file of more stages than this, nobody looks for misspelt ones; arbitrary, and it keeps a huge file linear.
const STAGES_AT_MOST: usize = 200;

impl<'a> Names<'a> {
    /// The names of some stages.
    pub(super) fn of(stages: &'a [Stage]) -> Self {
        let mut names = Self::default();
        for (index, stage) in stages.iter().enumerate() {
            names.add(stage, index);
        }
        names
    }

    /// Adds a stage; gives back the one that had its name.
    pub(super) fn add(&mut self, stage: &'a Stage, index: usize) -> Option<usize> {
        self.0.insert(stage.name.as_ref()?.text.as_str(), index)
    }

    /// The stage of a name, in any case.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.0.get(name).or_else(|| self.0.get(name.to_lowercase().as_str())).copied()
    }

    /// `did you mean …?`, where a stage's name is near.
    pub(super) fn suggestion(&self, name: &str) -> Option<String> {
        suggestion(name, self.0.keys().copied())
    }

    /// Warns of a word that is no stage's name but looks like a misspelt one.
    fn warn_of_likely_stage(&self, word: &Word, problems: &mut Problems) {
        let text = word.text.as_str();
        // Short words are near to everything, and these are images that everybody knows.
        if !(4..=MISSPELT_AT_MOST).contains(&text.len())
            || text.contains(['/', ':', '@', '$', '.'])
            || KNOWN_IMAGES.contains(&text)
        {
            return;
        }
        let n_typos = if text.len() < 8 { 1 } else { 2 };
        let mut names = self.0.keys();
        if self.0.len() > STAGES_AT_MOST {
            return;
        }
        if let Some(near) = names.find(|name| strsim::damerau_levenshtein(text, name) <= n_typos) {
            let hint = Some(format!("did you mean `{near}`?"));
            problems.warning(word.span, format!("`{text}` is no stage, so an image is meant"), "", hint);
        }
    }
}

/// Images that are written like stages, and that a stage's name may well be near to: `bash` to `base`.
const KNOWN_IMAGES: [&str; 24] = [
    "alpine", "bash", "busybox", "centos", "composer", "debian", "docker", "fedora", "golang", "gradle", "haproxy",
    "httpd", "maven", "nginx", "node", "perl", "php", "postgres", "python", "redis", "ruby", "rust", "scratch",
    "ubuntu",
];

/// The stage that `COPY --from` means: one by its index, existing or not, or one by its name.
pub(super) fn copy_from(names: &Names<'_>, from: &str) -> Option<usize> {
    from.parse().ok().or_else(|| names.find(from))
}

/// Says which stage names and references are wrong or likely so.
pub(super) fn references(dockerfile: &Dockerfile, problems: &mut Problems) {
    let stages = &dockerfile.stages;
    let all = Names::of(stages);
    let mut earlier = Names::default();
    for (index, stage) in stages.iter().enumerate() {
        if earlier.find(&stage.base.text).is_none() {
            earlier.warn_of_likely_stage(&stage.base, problems);
        }
        let former = earlier.add(stage, index);
        name(stage, former.map(|former| &stages[former]), problems);
        for instruction in &stage.instructions {
            instruction_references(dockerfile, &all, index, instruction, problems);
        }
    }
}

fn name(stage: &Stage, former: Option<&Stage>, problems: &mut Problems) {
    let Some(name) = &stage.name else { return };
    if let "scratch" | "context" = name.text.as_str() {
        problems.warning(
            name.span,
            format!("`{}` is reserved, and no stage can be reached by it", name.text),
            "",
            None,
        );
    }
    if let Some(first) = former.and_then(|former| former.name.as_ref()) {
        problems.push_with(|source| {
            Diagnostic::warning(format!("two stages are named `{}`", name.text))
                .at(source, name.span, "this one is meant from here on")
                .related(source, first.span, "the other one")
        });
    }
}

fn instruction_references(
    dockerfile: &Dockerfile,
    names: &Names<'_>,
    index: usize,
    instruction: &Instruction,
    problems: &mut Problems,
) {
    match &instruction.command {
        Command::Copy(copy) => {
            let Some(from) = &copy.from else { return };
            if is_expanded(&from.text, dockerfile.directives.escape) {
                let hint = "name a stage: `FROM image:$VARIABLE AS name`, then `--from=name`".to_owned();
                problems.error_with_hint(from.span, "variables are not expanded in `--from`", "", Some(hint));
                return;
            }
            reference(dockerfile, names, index, from, copy_from(names, &from.text), problems);
        }
        Command::Run(run) => {
            for from in run.mounts.iter().filter_map(|mount| mount.value(MountKey::From)) {
                reference(dockerfile, names, index, from, names.find(&from.text), problems);
            }
        }
        // A trigger runs in stages built on this one: what it refers to is looked at where it runs.
        Command::Onbuild(_)
        | Command::Add(_)
        | Command::Arg(_)
        | Command::Cmd(_)
        | Command::Entrypoint(_)
        | Command::Env(_)
        | Command::Expose(_)
        | Command::Healthcheck(_)
        | Command::Label(_)
        | Command::Maintainer(_)
        | Command::Shell(_)
        | Command::Stopsignal(_)
        | Command::User(_)
        | Command::Volume(_)
        | Command::Workdir(_) => {}
    }
}

/// Whether expansion would change a text: BuildKit refuses that in `--from`, quotes and escapes included.
fn is_expanded(text: &str, escape: Escape) -> bool {
    expand(text, Reading::word(escape.char()), &Scope::default()).map_or(true, |expansion| expansion.text != text)
}

/// Says what is wrong with a reference whichever stage is built; one to a later stage only matters where it is reached.
fn reference(
    dockerfile: &Dockerfile,
    names: &Names<'_>,
    index: usize,
    from: &Word,
    to: Option<usize>,
    problems: &mut Problems,
) {
    let stages = &dockerfile.stages;
    match to {
        None if from.text.parse::<i64>().is_ok_and(|index| index < 0) => {
            problems.error(from.span, format!("there is no stage {}", from.text), "");
        }
        None => names.warn_of_likely_stage(from, problems),
        Some(to) if to == index => {
            problems.error(from.span, format!("stage `{}` refers to itself", stages[index].label(index)), "");
        }
        Some(to) if to >= stages.len() => {
            let before = index.checked_sub(1);
            let hint = before.map(|last| format!("the stages before this one are numbered from 0 to {last}"));
            problems.error_with_hint(from.span, format!("there is no stage {to}"), "", hint);
        }
        Some(_) => {}
    }
}
