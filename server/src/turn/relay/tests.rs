use proptest::prelude::*;

use super::*;
use crate::turn::credentials::Login;

const PEER: &str = "203.0.113.1:8444";

fn address(text: &str) -> SocketAddr {
    text.parse().expect(text)
}

/// A client, what it is told, and the server that it asks.
struct World {
    relay: Relay,
    client: Client,
    login: Login,
    nonce: String,
    queue: mpsc::Sender<Relayed>,
    now: Moment,
    transactions: u8,
}

impl World {
    fn new() -> Self {
        let secret = TurnSecret::from("north");
        let now = Moment::now();
        let peers = vec![address(PEER), address("[2001:db8::1]:8444")];
        let login = secret.issue(now.wall);
        let relay = Relay::new(secret, Arc::new(Registry::default()), peers.into(), 8444);
        let client = Client::new(address("198.51.100.7:4711"));
        let nonce = relay.nonces.issue(client.address, now.wall);
        Self {
            relay,
            client,
            login,
            nonce,
            queue: mpsc::channel(1).0,
            now,
            transactions: 0,
        }
    }

    /// With an allocation.
    fn allocated() -> Self {
        let mut world = Self::new();
        assert_eq!(world.request(Method::Allocate, transport), Ok(()));
        world
    }

    fn pass(&mut self, time: Duration) {
        self.now.instant += time;
        self.now.wall += time;
    }

    fn key(&self) -> [u8; 16] {
        let Login { username, password } = &self.login;
        let text = format!("{username}:{REALM}:{password}");
        <md5::Md5 as md5::Digest>::digest(text).into()
    }

    fn signed(&mut self, method: Method, more: impl FnOnce(Writer) -> Writer) -> Vec<u8> {
        self.transactions += 1;
        let writer = Writer::new(method, Class::Request, [self.transactions; 12])
            .attribute(attribute::USERNAME, self.login.username.as_bytes())
            .attribute(attribute::REALM, REALM.as_bytes())
            .attribute(attribute::NONCE, self.nonce.as_bytes());
        more(writer).finish(Some(&self.key()))
    }

    fn handle<'a>(&mut self, bytes: &'a [u8]) -> Reaction<'a> {
        self.client.handle(&self.relay, &self.queue, bytes, self.now)
    }

    fn answer(&mut self, bytes: &[u8]) -> Vec<u8> {
        match self.handle(bytes) {
            Reaction::Reply { bytes, .. } => bytes,
            other => panic!("no answer: {other:?}"),
        }
    }

    /// `Err` with the code of the error.
    fn request(&mut self, method: Method, more: impl FnOnce(Writer) -> Writer) -> Result<(), u16> {
        let request = self.signed(method, more);
        let answer = self.answer(&request);
        outcome(&answer)
    }

    fn send(&mut self, peer: &str) -> bool {
        let bytes = Writer::new(Method::Send, Class::Indication, [9; 12])
            .address(attribute::XOR_PEER_ADDRESS, address(peer))
            .attribute(attribute::DATA, b"media")
            .finish(None);
        match self.handle(&bytes) {
            Reaction::Relay { peer: to, contents, .. } => to == address(peer) && contents == b"media",
            _ => false,
        }
    }

    fn hears(&self, peer: &str) -> Option<Vec<u8>> {
        let relayed = Relayed {
            remote: self.client.allocation().expect("an allocation"),
            local: address(peer),
            contents: b"media".to_vec(),
        };
        self.client.wrap(&relayed, true, self.now.instant)
    }
}

fn outcome(answer: &[u8]) -> Result<(), u16> {
    let message = Message::parse(answer).expect("a message");
    match message.attribute(attribute::ERROR_CODE) {
        Some([_, _, class, number]) => Err(u16::from(*class) * 100 + u16::from(*number)),
        _ => Ok(()),
    }
}

fn transport(writer: Writer) -> Writer {
    writer.attribute(attribute::REQUESTED_TRANSPORT, &[UDP, 0, 0, 0])
}

