//! What a track shows or lets hear, and which media section of a publisher is which.

use std::collections::{BTreeMap, HashMap};

use str0m::media::{MediaKind, Mid};

use crate::{SfuError, sdp};

/// Where a track comes from. A publisher has at most one track of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// A camera, or what stands in for one.
    Camera,
    /// A microphone, or what stands in for one.
    Microphone,
    /// A shared screen, window or tab.
    Screen,
    /// Its sound.
    ScreenAudio,
}

impl Source {
    /// Audio or video.
    pub fn kind(self) -> MediaKind {
        match self {
            Self::Camera | Self::Screen => MediaKind::Video,
            Self::Microphone | Self::ScreenAudio => MediaKind::Audio,
        }
    }

    /// The sound to this picture, the picture to this sound.
    pub(crate) fn companion(self) -> Self {
        match self {
            Self::Camera => Self::Microphone,
            Self::Microphone => Self::Camera,
            Self::Screen => Self::ScreenAudio,
            Self::ScreenAudio => Self::Screen,
        }
    }

    /// What the sections of a kind are, in the order of the offer, where signaling does not say.
    fn by_position(kind: MediaKind) -> [Self; 2] {
        match kind {
            MediaKind::Audio => [Self::Microphone, Self::ScreenAudio],
            MediaKind::Video => [Self::Camera, Self::Screen],
        }
    }
}

/// Refuses names that contradict the `offer` or each other, before the engine has taken it.
pub(crate) fn check(named: &BTreeMap<String, Source>, offer: &str) -> Result<(), SfuError> {
    let kinds = sdp::section_kinds(offer);
    for (mid, source) in named {
        let kind = if source.kind().is_audio() { "audio" } else { "video" };
        if named.iter().any(|(other, same)| other != mid && same == source) {
            return Err(SfuError::BadOffer(format!("it has more than one {source:?}")));
        }
        if kinds.iter().any(|(section, is)| section == mid && *is != kind) {
            return Err(SfuError::BadOffer(format!(
                "the media section of the {source:?} is not {kind}"
            )));
        }
    }
    Ok(())
}

/// What each of the publisher's `sections` is: those that flow, in the order of the offer. What signaling has `named`
/// comes first, then what was `known` before; the rest is what [`Source::by_position`] has left. A section for which
/// nothing is left is not in the result: it is not forwarded.
pub(crate) fn of_sections(
    sections: &[(Mid, MediaKind)],
    named: Option<&BTreeMap<String, Source>>,
    known: &HashMap<Mid, Source>,
) -> HashMap<Mid, Source> {
    let name_of = |mid: &Mid| {
        let mut named = named.into_iter().flatten();
        named
            .find(|(name, _)| Mid::from(name.as_str()) == *mid)
            .map(|(_, source)| *source)
    };
    let mut sources: HashMap<Mid, Source> = HashMap::new();
    for (mid, kind) in sections {
        if let Some(source) = name_of(mid).filter(|source| source.kind() == *kind) {
            sources.insert(*mid, source);
        }
    }
    for (mid, _) in sections {
        let kept = known.get(mid).copied();
        if let Some(source) = kept.filter(|source| sources.values().all(|taken| taken != source)) {
            sources.entry(*mid).or_insert(source);
        }
    }
    for (mid, kind) in sections {
        let is_taken = |source: &Source| sources.values().any(|taken| taken == source);
        let left = Source::by_position(*kind).into_iter().find(|source| !is_taken(source));
        if let Some(source) = left {
            sources.entry(*mid).or_insert(source);
        }
    }
    sources
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUDIO: MediaKind = MediaKind::Audio;
    const VIDEO: MediaKind = MediaKind::Video;

    fn sections(kinds: &[(&str, MediaKind)]) -> Vec<(Mid, MediaKind)> {
        kinds.iter().map(|(mid, kind)| (Mid::from(*mid), *kind)).collect()
    }

    fn map(sources: &[(&str, Source)]) -> HashMap<Mid, Source> {
        sources.iter().map(|(mid, source)| (Mid::from(*mid), *source)).collect()
    }

    fn named(sources: &[(&str, Source)]) -> BTreeMap<String, Source> {
        sources
            .iter()
            .map(|(mid, source)| ((*mid).to_owned(), *source))
            .collect()
    }

    #[test]
    fn without_names_the_order_of_the_offer_decides_and_what_is_too_much_is_nothing() {
        let offer = sections(&[("0", VIDEO), ("1", AUDIO), ("2", VIDEO), ("3", AUDIO), ("4", VIDEO)]);
        assert_eq!(
            of_sections(&offer, None, &HashMap::new()),
            map(&[
                ("0", Source::Camera),
                ("1", Source::Microphone),
                ("2", Source::Screen),
                ("3", Source::ScreenAudio)
            ])
        );
    }

    #[test]
    fn names_go_before_the_order() {
        let offer = sections(&[("a", VIDEO), ("b", VIDEO), ("c", AUDIO)]);
        let names = named(&[("a", Source::Screen), ("elsewhere", Source::Camera)]);
        assert_eq!(
            of_sections(&offer, Some(&names), &HashMap::new()),
            map(&[("a", Source::Screen), ("b", Source::Camera), ("c", Source::Microphone)])
        );
    }

    #[test]
    fn a_later_offer_changes_nothing_about_what_goes_on() {
        let known = map(&[("0", Source::Camera), ("1", Source::Screen)]);
        // The camera's section has stopped, a new one is there.
        let offer = sections(&[("2", VIDEO), ("1", VIDEO)]);
        assert_eq!(
            of_sections(&offer, None, &known),
            map(&[("1", Source::Screen), ("2", Source::Camera)])
        );
        // The screen goes on, whatever stands before it.
        let known = map(&[("1", Source::Camera)]);
        assert_eq!(
            of_sections(&offer, None, &known),
            map(&[("1", Source::Camera), ("2", Source::Screen)])
        );
    }

    #[test]
    fn names_that_contradict_the_offer_or_each_other_are_refused() {
        let offer = "v=0\r\nm=video 9 X 96\r\na=mid:a\r\nm=video 0 X 96\r\na=mid:b\r\n";
        for (names, expected) in [
            (named(&[("a", Source::Microphone)]), "Microphone is not audio"),
            (
                named(&[("a", Source::Camera), ("b", Source::Camera)]),
                "more than one Camera",
            ),
        ] {
            let error = check(&names, offer).expect_err("a contradiction");
            assert!(error.to_string().contains(expected), "{error}");
        }
        check(&named(&[("b", Source::Screen), ("c", Source::Microphone)]), offer).expect("no contradiction");
    }
}
