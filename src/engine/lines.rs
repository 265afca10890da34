//! Output as builders send it, in pieces, as the lines that it is.

/// How long a line may become before it is broken: output without line ends must not fill the memory. Arbitrary.
const LINE_AT_MOST: usize = 64 * 1024;

/// The beginning of a line whose end has not come yet.
#[derive(Debug, Default)]
pub(in crate::engine) struct Lines(Vec<u8>);

impl Lines {
    /// Takes a piece of output and gives the lines that it ends, without their ends.
    pub(in crate::engine) fn take(&mut self, piece: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            self.0.extend_from_slice(part);
            if part.ends_with(b"\n") || self.0.len() > LINE_AT_MOST {
                lines.extend(self.end());
            }
        }
        lines
    }

    /// The line that no line end came for.
    pub(in crate::engine) fn end(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.0);
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        (!line.is_empty()).then(|| String::from_utf8_lossy(text).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_become_lines() {
        let mut lines = Lines::default();
        assert_eq!(lines.take(b"a\r\n\nb"), ["a", ""]);
        assert_eq!(lines.take("ö".as_bytes().split_at(1).0), Vec::<String>::new());
        assert_eq!(lines.take("ö\n".as_bytes().split_at(1).1), ["bö"]);
        assert_eq!(lines.end(), None);
        assert_eq!(lines.take(b"\xff"), Vec::<String>::new());
        assert_eq!(lines.end(), Some("\u{fffd}".to_owned()));
    }

    #[test]
    fn a_line_without_end_is_broken() {
        let mut lines = Lines::default();
        let broken: Vec<String> = (0..3).flat_map(|_| lines.take(&[b'x'; LINE_AT_MOST])).collect();
        assert_eq!(broken.iter().map(String::len).collect::<Vec<_>>(), [2 * LINE_AT_MOST]);
    }
}