fn peer(text: &'static str) -> impl FnOnce(Writer) -> Writer {
    move |writer| writer.address(attribute::XOR_PEER_ADDRESS, address(text))
}

fn channel(number: u16, text: &'static str) -> impl FnOnce(Writer) -> Writer {
    move |writer| peer(text)(writer.number(attribute::CHANNEL_NUMBER, u32::from(number) << 16))
}

#[test]
fn media_goes_through_both_ways() {
    let mut world = World::allocated();
    assert!(!world.send(PEER), "nothing is permitted yet");
    assert_eq!(world.hears(PEER), None);
    assert_eq!(world.request(Method::CreatePermission, peer(PEER)), Ok(()));
    assert!(world.send(PEER));
    let heard = world.hears(PEER).expect("an indication");
    let message = Message::parse(&heard).expect("a message");
    assert_eq!(
        (message.method(), message.class()),
        (Some(Method::Data), Class::Indication)
    );
    assert_eq!(message.attribute(attribute::DATA), Some(&b"media"[..]));

    assert_eq!(world.request(Method::ChannelBind, channel(0x4000, PEER)), Ok(()));
    let data = b"\x40\x00\x00\x05media\0\0\0";
    assert_eq!(world.hears(PEER).as_deref(), Some(&data[..]));
    let relayed = world.client.allocation().expect("an allocation");
    assert_eq!(
        world.handle(data),
        Reaction::Relay {
            allocation: relayed,
            peer: address(PEER),
            contents: b"media",
        }
    );
    assert_eq!(world.handle(b"\x40\x01\x00\x05media"), Reaction::Nothing);
    assert_eq!(world.handle(b"\x40\x00\x00\x09media"), Reaction::Nothing);
}

#[test]
fn nothing_goes_to_anybody_else() {
    let mut world = World::allocated();
    for other in ["192.0.2.1:8444", "127.0.0.1:8444", "203.0.113.2:8444"] {
        assert_eq!(
            world.request(Method::CreatePermission, peer(other)),
            Err(code::FORBIDDEN)
        );
        assert_eq!(
            world.request(Method::ChannelBind, channel(0x4000, other)),
            Err(code::FORBIDDEN)
        );
        assert!(!world.send(other));
    }
    // One that is allowed does not bring another one along.
    let both = |writer| peer("192.0.2.1:8444")(peer(PEER)(writer));
    assert_eq!(world.request(Method::CreatePermission, both), Err(code::FORBIDDEN));
    assert!(!world.send(PEER));
    // Permissions know no ports (RFC 8656 §9), and other programs listen at our address.
    assert_eq!(world.request(Method::CreatePermission, peer("203.0.113.1:22")), Ok(()));
    assert!(!world.send("203.0.113.1:22"));
    let other_port = channel(0x4000, "203.0.113.1:22");
    assert_eq!(world.request(Method::ChannelBind, other_port), Err(code::FORBIDDEN));
}

#[test]
fn an_address_that_is_gone_stays_for_who_uses_it_and_is_closed_to_others() {
    let (old, new) = (PEER, "203.0.113.9:8444");
    let mut world = World::allocated();
    assert_eq!(world.request(Method::ChannelBind, channel(0x4000, old)), Ok(()));
    assert_eq!(world.request(Method::CreatePermission, peer(new)), Err(code::FORBIDDEN));
    world.relay.peers = vec![address(new)].into();
    assert_eq!(world.request(Method::CreatePermission, peer(new)), Ok(()));
    assert!(world.send(new));
    for _ in 0..3 {
        world.pass(Duration::from_mins(4));
        assert_eq!(world.request(Method::Refresh, |writer| writer), Ok(()));
        assert_eq!(world.request(Method::CreatePermission, peer(old)), Ok(()));
        assert_eq!(world.request(Method::ChannelBind, channel(0x4000, old)), Ok(()));
        assert!(world.send(old) && world.hears(old).is_some());
    }
    assert!(!world.send(new), "not asked for again");
    world.pass(PERMISSION_LIFETIME);
    assert!(!world.send(old));
    assert_eq!(world.request(Method::CreatePermission, peer(old)), Err(code::FORBIDDEN));
    assert_eq!(
        world.request(Method::ChannelBind, channel(0x4000, old)),
        Err(code::FORBIDDEN)
    );
    assert_eq!(world.request(Method::CreatePermission, peer(new)), Ok(()));
    let allocation = world.client.allocation.as_ref().expect("one");
    assert_eq!(allocation.permissions.len(), 1, "those that ended are forgotten");
}

