//! What a description says about sections and streams.

/// Kind and name of each media section, in order.
pub(crate) fn sections(sdp: &str) -> Vec<(String, String)> {
    let mut kind = "";
    let mut sections = Vec::new();
    for line in sdp.lines() {
        if let Some(media) = line.strip_prefix("m=") {
            kind = media.split(' ').next().unwrap_or_default();
        } else if let Some(mid) = line.strip_prefix("a=mid:") {
            sections.push((kind.to_owned(), mid.trim().to_owned()));
        }
    }
    sections
}

/// A stream that an answer announces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Announced {
    pub(crate) mid: String,
    pub(crate) ssrc: u32,
    /// The SSRC of its retransmissions (RFC 5576 §4.2).
    pub(crate) repair: Option<u32>,
}

/// The streams of an answer: the first SSRC of each section, and what repairs it.
pub(crate) fn announced(sdp: &str) -> Vec<Announced> {
    let mut mid: Option<&str> = None;
    let mut found: Vec<Announced> = Vec::new();
    for line in sdp.lines() {
        if line.starts_with("m=") {
            mid = None;
        } else if let Some(name) = line.strip_prefix("a=mid:") {
            mid = Some(name.trim());
        }
        let Some(mid) = mid else { continue };
        let mut ssrcs = if let Some(group) = line.strip_prefix("a=ssrc-group:FID ") {
            group
        } else if let Some(attribute) = line.strip_prefix("a=ssrc:") {
            attribute
        } else {
            continue;
        }
        .split(' ')
        .map_while(|number| number.parse::<u32>().ok());
        let (Some(ssrc), repair) = (ssrcs.next(), ssrcs.next()) else {
            continue;
        };
        match found.iter_mut().find(|one| one.mid == mid) {
            Some(known) if known.ssrc == ssrc => known.repair = known.repair.or(repair),
            Some(_) => {}
            None => found.push(Announced {
                mid: mid.to_owned(),
                ssrc,
                repair,
            }),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "v=0\r\nm=audio 9 X 111\r\na=mid:0\r\na=ssrc:7 cname:x\r\na=ssrc:7 msid:s t\r\n\
                          m=video 9 X 102\r\na=mid:v1\r\na=ssrc-group:FID 8 9\r\na=ssrc:8 cname:x\r\na=ssrc:9 cname:x\r\n\
                          m=video 0 X 102\r\na=mid:2\r\na=inactive\r\n";

    #[test]
    fn sections_are_named_in_order() {
        let named = sections(ANSWER);
        let named: Vec<_> = named.iter().map(|(kind, mid)| (kind.as_str(), mid.as_str())).collect();
        assert_eq!(named, [("audio", "0"), ("video", "v1"), ("video", "2")]);
    }

    #[test]
    fn each_section_has_its_stream_and_what_repairs_it() {
        let stream = |mid: &str, ssrc, repair| Announced {
            mid: mid.to_owned(),
            ssrc,
            repair,
        };
        assert_eq!(announced(ANSWER), [stream("0", 7, None), stream("v1", 8, Some(9))]);
        // The group may come after the streams.
        let later = "m=video 9 X 1\r\na=mid:0\r\na=ssrc:8 cname:x\r\na=ssrc:9 cname:x\r\na=ssrc-group:FID 8 9\r\n";
        assert_eq!(announced(later), [stream("0", 8, Some(9))]);
        assert_eq!(announced("a=ssrc:7 cname:x\r\nm=audio 9 X 1\r\na=ssrc:x\r\n"), []);
    }
}
