//! Whatever the network sends, nothing panics, nothing grows, and the show goes on.

mod world;

use std::time::{Duration, Instant};

use footlight_sfu::{
    Candidate, Direction, Identity, Muted, PeerRequest, Protocol, Sfu, SfuConfig, SfuError, WorkerId, check_candidate,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use world::{Offer, World, server_address};

fn worker() -> Sfu {
    Sfu::new(SfuConfig {
        worker: WorkerId(0),
        candidates: vec![Candidate::host(server_address(), "udp").expect("a candidate")],
        identity: Identity::generate().expect("a key"),
    })
}

/// A real offer, for mutations that get past the first line.
fn offer(direction: &str) -> String {
    let mut world = World::new(1);
    let client = world.join(0, "s", "u", &Offer::publish());
    let mut api = world.clients[client].rtc.sdp_api();
    api.add_media(
        str0m::media::MediaKind::Video,
        str0m::media::Direction::SendOnly,
        None,
        None,
        None,
    );
    let offer = api.apply().expect("a change").0.to_sdp_string();
    offer.replace("a=sendonly", &format!("a={direction}"))
}

fn request(direction: Direction, offer: &str) -> PeerRequest<'_> {
    PeerRequest {
        session: "s".into(),
        user: "u".into(),
        direction,
        offer,
        sources: None,
        muted: Muted::default(),
    }
}

/// The sections of sound and picture that a browser would send, with these lines of formats.
fn two_sections(direction: &str, audio: &str, video: &str) -> String {
    let section = |kind: &str, mid: u8, formats: &str| {
        let numbers: Vec<_> = formats
            .lines()
            .filter_map(|line| line.strip_prefix("a=rtpmap:")?.split(' ').next())
            .collect();
        format!(
            "m={kind} 9 UDP/TLS/RTP/SAVPF {}\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\n\
             a=ice-pwd:0123456789012345678901\r\na=fingerprint:sha-256 {}\r\na=setup:actpass\r\na=mid:{mid}\r\n\
             a={direction}\r\na=rtcp-mux\r\n{}\r\n",
            numbers.join(" "),
            ["00"; 32].join(":"),
            formats.lines().collect::<Vec<_>>().join("\r\n"),
        )
    };
    format!(
        "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n{}{}",
        section("audio", 0, audio),
        section("video", 1, video),
    )
}

const DIRECTIONS: [&str; 4] = ["sendonly", "recvonly", "sendrecv", "inactive"];
const OPUS: &str = "a=rtpmap:96 opus/48000/2";

#[test]
fn one_number_for_two_formats_is_refused_in_words_that_name_both() {
    let conflicts = [
        "a=rtpmap:96 VP8/90000",
        // The number of the repairs of one format.
        "a=rtpmap:98 VP8/90000\na=rtpmap:96 rtx/90000\na=fmtp:96 apt=98",
        // The engine reads formats that the section does not list.
        "a=rtpmap:98 VP8/90000\na=rtpmap:98 VP9/90000",
        // The same repairs for two formats.
        "a=rtpmap:98 VP8/90000\na=rtpmap:99 H264/90000\na=rtpmap:99 rtx/90000\na=fmtp:99 apt=98",
    ];
    let mut sfu = worker();
    let now = Instant::now();
    for video in conflicts {
        for text in DIRECTIONS.map(|direction| two_sections(direction, OPUS, video)) {
            for direction in [Direction::Publish, Direction::Subscribe] {
                let error = sfu
                    .accept(&request(direction, &text), now)
                    .expect_err(video)
                    .to_string();
                assert!(error.contains("payload type 9") && error.contains(" and "), "{error}");
            }
        }
    }
    assert_eq!(sfu.counters().peers, 0);
}

