//! Which names move when an image has passed its tests.

/// A name that moves from image to image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// The image before `latest`, to go back to.
    Previous,
    /// The image that passed its tests last.
    Latest,
}

/// One move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TagMove<T> {
    /// The name that moves.
    pub channel: Channel,
    /// What it names then.
    pub to: T,
}

/// The moves, in the order in which they must be made, that make `tested` the latest image where `latest` is it now:
/// image ids on an engine, manifest digests in a registry.
///
/// `previous` moves first, so that an interruption never loses the image to go back to; promoting what is latest
/// already moves nothing, so that `previous` stays another image than `latest`.
pub fn promote<T: Copy + PartialEq>(latest: Option<T>, tested: T) -> Vec<TagMove<T>> {
    match latest {
        Some(latest) if latest == tested => Vec::new(),
        Some(latest) => {
            vec![TagMove { channel: Channel::Previous, to: latest }, TagMove { channel: Channel::Latest, to: tested }]
        }
        None => vec![TagMove { channel: Channel::Latest, to: tested }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `previous`, `latest` after the moves.
    fn after(mut previous: Option<u8>, mut latest: Option<u8>, tested: u8) -> (Option<u8>, Option<u8>) {
        for step in promote(latest, tested) {
            match step.channel {
                Channel::Previous => previous = Some(step.to),
                Channel::Latest => latest = Some(step.to),
            }
        }
        (previous, latest)
    }

    #[test]
    fn the_former_latest_becomes_previous() {
        assert_eq!(after(None, None, 1), (None, Some(1)));
        assert_eq!(after(None, Some(1), 2), (Some(1), Some(2)));
        assert_eq!(after(Some(1), Some(2), 3), (Some(2), Some(3)));
    }

    #[test]
    fn promoting_the_same_image_again_changes_nothing() {
        assert_eq!(after(Some(1), Some(2), 2), (Some(1), Some(2)));
        assert_eq!(promote(Some(2), 2), []);
    }

    #[test]
    fn stopping_between_the_moves_loses_no_image_to_go_back_to() {
        let first = promote(Some(1), 2)[0];
        assert_eq!(first, TagMove { channel: Channel::Previous, to: 1 });
    }
}
