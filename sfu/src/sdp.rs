//! The few things about SDP that the engine leaves to us, on the text itself.

use str0m::IceCreds;
use str0m::media::Mid;

use crate::SfuError;

/// Longest offer, in bytes. One of Chromium's with forty media sections, half of them for pictures, has about 120 kB. Both ways
/// into the server end before that, at 64 KiB.
const MAX_OFFER_BYTES: usize = 256 * 1024;

/// Most media sections in an offer: twenty guests with sound and picture, and as many again to spare.
const MAX_MEDIA_SECTIONS: usize = 80;

/// Most layers of a picture in an offer. Browsers send three; the engine makes a stream for each that a viewer would take, and looks
/// through all of them each time.
const MAX_LAYERS: usize = 16;

/// Of a media line: kind, port and protocol (RFC 8866 §5.14).
pub(crate) const FIELDS_BEFORE_FORMATS: usize = 3;

pub(crate) const FINGERPRINT: &str = "a=fingerprint:";

/// The hash functions with which the engine can check a certificate. A session with another one would be answered, and then fail
/// without a word.
const HASHES: [&str; 2] = ["sha-256", "sha-1"];

/// Whether the engine can check the certificate of this line.
pub(crate) fn is_known_fingerprint(line: &str) -> bool {
    let value = line.strip_prefix(FINGERPRINT).unwrap_or_default();
    let hash = value.split(' ').next().unwrap_or_default();
    HASHES.iter().any(|known| known.eq_ignore_ascii_case(hash))
}

/// Refuses fingerprints of which none can be checked.
pub(crate) fn check_fingerprints(offer: &str) -> Result<(), SfuError> {
    let mut fingerprints = offer.lines().filter(|line| line.starts_with(FINGERPRINT)).peekable();
    if fingerprints.peek().is_some() && !fingerprints.any(is_known_fingerprint) {
        return Err(SfuError::BadOffer(format!(
            "its certificate's fingerprints are in hash functions that are not taken here; taken {}",
            HASHES.join(", ")
        )));
    }
    Ok(())
}

/// Refuses what is too large to be looked at closer.
pub(crate) fn check_size(offer: &str) -> Result<(), SfuError> {
    if offer.len() > MAX_OFFER_BYTES {
        return Err(SfuError::BadOffer(format!(
            "it has {} bytes, more than {MAX_OFFER_BYTES}",
            offer.len()
        )));
    }
    let sections = offer.lines().filter(|line| line.starts_with("m=")).count();
    if sections > MAX_MEDIA_SECTIONS {
        return Err(SfuError::BadOffer(format!(
            "it has {sections} media sections, more than {MAX_MEDIA_SECTIONS}"
        )));
    }
    let simulcast = offer.lines().filter(|line| line.starts_with("a=simulcast:"));
    // RFC 8853 §5.1: what separates layers, and alternatives of one.
    let layers = simulcast.map(|line| 1 + line.matches([';', ',']).count()).max();
    match layers.filter(|layers| *layers > MAX_LAYERS) {
        Some(layers) => Err(SfuError::BadOffer(format!(
            "it has a picture in {layers} layers, more than {MAX_LAYERS}"
        ))),
        None => Ok(()),
    }
}

/// Whether whoever offers says which packets arrived when (draft-holmer-rmcat-transport-wide-cc-extensions-01).
pub(crate) fn gives_transport_feedback(offer: &str) -> bool {
    let mut lines = offer.lines();
    let has_feedback = lines.any(|line| line.starts_with("a=rtcp-fb:") && line.trim_end().ends_with(" transport-cc"));
    has_feedback && offer.contains("draft-holmer-rmcat-transport-wide-cc-extensions-01")
}

fn rewrite_lines(text: &str, mut rewrite: impl FnMut(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    for line in text.lines() {
        if let Some(line) = rewrite(line) {
            out.push_str(&line);
            out.push_str("\r\n");
        }
    }
    out
}

/// The offer with other ICE credentials and without candidates: what a restart by `PATCH` (RFC 9725 §4.3.3) means.
pub(crate) fn with_credentials(offer: &str, credentials: &IceCreds) -> String {
    rewrite_lines(offer, |line| {
        Some(match line {
            l if l.starts_with("a=ice-ufrag:") => format!("a=ice-ufrag:{}", credentials.ufrag),
            l if l.starts_with("a=ice-pwd:") => format!("a=ice-pwd:{}", credentials.pass),
            l if l.starts_with("a=candidate:") || l == "a=end-of-candidates" => return None,
            l => l.to_owned(),
        })
    })
}

/// The offer without candidates. Who answers checks and makes none (RFC 8445 §2.5) has no use for them, and whoever sends ever more of them
/// fills no list of ours.
pub(crate) fn without_candidates(offer: &str) -> String {
    rewrite_lines(offer, |line| {
        (!line.starts_with("a=candidate:")).then(|| line.to_owned())
    })
}

/// Whether an offer after another restarts ICE (RFC 8839 §4.4.1.1.1).
pub(crate) fn restarts_ice(before: &str, offer: &str) -> bool {
    let credentials = |offer| ["a=ice-ufrag:", "a=ice-pwd:"].map(|name| first_value(offer, name));
    !before.is_empty() && credentials(before) != credentials(offer)
}

fn first_value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim_end)
}