#[test]
fn an_offer_without_a_codec_that_is_taken_is_refused_in_words_that_name_both_sides() {
    let mut sfu = worker();
    let now = Instant::now();
    let hevc = "a=rtpmap:97 H265/90000\na=rtpmap:98 rtx/90000\na=fmtp:98 apt=97";
    let text = two_sections("sendonly", OPUS, hevc);
    let error = sfu
        .accept(&request(Direction::Publish, &text), now)
        .expect_err("no picture")
        .to_string();
    assert!(
        error.contains("for video") && error.contains("offered H265; taken H264, VP8"),
        "{error}"
    );
    // A player may be without a picture.
    let text = text.replace("sendonly", "recvonly");
    sfu.accept(&request(Direction::Subscribe, &text), now).expect("sound");
    let text = two_sections("recvonly", "a=rtpmap:96 PCMU/8000", hevc);
    let error = sfu
        .accept(&request(Direction::Subscribe, &text), now)
        .expect_err("nothing")
        .to_string();
    assert!(
        error.contains("for audio") && error.contains("offered PCMU; taken opus"),
        "{error}"
    );
    assert_eq!(sfu.counters().peers, 1);
}

#[test]
fn offers_as_programs_write_them_are_answered() {
    let mut sfu = worker();
    let now = Instant::now();
    let video = "a=rtpmap:97 H264/90000\na=fmtp:97 packetization-mode=1;profile-level-id=42e01f";
    let both = two_sections("sendonly", OPUS, video);
    let (sound, _) = both.split_once("m=video").expect("two sections");
    let programs = [
        // ffmpeg names both sections of the group where it sends one alone.
        sound.to_owned(),
        sound.replace("a=group:BUNDLE 0 1\r\n", ""),
        both.replace("BUNDLE 0 1", "BUNDLE 1 0"),
        both.replace("s=-", "s="),
        both.replace(
            "c=IN IP4 0.0.0.0\r\n",
            "i=title\r\nc=IN IP4 0.0.0.0\r\nb=AS:3000\r\nb=TIAS:3000000\r\n",
        ),
        both.replace("opus/48000/2", "opus/48000"),
        both.replace("UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP"),
        both.replace("UDP/TLS/RTP/SAVPF", "TCP/TLS/RTP/SAVPF"),
    ];
    for text in programs {
        let answer = sfu.accept(&request(Direction::Publish, &text), now);
        let (_, answer) = answer.unwrap_or_else(|error| panic!("{error}\n{text}"));
        let protocol = |sdp: &str| {
            sdp.lines()
                .find_map(|line| line.strip_prefix("m=audio")?.split(' ').nth(2).map(str::to_owned))
        };
        assert_eq!(protocol(&answer), protocol(&text));
    }
}

#[test]
fn a_certificate_that_cannot_be_checked_is_refused_before_it_fails_in_silence() {
    let mut sfu = worker();
    let now = Instant::now();
    let known = two_sections("sendonly", OPUS, "a=rtpmap:97 VP8/90000");
    let unknown = known.replace("a=fingerprint:sha-256 00", "a=fingerprint:sha-384 00");
    let error = sfu
        .accept(&request(Direction::Publish, &unknown), now)
        .expect_err("unknown")
        .to_string();
    assert!(error.contains("fingerprint") && error.contains("sha-256"), "{error}");
    let both = known.replace("t=0 0\r\n", "t=0 0\r\na=fingerprint:sha-512 00:01\r\n");
    sfu.accept(&request(Direction::Publish, &both), now)
        .expect("one that is known");
}

#[test]
fn a_number_keeps_its_format_through_later_offers() {
    let mut sfu = worker();
    let now = Instant::now();
    let first = two_sections("recvonly", OPUS, "a=rtpmap:97 VP8/90000");
    let (peer, _) = sfu
        .accept(&request(Direction::Subscribe, &first), now)
        .expect("a good offer");
    let other = two_sections(
        "recvonly",
        OPUS,
        "a=rtpmap:97 H264/90000\na=fmtp:97 packetization-mode=1",
    );
    let error = sfu.reoffer(peer, &other, None, now).expect_err("another format");
    assert!(error.to_string().contains("payload type 97"), "{error}");
    sfu.reoffer(peer, &first, None, now).expect("nothing has changed");
}

