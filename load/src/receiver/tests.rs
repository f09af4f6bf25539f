use footlight_sfu::wire::{Heard, Keys, provider, read_feedback};
use proptest::prelude::*;
use str0m::crypto::dtls::SrtpProfile;

use super::*;
use crate::tally::{Numbers, Step};

const PROFILES: [SrtpProfile; 3] = [
    SrtpProfile::AEAD_AES_128_GCM,
    SrtpProfile::AEAD_AES_256_GCM,
    SrtpProfile::AES128_CM_SHA1_80,
];

const MEDIA: u8 = 102;
const REPAIR: u8 = 103;
const SSRC: u32 = 9;
const MS: u64 = 1_000_000;

/// A server that numbers what it sends, and a receiver.
struct Pair {
    server: Srtp,
    receiver: Receiver,
    tally: Tally,
    scratch: Scratch,
    start: Instant,
    next: u64,
    next_repair: u64,
    next_transport: u16,
    arrived: u64,
}

/// A packet on its way.
#[derive(Debug, Clone)]
struct Sent {
    datagram: Vec<u8>,
    index: u64,
    content: Content,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Stamped(u32),
    /// Parameter sets.
    Short,
    /// Something of the server's own.
    Long,
    Padding,
}

impl Content {
    fn bytes(self) -> (Vec<u8>, bool) {
        match self {
            Self::Stamped(number) => {
                let mut payload = vec![0x7c, 0x05];
                let stamp = Stamp {
                    number,
                    sent_unix_ns: 0,
                };
                stamp.write(&mut payload);
                payload.resize(300, 0xff);
                (payload, false)
            }
            Self::Short => (vec![24; 30], false),
            Self::Long => (vec![24; 300], false),
            Self::Padding => ([vec![0; 199], vec![200]].concat(), true),
        }
    }
}

impl Pair {
    fn new(profile: SrtpProfile) -> Self {
        let material: Vec<u8> = (0..profile.keying_material_len()).map(|at| at as u8).collect();
        let [server, client] = [false, true].map(|is_client| {
            Srtp::new(&Keys::new(&material, profile, is_client), &provider()).expect("a known profile")
        });
        let start = Instant::now();
        let mut receiver = Receiver::new(5, start);
        receiver.set_terms(Terms {
            media: 1 << MEDIA,
            repair: 1 << REPAIR,
            transport_id: 3,
        });
        receiver.set_keys(client);
        Self {
            server,
            receiver,
            tally: Tally::new(),
            scratch: Scratch::default(),
            start,
            // Around the rollover.
            next: 65_500,
            next_repair: 7,
            next_transport: 65_530,
            arrived: 1_000 * MS,
        }
    }

    fn seal(&mut self, (payload_type, ssrc, index): (u8, u32, u64), payload: &[u8], has_padding: bool) -> Vec<u8> {
        let mut header = vec![0x90 | u8::from(has_padding) << 5, payload_type];
        header.extend((index as u16).to_be_bytes());
        header.extend([0; 4]);
        header.extend(ssrc.to_be_bytes());
        header.extend([0xBE, 0xDE, 0, 1, 0x31]);
        header.extend(self.next_transport.to_be_bytes());
        header.push(0);
        self.next_transport = self.next_transport.wrapping_add(1);
        let sealed = self.server.seal_rtp(&header, (ssrc, index), payload);
        sealed.expect("sealed").to_vec()
    }

    fn send(&mut self, content: Content) -> Sent {
        let index = self.next;
        self.next += 1;
        let (payload, has_padding) = content.bytes();
        let datagram = self.seal((MEDIA, SSRC, index), &payload, has_padding);
        Sent {
            datagram,
            index,
            content,
        }
    }

    fn send_again(&mut self, sent: &Sent) -> Sent {
        let index = self.next_repair;
        self.next_repair += 1;
        let (payload, has_padding) = sent.content.bytes();
        let payload = [&(sent.index as u16).to_be_bytes()[..], &payload].concat();
        let datagram = self.seal((REPAIR, SSRC + 1, index), &payload, has_padding);
        Sent { datagram, ..*sent }
    }

