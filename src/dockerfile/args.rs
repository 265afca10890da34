//! Build arguments: which a Dockerfile declares, and which need no declaration.

use super::ast::{ArgDeclaration, Command, Dockerfile};

/// The build arguments that every Dockerfile may use undeclared, and that do not count (Dockerfile reference,
/// "Predefined ARGs"); lower case is as good.
const PROXIES: [&str; 5] = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"];

/// The build arguments that change an image without being declared: its timestamps, and the frontend that builds it.
pub(super) const ALWAYS_USED: [&str; 2] = ["SOURCE_DATE_EPOCH", "BUILDKIT_SYNTAX"];

/// Whether a build argument means something to a builder though no `ARG` declares it.
pub fn is_predefined(name: &str) -> bool {
    is_proxy(name) || name.starts_with("BUILDKIT_") || ALWAYS_USED.contains(&name)
}

/// Whether a build argument tells programs how to reach the network.
pub(super) fn is_proxy(name: &str) -> bool {
    PROXIES.contains(&name.to_ascii_uppercase().as_str())
}

impl Dockerfile {
    /// Every declaration of a build argument, in stages that no target reaches too.
    pub fn declared_args(&self) -> impl Iterator<Item = &ArgDeclaration> {
        let instructions = self.stages.iter().flat_map(|stage| &stage.instructions);
        let of_stages = instructions.flat_map(|instruction| match &instruction.command {
            Command::Arg(declarations) => declarations.as_slice(),
            _ => &[],
        });
        self.global_args.iter().chain(of_stages)
    }
}