#[test]
fn parameters_tell_formats_apart_and_others_do_not() {
    let mut sfu = worker();
    let now = Instant::now();
    let mut of = |first: &str, second: &str| {
        let formats = |parameters: &str| format!("a=rtpmap:97 H264/90000\na=fmtp:97 {parameters}");
        let text = two_sections("recvonly", &formats(first), &formats(second)).replace("m=audio", "m=video");
        sfu.accept(&request(Direction::Subscribe, &text), now).map(|_| ())
    };
    let baseline = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f";
    of(baseline, baseline).expect("the same");
    of(baseline, "packetization-mode=1; profile-level-id=42e034").expect("another level of one profile");
    of(baseline, &baseline.replace("42e01f", "64001f")).expect_err("another profile");
    of(baseline, &baseline.replace("mode=1", "mode=0")).expect_err("another mode");
    of(baseline, &baseline.replace("42e01f", "42e0\u{3}1f")).expect_err("a profile that is none");
    of(baseline, &baseline.replace("level-id=", "level-id= ")).expect_err("what the engine reads as none");
}

#[test]
fn noise_from_a_viewers_own_address_leaves_the_show_alone() {
    let mut world = World::new(1);
    let publisher = world.connect(0, "show", "host", &Offer::publish());
    world.run_live(&[publisher], Duration::from_millis(100));
    let viewer = world.connect(0, "show", "guest", &Offer::subscribe());
    world.run_live(&[publisher], Duration::from_millis(500));

    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    for round in 0..3_000_u32 {
        let mut noise = Vec::new();
        for _ in 0..(round % 160) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            noise.push(seed as u8);
        }
        // One of each kind that the first byte tells apart (RFC 7983 §7).
        if let Some(first) = noise.first_mut() {
            *first = [0, 1, 20, 22, 63, 128, 129, 191, 255][round as usize % 9];
        }
        let source = world.clients[if round % 2 == 0 { viewer } else { publisher }].address;
        let now = world.now;
        world.workers[0].handle_datagram((Protocol::Udp, source, server_address()), &noise, now);
        world.settle();
    }
    world.clients[viewer].received.clear();
    world.run_live(&[publisher], Duration::from_secs(1));
    assert!(world.clients[viewer].pictures().len() > 30);
    assert_eq!(world.workers[0].counters().peers, 2);
}

#[test]
fn datagrams_of_nobody_are_counted_and_forgotten() {
    let mut sfu = worker();
    let now = Instant::now();
    for port in 1..2_000_u16 {
        let path = (Protocol::Udp, ([203, 0, 113, 1], port).into(), server_address());
        sfu.handle_datagram(path, &[0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0], now);
    }
    assert_eq!(sfu.counters().unknown_datagrams, 1_999);
    assert_eq!(sfu.poll_timeout(), None);
    assert!(sfu.poll_transmit(Instant::now()).is_none());
}

#[test]
fn an_offer_without_end_is_refused() {
    let mut sfu = worker();
    let huge = format!("v=0\r\n{}", "a=x\r\n".repeat(100_000));
    let many = format!("v=0\r\n{}", "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n".repeat(100));
    let layers: Vec<_> = (0..5_000).map(|layer| layer.to_string()).collect();
    let deep =
        two_sections("recvonly", OPUS, "a=rtpmap:97 VP8/90000") + &format!("a=simulcast:recv {}\r\n", layers.join(";"));
    for offer in [huge, many, deep] {
        let request = PeerRequest {
            session: "s".into(),
            user: "u".into(),
            direction: Direction::Publish,
            offer: &offer,
            sources: None,
            muted: Muted::default(),
        };
        let error = sfu.accept(&request, Instant::now()).expect_err("too large");
        assert!(error.to_string().contains("more than"), "{error}");
    }
}