#[test]
fn whoever_was_not_let_in_gets_nothing() {
    let mut world = World::new();
    let bare = transport(Writer::new(Method::Allocate, Class::Request, [1; 12])).finish(None);
    let answer = world.answer(&bare);
    assert_eq!(outcome(&answer), Err(code::UNAUTHENTICATED));
    let message = Message::parse(&answer).expect("a message");
    assert_eq!(message.text(attribute::REALM), Some(REALM));
    assert!(message.attribute(attribute::NONCE).is_some());
    // What a forged source makes us send to somebody else.
    assert!(answer.len() <= 3 * bare.len(), "{} for {}", answer.len(), bare.len());

    let good = world.login.clone();
    world.login.password = "wrong".to_owned();
    assert_eq!(world.request(Method::Allocate, transport), Err(code::UNAUTHENTICATED));
    world.login = TurnSecret::from("south").issue(world.now.wall);
    assert_eq!(world.request(Method::Allocate, transport), Err(code::UNAUTHENTICATED));
    world.login = good;
    let nonce = std::mem::replace(&mut world.nonce, "guessed".to_owned());
    assert_eq!(world.request(Method::Allocate, transport), Err(code::STALE_NONCE));
    world.nonce = nonce;
    world.pass(Duration::from_hours(13));
    assert_eq!(world.request(Method::Allocate, transport), Err(code::STALE_NONCE));
    world.nonce = world.relay.nonces.issue(world.client.address, world.now.wall);
    assert_eq!(world.request(Method::Allocate, transport), Err(code::UNAUTHENTICATED));
    assert_eq!(world.client.allocation(), None);
}

#[test]
fn an_allocation_outlives_its_credentials_and_no_more() {
    let mut world = World::allocated();
    let an_hour = |writer: Writer| writer.number(attribute::LIFETIME, 3600);
    assert_eq!(world.request(Method::Refresh, an_hour), Ok(()));
    for _ in 0..30 {
        world.pass(Duration::from_mins(30));
        world.nonce = world.relay.nonces.issue(world.client.address, world.now.wall);
        assert_eq!(world.request(Method::Refresh, an_hour), Ok(()));
    }
    world.pass(Duration::from_mins(61));
    world.nonce = world.relay.nonces.issue(world.client.address, world.now.wall);
    assert_eq!(
        world.request(Method::Refresh, |writer| writer),
        Err(code::UNAUTHENTICATED)
    );
    assert_eq!(world.relay.registry.figures().0, 0);
}

#[test]
fn a_user_has_a_quota() {
    let mut world = World::allocated();
    let mut clients = Vec::new();
    let error = loop {
        let fresh = Client::new(world.client.address);
        clients.push(std::mem::replace(&mut world.client, fresh));
        if let Err(code) = world.request(Method::Allocate, transport) {
            break code;
        }
    };
    assert_eq!(error, code::QUOTA_REACHED);
    clients.pop();
    assert_eq!(world.request(Method::Allocate, transport), Ok(()));
}

#[test]
fn an_allocation_is_made_once_and_given_back() {
    let mut world = World::new();
    let request = world.signed(Method::Allocate, transport);
    let first = world.answer(&request);
    assert_eq!(outcome(&first), Ok(()));
    // The answer was lost, and the request comes again (RFC 8656 §7.2).
    assert_eq!(world.answer(&request), first);
    assert_eq!(
        world.request(Method::Allocate, transport),
        Err(code::ALLOCATION_MISMATCH)
    );
    let stranger = TurnSecret::from("north").issue(world.now.wall);
    let own = std::mem::replace(&mut world.login, stranger);
    assert_eq!(
        world.request(Method::Refresh, |writer| writer),
        Err(code::WRONG_CREDENTIALS)
    );
    world.login = own;
    let zero = |writer: Writer| writer.number(attribute::LIFETIME, 0);
    assert_eq!(world.request(Method::Refresh, zero), Ok(()));
    assert_eq!(
        world.request(Method::Refresh, |writer| writer),
        Err(code::ALLOCATION_MISMATCH)
    );
    assert_eq!(world.request(Method::Allocate, transport), Ok(()));
}

