//! The media engine on real sockets of the loopback: UDP and ICE-TCP, several workers, and strangers.

mod rtc_client;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use footlight_protocol::{Connection, MediaKind, TrackSource};
use footlight_server::media::{Media, MediaConfig, MediaError, MediaEvent, Muted, PeerId, PeerRequest};
use rtc_client::{Client, IDR, Over, raw_tcp};
use tokio::net::UdpSocket;
use tokio::sync::mpsc::Receiver;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn config(workers: usize) -> MediaConfig {
    MediaConfig {
        bind: vec![LOOPBACK],
        port: 0,
        advertise: vec![LOOPBACK],
        workers,
        pinning: false,
        ice_tcp: true,
        pages: Vec::new(),
        relay: None,
    }
}

fn start(workers: usize) -> (Media, Receiver<MediaEvent>) {
    Media::start(config(workers)).expect("a media engine")
}

fn address(media: &Media) -> SocketAddr {
    SocketAddr::new(LOOPBACK, media.port())
}

async fn wait_for(events: &mut Receiver<MediaEvent>, wanted: impl Fn(&MediaEvent) -> bool) -> MediaEvent {
    let found = async {
        loop {
            let event = events.recv().await.expect("the engine runs");
            if wanted(&event) {
                return event;
            }
        }
    };
    tokio::time::timeout(Duration::from_mins(1), found)
        .await
        .expect("it happens in time")
}

async fn until_closed(events: &mut Receiver<MediaEvent>, peer: PeerId) {
    wait_for(
        events,
        |event| matches!(event, MediaEvent::Closed { peer: p, .. } if *p == peer),
    )
    .await;
}

/// Publishes while `audience` does what it does.
async fn while_live<T>(publisher: &mut Client, packets: usize, audience: impl Future<Output = T>) -> T {
    tokio::select! {
        () = publisher.publish(packets) => unreachable!("a publisher never ends by itself"),
        result = audience => result,
    }
}

fn has_watched(client: &Client) -> bool {
    client.pictures().len() > 60 && client.tones() > 20
}

#[tokio::test]
async fn viewers_on_every_worker_see_and_hear_the_publisher_and_leave_nothing_behind() {
    let (media, mut events) = start(2);
    let mut publisher = Client::join(&media, "show", "host", Connection::Publish, Over::Udp).await;
    while_live(
        &mut publisher,
        2,
        wait_for(&mut events, |e| {
            matches!(
                e,
                MediaEvent::TrackStarted {
                    kind: MediaKind::Video,
                    ..
                }
            )
        }),
    )
    .await;

    let mut viewers = Vec::new();
    let names = ["a", "b", "c"];
    for name in names {
        viewers.push(Client::join(&media, "show", name, Connection::Subscribe, Over::Udp).await);
    }
    let [a, b, c] = viewers.as_mut_slice() else {
        panic!("three")
    };
    while_live(&mut publisher, 2, async {
        tokio::join!(a.until(has_watched), b.until(has_watched), c.until(has_watched));
    })
    .await;

    for viewer in &viewers {
        assert_eq!(viewer.pictures()[0].payload[0], IDR, "it starts on a keyframe");
    }
    let on_air = media.snapshot();
    assert_eq!((on_air.peers, on_air.tracks, on_air.slots), (4, 2, 6));
    assert!(
        on_air.workers.iter().all(|worker| worker.peers == 2),
        "{:?}",
        on_air.workers
    );
    let (show, other) = ("show".parse().expect("an id"), "other".parse().expect("an id"));
    let stats = media.session_figures(&show, None).await.tracks;
    let video = stats.iter().find(|track| track.kind == MediaKind::Video);
    let video = video.expect("a picture on air");
    let layers: Vec<_> = video.layers.iter().map(|layer| &layer.rid).collect();
    assert_eq!(layers, [&None], "one layer, without a name");
    for user in names.map(|user| user.parse().expect("an id")) {
        let told = media.session_figures(&show, Some(&user)).await.viewers;
        let [viewer] = told.as_slice() else {
            panic!("the one that was asked for: {told:?}")
        };
        assert_eq!(viewer.user_id, user);
        let mut kinds: Vec<_> = viewer.slots.iter().map(|slot| slot.kind).collect();
        kinds.sort_by_key(|kind| *kind == MediaKind::Video);
        assert_eq!(kinds, [MediaKind::Audio, MediaKind::Video], "{viewer:?}");
        assert!(viewer.slots.iter().all(|slot| slot.user_id == video.user_id));
        let elsewhere = media.session_figures(&other, Some(&user)).await.viewers;
        assert!(elsewhere.is_empty(), "nothing of other sessions: {elsewhere:?}");
    }
    assert_eq!(stats.iter().map(|track| track.receivers).collect::<Vec<_>>(), [3, 3]);
    assert!(
        stats
            .iter()
            .any(|track| track.codec == "H264" && track.kind == MediaKind::Video)
    );

    for viewer in &viewers {
        media.close(viewer.peer());
        until_closed(&mut events, viewer.peer()).await;
    }
    media.close(publisher.peer());
    until_closed(&mut events, publisher.peer()).await;
    let after = media.snapshot();
    assert_eq!((after.peers, after.tracks, after.slots), (0, 0, 0));
    media.shutdown().await;
}