/// The values of an answer's candidates. Each media section has its own copy, and they come once.
pub(crate) fn candidates(answer: &str) -> Vec<String> {
    let mut candidates = Vec::new();
    for line in answer.lines().filter(|line| line.starts_with("a=candidate:")) {
        let value = line.trim_start_matches("a=").to_owned();
        if !candidates.contains(&value) {
            candidates.push(value);
        }
    }
    candidates
}

/// The answer with `new` in place of the `old` local credentials, and in candidates in place of any.
pub(crate) fn replace_credentials(answer: &str, old: &IceCreds, new: &IceCreds) -> String {
    rewrite_lines(answer, |line| {
        Some(match line.split_once(':') {
            Some(("a=ice-ufrag", value)) if value == old.ufrag => format!("a=ice-ufrag:{}", new.ufrag),
            Some(("a=ice-pwd", value)) if value == old.pass => format!("a=ice-pwd:{}", new.pass),
            Some(("a=candidate", _)) => match line.split_once(" ufrag ") {
                Some((before, value)) => {
                    let after = value.find(' ').map_or("", |at| &value[at..]);
                    format!("{before} ufrag {}{after}", new.ufrag)
                }
                None => line.to_owned(),
            },
            _ => line.to_owned(),
        })
    })
}

/// The answer with the formats of each audio section in the order of the offer's: whoever would rather send redundant sound (RFC 2198)
/// says so by that, and does where the answer says the same.
pub(crate) fn keep_order_of_sound(offer: &str, answer: &str) -> String {
    let mut offered = offer.lines().filter(|line| line.starts_with("m="));
    rewrite_lines(answer, |line| {
        let theirs = line.starts_with("m=").then(|| offered.next()).flatten();
        let Some(theirs) = theirs.filter(|_| line.starts_with("m=audio ")) else {
            return Some(line.to_owned());
        };
        let mut fields: Vec<_> = line.split(' ').collect();
        if let Some(formats) = fields.get_mut(FIELDS_BEFORE_FORMATS..) {
            formats.sort_by_key(|format| {
                theirs
                    .split_whitespace()
                    .skip(FIELDS_BEFORE_FORMATS)
                    .position(|f| f == *format)
            });
        }
        Some(fields.join(" "))
    })
}

/// The answer with the n-th audio and the n-th video section in one `MediaStream`. Browsers keep sound and picture in
/// time only within a stream (RFC 8830 §1), and the engine gives each section one of its own.
pub(crate) fn pair_streams(answer: &str) -> String {
    let (mut audio, mut video) = (0_u32, 0_u32);
    let mut stream = String::new();
    rewrite_lines(answer, |line| {
        if let Some(media) = line.strip_prefix("m=") {
            let number = match media.split(' ').next() {
                Some("audio") => &mut audio,
                Some("video") => &mut video,
                _ => &mut 0,
            };
            stream = format!("slot-{number}");
            *number += 1;
        }
        Some(if let Some(rest) = line.strip_prefix("a=msid:") {
            format!("a=msid:{stream} {}", track_of(rest))
        } else if let Some((source, msid)) = line.split_once(" msid:") {
            format!("{source} msid:{stream} {}", track_of(msid))
        } else {
            line.to_owned()
        })
    })
}

/// The media sections of an offer, each as its text.
pub(crate) fn sections(offer: &str) -> impl Iterator<Item = &str> {
    let sections = offer.split("\nm=").skip(1);
    // What is cut off at the line feed keeps the carriage return before it.
    sections.map(|section| section.strip_suffix('\r').unwrap_or(section))
}

/// The media sections of an answer, in order.
pub(crate) fn media_sections(answer: &str) -> Vec<Mid> {
    let mids = answer.lines().filter_map(|line| line.strip_prefix("a=mid:"));
    mids.map(Mid::from).collect()
}

/// Name and kind (`audio`, `video`, …) of each media section of an offer that has a name.
pub(crate) fn section_kinds(offer: &str) -> Vec<(&str, &str)> {
    let mut kind = "";
    let mut sections = Vec::new();
    for line in offer.lines() {
        if let Some(media) = line.strip_prefix("m=") {
            kind = media.split(' ').next().unwrap_or_default();
        } else if let Some(mid) = line.strip_prefix("a=mid:") {
            sections.push((mid.trim(), kind));
        }
    }
    sections
}

fn track_of(msid: &str) -> &str {
    msid.split_once(' ').map_or(msid, |(_, track)| track)
}