#[test]
fn what_is_not_refreshed_ends() {
    let mut world = World::allocated();
    assert_eq!(world.request(Method::ChannelBind, channel(0x4000, PEER)), Ok(()));
    world.pass(PERMISSION_LIFETIME);
    assert!(!world.send(PEER) && world.hears(PEER).is_none());
    assert_eq!(world.request(Method::CreatePermission, peer(PEER)), Ok(()));
    world.pass(PERMISSION_LIFETIME);
    world.client.expire(world.now.instant);
    assert_eq!(world.client.allocation(), None);
}

#[test]
fn requests_that_make_no_sense_are_refused_in_their_own_way() {
    let mut world = World::new();
    let mut refused = |method, more: &dyn Fn(Writer) -> Writer| world.request(method, more).expect_err("refused");
    let allocate = Method::Allocate;
    assert_eq!(refused(allocate, &|writer| writer), code::BAD_REQUEST);
    let tcp = |writer: Writer| writer.attribute(attribute::REQUESTED_TRANSPORT, &[6, 0, 0, 0]);
    assert_eq!(refused(allocate, &tcp), code::TRANSPORT_NOT_SUPPORTED);
    let strange = |writer: Writer| transport(writer).attribute(0x1234, &[]);
    assert_eq!(refused(allocate, &strange), code::UNKNOWN_ATTRIBUTE);
    let family = |writer: Writer| transport(writer).attribute(attribute::REQUESTED_ADDRESS_FAMILY, &[3, 0, 0, 0]);
    assert_eq!(refused(allocate, &family), code::FAMILY_NOT_SUPPORTED);
    let even = |writer: Writer| transport(writer).attribute(attribute::EVEN_PORT, &[0]);
    assert_eq!(refused(allocate, &even), code::NO_CAPACITY);
    let mismatch = code::ALLOCATION_MISMATCH;
    assert_eq!(refused(Method::CreatePermission, &|w| peer(PEER)(w)), mismatch);
    assert_eq!(refused(Method::ChannelBind, &|w| channel(0x4000, PEER)(w)), mismatch);

    let mut world = World::allocated();
    let mut refused = |method, more: &dyn Fn(Writer) -> Writer| world.request(method, more).expect_err("refused");
    assert_eq!(refused(Method::CreatePermission, &|writer| writer), code::BAD_REQUEST);
    let other_family = |writer| peer("[2001:db8::1]:8444")(writer);
    assert_eq!(
        refused(Method::CreatePermission, &other_family),
        code::PEER_FAMILY_MISMATCH
    );
    assert_eq!(refused(Method::ChannelBind, &|w| peer(PEER)(w)), code::BAD_REQUEST);
    assert_eq!(
        refused(Method::ChannelBind, &|w| channel(0x5000, PEER)(w)),
        code::BAD_REQUEST
    );
    assert_eq!(world.request(Method::ChannelBind, channel(0x4000, PEER)), Ok(()));
    assert_eq!(world.request(Method::ChannelBind, channel(0x4000, PEER)), Ok(()));
    assert_eq!(
        world.request(Method::ChannelBind, channel(0x4001, PEER)),
        Err(code::BAD_REQUEST)
    );
}