#[tokio::test]
async fn a_viewer_without_udp_watches_over_tcp() {
    let (media, _events) = start(2);
    let mut publisher = Client::join(&media, "show", "host", Connection::Publish, Over::Udp).await;
    // Two, so that one of them has its peer on the worker that did not get its connection.
    let mut first = Client::join(&media, "show", "a", Connection::Subscribe, Over::Tcp).await;
    let mut second = Client::join(&media, "show", "b", Connection::Subscribe, Over::Tcp).await;
    while_live(&mut publisher, 2, async {
        tokio::join!(first.until(has_watched), second.until(has_watched));
    })
    .await;
    assert_eq!(first.pictures()[0].payload[0], IDR);
    assert_eq!(media.snapshot().tcp_connections, 2);
    media.shutdown().await;
}

#[tokio::test]
async fn a_viewer_that_stops_reading_holds_up_nobody() {
    let (media, _events) = start(1);
    let mut publisher = Client::join(&media, "show", "host", Connection::Publish, Over::Udp).await;
    let mut stalled = Client::join(&media, "show", "a", Connection::Subscribe, Over::Tcp).await;
    let mut watching = Client::join(&media, "show", "b", Connection::Subscribe, Over::Udp).await;
    while_live(&mut publisher, 2, async {
        tokio::join!(stalled.until(has_watched), watching.until(has_watched));
    })
    .await;

    let _silent = stalled.stall();
    // Until the kernel's buffers and ours are full, and the core leaves the viewer out.
    let before = media.snapshot().dropped;
    while_live(
        &mut publisher,
        100,
        watching.until(|_| media.snapshot().dropped > before),
    )
    .await;
    watching.received.clear();
    while_live(&mut publisher, 2, watching.until(has_watched)).await;
    media.shutdown().await;
}

#[tokio::test]
async fn strangers_at_the_port_leave_the_show_alone() {
    let (media, _events) = start(1);
    let mut publisher = Client::join(&media, "show", "host", Connection::Publish, Over::Udp).await;
    let mut viewer = Client::join(&media, "show", "a", Connection::Subscribe, Over::Udp).await;
    while_live(&mut publisher, 2, viewer.until(has_watched)).await;

    let address = address(&media);
    let noise = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    let assault = async {
        for round in 0..2_000_usize {
            let first = [0, 1, 20, 22, 63, 128, 129, 191, 255][round % 9];
            let mut datagram = vec![first; round % 1_400 + 1];
            datagram.last_mut().into_iter().for_each(|last| *last = round as u8);
            noise.send_to(&datagram, address).await.expect("sent");
        }
        let mut connections = Vec::new();
        for round in 0..600_usize {
            // Silence, half a frame, a frame too long, a frame of nothing that is STUN.
            let bytes: &[u8] = [&[][..], &[0, 9, 1], &[0xff, 0xff, 0], &[0, 3, 1, 2, 3]][round % 4];
            connections.push(raw_tcp(address, bytes).await);
        }
        connections
    };
    let connections = while_live(&mut publisher, 2, async {
        tokio::join!(assault, viewer.until(|_| true)).0
    })
    .await;
    viewer.received.clear();
    while_live(&mut publisher, 2, viewer.until(has_watched)).await;

    let figures = media.snapshot();
    assert!(figures.unknown_datagrams > 500, "{figures:?}");
    assert!(figures.tcp_connections <= 256, "{figures:?}");
    assert_eq!(figures.peers, 2);

    // With all of them still there, somebody who means it gets in.
    let mut late = Client::join(&media, "show", "b", Connection::Subscribe, Over::Tcp).await;
    while_live(&mut publisher, 2, late.until(has_watched)).await;
    drop(connections);
    media.shutdown().await;
}

#[tokio::test]
async fn a_second_connection_of_the_publisher_takes_over() {
    let (media, mut events) = start(2);
    let mut old = Client::join(&media, "show", "host", Connection::Publish, Over::Udp).await;
    let mut viewer = Client::join(&media, "show", "a", Connection::Subscribe, Over::Udp).await;
    while_live(&mut old, 2, viewer.until(has_watched)).await;
    let ssrc = viewer.pictures()[0].header.ssrc;

    let mut new = Client::join(&media, "show", "host", Connection::Publish, Over::Udp).await;
    while_live(&mut new, 2, until_closed(&mut events, old.peer())).await;
    viewer.received.clear();
    while_live(&mut new, 2, viewer.until(has_watched)).await;
    assert!(viewer.pictures().iter().all(|packet| packet.header.ssrc == ssrc));
    media.shutdown().await;
}

