//! What the payload types of a remote's offers mean.
//!
//! All sections of an offer share one transport and so one numbering: a payload type that stands in several of them is the
//! same format in each (RFC 9143 §9.1.1), and stays it in later offers (RFC 3264 §8.3.2). The engine takes both for granted,
//! and panics where they do not hold.

use std::collections::BTreeMap;

use crate::{SfuError, sdp};

/// The parameters by which formats of one name are told apart, repairs (RFC 4588 §8.6) among them. Others may differ from
/// section to section: there are programs that write the sender's picture size, and it means nothing here.
const TELLING: [&str; 7] = [
    "apt",
    "level-id",
    "packetization-mode",
    "profile",
    "profile-id",
    "profile-level-id",
    "tier-flag",
];

/// Of a `profile-level-id` (RFC 6184 §8.1) without the level, which may differ between what is sent and what is received.
const PROFILE_CHARS: usize = 4;

/// Longest name of a format that is repeated in an error, in characters.
const MAX_ECHO_CHARS: usize = 40;

/// Most bytes that tell one format apart. Each is remembered for as long as its connection lasts.
const MAX_FORMAT_BYTES: usize = 512;

/// What each payload type was ever said to mean.
#[derive(Debug, Default)]
pub(crate) struct Numbering(BTreeMap<u8, Format>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Format {
    /// As in `a=rtpmap`: name, clock rate and channels (RFC 8866 §6.6).
    name: String,
    parameters: Vec<String>,
}

impl Numbering {
    /// Takes in what an offer says, or nothing where it contradicts itself or what was said before.
    pub(crate) fn take(&mut self, offer: &str) -> Result<(), SfuError> {
        let mut known = self.0.clone();
        for section in sdp::sections(offer) {
            let parameters = parameters(section);
            for (number, name) in numbered(section, "a=rtpmap:") {
                let parameters = parameters.get(&number).map_or(&[][..], Vec::as_slice);
                check_length(number, name, parameters)?;
                let before = known.entry(number).or_insert_with(|| Format {
                    name: name.to_ascii_lowercase(),
                    parameters: parameters.to_vec(),
                });
                if !before.name.eq_ignore_ascii_case(name) || before.parameters != parameters {
                    return Err(conflict(number, before, name, parameters));
                }
            }
        }
        self.0 = known;
        Ok(())
    }
}

fn check_length(number: u8, name: &str, parameters: &[String]) -> Result<(), SfuError> {
    let bytes = name.len() + parameters.iter().map(String::len).sum::<usize>();
    if bytes > MAX_FORMAT_BYTES {
        return Err(SfuError::BadOffer(format!(
            "what it says of payload type {number} has {bytes} bytes, more than {MAX_FORMAT_BYTES}"
        )));
    }
    Ok(())
}

fn conflict(number: u8, before: &Format, name: &str, parameters: &[String]) -> SfuError {
    let in_words = |name: &str, parameters: &[String]| {
        let text = format!("{name} {}", parameters.join(";"));
        text.trim_end().chars().take(MAX_ECHO_CHARS).collect::<String>()
    };
    SfuError::BadOffer(format!(
        "payload type {number} is said to be {} and {}; all sections share one numbering",
        in_words(&before.name, &before.parameters),
        in_words(name, parameters),
    ))
}

/// The lines of a section that begin with `attribute` and a payload type, which the rest is about.
fn numbered<'a>(section: &'a str, attribute: &'a str) -> impl Iterator<Item = (u8, &'a str)> {
    section.lines().filter_map(move |line| {
        let (number, rest) = line.strip_prefix(attribute)?.split_once(' ')?;
        Some((number.parse().ok()?, rest))
    })
}

/// Of each payload type what tells it apart, in the order of the names: it does not matter in which order they stand.
fn parameters(section: &str) -> BTreeMap<u8, Vec<String>> {
    let mut found: BTreeMap<u8, Vec<String>> = BTreeMap::new();
    for (number, line) in numbered(section, "a=fmtp:") {
        found.entry(number).or_default().extend(telling(line));
    }
    for parameters in found.values_mut() {
        // The sort is stable: of two values of one name, the engine goes by their order.
        parameters.sort_by(|one, other| name_of(one).cmp(name_of(other)));
    }
    found
}

