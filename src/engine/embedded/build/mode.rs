//! `--chmod`: octal, or symbolic as for chmod(1).

/// What `--chmod` does to permission bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Chmod {
    /// These bits, whatever they were.
    Octal(u32),
    /// Clauses, one after the other.
    Symbolic(Vec<Clause>),
}

/// `u+x`: who, how, what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clause {
    /// The bits of who is meant: those of all three and their special ones.
    who: u32,
    operator: u8,
    what: Vec<u8>,
}

const USER: u32 = 0o4700;
const GROUP: u32 = 0o2070;
const OTHERS: u32 = 0o1007;

impl Chmod {
    /// Reads `755` or `u=rwX,go-w`; none where it is neither.
    pub(super) fn read(text: &str) -> Option<Self> {
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777).map(Self::Octal);
        }
        let mut clauses = Vec::new();
        for part in text.split(',') {
            let n_who = part.bytes().take_while(|byte| b"ugoa".contains(byte)).count();
            let (who, mut rest) = part.split_at(n_who);
            let bits = who.bytes().map(|who| match who {
                b'u' => USER,
                b'g' => GROUP,
                b'o' => OTHERS,
                _ => USER | GROUP | OTHERS,
            });
            let who = if who.is_empty() { USER | GROUP | OTHERS } else { bits.fold(0, |all, bits| all | bits) };
            if rest.is_empty() {
                return None;
            }
            while let Some(operator) = rest.bytes().next() {
                if !b"+-=".contains(&operator) {
                    return None;
                }
                let n_what = rest[1..].bytes().take_while(|byte| b"rwxXstugo".contains(byte)).count();
                clauses.push(Clause { who, operator, what: rest.as_bytes()[1..=n_what].to_vec() });
                rest = &rest[1 + n_what..];
            }
        }
        Some(Self::Symbolic(clauses))
    }

    /// The bits of something that has `mode`.
    pub(super) fn apply(&self, mode: u32, is_folder: bool) -> u32 {
        match self {
            Self::Octal(mode) => *mode,
            Self::Symbolic(clauses) => clauses.iter().fold(mode & 0o7777, |mode, clause| clause.apply(mode, is_folder)),
        }
    }
}

impl Clause {
    fn apply(&self, mode: u32, is_folder: bool) -> u32 {
        let spread = |bits: u32| bits << 6 | bits << 3 | bits;
        let copied = |shift: u32| spread(mode >> shift & 0o7);
        let what = self.what.iter().fold(0, |all, what| {
            all | match what {
                b'r' => 0o444,
                b'w' => 0o222,
                b'x' => 0o111,
                b'X' if is_folder || mode & 0o111 != 0 => 0o111,
                b'X' => 0,
                b's' => 0o6000,
                b't' => 0o1000,
                b'u' => copied(6),
                b'g' => copied(3),
                _ => copied(0),
            }
        });
        let bits = what & self.who;
        match self.operator {
            b'+' => mode | bits,
            b'-' => mode & !bits,
            // The special bits of a folder stay where they are not named, as for GNU's chmod.
            _ => mode & !(self.who & 0o777 | if is_folder { 0 } else { self.who & 0o7000 }) | bits,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_read_as_chmod_reads_them() {
        for (text, mode, file, folder) in [
            ("755", 0o600, 0o755, 0o755),
            ("0644", 0o600, 0o644, 0o644),
            ("4755", 0o600, 0o4755, 0o4755),
            ("u+x", 0o644, 0o744, 0o744),
            ("+x", 0o644, 0o755, 0o755),
            ("go-r", 0o644, 0o600, 0o600),
            ("u=rwX,go=rX", 0o600, 0o644, 0o755),
            ("u=rwX,go=rX", 0o700, 0o755, 0o755),
            ("a=", 0o777, 0, 0),
            ("g=u", 0o640, 0o660, 0o660),
            ("u+s,+t", 0o755, 0o5755, 0o5755),
            ("u=rwx-w+s", 0o000, 0o4500, 0o4500),
        ] {
            let chmod = Chmod::read(text).unwrap();
            assert_eq!((chmod.apply(mode, false), chmod.apply(mode, true)), (file, folder), "{text}");
        }
        for bad in ["", "u", "888", "77777", "u+q", "x+u", "u+x,", "644 "] {
            assert_eq!(Chmod::read(bad), None, "{bad}");
        }
    }
}
