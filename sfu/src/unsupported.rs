//! Offers without a codec that is forwarded: they are refused as a whole, where an answer would promise a picture that never comes.

use str0m::Rtc;
use str0m::media::{MediaKind, Mid};

use crate::peer::Peer;
use crate::sfu::Direction;
use crate::{SfuError, codec, sdp};

/// What stands in `a=rtpmap` besides codecs: repairs, redundancy, tones and silence.
const NO_CODECS: [&str; 7] = ["rtx", "red", "ulpfec", "flexfec", "flexfec-03", "telephone-event", "CN"];

/// Codecs that are named by their number alone (RFC 3551 §6).
const NUMBERED: [(&str, &str); 4] = [("0", "PCMU"), ("3", "GSM"), ("8", "PCMA"), ("9", "G722")];

/// Most names of codecs that are repeated in an error, and most characters of each: they are a stranger's words.
const MAX_ECHO_NAMES: usize = 8;
const MAX_ECHO_CHARS: usize = 24;

/// Refuses an offer whose sections of `flowing` have no codec in common with us. A publisher's are taken all or none (RFC 9725
/// §4.4.3): a show that has sound alone looks like one that is well. A viewer is served by one that can be used, as there
/// are players without a decoder for one kind.
pub(crate) fn check(peer: &Peer, direction: Direction, offer: &str, flowing: &[Mid]) -> Result<(), SfuError> {
    let kinds = flowing
        .iter()
        .filter_map(|mid| Some((*mid, peer.media_section(*mid)?.0)));
    let (usable, useless): (Vec<_>, Vec<_>) = kinds.partition(|(mid, kind)| is_usable(peer, *mid, *kind));
    let is_enough = match direction {
        Direction::Publish => useless.is_empty(),
        Direction::Subscribe => !usable.is_empty(),
    };
    match useless.first() {
        Some((mid, kind)) if !is_enough => Err(SfuError::UnsupportedCodec {
            kind: if kind.is_audio() { "audio" } else { "video" },
            offered: offered(offer, *mid),
            taken: taken(*kind),
        }),
        _ => Ok(()),
    }
}

fn is_usable(peer: &Peer, mid: Mid, kind: MediaKind) -> bool {
    let formats = peer.offered(mid);
    formats.iter().any(|(_, spec)| spec.codec.is_audio() == kind.is_audio())
}

fn taken(kind: MediaKind) -> String {
    let mut config = codec::enable(Rtc::builder());
    let mut names = Vec::new();
    for params in config.codec_config().params() {
        let codec = params.spec().codec;
        let name = codec::name(codec);
        if codec.is_audio() == kind.is_audio() && !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(", ")
}

fn offered(offer: &str, mid: Mid) -> String {
    let is_it = |section: &&str| {
        let mut mids = section.lines().filter_map(|line| line.strip_prefix("a=mid:"));
        mids.any(|text| Mid::from(text) == mid)
    };
    let mut names: Vec<String> = Vec::new();
    for name in sdp::sections(offer).find(is_it).into_iter().flat_map(codecs) {
        let name: String = name.chars().take(MAX_ECHO_CHARS).collect();
        if names.len() < MAX_ECHO_NAMES && !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() {
        return "none".to_owned();
    }
    names.join(", ")
}

/// The names of the codecs of a section, those that are named by number first.
fn codecs(section: &str) -> Vec<&str> {
    let numbers = section
        .lines()
        .next()
        .unwrap_or_default()
        .split(' ')
        .skip(sdp::FIELDS_BEFORE_FORMATS);
    let numbered = numbers.filter_map(|number| NUMBERED.iter().find(|(known, _)| *known == number));
    let named = section.lines().filter_map(|line| {
        let (_, format) = line.strip_prefix("a=rtpmap:")?.split_once(' ')?;
        format.split('/').next()
    });
    let is_codec = |name: &&str| !NO_CODECS.iter().any(|other| other.eq_ignore_ascii_case(name));
    numbered.map(|(_, name)| *name).chain(named.filter(is_codec)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs_are_named_and_what_goes_with_them_is_not() {
        let offer = "v=0\r\nm=audio 9 X 0 8\r\na=mid:a\r\nm=video 9 X 96 97 98\r\na=mid:b\r\na=rtpmap:96 H265/90000\r\n\
                     a=rtpmap:97 rtx/90000\r\na=rtpmap:98 H265/90000\r\na=rtpmap:99 theora/90000\r\nm=video 9 X\r\na=mid:c\r\n";
        let of = |mid: &str| offered(offer, Mid::from(mid));
        assert_eq!(of("a"), "PCMU, PCMA");
        assert_eq!(of("b"), "H265, theora");
        assert_eq!(of("c"), "none");
        assert_eq!(taken(MediaKind::Video), "H264, VP8, VP9, AV1");
        assert_eq!(taken(MediaKind::Audio), "opus");
    }
}
