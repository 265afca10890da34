//! Reads Dockerfiles: text in, typed stages, edges and diagnostics out. Opens no file.

mod ast;
mod buffer;
mod canonical;
mod check;
mod csv;
mod directives;
mod expand;
mod flags;
mod healthcheck;
mod heredoc;
mod instruction;
mod lines;
mod mount;
mod parse;
mod pattern;
mod pin;
mod platform;
mod problems;
mod reads;
mod resolve;
mod resolved;
mod run;
mod shell_text;
mod transfer;
mod walk;
mod words;

pub use ast::{
    Add, ArgDeclaration, Command, CommandLine, Copy, Device, Directives, Dockerfile, Escape, Flag, Healthcheck,
    HealthcheckTiming, Heredoc, Instruction, Mount, MountKey, MountOption, MountType, Network, Pair, Run, Security,
    Stage, Transfer, TransferSource, Word,
};
pub use parse::{Parsed, parse};
pub use pin::pin;
pub use resolve::resolve;
pub use resolved::{
    Base, ContextSource, Edge, EdgeKind, NeededId, Reader, ResolveInputs, Resolved, ResolvedInstruction, ResolvedStage,
    SourceKind,
};