    fn receive(&mut self, sent: &Sent) -> bool {
        self.arrived += MS;
        let to = (&mut self.tally, &mut self.scratch);
        self.receiver.receive(&sent.datagram, self.arrived, self.start, to)
    }

    fn heard(&mut self, after: Duration) -> Vec<Heard> {
        let Some(sealed) = self.receiver.report(self.start + after, &mut self.scratch) else {
            return Vec::new();
        };
        let sealed = sealed.to_vec();
        let mut opened = Vec::new();
        assert!(self.server.open_rtcp(&sealed, &mut opened));
        read_feedback(&opened)
    }
}

/// How all was counted before: every packet opened, and its number read.
#[derive(Default)]
struct Full {
    first: Option<u64>,
    highest: u64,
    seen: std::collections::HashSet<u64>,
    numbers: Numbers,
    packets: u64,
    missing: u64,
    late: u64,
    unstamped: u64,
    gaps: u64,
}

impl Full {
    fn receive(&mut self, sent: &Sent) {
        let first = *self.first.get_or_insert(sent.index);
        self.highest = self.highest.max(first);
        if sent.index < first || sent.index + 100 < self.highest || !self.seen.insert(sent.index) {
            return;
        }
        self.gaps += sent.index.saturating_sub(self.highest + 1);
        self.highest = self.highest.max(sent.index);
        self.packets += u64::from(sent.content != Content::Padding);
        match sent.content {
            Content::Stamped(number) => match self.numbers.arrived(number) {
                Step::Ahead(skipped) => self.missing += u64::from(skipped),
                Step::Behind => self.late += 1,
                Step::Anew => {}
            },
            Content::Short | Content::Long => self.unstamped += 1,
            Content::Padding => {}
        }
    }
}

/// What the network does to a packet.
#[derive(Debug, Clone, Copy)]
enum Loss {
    None,
    ForEver,
    /// It is sent again, so many packets later.
    Repaired(usize),
}

/// What happens to a packet.
#[derive(Debug, Clone, Copy)]
struct Fate {
    /// Not stamped, but parameter sets or padding.
    other: Option<Content>,
    /// The server left it out and numbered the others as if it had never been.
    hidden: bool,
    loss: Loss,
    /// Overtaken by so many.
    overtaken: usize,
    twice: bool,
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let fate = (
        prop_oneof![
            12 => Just(None),
            1 => Just(Some(Content::Short)),
            1 => Just(Some(Content::Padding))
        ],
        prop::bool::weighted(0.04),
        prop_oneof![
            30 => Just(Loss::None),
            1 => Just(Loss::ForEver),
            1 => (1..60_usize).prop_map(Loss::Repaired)
        ],
        prop_oneof![20 => Just(0), 1 => 1..30_usize],
        prop::bool::weighted(0.03),
    );
    let fate = fate.prop_map(|(other, hidden, loss, overtaken, twice)| Fate {
        other,
        hidden,
        loss,
        overtaken,
        twice,
    });
    prop::collection::vec(fate, 1..400)
}

/// What arrives, in order, of what the server sends.
fn arrivals(pair: &mut Pair, fates: &[Fate]) -> Vec<Sent> {
    /// So many clean packets at the end, of which some are sampled.
    const END: usize = 40;
    let mut number = 0_u32;
    let mut arrivals = Vec::new();
    let clean = Fate {
        other: None,
        hidden: false,
        loss: Loss::None,
        overtaken: 0,
        twice: false,
    };
    let all = std::iter::once(clean).chain(fates.iter().copied());
    for (at, fate) in all.chain(std::iter::repeat_n(clean, END)).enumerate() {
        // The last to come late is here before the end begins.
        let at = if at <= fates.len() { at } else { at + 100 };
        let content = fate.other.unwrap_or(Content::Stamped(number));
        number += u32::from(fate.other.is_none());
        if fate.hidden {
            continue;
        }
        let sent = pair.send(content);
        match fate.loss {
            Loss::None => arrivals.push((at + fate.overtaken, sent.clone())),
            Loss::Repaired(later) => arrivals.push((at + later, pair.send_again(&sent))),
            Loss::ForEver => {}
        }
        if fate.twice {
            arrivals.push((at + 3, pair.send_again(&sent)));
        }
    }
    arrivals.sort_by_key(|(at, _)| *at);
    arrivals.into_iter().map(|(_, sent)| sent).collect()
}

