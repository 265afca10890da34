//! A context as a tar that is the same whoever makes it: sorted, owned by root, one time for all, two modes for
//! files (POSIX.1-2001 pax interchange format). It is made while it is sent and never held.

use std::io::{self, Read, Write};
use std::sync::Arc;

use prost::bytes::Bytes;
use tar::{Builder, EntryType, Header};
use tokio_stream::wrappers::ReceiverStream;

use super::super::trouble::Trouble;
use crate::docker;
use crate::engine::context::{Context, Entry, Kind, change_behind};

/// The tar of a context. A file that changed ends it with an error, which `trouble` is told of.
pub(super) fn stream(context: Arc<Context>, trouble: Trouble) -> ReceiverStream<io::Result<Bytes>> {
    docker::body(move |out| write(&context, out, &trouble))
}

fn write(context: &Context, out: impl Write, trouble: &Trouble) -> io::Result<()> {
    let mut tar = Builder::new(out);
    let mut reader = context.reader();
    for entry in context.entries() {
        let header = header(&mut tar, entry, context.mtime)?;
        let opened = reader.open(entry);
        let content = opened.map_err(|changed| io::Error::other(trouble.tell(changed)))?;
        let mut content = Watched { content, failed: None };
        if let Err(error) = tar.append(&header, &mut content) {
            return Err(match content.failed {
                Some(why) => io::Error::other(trouble.tell(change_behind(entry, &why))),
                None => error,
            });
        }
    }
    tar.into_inner().map(drop)
}

/// Tells errors of reading from those of writing.
struct Watched<R> {
    content: R,
    failed: Option<io::Error>,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.content.read(buffer).map_err(|error| {
            let kind = error.kind();
            self.failed = Some(error);
            kind.into()
        })
    }
}

/// The header of an entry. What has no room in it goes before it, in a record of its own.
fn header(tar: &mut Builder<impl Write>, entry: &Entry, mtime: u64) -> io::Result<Header> {
    let (uid, gid) = entry.owner();
    let mut header = Header::new_ustar();
    header.set_mode(entry.mode());
    header.set_uid(u64::from(uid));
    header.set_gid(u64::from(gid));
    header.set_mtime(mtime);
    let mut records = Vec::new();
    let (kind, size) = match &entry.kind {
        Kind::Directory => (EntryType::Directory, 0),
        Kind::File { .. } | Kind::Injected(_) => (EntryType::Regular, entry.size()),
        Kind::Symlink { target } => {
            if !target.is_ascii() || header.set_link_name_literal(target).is_err() {
                records.push(("linkpath", target.as_bytes()));
            }
            (EntryType::Symlink, 0)
        }
    };
    header.set_entry_type(kind);
    header.set_size(size);
    let size = size.to_string();
    if entry.size() > OCTAL_AT_MOST {
        records.push(("size", size.as_bytes()));
    }
    let path = entry.path.as_str();
    if !path.is_ascii() || header.set_path(path).is_err() {
        records.push(("path", path.as_bytes()));
    }
    tar.append_pax_extensions(records)?;
    header.set_cksum();
    Ok(header)
}

/// The largest size that a header's eleven octal digits can tell.
const OCTAL_AT_MOST: u64 = 0o777_7777_7777;

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::model::InjectedFile;

    use super::*;

    fn injected(path: &str, content: &[u8], mode: u32, uid: u32) -> InjectedFile {
        InjectedFile { path: path.parse().unwrap(), content: content.to_owned(), mode, uid, gid: uid + 1 }
    }

    #[test]
    fn an_independent_reader_finds_every_name() {
        let long = format!("{}/{}", "d".repeat(120), "f".repeat(180));
        let files = vec![
            injected(&long, b"long", 0o644, 0),
            injected("grün", b"unicode", 0o4755, 1000),
            injected("plain", b"", 0o600, 5),
        ];
        let mut bytes = Vec::new();
        write(&Context::of_files(files, 7), &mut bytes, &Trouble::default()).unwrap();
        let mut again = Vec::new();
        for entry in tar::Archive::new(bytes.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string().replace(&long, "LONG");
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            let header = entry.header();
            let numbers = (header.mode().unwrap(), header.uid().unwrap(), header.gid().unwrap());
            again.push(format!(
                "{path} {:o} {} {} {} {text:?}",
                numbers.0,
                numbers.1,
                numbers.2,
                header.mtime().unwrap()
            ));
        }
        expect![[r#"
            LONG 644 0 1 7 "long"
            grün 4755 1000 1001 7 "unicode"
            plain 600 5 6 7 """#]]
        .assert_eq(&again.join("\n"));
    }
}
