//! Reads Dockerfiles: text in, typed stages, edges and diagnostics out. Opens no file.
//!
//! [`parse()`] says what is written, [`resolve()`] what it means for a target and arguments, [`pin()`] writes references anew.
//! All three follow BuildKit's own frontend (moby/buildkit, `frontend/dockerfile`, as of `docker/dockerfile` 1.16),
//! quirks included, but for these: all errors are said, not the first alone; letters beyond ASCII in flags are left as
//! they are; names of stages have no case in `FROM` either; and instructions that BuildKit takes without the arguments
//! they are for (`RUN` alone, `ARG` and `STOPSIGNAL` with flags) are errors.

mod args;
mod ast;
mod buffer;
mod canonical;
mod check;
mod csv;
mod directives;
mod expand;
mod flags;
mod from;
mod healthcheck;
mod heredoc;
mod instruction;
mod lines;
mod mount;
mod original;
mod parse;
mod pattern;
mod pin;
mod platform;
mod problems;
mod reach;
mod reads;
mod resolve;
mod resolved;
mod run;
mod shell_text;
mod state;
mod step;
mod stepper;
mod transfer;
mod values;
mod walk;
mod words;

pub use args::is_predefined;
pub use ast::{
    Add, ArgDeclaration, Command, CommandLine, Copy, Device, Directives, Dockerfile, Escape, Flag, Healthcheck,
    HealthcheckTiming, Heredoc, Instruction, Mount, MountKey, MountOption, MountType, Network, Pair, Run, Security,
    Stage, Transfer, TransferSource, Word,
};
pub use parse::{Parsed, parse};
pub use pin::{only_stages, pin};
pub use resolve::resolve;
pub use resolved::{
    Base, ContextSource, Edge, EdgeKind, NeededId, Reader, RemoteFile, Repository, ResolveInputs, Resolved,
    ResolvedInstruction, ResolvedStage, SourceKind, WordForm,
};
pub use state::DEFAULT_PATH;
pub use step::{CommandText, MountStep, RunStep, Sharing, Step, StepError, TransferOf, TransferStep};
pub use stepper::{Stepper, Variables};
