//! What instructions take from elsewhere: the context, stages, images, URLs, secrets.

use std::collections::BTreeMap;

use super::ast::{Add, Copy, Mount, MountKey, MountType, Transfer, TransferSource, Word};
use super::canonical::{Text, quoted};
use super::expand::{Expansion, Quotes, Reading};
use super::heredoc;
use super::mount;
use super::resolved::{ContextSource, Edge, EdgeKind, NeededId, Reader, RemoteFile, Repository, SourceKind, WordForm};
use super::run::go_bool;
use super::walk::{Walk, as_written};
use crate::diag::{Diagnostic, Span};
use crate::model::{GitAddress, HttpUrl};

impl Walk<'_, '_, '_> {
    /// `ADD`.
    pub(super) fn add(&mut self, add: &Add, span: Span, text: &mut Text) -> Option<()> {
        let Add { transfer, keep_git_dir, checksum, unpack } = add;
        let (n_before, n_repositories) = (self.resolver.out.remote_files.len(), self.resolver.out.repositories.len());
        if let Some(checksum) = checksum {
            let checksum = self.expand(checksum)?;
            text.flag_expanded("checksum", &checksum);
        }
        for (name, value) in [("keep-git-dir", keep_git_dir), ("unpack", unpack)] {
            if let Some(value) = value {
                text.flag(name, &value.to_string());
            }
        }
        self.transfer(transfer, Some((Reader::Add, None)), false, text)?;
        let is_shared = self.is_shared(span);
        if checksum.is_some() {
            self.resolver.out.remote_files.truncate(n_before);
            self.resolver.out.repositories.truncate(n_repositories);
        } else if let ([_], [file]) = (&transfer.sources[..], &mut self.resolver.out.remote_files[n_before..]) {
            file.checksum_at = (!is_shared || file.variables.is_empty()).then_some(span.start + "ADD".len());
        }
        Some(())
    }

    /// `COPY`.
    pub(super) fn copy(&mut self, copy: &Copy, text: &mut Text) -> Option<()> {
        let Copy { transfer, from, parents } = copy;
        if *parents {
            text.say("--parents");
        }
        if let Some(from) = from {
            let stage = self.resolver.copy_from(&from.text);
            self.refer(EdgeKind::CopyFrom, from, stage, text)?;
        }
        let reader = match from {
            None => Some((Reader::Copy, None)),
            Some(from) => self.is_named_context(from).then_some((Reader::Copy, Some(from.text.as_str()))),
        };
        self.transfer(transfer, reader, *parents, text)
    }

    /// Whether `--from` or `from=` names a named context.
    fn is_named_context(&self, from: &Word) -> bool {
        self.resolver.inputs.contexts.contains(&from.text)
    }

    /// Notes what an instruction takes from a stage or from outside.
    fn refer(&mut self, kind: EdgeKind, from: &Word, stage: Option<usize>, text: &mut Text) -> Option<()> {
        if self.is_trigger {
            text.flag("from", &quoted(&from.text));
            return Some(());
        }
        match stage {
            Some(to) if to < self.state.index => {
                text.say(&format!("--from=stage {}", self.reached.position(to)));
            }
            Some(to) => {
                self.out_of_order(from, to);
                return None;
            }
            None if from.text == "scratch" => {
                text.say("--from=scratch");
            }
            None => {
                self.resolver.out.edges.push(Edge {
                    kind,
                    reference: from.text.clone(),
                    platform: self.resolver.inputs.target_platform.clone(),
                    stage: self.state.index,
                    span: from.span,
                });
                text.say("--from=image").literal(&from.text);
            }
        }
        Some(())
    }

    /// Says that a stage that comes later is used; of itself and of one that is not there `parse` spoke.
    fn out_of_order(&mut self, from: &Word, to: usize) {
        let Some(later) = self.resolver.dockerfile.stages.get(to).filter(|_| to > self.state.index) else { return };
        let span = later.span;
        self.resolver.problems.push_with(|source| {
            Diagnostic::error(format!("stage `{}` comes later", from.text))
                .at(source, from.span, "used here")
                .related(source, span, "defined here")
                .hint("a stage can only be used below the end of its instructions: move it up")
        });
    }

    /// `reader` is what reads, and from which named context if from one; none reads from a stage or an image.
    fn transfer(
        &mut self,
        transfer: &Transfer,
        reader: Option<(Reader, Option<&str>)>,
        parents: bool,
        text: &mut Text,
    ) -> Option<()> {
        let Transfer { sources, destination, json, chown, chmod, link, excludes } = transfer;
        let mut mode = None;
        for (name, value) in [("chown", chown), ("chmod", chmod)] {
            if let Some(value) = value {
                let value = self.expand(value)?;
                text.flag_expanded(name, &value);
                mode = (name == "chmod").then_some(value.text).filter(|mode| !mode.is_empty());
            }
        }
        if *link {
            text.say("--link");
        }
        for exclude in excludes {
            text.flag("exclude", &quoted(&exclude.text));
        }
        for source in sources {
            let (what, span) = self.source(source, reader.map(|(reader, _)| reader), *json, text)?;
            let Some((reader, context)) = reader else { continue };
            if self.is_trigger {
                self.resolver.out.triggers_read |= matches!(what, SourceKind::Path(_) | SourceKind::UnknownPath(_));
            } else {
                self.resolver.out.sources.push(ContextSource {
                    stage: self.state.index,
                    context: context.map(str::to_owned),
                    reader,
                    what,
                    excludes: excludes.iter().map(|exclude| exclude.text.clone()).collect(),
                    parents,
                    chmod: mode.clone(),
                    span,
                });
            }
        }
        text.say("to").expanded(&self.expand(destination)?);
        Some(())
    }

    fn source(
        &mut self,
        source: &TransferSource,
        reader: Option<Reader>,
        is_json: bool,
        text: &mut Text,
    ) -> Option<(SourceKind, Span)> {
        let word = match source {
            TransferSource::Path(word) => word,
            TransferSource::Heredoc(heredoc) => {
                let content = heredoc::content(heredoc);
                let expansion = if heredoc.expand && !self.is_trigger {
                    let reading = Reading { quotes: Quotes::Ignore, ..Reading::word('\\') };
                    let span = heredoc.opener.span;
                    self.resolver.expand_text(&content, span, reading, &self.state.scope)?
                } else {
                    as_written(&content)
                };
                text.say("file").literal(&heredoc.name).expanded(&expansion);
                return Some((SourceKind::Inline(heredoc.name.clone()), heredoc.opener.span));
            }
        };
        let path = self.expand(word)?;
        text.expanded(&path);
        let what = match reader {
            Some(Reader::Add) if is_remote(&path.text) => {
                if path.known && !self.is_trigger {
                    self.note_remote(word, &path, is_json);
                }
                SourceKind::Remote(path.text)
            }
            Some(Reader::Copy) if is_remote(&path.text) => {
                let hint = Some("use ADD".to_owned());
                self.resolver.problems.error_with_hint(word.span, "COPY takes nothing from a URL", "", hint);
                return None;
            }
            _ if !path.known => SourceKind::UnknownPath(path.text),
            _ => SourceKind::Path(path.text),
        };
        Some((what, word.span))
    }

    /// Notes what is fetched from elsewhere.
    fn note_remote(&mut self, word: &Word, path: &Expansion, is_json: bool) {
        let (variables, span) = (path.used.clone(), word.span);
        if let Ok(url) = path.text.parse::<HttpUrl>() {
            self.resolver.out.remote_files.push(RemoteFile { url, variables, span, checksum_at: None });
            return;
        }
        let address = path.text.parse::<GitAddress>().ok().filter(|_| is_repository(&path.text));
        let address = address.filter(|address| !address.remote.has_credentials());
        let Some((address, pin)) = address.and_then(|address| Some((address.clone(), address.pin()?))) else { return };
        let escape = self.resolver.dockerfile.directives.escape;
        let form = if is_json { WordForm::Json(escape) } else { WordForm::Plain(escape) };
        let form = (!self.is_shared(span) || path.text == word.text).then_some(form);
        self.resolver.out.repositories.push(Repository { address, pin, variables, span, form });
    }

    /// Whether what stands at a place is a trigger of an earlier stage, which counts once for each stage on that.
    fn is_shared(&self, span: Span) -> bool {
        self.resolver.dockerfile.stages.get(self.state.index).is_some_and(|stage| span.start < stage.span.start)
    }

    /// One mount of `RUN`.
    pub(super) fn mount(&mut self, mount: &Mount, text: &mut Text) -> Option<()> {
        text.say("--mount");
        let mut values = BTreeMap::new();
        for option in &mount.options {
            let value = match &option.value {
                Some(word) if option.key != MountKey::From => Some(self.expand(word)?),
                Some(_) | None => None,
            };
            values.insert(option.key, value);
        }
        for (key, value) in &values {
            let name = format!("{key:?}").to_lowercase();
            match value {
                Some(value) => text.flag_expanded(&name, value),
                None if *key == MountKey::From => text,
                None => text.say(&format!("--{name}")),
            };
        }
        let value = |key| values.get(&key).and_then(Option::as_ref).map(|value| value.text.clone());
        let kind = mount::kind(mount, |_| value(MountKey::Type).unwrap_or_default());
        let from = mount.value(MountKey::From).filter(|from| !from.text.is_empty());
        if let Some(from) = from {
            let stage = self.resolver.mount_from(&from.text);
            self.refer(EdgeKind::MountFrom, from, stage, text)?;
        }
        if self.is_trigger {
            let may_bind =
                !matches!(kind, Some(MountType::Secret | MountType::Ssh | MountType::Cache | MountType::Tmpfs));
            self.resolver.out.triggers_read |= may_bind && from.is_none();
            return Some(());
        }
        let context = from.filter(|from| self.is_named_context(from)).map(|from| from.text.clone());
        let required = values
            .get(&MountKey::Required)
            .is_some_and(|required| required.as_ref().is_none_or(|value| go_bool(&value.text).unwrap_or(false)));
        let needed = |id| NeededId { id, required, stage: self.state.index, span: mount.span };
        match kind {
            Some(MountType::Secret) => {
                let target = value(MountKey::Target).unwrap_or_default();
                let base_name = || target.rsplit('/').next().unwrap_or_default().to_owned();
                let id = value(MountKey::Source).or_else(|| value(MountKey::Id)).unwrap_or_else(base_name);
                self.resolver.out.secrets.push(needed(id));
            }
            Some(MountType::Ssh) => {
                let id = value(MountKey::Id).filter(|id| !id.is_empty()).unwrap_or_else(|| "default".to_owned());
                self.resolver.out.ssh.push(needed(id));
            }
            Some(MountType::Cache | MountType::Tmpfs) => {}
            // A type that is not known before the build may be a bind.
            Some(MountType::Bind) | None if from.is_none() || context.is_some() => {
                let is_known = values.get(&MountKey::Source).is_none_or(|v| v.as_ref().is_none_or(|v| v.known));
                let path = value(MountKey::Source).unwrap_or_default();
                let what = if is_known { SourceKind::Path(path) } else { SourceKind::UnknownPath(path) };
                self.resolver.out.sources.push(ContextSource {
                    stage: self.state.index,
                    context,
                    reader: Reader::Mount,
                    what,
                    excludes: Vec::new(),
                    parents: false,
                    chmod: None,
                    span: mount.span,
                });
            }
            Some(MountType::Bind) | None => {}
        }
        Some(())
    }
}

/// Whether `ADD` fetches a source from elsewhere: a URL, or a git repository in the short form of SSH.
pub(super) fn is_remote(source: &str) -> bool {
    let has_scheme = ["http://", "https://", "git://", "ssh://"].iter().any(|scheme| source.starts_with(scheme));
    has_scheme || is_short_ssh(source)
}

/// Whether what `ADD` fetches is a git repository (BuildKit, `dfgitutil.ParseGitRef`): over HTTP, one whose path says so.
pub(super) fn is_repository(source: &str) -> bool {
    let is_http = source.starts_with("http://") || source.starts_with("https://");
    let plain = source.split(['#', '?']).next().unwrap_or_default();
    is_remote(source) && (!is_http || plain.ends_with(".git"))
}

/// `git@host:path` (BuildKit, `gitutil`).
fn is_short_ssh(source: &str) -> bool {
    let Some((user, (host, _))) = source.split_once('@').and_then(|(u, rest)| Some((u, rest.split_once(':')?))) else {
        return false;
    };
    let is_word = |text: &str, more: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    is_word(user, "-_") && is_word(host, "-.")
}