fn name_of(parameter: &str) -> &str {
    parameter.split_once('=').map_or(parameter, |(name, _)| name)
}

/// What tells a format apart in the value of one `a=fmtp` line. A line that is no list of names and values is all of it:
/// nobody knows what the engine reads in it.
fn telling(line: &str) -> Vec<String> {
    let line = line.trim_matches([' ', '\t']);
    let pairs = line.strip_suffix(';').unwrap_or(line).split(';');
    let pairs: Option<Vec<_>> = pairs.map(pair).collect();
    let Some(pairs) = pairs else {
        return vec![line.to_owned()];
    };
    let telling = pairs.into_iter().filter(|(name, _)| TELLING.contains(&name.as_str()));
    telling
        .map(|(name, value)| match profile(&name, value) {
            Some(profile) => format!("{name}={profile}"),
            None => format!("{name}={value}"),
        })
        .collect()
}

/// A `profile-level-id` without its level. One that is not six hexadecimal digits is read by the engine as none, or otherwise.
fn profile<'a>(name: &str, value: &'a str) -> Option<&'a str> {
    let is_one = name == "profile-level-id" && value.len() == 6 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_one.then(|| &value[..PROFILE_CHARS])
}

/// A parameter's name (RFC 4855 §3: whatever its case) and value.
fn pair(text: &str) -> Option<(String, &str)> {
    let (name, value) = text.trim_matches([' ', '\t']).split_once('=')?;
    let is_word = |text: &str| !text.is_empty() && !text.contains([' ', '\t']);
    (is_word(name) && is_word(value)).then(|| (name.to_ascii_lowercase(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_what_tells_formats_apart() {
        assert_eq!(
            telling("packetization-mode=1; Profile-Level-Id=42e01f ;x-google=3;"),
            ["packetization-mode=1", "profile-level-id=42e0"]
        );
        assert_eq!(telling("apt=96"), ["apt=96"]);
        for strange in [
            "profile-level-id=42e0\u{3}1f",
            "profile-level-id=+42e01",
            "profile-level-id=42e0é",
        ] {
            assert_eq!(telling(strange), [strange]);
        }
        assert!(telling("minptime=10;useinbandfec=1").is_empty());
        for strange in ["111/111", "apt = 96", "x y;apt=96", "apt=96;;x=y", "apt="] {
            assert_eq!(telling(strange), [strange]);
        }
    }

    #[test]
    fn what_is_repeated_is_short_and_what_is_refused_is_not_remembered() {
        let mut numbering = Numbering::default();
        let of = |format: &str| format!("v=0\r\nm=video 9 X 96\r\na=rtpmap:96 {format}\r\na=rtpmap:97 VP9/90000\r\n");
        numbering.take(&of("VP8/90000")).expect("nothing was said before");
        numbering.take(&of("vp8/90000")).expect("the same again");
        let error = numbering
            .take(&of(&"x".repeat(10_000)))
            .expect_err("too long")
            .to_string();
        assert!(error.contains("payload type 96 has 10000 bytes"), "{error}");
        let long = "x".repeat(MAX_FORMAT_BYTES);
        let error = numbering.take(&of(&long)).expect_err("another format").to_string();
        assert!(
            error.contains("payload type 96 is said to be vp8/90000 and x"),
            "{error}"
        );
        assert!(error.len() < 200, "{error}");
        numbering.take(&of("VP8/90000")).expect("as it was");
        let sections =
            "m=video 9 X 96 97\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n".repeat(2);
        let mut numbering = Numbering::default();
        numbering
            .take(&format!("v=0\r\n{sections}"))
            .expect("the same twice, to the last line");
        let session_level = "v=0\r\na=rtpmap:96 H264/90000\r\n";
        numbering.take(session_level).expect("a line that means nothing there");
    }
}