#[tokio::test]
async fn a_room_hears_who_speaks_from_where_and_how_well_until_the_microphone_is_muted() {
    let (media, mut events) = start(2);
    let named = Some([TrackSource::Microphone, TrackSource::Screen]);
    let publish = Connection::Publish;
    let mut host = Client::join_as(&media, "show", "host", publish, Over::Udp, named).await;
    let mut viewer = Client::join(&media, "show", "a", Connection::Subscribe, Over::Udp).await;
    let (host_peer, viewer_peer) = (host.peer(), viewer.peer());

    // The two are on two workers, whose events are not in one order.
    let (mut shown, mut speaks, mut graded) = (None, None, None);
    let told = async {
        while shown.is_none() || speaks.is_none() || graded.is_none() {
            let event = events.recv().await.expect("the engine runs");
            match &event {
                MediaEvent::SlotAssigned {
                    source: TrackSource::Screen,
                    ..
                } => shown = Some(event),
                MediaEvent::Speaking { .. } => speaks = Some(event),
                MediaEvent::Quality { .. } if event.peer() == host_peer => graded = Some(event),
                _ => {}
            }
        }
    };
    while_live(&mut host, 2, async {
        tokio::select! {
            () = told => {}
            () = viewer.until(|_| false) => unreachable!("it never has enough"),
        }
    })
    .await;
    assert_eq!(shown.map(|event| event.peer()), Some(viewer_peer));
    assert!(
        matches!(&speaks, Some(MediaEvent::Speaking { user, level, .. }) if user.as_str() == "host" && *level < -20),
        "{speaks:?}"
    );
    assert!(
        matches!(&graded, Some(MediaEvent::Quality { user, level, .. }) if user.as_str() == "host" && *level <= 4),
        "{graded:?}"
    );
    let stats = media
        .session_figures(&"show".parse().expect("an id"), None)
        .await
        .tracks;
    let sources: Vec<_> = stats.iter().map(|track| (track.kind, track.source)).collect();
    assert!(
        sources.contains(&(MediaKind::Video, TrackSource::Screen)),
        "{sources:?}"
    );
    assert!(sources.contains(&(MediaKind::Audio, TrackSource::Microphone)));

    media.set_muted(host_peer, MediaKind::Audio, true).expect("told");
    let silent = wait_for(&mut events, |event| matches!(event, MediaEvent::Silent { .. }));
    assert_eq!(while_live(&mut host, 2, silent).await.peer(), host_peer);
    // What was on its way by then comes before the pictures of later.
    for _ in 0..2 {
        viewer.received.clear();
        while_live(&mut host, 2, viewer.until(|client| client.pictures().len() > 60)).await;
    }
    assert_eq!(viewer.tones(), 0);
    assert!(media.snapshot().muted > 20);
    media.set_muted(host_peer, MediaKind::Audio, false).expect("told");
    while_live(&mut host, 2, viewer.until(|client| client.tones() > 20)).await;
    media.shutdown().await;
    let stopped = media.set_muted(host_peer, MediaKind::Audio, true);
    assert!(matches!(stopped, Err(MediaError::Stopped)), "{stopped:?}");
}

#[tokio::test]
async fn a_viewer_with_one_pair_of_slots_learns_that_there_is_more() {
    let (media, mut events) = start(2);
    let mut viewer = Client::join(&media, "show", "a", Connection::Subscribe, Over::Udp).await;
    let peer = viewer.peer();
    let mut first = Client::join(&media, "show", "host", Connection::Publish, Over::Udp).await;
    let mut second = Client::join(&media, "show", "guest", Connection::Publish, Over::Udp).await;
    let wanted = wait_for(&mut events, |event| {
        matches!(event, MediaEvent::SlotsWanted { audio: 2, video: 2, .. })
    });
    let wanted = while_live(
        &mut first,
        1,
        while_live(&mut second, 1, async {
            tokio::select! {
                wanted = wanted => wanted,
                () = viewer.until(|_| false) => unreachable!("it never has enough"),
            }
        }),
    )
    .await;
    assert_eq!(wanted.peer(), peer);
    media.shutdown().await;
}

#[tokio::test]
async fn a_bad_offer_is_named_and_a_stopped_engine_frees_its_port() {
    let (media, _events) = start(1);
    let request = PeerRequest {
        session: "show".parse().expect("an id"),
        user: "host".parse().expect("an id"),
        connection: Connection::Publish,
        offer: "hello".into(),
        sources: None,
        muted: Muted::default(),
    };
    let error = media.accept(request.clone()).await.expect_err("no SDP");
    assert!(
        matches!(&error, MediaError::BadOffer(text) if text.contains("offer")),
        "{error}"
    );

    let port = media.port();
    let taken = Media::start(MediaConfig { port, ..config(1) });
    assert!(matches!(taken, Err(MediaError::Bind { .. })), "the port is in use");
    media.shutdown().await;
    assert!(matches!(media.accept(request).await, Err(MediaError::Stopped)));
    let (again, _events) = Media::start(MediaConfig { port, ..config(1) }).expect("the port is free again");
    again.shutdown().await;
}