proptest! {
    /// Hidden, lost, overtaken, repeated and repaired packets, parameter sets and padding.
    #[test]
    fn sampling_counts_as_reading_every_packet_does(
        fates in fates(),
        profile in prop::sample::select(PROFILES.to_vec()),
    ) {
        let mut pair = Pair::new(profile);
        let mut full = Full::default();
        let arrivals = arrivals(&mut pair, &fates);
        for sent in &arrivals {
            pair.receive(sent);
            full.receive(sent);
            let tally = &pair.tally;
            prop_assert_eq!(
                (tally.packets, tally.late, tally.unstamped, tally.sequence_gaps),
                (full.packets, full.late, full.unstamped, full.gaps)
            );
            prop_assert!(tally.missing <= full.missing);
            if pair.receiver.count.is_settled() {
                prop_assert_eq!(tally.missing, full.missing);
            }
        }
        prop_assert_eq!(pair.tally.missing, full.missing);
        prop_assert!(pair.tally.delay.len() >= pair.tally.packets / u64::from(count::SAMPLED) / 2);
    }

    /// A server that numbers packets as it gets them: what never came is missing all the same.
    #[test]
    fn nothing_is_hidden_by_a_server_that_gets_packets_out_of_order(
        mut numbers in Just((0..300_u32).collect::<Vec<_>>()).prop_flat_map(|all| prop::sample::subsequence(all, 200..300)),
        swaps in prop::collection::vec((0..199_usize, 1..6_usize), 0..30),
    ) {
        for (at, by) in swaps {
            let other = (at + by).min(numbers.len() - 1);
            numbers.swap(at, other);
        }
        let mut pair = Pair::new(PROFILES[0]);
        let mut full = Full::default();
        for number in numbers.into_iter().chain(300..340) {
            let sent = pair.send(Content::Stamped(number));
            pair.receive(&sent);
            full.receive(&sent);
        }
        let never = pair.tally.missing as i64 - pair.tally.late as i64;
        prop_assert_eq!(never, full.missing as i64 - full.late as i64);
    }

    #[test]
    fn whatever_comes_is_ignored(
        datagram in prop::collection::vec(any::<u8>(), 0..200),
        kind in prop::sample::select(vec![MEDIA, REPAIR, 200, 5]),
    ) {
        let mut pair = Pair::new(PROFILES[0]);
        let mut datagram = datagram;
        if let [first, second, ..] = &mut datagram[..] {
            (*first, *second) = (*first & 0x3f | 0x80, kind);
        }
        let to = (&mut pair.tally, &mut pair.scratch);
        prop_assert!(!pair.receiver.receive(&datagram, 1, pair.start, to));
        prop_assert_eq!(pair.tally.packets, 0);
    }
}

#[test]
fn most_packets_are_not_opened() {
    let mut pair = Pair::new(PROFILES[0]);
    let mut opened = 0;
    for number in 0..1_700 {
        let sent = pair.send(Content::Stamped(number));
        pair.scratch.opened.clear();
        assert_eq!(pair.receive(&sent), number == 0, "the first tells that it works");
        opened += u32::from(!pair.scratch.opened.is_empty());
    }
    assert!((100..=103).contains(&opened), "{opened}");
    assert_eq!(
        (pair.tally.delay.len(), pair.tally.packets, pair.tally.missing),
        (100, 1_700, 0)
    );
}

