//! EC2 user-data: a deploy manifest, containers of dockerup, or the address of a manifest, in one of the forms in which people
//! give it to EC2.

use std::io::Read as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::MultiGzDecoder;
use serde_json::Value;

use super::read::unreadable;
use crate::diag::{Diagnostic, Diagnostics, SourceText};

/// No user-data is longer unpacked, in bytes: 64 times what EC2 takes. Arbitrary; a few kilobytes can unpack to gigabytes.
const UNPACKED_AT_MOST: u64 = 1 << 20;

/// So often something is packed in something else: base64 of gzip, and once more by a tool that does not know.
const PACKED_AT_MOST: usize = 3;

/// What user-data says.
#[derive(Debug)]
pub enum UserData {
    /// It is a deploy manifest.
    Manifest(Arc<SourceText>),
    /// It has containers in dockerup's words.
    Dockerup(Arc<SourceText>),
    /// The manifest is elsewhere: `oci://…`, `https://…#sha256:…`.
    Address(String),
}

/// Reads user-data: as it stands, compressed by gzip, or in base64.
///
/// # Errors
/// When it is nothing of all that. No text of it is in what is said.
pub fn user_data(bytes: &[u8]) -> Result<UserData, Diagnostics> {
    let source = SourceText::secret("user-data", unpacked(bytes)?);
    let text = source.text().trim();
    if text.is_empty() {
        return Err(refuse("the user-data is empty"));
    }
    let is_address = ["oci://", "https://", "http://"].iter().any(|scheme| text.starts_with(scheme));
    if is_address && !text.contains(char::is_whitespace) {
        return Ok(UserData::Address(text.to_owned()));
    }
    if !text.starts_with('{') {
        let Diagnostics(said) = refuse("the user-data is no manifest, and no address of one");
        let hint = "it is a deploy manifest, `{\"containers\": […]}` of dockerup, `oci://…` or `https://…#sha256:…`";
        return Err(Diagnostics(said.into_iter().map(|diagnostic| diagnostic.hint(hint)).collect()));
    }
    match serde_json::from_str::<Value>(source.text()) {
        Err(error) => Err(Diagnostics(vec![unreadable(&source, &error, "user-data")])),
        Ok(value) if value.get("version").is_some() => Ok(UserData::Manifest(source)),
        Ok(_) => Ok(UserData::Dockerup(source)),
    }
}

/// The text in the middle.
fn unpacked(bytes: &[u8]) -> Result<String, Diagnostics> {
    let mut bytes = bytes.to_vec();
    for _ in 0..PACKED_AT_MOST {
        bytes = match () {
            () if bytes.starts_with(&[0x1f, 0x8b]) => decompressed(&bytes)?,
            () => match in_base64(&bytes) {
                Some(decoded) => decoded,
                None => break,
            },
        };
    }
    String::from_utf8(bytes).map_err(|_| refuse("the user-data is not UTF-8"))
}

fn decompressed(bytes: &[u8]) -> Result<Vec<u8>, Diagnostics> {
    let mut plain = Vec::new();
    let read = MultiGzDecoder::new(bytes).take(UNPACKED_AT_MOST + 1).read_to_end(&mut plain);
    match read {
        Err(_) => Err(refuse("the user-data is compressed, and can't be decompressed")),
        Ok(n) if n as u64 > UNPACKED_AT_MOST => {
            Err(refuse(format!("the user-data has more than {UNPACKED_AT_MOST} bytes when it is decompressed")))
        }
        Ok(_) => Ok(plain),
    }
}

/// What a text in base64 holds, with or without line ends in it; nothing where it is none, as no manifest and no address is.
fn in_base64(bytes: &[u8]) -> Option<Vec<u8>> {
    let digits: Vec<u8> = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    if digits.is_empty() { None } else { STANDARD.decode(digits).ok() }
}

fn refuse(message: impl Into<String>) -> Diagnostics {
    Diagnostics(vec![Diagnostic::error(message)])
}
