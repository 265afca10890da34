//! `ADD` and `COPY`.

use std::collections::{BTreeMap, VecDeque};

use super::ast::{Add, Copy, Heredoc, Transfer, TransferSource};
use super::heredoc::Opener;
use super::instruction::Draft;
use super::problems::Problems;

/// Reads `ADD`.
pub(super) fn add(draft: Draft<'_, '_>, problems: &mut Problems) -> Option<Add> {
    let keep_git_dir = draft.flags.bool("keep-git-dir");
    let checksum = draft.flags.value("checksum");
    let unpack = draft.flags.bool("unpack");
    Some(Add { transfer: transfer(draft, problems)?, keep_git_dir, checksum, unpack })
}

/// Reads `COPY`.
pub(super) fn copy(draft: Draft<'_, '_>, problems: &mut Problems) -> Option<Copy> {
    let from = draft.flags.value("from").filter(|from| !from.text.is_empty());
    let parents = draft.flags.bool("parents").unwrap_or(false);
    Some(Copy { transfer: transfer(draft, problems)?, from, parents })
}

fn transfer(draft: Draft<'_, '_>, problems: &mut Problems) -> Option<Transfer> {
    let (mut words, json) = draft.list(problems)?;
    if words.len() < 2 {
        draft.missing("at least one source and a destination", problems);
        return None;
    }
    let destination = words.pop()?;
    if Opener::read(&destination.text).is_some() {
        problems.error(destination.span, format!("{} into a heredoc", draft.name), "a path is needed here");
        return None;
    }
    let mut heredocs: BTreeMap<String, VecDeque<Heredoc>> = BTreeMap::new();
    for heredoc in draft.heredocs {
        heredocs.entry(heredoc.name.clone()).or_default().push_back(heredoc);
    }
    let mut sources = Vec::with_capacity(words.len());
    for word in words {
        let opened = Opener::read(&word.text).and_then(|opener| heredocs.get_mut(&opener.name)?.pop_front());
        sources.push(match opened {
            Some(heredoc) => TransferSource::Heredoc(Heredoc { opener: word, ..heredoc }),
            None => TransferSource::Path(word),
        });
    }
    for lost in heredocs.into_values().flatten() {
        let hint = Some("write `<<` and the name as one word, and as a source".to_owned());
        let message = format!("the heredoc `{}` is no source of {}", lost.name, draft.name);
        problems.error_with_hint(lost.opener.span, message, "", hint);
    }
    Some(Transfer {
        sources,
        destination,
        json,
        chown: draft.flags.value("chown"),
        chmod: draft.flags.value("chmod"),
        link: draft.flags.bool("link").unwrap_or(false),
        excludes: draft.flags.values("exclude").map(|(word, _)| word.clone()).collect(),
    })
}