#[test]
fn where_long_packets_have_no_stamp_all_are_opened() {
    let mut pair = Pair::new(PROFILES[0]);
    for number in 0..3_400 {
        // For each packet that the server leaves out, one of its own takes its place.
        let content = if number % 10 == 0 {
            Content::Long
        } else {
            Content::Stamped(number)
        };
        let sent = pair.send(content);
        pair.receive(&sent);
    }
    assert_eq!(pair.tally.packets, 3_400);
    // But for those before the first of them was found.
    assert!((300..=340).contains(&pair.tally.missing), "{}", pair.tally.missing);
    let mut others = Pair::new(PROFILES[0]);
    for _ in 0..100 {
        let sent = others.send(Content::Long);
        others.receive(&sent);
    }
    assert_eq!((others.tally.unstamped, others.tally.missing), (100, 0));
}

#[test]
fn the_server_hears_what_came_and_what_did_not() {
    let mut pair = Pair::new(PROFILES[1]);
    let sent: Vec<Sent> = (0..6).map(|number| pair.send(Content::Stamped(number))).collect();
    assert!(
        pair.heard(Duration::ZERO).is_empty(),
        "nothing to tell before the first"
    );
    let mut report = vec![2 << 6, SENDER_REPORT, 0, 6];
    report.extend(SSRC.to_be_bytes());
    report.extend([0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88]);
    report.resize(28, 0);
    let report = pair.server.seal_rtcp(&report).expect("sealed").to_vec();
    for at in [0, 1, 4] {
        pair.receive(&sent[at]);
    }
    pair.receiver
        .receive(&report, 0, pair.start, (&mut pair.tally, &mut pair.scratch));
    let heard = pair.heard(Duration::ZERO);
    let [
        Heard::Report {
            ssrc: SSRC,
            last_report: 0x3344_5566,
            ..
        },
        Heard::Nack { ssrc: SSRC, numbers },
        Heard::Arrivals {
            first: 65_530, steps, ..
        },
    ] = &heard[..]
    else {
        panic!("{heard:?}")
    };
    assert_eq!(numbers, &[65_502, 65_503]);
    let came: Vec<bool> = steps.iter().map(Option::is_some).collect();
    assert_eq!(came, [true, true, false, false, true]);

    let again = pair.send_again(&sent[2]);
    pair.receive(&again);
    assert_eq!((pair.tally.missing, pair.tally.late), (2, 1));
    pair.receive(&again);
    assert_eq!((pair.tally.packets, pair.tally.late), (4, 1), "once is enough");
    assert!(pair.heard(Duration::from_millis(40)).is_empty());
    let heard = pair.heard(Duration::from_millis(50));
    assert!(
        matches!(&heard[..], [Heard::Arrivals { first: 65_535, steps, .. }] if steps.len() == 2),
        "{heard:?}"
    );
    let heard = pair.heard(Duration::from_millis(105));
    assert!(
        matches!(&heard[..], [Heard::Nack { numbers, .. }] if numbers == &[65_503]),
        "{heard:?}"
    );
}

#[test]
fn a_stream_that_takes_over_is_followed_and_so_is_its_return() {
    let mut pair = Pair::new(PROFILES[0]);
    let mut number = 0;
    for (ssrc, from) in [(SSRC, 65_500), (50, 3), (SSRC, 65_600)] {
        for index in from..from + 100 {
            let (payload, _) = Content::Stamped(number).bytes();
            let datagram = pair.seal((MEDIA, ssrc, index), &payload, false);
            number += 1;
            pair.receive(&Sent {
                datagram,
                index,
                content: Content::Short,
            });
        }
    }
    assert_eq!(
        (pair.tally.packets, pair.tally.missing, pair.tally.sequence_gaps),
        (300, 0, 0)
    );
    assert!(pair.receiver.lines.len() == 2);
}

#[test]
fn parameter_sets_are_always_opened() {
    use crate::{h264::Stream, options::Options};
    use clap::Parser as _;
    /// The longest tag.
    const TAG: usize = 16;
    for size in ["16x16", "1280x720", "1920x1080", "8190x8190"] {
        let options = Options::parse_from(["footlight-load", "--size", size, "--bitrate", "10k"]);
        for payload in Stream::new(&options).picture(true, 1) {
            let is_long = payload.bytes.len() + TAG > SHORT;
            assert!(Stamp::read(&payload.bytes).is_some() || !is_long);
        }
    }
}
