//! The text of an instruction that counts for the content hash: one for all ways to write the same.

use super::ast::{CommandLine, Device, Healthcheck, Heredoc, Network, Run, Security, Word};
use super::buffer::quote_into;
use super::expand::Expansion;
use super::heredoc;
use super::shell_text;

/// A canonical text that grows. Every piece that comes from the file is quoted, so that no two instructions share one.
pub(super) struct Text {
    text: String,
    /// The same with every variable as it is written, from where there is one.
    written: Option<String>,
}

impl Text {
    pub(super) fn new(keyword: &str) -> Self {
        Self { text: keyword.to_owned(), written: None }
    }

    fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        if let Some(written) = &mut self.written {
            written.push_str(text);
        }
        self
    }

    fn push_both(&mut self, text: &str, written: &str) -> &mut Self {
        self.written.get_or_insert_with(|| self.text.clone()).push_str(written);
        self.text.push_str(text);
        self
    }

    /// Appends words of our own.
    pub(super) fn say(&mut self, words: &str) -> &mut Self {
        self.push(" ").push(words)
    }

    /// Appends an instruction that waits in this one.
    pub(super) fn trigger(&mut self, (text, written): &(String, Option<String>)) -> &mut Self {
        self.push(" ");
        match written {
            Some(written) => self.push_both(text, written),
            None => self.push(text),
        }
    }

    /// Appends a literal text.
    pub(super) fn literal(&mut self, text: &str) -> &mut Self {
        let quoted = quoted(text);
        self.canonical(&quoted)
    }

    /// Appends a text that is canonical already.
    pub(super) fn canonical(&mut self, canonical: &str) -> &mut Self {
        self.push(" \"").push(canonical).push("\"")
    }

    pub(super) fn expanded(&mut self, expansion: &Expansion) -> &mut Self {
        self.push(" \"").piece(expansion).push("\"")
    }

    fn piece(&mut self, expansion: &Expansion) -> &mut Self {
        match &expansion.written {
            Some(written) => self.push_both(&expansion.canonical, written),
            None => self.push(&expansion.canonical),
        }
    }

    /// Appends a flag with a value.
    pub(super) fn flag(&mut self, name: &str, canonical: &str) -> &mut Self {
        self.say(&format!("--{name}=\"{canonical}\""))
    }

    /// Appends a flag with a value that may hold variables.
    pub(super) fn flag_expanded(&mut self, name: &str, value: &Expansion) -> &mut Self {
        self.say(&format!("--{name}=\"")).piece(value).push("\"")
    }

    /// Appends a command; a shell's text without idle white space where the shell is known to be POSIX's.
    pub(super) fn command(&mut self, command: &CommandLine, shell_is_posix: bool) -> &mut Self {
        match command {
            CommandLine::Shell(word) if shell_is_posix => self.say("shell").literal(&shell_text::squeeze(&word.text)),
            CommandLine::Shell(word) => self.say("shell").literal(word.text.trim()),
            CommandLine::Exec(words) => self.say("exec").literals(words),
        }
    }

    pub(super) fn literals(&mut self, words: &[Word]) -> &mut Self {
        for word in words {
            self.literal(&word.text);
        }
        self
    }

    /// Appends a heredoc as the shell gets it.
    pub(super) fn heredoc(&mut self, heredoc: &Heredoc) -> &mut Self {
        self.say("heredoc").literal(&heredoc.name).literal(&heredoc::content(heredoc))
    }

    pub(super) fn healthcheck(&mut self, healthcheck: &Healthcheck, shell_is_posix: bool) -> &mut Self {
        let Healthcheck::Check { command, timing } = healthcheck else { return self.say("none") };
        let durations = [
            ("interval", timing.interval),
            ("timeout", timing.timeout),
            ("start-period", timing.start_period),
            ("start-interval", timing.start_interval),
        ];
        for (name, duration) in durations {
            if let Some(duration) = duration {
                self.flag(name, &duration.as_nanos().to_string());
            }
        }
        if let Some(retries) = timing.retries {
            self.flag("retries", &retries.to_string());
        }
        self.command(command, shell_is_posix)
    }

    /// Appends what `RUN` says besides its mounts.
    pub(super) fn run(&mut self, run: &Run, shell_is_posix: bool) -> &mut Self {
        let Run { command, heredocs, mounts: _, network, security, devices } = run;
        match network {
            Some(Network::None) => self.say("--network=none"),
            Some(Network::Host) => self.say("--network=host"),
            Some(Network::Default) | None => self,
        };
        match security {
            Some(Security::Insecure) => self.say("--security=insecure"),
            Some(Security::Sandbox) | None => self,
        };
        for Device { name, required, span: _ } in devices {
            self.say(if *required { "--device required" } else { "--device" }).literal(name);
        }
        self.command(command, shell_is_posix);
        for heredoc in heredocs {
            self.heredoc(heredoc);
        }
        self
    }

    /// The text, and how it is written where that is not the same.
    pub(super) fn finish(self) -> (String, Option<String>) {
        (self.text, self.written)
    }
}

/// A text in quoted form, without the quotes.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    quote_into(&mut quoted, text);
    quoted
}
