//! The platform that an image is for (OCI image index specification, `platform`).

use std::fmt;
use std::str::FromStr;

/// A text that is no `os/architecture[/variant]`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no platform: expected `os/architecture` or `os/architecture/variant`, such as `linux/amd64`")]
pub struct PlatformError(String);

/// `os/architecture[/variant]` in the words of the OCI image index specification (`linux/arm64/v8`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Platform {
    /// The operating system: `linux`.
    pub os: String,
    /// The processor architecture as Go names it: `amd64`, `arm64`.
    pub architecture: String,
    /// The variant of the architecture, such as `v7` of `arm`.
    pub variant: Option<String>,
}

impl Platform {
    /// `linux/amd64`, what is built where nothing else is said.
    pub fn linux_amd64() -> Self {
        Self { os: "linux".to_owned(), architecture: "amd64".to_owned(), variant: None }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let mut parts = text.split('/');
        let word = |part: Option<&str>| {
            part.filter(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
                .map(str::to_owned)
        };
        let (os, architecture) = (word(parts.next()), word(parts.next()));
        let variant = parts.next();
        match (os, architecture, variant, parts.next()) {
            (Some(os), Some(architecture), None, None) => Ok(Self { os, architecture, variant: None }),
            (Some(os), Some(architecture), Some(v), None) if word(Some(v)).is_some() => {
                Ok(Self { os, architecture, variant: word(Some(v)) })
            }
            _ => Err(PlatformError(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_read_back_as_written() {
        for text in ["linux/amd64", "linux/arm64/v8", "linux/arm/v7"] {
            assert_eq!(text.parse::<Platform>().map(|p| p.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "linux", "linux/", "/amd64", "linux/amd64/", "linux/a/b/c", "Linux/amd64"] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
    }
}
