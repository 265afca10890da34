//! Platforms as they are written in a Dockerfile, and the variables that say them.

use std::collections::BTreeMap;

use crate::model::Platform;

/// Reads a platform as containerd does: aliases of architectures are known, and a single word is an architecture or an
/// operating system, completed from the machine that builds.
pub(super) fn read(text: &str, build: &Platform) -> Option<Platform> {
    let lower = text.to_ascii_lowercase();
    let parts: Vec<&str> = lower.split('/').collect();
    let is_word = |part: &&str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    if !parts.iter().all(is_word) {
        return None;
    }
    match parts.as_slice() {
        [os] if OSES.contains(os) => {
            Some(Platform { os: (*os).to_owned(), ..normalized(&build.architecture, build.variant.as_deref()) })
        }
        [architecture] if !ARCHITECTURES.contains(&normalized(architecture, None).architecture.as_str()) => None,
        [architecture] => Some(Platform { os: build.os.clone(), ..normalized(architecture, None) }),
        [os, architecture] => Some(Platform { os: (*os).to_owned(), ..normalized(architecture, None) }),
        [os, architecture, variant] => {
            Some(Platform { os: (*os).to_owned(), ..normalized(architecture, Some(variant)) })
        }
        _ => None,
    }
}

/// The operating systems that Go knows (containerd/platforms, `isKnownOS`).
const OSES: [&str; 16] = [
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "hurd",
    "illumos",
    "ios",
    "js",
    "linux",
    "nacl",
    "netbsd",
    "openbsd",
    "plan9",
    "solaris",
    "windows",
];

/// The architectures that Go knows (containerd/platforms, `isKnownArch`).
const ARCHITECTURES: [&str; 24] = [
    "386",
    "amd64",
    "amd64p32",
    "arm",
    "armbe",
    "arm64",
    "arm64be",
    "ppc64",
    "ppc64le",
    "loong64",
    "mips",
    "mipsle",
    "mips64",
    "mips64le",
    "mips64p32",
    "mips64p32le",
    "ppc",
    "riscv",
    "riscv64",
    "s390",
    "s390x",
    "sparc",
    "sparc64",
    "wasm",
];

/// Architecture and variant as Go names them (containerd/platforms, `normalizeArch`).
fn normalized(architecture: &str, variant: Option<&str>) -> Platform {
    let (architecture, variant) = match (architecture, variant) {
        ("x86_64" | "x86-64" | "amd64", Some("v1") | None) => ("amd64", None),
        ("x86_64" | "x86-64", variant) => ("amd64", variant),
        ("i386", _) => ("386", None),
        ("aarch64" | "arm64", Some("8" | "v8") | None) => ("arm64", None),
        ("aarch64", variant) => ("arm64", variant),
        ("armhf", _) | ("arm", None | Some("" | "7")) => ("arm", Some("v7")),
        ("armel", _) | ("arm", Some("6")) => ("arm", Some("v6")),
        ("arm", Some("5")) => ("arm", Some("v5")),
        ("arm", Some("8")) => ("arm", Some("v8")),
        other => other,
    };
    Platform { os: String::new(), architecture: architecture.to_owned(), variant: variant.map(str::to_owned) }
}

/// The variables that BuildKit defines before the first line (Dockerfile reference, "Automatic platform ARGs"), and
/// `TARGETSTAGE`.
pub(super) fn variables(target: &Platform, build: &Platform, target_stage: &str) -> BTreeMap<&'static str, String> {
    let normal = |platform: &Platform| Platform {
        os: platform.os.clone(),
        ..normalized(&platform.architecture, platform.variant.as_deref())
    };
    let (target, build) = (normal(target), normal(build));
    let variant = |platform: &Platform| platform.variant.clone().unwrap_or_default();
    BTreeMap::from([
        ("BUILDPLATFORM", build.to_string()),
        ("BUILDOS", build.os.clone()),
        ("BUILDOSVERSION", String::new()),
        ("BUILDARCH", build.architecture.clone()),
        ("BUILDVARIANT", variant(&build)),
        ("TARGETPLATFORM", target.to_string()),
        ("TARGETOS", target.os.clone()),
        ("TARGETOSVERSION", String::new()),
        ("TARGETARCH", target.architecture.clone()),
        ("TARGETVARIANT", variant(&target)),
        ("TARGETSTAGE", target_stage.to_owned()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_read_as_containerd_reads_them() {
        let build = Platform::linux_amd64();
        let written = |text| read(text, &build).map(|platform| platform.to_string());
        for (text, expected) in [
            ("linux/amd64", "linux/amd64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/aarch64", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/arm/v6", "linux/arm/v6"),
            ("Linux/X86_64", "linux/amd64"),
            ("arm64", "linux/arm64"),
            ("windows", "windows/amd64"),
        ] {
            assert_eq!(written(text).as_deref(), Some(expected), "{text}");
        }
        for bad in ["", "foo", "linux/", "a/b/c/d", "linux/ä", "linux amd64"] {
            assert_eq!(written(bad), None, "{bad}");
        }
    }
}
