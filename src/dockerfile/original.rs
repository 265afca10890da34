//! Instructions as they are written, on one line: what builders show and what they leave as a trigger.

use super::ast::{Dockerfile, Instruction};
use super::check::{self, Names};
use super::lines::Lines;

/// The text of an instruction, its continuations joined; heredocs are left out.
pub(super) fn text(dockerfile: &Dockerfile, instruction: &Instruction) -> String {
    let written = &dockerfile.source.text()[instruction.span.range()];
    let line = Lines::new(written).next_line(dockerfile.directives.escape);
    line.map_or_else(String::new, |line| line.text.trim().to_owned())
}

impl Dockerfile {
    /// The text of one of its instructions on one line, as it is written.
    pub fn text_of(&self, instruction: &Instruction) -> String {
        text(self, instruction)
    }

    /// The stage that `--from` names: by its name, else by its place.
    pub fn stage_called(&self, name: &str) -> Option<usize> {
        check::copy_from(&Names::of(&self.stages), name)
    }
}
