//! Whether a player could play anything of what is on air, by the names of codecs alone. That a profile of one does not fit
//! is known only to the media engine, when it shows the track.

/// Everything that is on air is in codecs that the player does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the picture is sent as {0}, which is not among the codecs that the player offers")]
pub struct NotPlayable(String);

/// Whether an offer of a player fits pictures in the codecs `on_air`. Where there are none, anything may come.
pub(super) fn is_playable(offer: &str, on_air: &[&'static str]) -> Result<(), NotPlayable> {
    let mut codecs = on_air.to_vec();
    codecs.sort_unstable();
    codecs.dedup();
    let sections: Vec<_> = offer
        .split("\nm=")
        .skip(1)
        .filter(|section| receives(section))
        .collect();
    // What names no format at all is no offer: the engine says what is wrong with it.
    let names_any = sections.iter().any(|section| section.contains("\na=rtpmap:"));
    let fits = |section: &str| {
        // Sound is forwarded in one codec, which an offer without is refused for by the engine.
        !section.starts_with("video ") || codecs.iter().any(|codec| offers(section, codec))
    };
    if codecs.is_empty() || !names_any || sections.into_iter().any(fits) {
        return Ok(());
    }
    Err(NotPlayable(codecs.join(" and ")))
}

fn receives(section: &str) -> bool {
    let mut lines = section.lines().map(str::trim_end);
    !lines.any(|line| matches!(line, "a=sendonly" | "a=inactive"))
}

fn offers(section: &str, codec: &str) -> bool {
    let formats = section
        .lines()
        .filter_map(|line| line.strip_prefix("a=rtpmap:")?.split_once(' '));
    let mut names = formats.filter_map(|(_, format)| format.split('/').next());
    names.any(|name| name.eq_ignore_ascii_case(codec))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VP8: &str = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=recvonly\r\na=rtpmap:96 VP8/90000\r\n";
    const SOUND: &str = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=recvonly\r\na=rtpmap:111 opus/48000/2\r\n";

    #[test]
    fn a_player_that_could_show_nothing_is_told_the_codec() {
        let of = |sections: &str, on_air: &[&'static str]| is_playable(&format!("v=0\r\n{sections}"), on_air);
        assert_eq!(of(VP8, &[]), Ok(()), "nothing is on air yet");
        assert_eq!(of(VP8, &["VP8"]), Ok(()));
        assert_eq!(of(VP8, &["H264", "VP8"]), Ok(()), "one of two");
        let refused = of(VP8, &["H264", "H264", "AV1"]).expect_err("neither");
        assert!(refused.to_string().contains("AV1 and H264,"), "{refused}");
        assert_eq!(of(&format!("{SOUND}{VP8}"), &["H264"]), Ok(()), "it hears the show");
        assert_eq!(of("", &["H264"]), Ok(()), "it is no offer");
        assert_eq!(
            of("m=video 9 UDP/TLS/RTP/SAVPF 96\r\n", &["H264"]),
            Ok(()),
            "nor is this"
        );
        let mute = SOUND.replace("recvonly", "inactive");
        assert!(of(&format!("{mute}{VP8}"), &["H264"]).is_err());
    }
}
