//! `application/trickle-ice-sdpfrag` (RFC 8840 §9), the body of a WHIP or WHEP `PATCH`.

use std::fmt::Write as _;

use crate::media::IceRestart;

/// Candidates of one request that are taken. A client has one per network interface and transport.
const MAX_CANDIDATES: usize = 64;

/// What the server reads from a fragment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SdpFragment {
    /// `a=ice-ufrag`.
    pub ufrag: Option<String>,
    /// `a=ice-pwd`.
    pub pwd: Option<String>,
    /// The `a=candidate` lines' values, beginning with `candidate:`.
    pub candidates: Vec<String>,
}

/// Why a text is not a fragment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SdpFragmentError {
    /// Every line of SDP is a letter, `=` and a value (RFC 8866 §5).
    #[error("line {0} is not of the form \"a=…\"")]
    Line(usize),
    /// More than [`MAX_CANDIDATES`].
    #[error("more than {MAX_CANDIDATES} candidates")]
    TooManyCandidates,
    /// RFC 8839 §5.4: 4 to 256 and 22 to 256 characters of `A-Z a-z 0-9 + /`.
    #[error("the {0} is not one that ICE allows")]
    Credential(&'static str),
    /// A restart needs both.
    #[error("ice-ufrag and ice-pwd come together or not at all")]
    HalfCredentials,
    /// Neither credentials nor candidates nor an end of candidates.
    #[error("it contains nothing that the server could use")]
    Empty,
}

/// Reads a fragment. Attributes at session and at media level count alike: with BUNDLE there is one ICE session.
pub fn parse(text: &str) -> Result<SdpFragment, SdpFragmentError> {
    let mut fragment = SdpFragment::default();
    let mut ended = false;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_end();
        if line.is_empty() {
            continue;
        }
        let value = match line.as_bytes() {
            [b'a', b'=', ..] => &line[2..],
            [b'a'..=b'z', b'=', ..] => continue,
            _ => return Err(SdpFragmentError::Line(number + 1)),
        };
        if let Some(ufrag) = value.strip_prefix("ice-ufrag:") {
            fragment.ufrag = Some(credential(ufrag, 4, "ice-ufrag")?);
        } else if let Some(pwd) = value.strip_prefix("ice-pwd:") {
            fragment.pwd = Some(credential(pwd, 22, "ice-pwd")?);
        } else if value.starts_with("candidate:") {
            if fragment.candidates.len() == MAX_CANDIDATES {
                return Err(SdpFragmentError::TooManyCandidates);
            }
            fragment.candidates.push(value.to_owned());
        } else if value == "end-of-candidates" {
            ended = true;
        }
    }
    match (&fragment.ufrag, &fragment.pwd) {
        (Some(_), None) | (None, Some(_)) => Err(SdpFragmentError::HalfCredentials),
        (None, None) if fragment.candidates.is_empty() && !ended => Err(SdpFragmentError::Empty),
        _ => Ok(fragment),
    }
}

fn credential(text: &str, min: usize, name: &'static str) -> Result<String, SdpFragmentError> {
    let valid = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'/');
    if (min..=256).contains(&text.len()) && text.bytes().all(valid) {
        Ok(text.to_owned())
    } else {
        Err(SdpFragmentError::Credential(name))
    }
}

/// The server's answer to an ICE restart (RFC 9725 §4.3.3). Its addresses may be others than they were at the offer.
pub fn restarted(restart: &IceRestart) -> String {
    let IceRestart {
        ufrag,
        pwd,
        mid,
        candidates,
    } = restart;
    // As in the answer, whose agreements go on.
    let mut fragment = String::from("a=ice-lite\r\na=ice-options:trickle\r\n");
    // Writing to a String cannot fail.
    let _ = write!(fragment, "a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\n");
    if let Some(mid) = mid {
        // The line says by its mid which section is meant, and nothing else (RFC 8840 §4.4).
        let _ = write!(fragment, "m=audio 9 RTP/AVP 0\r\na=mid:{mid}\r\n");
        for candidate in candidates {
            let _ = write!(fragment, "a={candidate}\r\n");
        }
        fragment.push_str("a=end-of-candidates\r\n");
    }
    fragment
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The example of RFC 9725 §4.3.1, shortened.
    const TRICKLE: &str = "a=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:EsAw\r\n\
        a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n\
        a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1\r\n\
        a=end-of-candidates\r\n";

    #[test]
    fn the_example_of_the_rfc_is_read() {
        let fragment = parse(TRICKLE).expect("valid");
        assert_eq!(fragment.ufrag.as_deref(), Some("EsAw"));
        assert_eq!(fragment.pwd.as_deref(), Some("P2uYro0UCOQ4zxjKXaWCBui1"));
        assert_eq!(fragment.candidates.len(), 1);
        assert!(fragment.candidates[0].starts_with("candidate:1387637174 1 udp"));
    }

    #[test]
    fn it_says_what_is_wrong() {
        assert_eq!(parse(""), Err(SdpFragmentError::Empty));
        assert_eq!(parse("a=mid:0\r\nhello"), Err(SdpFragmentError::Line(2)));
        assert_eq!(parse("a=ice-ufrag:abcd"), Err(SdpFragmentError::HalfCredentials));
        assert_eq!(parse("a=ice-ufrag:ab"), Err(SdpFragmentError::Credential("ice-ufrag")));
        assert_eq!(parse("a=ice-pwd:short"), Err(SdpFragmentError::Credential("ice-pwd")));
        let many = "a=candidate:1\n".repeat(MAX_CANDIDATES + 1);
        assert_eq!(parse(&many), Err(SdpFragmentError::TooManyCandidates));
    }

    #[test]
    fn an_answer_is_a_fragment_itself() {
        let mut restart = IceRestart {
            ufrag: "abcd".to_owned(),
            pwd: "0123456789012345678901".to_owned(),
            mid: Some("0".to_owned()),
            candidates: vec!["candidate:1 1 udp 1 192.0.2.1 1 typ host".to_owned()],
        };
        let fragment = parse(&restarted(&restart)).expect("valid");
        assert_eq!(fragment.ufrag.as_deref(), Some("abcd"));
        assert_eq!(fragment.candidates, restart.candidates);
        assert!(restarted(&restart).contains("a=ice-options:trickle\r\n"));
        restart.mid = None;
        let fragment = parse(&restarted(&restart)).expect("valid");
        assert!(fragment.candidates.is_empty(), "of no section");
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "\\PC*|(a=[ -~]{0,30}\r?\n){0,5}") {
            let _ = parse(&text);
        }
    }
}