/// RFC 8839 §5.4.
pub(crate) fn check_credentials(credentials: &IceCreds) -> Result<(), SfuError> {
    let is_ice_text = |text: &str, least: usize| {
        (least..=256).contains(&text.len())
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/'))
    };
    if is_ice_text(&credentials.ufrag, 4) && is_ice_text(&credentials.pass, 22) {
        Ok(())
    } else {
        Err(SfuError::BadCredentials)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(ufrag: &str, pass: &str) -> IceCreds {
        IceCreds {
            ufrag: ufrag.into(),
            pass: pass.into(),
        }
    }

    #[test]
    fn candidates_are_left_out_and_nothing_else() {
        let offer = "v=0\r\na=ice-ufrag:u\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n";
        let many = "a=candidate:1 1 udp 2113937151 192.0.2.1 54400 typ host\r\n".repeat(3_000);
        assert_eq!(
            without_candidates(&format!("{offer}{many}a=mid:0\r\n")),
            format!("{offer}a=mid:0\r\n")
        );
    }

    #[test]
    fn a_fingerprint_that_cannot_be_checked_is_refused_in_words() {
        let of = |lines: &str| check_fingerprints(&format!("v=0\r\n{lines}m=audio 9 X 111\r\n"));
        let error = of("a=fingerprint:sha-512 00:01\r\n").expect_err("unknown").to_string();
        assert!(error.contains("sha-256"), "{error}");
        of("a=fingerprint:sha-512 00:01\r\na=fingerprint:SHA-256 00:01\r\n").expect("one that is known");
        of("").expect("the engine says that it is missing");
    }

    #[test]
    fn sound_and_picture_of_a_pair_share_a_stream() {
        let answer = "v=0\r\nm=audio 9 X 111\r\n\
                      a=msid:one a0\r\na=ssrc:1 msid:one a0\r\nm=video 9 X 96\r\na=msid:two v0\r\n\
                      m=video 9 X 96\r\na=msid:three v1\r\n";
        assert_eq!(
            pair_streams(answer),
            "v=0\r\nm=audio 9 X 111\r\n\
             a=msid:slot-0 a0\r\na=ssrc:1 msid:slot-0 a0\r\nm=video 9 X 96\r\na=msid:slot-0 v0\r\n\
             m=video 9 X 96\r\na=msid:slot-1 v1\r\n"
        );
    }

    #[test]
    fn a_restart_changes_credentials_and_drops_candidates() {
        let offer = "v=0\r\na=ice-ufrag:old1\r\na=ice-pwd:oldpassword\r\n\
                     a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\na=mid:0\r\n";
        assert_eq!(
            with_credentials(offer, &credentials("new1", "newpassword")),
            "v=0\r\na=ice-ufrag:new1\r\na=ice-pwd:newpassword\r\na=mid:0\r\n"
        );
    }

    #[test]
    fn other_credentials_restart_ice_and_nothing_else_does() {
        let offer = "v=0\r\na=ice-ufrag:abcd\r\na=ice-pwd:first\r\na=mid:0\r\n";
        assert!(!restarts_ice("", offer), "the first one begins it");
        assert!(!restarts_ice(offer, &format!("{offer}a=mid:1\r\n")));
        assert!(restarts_ice(offer, &offer.replace("abcd", "efgh")));
        assert!(restarts_ice(offer, &offer.replace("first", "other")));
    }

    #[test]
    fn candidates_come_once() {
        let section = "a=mid:0\r\na=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\na=end-of-candidates\r\n";
        assert_eq!(
            candidates(&section.repeat(2)),
            ["candidate:1 1 udp 1 192.0.2.1 1 typ host"]
        );
    }

    #[test]
    fn local_credentials_are_replaced_in_candidates_too() {
        let answer = "a=ice-ufrag:old1\r\na=ice-pwd:pass\r\na=candidate:1 1 udp 1 192.0.2.1 1 typ host ufrag old1\r\n\
                      a=candidate:2 1 udp 1 192.0.2.2 1 typ host ufrag older x y\r\n";
        assert_eq!(
            replace_credentials(answer, &credentials("old1", "pass"), &credentials("00xx", "word")),
            "a=ice-ufrag:00xx\r\na=ice-pwd:word\r\na=candidate:1 1 udp 1 192.0.2.1 1 typ host ufrag 00xx\r\n\
             a=candidate:2 1 udp 1 192.0.2.2 1 typ host ufrag 00xx x y\r\n"
        );
    }

    #[test]
    fn credentials_are_checked() {
        let password = "p".repeat(22);
        assert!(check_credentials(&credentials("abcd", &password)).is_ok());
        assert!(check_credentials(&credentials("abc", &password)).is_err());
        assert!(check_credentials(&credentials("ab\r\n", &password)).is_err());
        assert!(check_credentials(&credentials("abcd", "short")).is_err());
    }
}