#[test]
fn the_relay_speaks_the_family_that_the_server_is_reached_by() {
    let asked = |writer| transport(writer).attribute(attribute::REQUESTED_ADDRESS_FAMILY, &[2, 0, 0, 0]);
    let mut world = World::new();
    assert_eq!(world.request(Method::Allocate, asked), Ok(()));
    assert!(world.client.allocation().expect("one").is_ipv6());
    assert_eq!(
        world.request(Method::CreatePermission, peer("[2001:db8::1]:8444")),
        Ok(())
    );
    assert!(world.send("[2001:db8::1]:8444"));

    let mut world = World::new();
    world.relay.peers = vec![address("[2001:db8::1]:8444")].into();
    assert_eq!(world.request(Method::Allocate, transport), Ok(()));
    assert!(world.client.allocation().expect("one").is_ipv6());
}

#[test]
fn a_binding_request_is_told_its_address() {
    let mut world = World::new();
    let request = Writer::new(Method::Binding, Class::Request, [1; 12]).finish(None);
    let answer = world.answer(&request);
    let message = Message::parse(&answer).expect("a message");
    let value = message.attribute(attribute::XOR_MAPPED_ADDRESS).expect("is there");
    assert_eq!(message.address(value), Some(world.client.address));
}

const METHODS: [Method; 7] = [
    Method::Binding,
    Method::Allocate,
    Method::Allocate,
    Method::Refresh,
    Method::Send,
    Method::CreatePermission,
    Method::ChannelBind,
];

/// A request as it might come, with anything in it.
fn any_message() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop_oneof![
        Just(attribute::LIFETIME),
        Just(attribute::CHANNEL_NUMBER),
        Just(attribute::XOR_PEER_ADDRESS),
        Just(attribute::DATA),
        Just(attribute::REQUESTED_TRANSPORT),
        Just(attribute::REQUESTED_ADDRESS_FAMILY),
        any::<u16>(),
    ];
    let value = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..24),
        Just(vec![UDP, 0, 0, 0]),
        Just(vec![0x40, 0, 0, 0]),
        Just({
            let bytes = Writer::new(Method::Binding, Class::Request, [1; 12])
                .address(attribute::XOR_PEER_ADDRESS, address(PEER))
                .finish(None);
            bytes[24..].to_vec()
        }),
    ];
    proptest::collection::vec((kind, value), 0..4).prop_map(|attributes| {
        attributes
            .into_iter()
            .fold(
                Writer::new(Method::Binding, Class::Request, [1; 12]),
                |writer, (kind, value)| writer.attribute(kind, &value),
            )
            .finish(None)[20..]
            .to_vec()
    })
}

proptest! {
    /// Signed or not, in any order: it never panics, and what it relays goes to our own media port.
    #[test]
    fn whatever_comes_goes_to_our_own_port_or_nowhere(
        steps in proptest::collection::vec((0..9u8, any_message(), any::<bool>(), 0..400u64), 1..12),
        raw in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut world = World::new();
        for (method, body, is_signed, seconds) in steps {
            world.pass(Duration::from_secs(seconds));
            let method = METHODS[usize::from(method) % METHODS.len()];
            let class = if method == Method::Send { Class::Indication } else { Class::Request };
            let mut bytes = if is_signed && class == Class::Request {
                let unsigned = |writer: Writer| {
                    let mut at = 0;
                    let mut writer = writer;
                    while at + 4 <= body.len() {
                        let kind = u16::from_be_bytes([body[at], body[at + 1]]);
                        let length = usize::from(u16::from_be_bytes([body[at + 2], body[at + 3]]));
                        writer = writer.attribute(kind, &body[at + 4..at + 4 + length]);
                        at += 4 + padded(length);
                    }
                    writer
                };
                world.signed(method, unsigned)
            } else {
                let head = Writer::new(method, class, [3; 12]).finish(None);
                [&head[..], &body[..]].concat()
            };
            let length = (bytes.len() - 20) as u16;
            bytes[2..4].copy_from_slice(&length.to_be_bytes());
            for bytes in [&bytes, &raw, &[&[0x40, 0, 0, 4][..], &raw].concat()] {
                if let Reaction::Relay { peer, allocation, .. } = world.handle(bytes) {
                    prop_assert!(world.relay.peers.now().contains(&peer));
                    prop_assert_eq!(Some(allocation), world.client.allocation());
                }
            }
        }
    }
}
