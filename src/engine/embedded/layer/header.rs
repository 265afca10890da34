//! Headers of tar archives (POSIX "ustar Interchange Format" and "pax Extended Header").

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use anyhow::bail;
use tar::{EntryType, Header};

use super::shown;

/// The longest name, and the longest link target, that fit into a header.
const NAME: usize = 100;
/// The longest first part of a name that fits besides.
const PREFIX: usize = 155;
/// The greatest numbers of seven and eleven octal digits.
const SEVEN_DIGITS: u64 = 0o777_7777;
const ELEVEN_DIGITS: u64 = 0o777_7777_7777;

/// What a header says.
pub(super) struct Fields<'a> {
    /// The path; that of a directory ends with `/`.
    pub(super) path: &'a [u8],
    pub(super) entry_type: EntryType,
    /// The target of a link, else nothing.
    pub(super) link: &'a [u8],
    /// Length of the content in bytes.
    pub(super) size: u64,
    pub(super) mode: u32,
    pub(super) owner: (u32, u32),
    /// Seconds since 1970.
    pub(super) mtime: u64,
    pub(super) device: (u32, u32),
    pub(super) xattrs: &'a [(OsString, Vec<u8>)],
}

/// Writes a header, after one of what does not fit into it.
pub(super) fn encode(fields: &Fields<'_>) -> anyhow::Result<Vec<u8>> {
    let Fields { path, entry_type, link, size, mode, owner: (user, group), mtime, device, xattrs } = *fields;
    let mut records: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let mut record = |key: &[u8], value: &[u8]| records.push((key.to_vec(), value.to_vec()));
    for (name, value) in xattrs {
        if name.as_bytes().contains(&b'=') {
            bail!("the extended attribute `{}` can't be in a layer: its name has a `=`", shown(name.as_bytes()));
        }
        record(&[b"SCHILY.xattr.", name.as_bytes()].concat(), value);
    }
    let mut number = |key: &str, value: u64, at_most: u64| {
        if value <= at_most {
            return value;
        }
        record(key.as_bytes(), value.to_string().as_bytes());
        0
    };
    let user = number("uid", u64::from(user), SEVEN_DIGITS);
    let group = number("gid", u64::from(group), SEVEN_DIGITS);
    let mtime = number("mtime", mtime, ELEVEN_DIGITS);
    let size = number("size", size, ELEVEN_DIGITS);
    let (prefix, name) = match split(path) {
        Some(parts) => parts,
        None => {
            record(b"path", path);
            (&path[..0], &path[..NAME])
        }
    };
    if link.len() > NAME {
        record(b"linkpath", link);
    }

    let mut header = Header::new_ustar();
    header.set_mode(mode);
    header.set_uid(user);
    header.set_gid(group);
    header.set_mtime(mtime);
    header.set_size(size);
    header.set_entry_type(entry_type);
    if matches!(entry_type, EntryType::Char | EntryType::Block) {
        header.set_device_major(device.0)?;
        header.set_device_minor(device.1)?;
    }
    let ustar = header.as_ustar_mut().expect("it was made as one");
    ustar.name[..name.len()].copy_from_slice(name);
    ustar.prefix[..prefix.len()].copy_from_slice(prefix);
    let link = &link[..link.len().min(NAME)];
    ustar.linkname[..link.len()].copy_from_slice(link);
    header.set_cksum();

    let mut bytes = Vec::with_capacity(512);
    if !records.is_empty() {
        records.sort_unstable();
        let content = records.iter().flat_map(|(key, value)| pax_record(key, value)).collect::<Vec<u8>>();
        let mut extended = Header::new_ustar();
        extended.set_mode(0o644);
        extended.set_size(content.len() as u64);
        extended.set_entry_type(EntryType::XHeader);
        let own_name = b"PaxHeaders/entry";
        extended.as_old_mut().name[..own_name.len()].copy_from_slice(own_name);
        extended.set_cksum();
        bytes.extend_from_slice(extended.as_bytes());
        bytes.extend_from_slice(&content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.extend_from_slice(header.as_bytes());
    Ok(bytes)
}

/// The header of a file that belongs to root and to no time.
pub(in crate::engine::embedded) fn of_file(path: &str, size: u64) -> anyhow::Result<Vec<u8>> {
    encode(&Fields {
        path: path.as_bytes(),
        entry_type: EntryType::Regular,
        link: b"",
        size,
        mode: 0o644,
        owner: (0, 0),
        mtime: 0,
        device: (0, 0),
        xattrs: &[],
    })
}

/// Cuts a path at a `/` so that both parts fit.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.len() <= NAME {
        return Some((&[], path));
    }
    // A `/` at the end is part of the name.
    let end = path.len() - 1;
    let cut = path[..end.min(PREFIX + 1)].iter().rposition(|byte| *byte == b'/')?;
    let (prefix, name) = (&path[..cut], &path[cut + 1..]);
    (!prefix.is_empty() && name.len() <= NAME).then_some((prefix, name))
}

/// `LENGTH KEY=VALUE\n`, where the length counts itself.
fn pax_record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + digits(rest);
    if rest + digits(length) > length {
        length += 1;
    }
    let mut record = format!("{length} ").into_bytes();
    record.extend_from_slice(key);
    record.push(b'=');
    record.extend_from_slice(value);
    record.push(b'\n');
    record
}

fn digits(number: usize) -> usize {
    number.to_string().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_itself() {
        for n in 0..1100 {
            let record = pax_record(b"path", &vec![b'x'; n]);
            let text = String::from_utf8(record.clone()).unwrap();
            assert_eq!(text.split_once(' ').unwrap().0, record.len().to_string());
        }
    }

    #[test]
    fn paths_are_cut_where_both_parts_fit() {
        let name = "n".repeat(100);
        for (path, expected) in [
            ("a/b".to_owned(), Some(("", "a/b"))),
            (format!("a/{name}"), Some(("a", name.as_str()))),
            (format!("/{name}"), None),
            (format!("a{name}"), None),
            (format!("{}/{name}", "p".repeat(155)), Some((&"p".repeat(155)[..], name.as_str()))),
            (format!("{}/{name}", "p".repeat(156)), None),
            (format!("a/{}/", "n".repeat(99)), Some(("a", &format!("{}/", "n".repeat(99))[..]))),
            (format!("a/{name}/"), None),
        ] {
            let expected = expected.map(|(prefix, name)| (prefix.as_bytes(), name.as_bytes()));
            assert_eq!(split(path.as_bytes()), expected, "{path}");
        }
    }
}
