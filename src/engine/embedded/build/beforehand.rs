//! What this machine can't do, said before anything is built.

use std::fs;

use super::{Fault, Job, Tools};
use crate::dockerfile::{Base, Command, Dockerfile, Instruction, Run, Security};
use crate::engine::embedded::engine::this_machine;

/// Where the kernel tells which programs of other machines it runs (Linux kernel, "Kernel Support for miscellaneous Binary
/// Formats").
const FORMATS: &str = "/proc/sys/fs/binfmt_misc";

/// Architectures in OCI's words, and QEMU's, after which distributions name what they register.
const QEMU: [(&str, &str); 9] = [
    ("386", "i386"),
    ("amd64", "x86_64"),
    ("arm", "arm"),
    ("arm64", "aarch64"),
    ("loong64", "loongarch64"),
    ("mips64le", "mips64el"),
    ("ppc64le", "ppc64le"),
    ("riscv64", "riscv64"),
    ("s390x", "s390x"),
];

/// Looks at every instruction that will be carried out, those of `ONBUILD` excepted: they are met later.
pub(super) fn check(tools: &Tools, job: &Job) -> Result<(), Fault> {
    for stage in &job.resolved.stages {
        let mut architecture = None;
        for instruction in &job.dockerfile.stages[stage.index].instructions {
            let Command::Run(run) = &instruction.command else { continue };
            check_run(run, tools.allow_insecure, &job.dockerfile, instruction, job.line(instruction.span))?;
            let architecture = architecture.get_or_insert_with(|| architecture_of(job, stage.index));
            if !runs_here(architecture) {
                let line = job.line(instruction.span);
                let text = super::short(&job.dockerfile.text_of(instruction));
                return Err(Fault::Unsupported {
                    message: format!("`{text}`, line {line}: this machine runs no programs for {architecture}"),
                    hint: "have the kernel run them, as `apt-get install qemu-user-static` does on Debian".to_owned(),
                });
            }
        }
    }
    Ok(())
}

/// Whether a command asks for what it does not get.
pub(super) fn check_run(
    run: &Run,
    allow_insecure: bool,
    dockerfile: &Dockerfile,
    instruction: &Instruction,
    line: usize,
) -> Result<(), Fault> {
    let refuse = |what: &str, hint: &str| Fault::Unsupported {
        message: format!("`{}`, line {line}: {what}", dockerfile.text_of(instruction)),
        hint: hint.to_owned(),
    };
    if !run.devices.is_empty() {
        return Err(refuse("the embedded engine gives no devices to a command", "build it with `--engine docker`"));
    }
    if run.security == Some(Security::Insecure) && !allow_insecure {
        let hint = "allow it with `--allow-insecure`, where the Dockerfile is trusted with this machine";
        return Err(refuse("it asks for all rights", hint));
    }
    Ok(())
}

/// What a stage's programs are for: its base says so, whatever was asked for.
fn architecture_of(job: &Job, index: usize) -> String {
    let Some(stage) = job.resolved.stages.iter().find(|stage| stage.index == index) else { return String::new() };
    match &stage.base {
        Base::Scratch => stage.platform.architecture.clone(),
        Base::Stage(below) => architecture_of(job, *below),
        Base::Outside(reference) => match job.bases.get(&(reference.clone(), stage.platform.clone())) {
            Some(image) if !image.config.architecture.is_empty() => image.config.architecture.clone(),
            Some(_) | None => stage.platform.architecture.clone(),
        },
    }
}

fn runs_here(architecture: &str) -> bool {
    let here = this_machine().architecture;
    if architecture == here || (here.as_str(), architecture) == ("amd64", "386") {
        return true;
    }
    let Some((_, name)) = QEMU.iter().find(|(known, _)| *known == architecture) else { return false };
    let Ok(formats) = fs::read_dir(FORMATS) else { return false };
    formats.filter_map(Result::ok).any(|format| {
        let file = format.file_name();
        let is_named = file.to_str().is_some_and(|file| file == *name || file == format!("qemu-{name}"));
        is_named && fs::read_to_string(format.path()).is_ok_and(|text| text.starts_with("enabled"))
    })
}
