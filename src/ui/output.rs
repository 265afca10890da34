//! Standard output is data, standard error is talk.

use std::io::{self, Write as _};

use super::progress::json;
use super::{Color, Progress, Ui};

/// Writes an answer to standard output. A reader that went away (`windlass plan | head`) is no error.
///
/// # Errors
/// When the output can't be written for any other reason.
pub fn print(answer: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(answer).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

/// Writes an error with its causes, and with the way to mend it where one is known, to standard error.
pub fn error(error: &anyhow::Error, hint: Option<&str>, ui: &Ui) {
    if ui.progress == Progress::Json {
        return talk(&json::error(error, hint, (ui.clock)()));
    }
    let color = ui.color;
    let mut text = format!("{}: {error}\n", paint("error", Paint::Bad, color));
    for cause in error.chain().skip(1) {
        text.push_str(&format!("  caused by: {cause}\n"));
    }
    if let Some(hint) = hint {
        text.push_str(&format!("{}: {hint}\n", paint("hint", Paint::Hint, color)));
    }
    talk(&text);
}

/// What a word means, for its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// All is well.
    Good,
    /// Something is wrong.
    Bad,
    /// What to do about it.
    Hint,
    /// A name.
    Name,
}

/// The text in the colour of what it means.
pub fn paint(text: &str, paint: Paint, color: Color) -> String {
    use anstyle::{AnsiColor, Style};
    let style = match paint {
        Paint::Good => AnsiColor::Green.on_default(),
        Paint::Bad => AnsiColor::Red.on_default().bold(),
        Paint::Hint => AnsiColor::Cyan.on_default(),
        Paint::Name => Style::new().bold(),
    };
    match color {
        Color::Always => format!("{style}{text}{style:#}"),
        Color::Never => text.to_owned(),
    }
}

/// Writes talk to standard error.
pub(super) fn talk(text: &str) {
    // Where standard error is gone, nobody is left to be told.
    drop(io::stderr().lock().write_all(text.as_bytes()));
}
