//! `ADD` and `COPY`.

use super::ast::{Add, Copy, Transfer, TransferSource};
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
    let from = draft.flags.value("from");
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
    let heredocs = draft.heredocs;
    let names: Vec<String> = words.iter().filter_map(|word| Opener::read(&word.text)).map(|o| o.name).collect();
    for lost in heredocs.iter().filter(|heredoc| !names.contains(&heredoc.name)) {
        let hint = Some("write `<<` and the name as one word, and as a source".to_owned());
        let message = format!("the heredoc `{}` is no source of {}", lost.name, draft.name);
        problems.error_with_hint(lost.opener.span, message, "", hint);
    }
    let sources = words.into_iter().map(|word| {
        // BuildKit finds a heredoc's text by its name: of two with one name both get the last text.
        let opened =
            Opener::read(&word.text).and_then(|o| heredocs.iter().rev().find(|heredoc| heredoc.name == o.name));
        match opened {
            Some(heredoc) => TransferSource::Heredoc(super::ast::Heredoc { opener: word, ..heredoc.clone() }),
            None => TransferSource::Path(word),
        }
    });
    Some(Transfer {
        sources: sources.collect(),
        destination,
        json,
        chown: draft.flags.value("chown"),
        chmod: draft.flags.value("chmod"),
        link: draft.flags.bool("link").unwrap_or(false),
        excludes: draft.flags.values("exclude").map(|(word, _)| word.clone()).collect(),
    })
}
