//! What programs write in offers that is clear and harmless, and that the engine's reader refuses.
//!
//! Line by line, in the text: whatever is not known here goes on as it came.

use crate::sdp;

/// The transports that an answerer takes for one and the same (RFC 8829 §5.1.2), of which the engine knows the first.
const PROTOCOLS: [&str; 4] = [
    "UDP/TLS/RTP/SAVPF",
    "UDP/TLS/RTP/SAVP",
    "TCP/DTLS/RTP/SAVPF",
    "TCP/TLS/RTP/SAVPF",
];

/// Bandwidth, addresses, titles and keys (RFC 8866 §5): nothing is done with them, and the engine wants each at most once.
const IGNORED: [&str; 4] = ["b=", "c=", "i=", "k="];

/// The offer as the engine reads it.
pub(crate) fn normalize(offer: &str) -> String {
    let sections = sdp::sections(offer).count();
    // A section with several names is refused where it is read.
    let named = sdp::section_kinds(offer).into_iter().take(sections);
    let mids: Vec<_> = named.map(|(mid, _)| mid).collect();
    let mut has_group = false;
    let mut is_head = true;
    let mut text = String::with_capacity(offer.len() + 64);
    for line in offer.lines() {
        if is_head && line.starts_with("m=") {
            is_head = false;
            // One section is a group by itself.
            if let ([mid], false, 1) = (mids.as_slice(), has_group, sections) {
                push(&mut text, &format!("a=group:BUNDLE {mid}"));
            }
        }
        let is_unknown_print = line.starts_with(sdp::FINGERPRINT) && !sdp::is_known_fingerprint(line);
        if is_unknown_print || IGNORED.iter().any(|kind| line.starts_with(kind)) {
            continue;
        }
        if let Some(group) = line.strip_prefix("a=group:").filter(|_| is_head) {
            let members = group.strip_prefix("BUNDLE").filter(|_| !has_group);
            if let Some(members) = members {
                has_group = true;
                push(&mut text, &bundle(members, &mids));
            }
            continue;
        }
        push(&mut text, &normal_line(line));
    }
    text
}

fn push(text: &mut String, line: &str) {
    text.push_str(line);
    text.push_str("\r\n");
}

/// The group with those of its members that exist, in the order of the sections: which comes first is of no importance
/// to who has one transport for all.
fn bundle(members: &str, mids: &[&str]) -> String {
    let members: Vec<_> = members.split_whitespace().collect();
    let mut group = String::from("a=group:BUNDLE");
    for mid in mids.iter().filter(|mid| members.contains(mid)) {
        group.push(' ');
        group.push_str(mid);
    }
    group
}

fn normal_line(line: &str) -> String {
    if line == "s=" {
        return "s=-".to_owned();
    }
    // Opus always has two channels there (RFC 7587 §7).
    if line.starts_with("a=rtpmap:") && line.to_ascii_lowercase().ends_with(" opus/48000") {
        return format!("{line}/2");
    }
    with_protocol(line, |protocol| PROTOCOLS.contains(&protocol).then_some(PROTOCOLS[0]))
}

/// The answer with the protocols of the offer, which an answer repeats (RFC 8829 §5.3.1).
pub(crate) fn keep_protocols(offer: &str, answer: &str) -> String {
    let mut offered = offer.lines().filter(|line| line.starts_with("m="));
    let mut text = String::with_capacity(answer.len());
    for line in answer.lines() {
        let theirs = line.starts_with("m=").then(|| offered.next()).flatten();
        let protocol = theirs.and_then(|theirs| theirs.split(' ').nth(PROTOCOL));
        push(
            &mut text,
            &with_protocol(line, |ours| protocol.filter(|_| ours == PROTOCOLS[0])),
        );
    }
    text
}

/// The field of a media line (RFC 8866 §5.14), counted from 0.
const PROTOCOL: usize = 2;

fn with_protocol<'a>(line: &str, replace: impl FnOnce(&str) -> Option<&'a str>) -> String {
    let mut fields: Vec<_> = line.split(' ').collect();
    if line.starts_with("m=")
        && let Some(protocol) = fields.get_mut(PROTOCOL)
        && let Some(other) = replace(protocol)
    {
        *protocol = other;
        return fields.join(" ");
    }
    line.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_what_there_is_in_the_order_of_the_sections() {
        let of = |group: &str, mids: &[&str]| {
            let section = |mid: &&str| format!("m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:{mid}\r\n");
            let sections: Vec<_> = mids.iter().map(section).collect();
            let text = normalize(&format!("v=0\r\ns=-\r\n{group}{}", sections.concat()));
            let groups: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("a=group:")).collect();
            groups.join("|")
        };
        assert_eq!(of("a=group:BUNDLE 0 1\r\n", &["0"]), "BUNDLE 0");
        assert_eq!(of("a=group:BUNDLE 1 0\r\n", &["0", "1"]), "BUNDLE 0 1");
        assert_eq!(of("", &["video0"]), "BUNDLE video0");
        assert_eq!(
            of("a=group:LS 0 1\r\na=group:BUNDLE 0 1\r\n", &["0", "1"]),
            "BUNDLE 0 1"
        );
        // Two sections on transports of their own are nothing that is served here.
        assert_eq!(of("", &["0", "1"]), "");
        assert_eq!(of("a=group:BUNDLE 0\r\n", &["0", "1"]), "BUNDLE 0");
    }

    #[test]
    fn lines_are_written_as_the_engine_reads_them() {
        let offer = "v=0\ns=\nb=AS:1\nb=TIAS:2\na=group:BUNDLE 0\nm=audio 9 TCP/TLS/RTP/SAVPF 97\ni=sound\na=mid:0\na=rtpmap:97 OPUS/48000\n";
        assert_eq!(
            normalize(offer),
            "v=0\r\ns=-\r\na=group:BUNDLE 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 97\r\na=mid:0\r\na=rtpmap:97 OPUS/48000/2\r\n"
        );
        let others = "v=0\r\ns=a b\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=rtpmap:97 L16/48000\r\n";
        assert_eq!(normalize(others), others);
    }

    #[test]
    fn an_answer_has_the_protocols_of_its_offer() {
        let offer = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVP 97\r\nm=application 9 DTLS/SCTP 5000\r\n";
        let answer = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 97\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n";
        assert_eq!(keep_protocols(offer, answer), answer.replacen("SAVPF", "SAVP", 1));
    }
}