/// What was answered. The engine fails at nothing that it is given: that it would be caught is the last resort.
fn read<T>(answer: Result<T, SfuError>) -> Option<T> {
    let refused = |error: &SfuError| assert!(!error.to_string().contains("media engine failed"), "{error}");
    answer.inspect_err(refused).ok()
}

/// Writes one number of a format for another in one line, or in all lines of one section.
fn renumber(lines: &mut [String], at: Index, from: Index, to: Index) {
    let numbers: Vec<_> = lines
        .iter()
        .filter_map(|line| Some(line.strip_prefix("a=rtpmap:")?.split(' ').next()?.to_owned()))
        .collect();
    let (from, to) = (from.get(&numbers).clone(), to.get(&numbers).clone());
    let start = at.index(lines.len());
    let is_section = start.is_multiple_of(2);
    let end = lines.iter().skip(start + 1).position(|line| line.starts_with("m="));
    let end = end
        .filter(|_| is_section)
        .map_or(lines.len(), |length| start + 1 + length);
    let end = if is_section { end } else { start + 1 };
    for line in &mut lines[start..end] {
        for (before, after) in [(":", " "), (" ", ""), ("=", "")] {
            let is_last = after.is_empty() && !line.ends_with(&format!("{before}{from}"));
            if !is_last {
                *line = line.replacen(&format!("{before}{from}{after}"), &format!("{before}{to}{after}"), 1);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_datagram_panics(datagrams in vec(vec(any::<u8>(), 0..300), 1..20)) {
        let mut sfu = worker();
        let now = Instant::now();
        for datagram in datagrams {
            sfu.handle_datagram((Protocol::Udp, ([203, 0, 113, 1], 9).into(), server_address()), &datagram, now);
        }
    }

    #[test]
    fn no_offer_panics(direction in select(DIRECTIONS.to_vec()), cuts in vec((any::<Index>(), ".{0,12}"), 0..6), end in any::<Index>()) {
        let mut sdp = offer(direction);
        for (at, text) in cuts {
            let at = at.index(sdp.len());
            if sdp.is_char_boundary(at) {
                sdp.insert_str(at, &text);
            }
        }
        let end = end.index(sdp.len() + 1);
        if sdp.is_char_boundary(end) && end % 3 == 0 {
            sdp.truncate(end);
        }
        let mut sfu = worker();
        let now = Instant::now();
        for direction in [Direction::Publish, Direction::Subscribe] {
            if let Some(peer) = read(sfu.accept(&request(direction, &sdp), now)) {
                read(sfu.reoffer(peer.0, &sdp, None, now));
                sfu.close(peer.0, now);
            }
        }
        prop_assert_eq!(sfu.counters().peers, 0);
    }

    #[test]
    fn no_numbering_panics(direction in select(DIRECTIONS.to_vec()), changes in vec((any::<Index>(), any::<Index>(), any::<Index>()), 1..8)) {
        let mut sfu = worker();
        let now = Instant::now();
        let sdp = offer(direction);
        let (peer, _) = sfu.accept(&request(Direction::Subscribe, &sdp.replace("inactive", "recvonly").replace("sendonly", "recvonly")), now).expect("a good offer");
        let mut lines: Vec<_> = sdp.lines().map(str::to_owned).collect();
        for (at, from, to) in changes {
            renumber(&mut lines, at, from, to);
            let sdp = lines.join("\r\n") + "\r\n";
            for direction in [Direction::Publish, Direction::Subscribe] {
                read(sfu.accept(&request(direction, &sdp), now));
            }
            read(sfu.reoffer(peer, &sdp, None, now));
        }
        sfu.close_all(now);
        prop_assert_eq!(sfu.counters().peers, 0);
    }

    #[test]
    fn no_candidate_panics(line in ".{0,80}") {
        let _ = check_candidate(&line);
    }
}
