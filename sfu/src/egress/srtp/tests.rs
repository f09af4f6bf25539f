use super::*;
use proptest::prelude::*;
use str0m::crypto::dtls::KeyingMaterial;

const PROFILES: [SrtpProfile; 3] = [
    SrtpProfile::AEAD_AES_128_GCM,
    SrtpProfile::AEAD_AES_256_GCM,
    SrtpProfile::AES128_CM_SHA1_80,
];

fn crypto() -> CryptoProvider {
    str0m::crypto::from_feature_flags()
}

fn keys(profile: SrtpProfile, is_client: bool) -> Keys {
    let material: Vec<u8> = (0..profile.keying_material_len())
        .map(|at| (at as u8).wrapping_mul(7))
        .collect();
    Keys {
        material: KeyingMaterial::new(&material),
        profile,
        is_client,
    }
}

/// Server and client of one handshake.
fn pair(profile: SrtpProfile) -> (Srtp, Srtp) {
    let [server, client] =
        [false, true].map(|is_client| Srtp::new(&keys(profile, is_client), &crypto()).expect("a known profile"));
    (server, client)
}

fn bytes(arena: &mut Arena) -> Vec<u8> {
    arena.grow(0).0.to_vec()
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hex"))
        .collect()
}

/// RFC 3711 §B.3.
#[test]
fn keys_are_derived_as_the_rfc_shows() {
    let (key, salt) = (
        hex("E1F97A0D3E018BE0D64FA32C06DE4139"),
        hex("0EC675AD498AFEEBB6960B3AABE6"),
    );
    let master = Master {
        key: &key,
        salt: &salt,
        provider: crypto().srtp_provider,
    };
    assert_eq!(master.derive::<16>(CIPHER)[..], hex("C61E7A93744F39EE10734AFE3FF7A087"));
    assert_eq!(master.derive::<14>(SALT)[..], hex("30CBBC08863D8C85D49DB34A9AE1"));
    let authentication = hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4");
    assert_eq!(master.derive::<20>(AUTHENTICATION)[..], authentication);
}

/// RFC 7714 §16.1.1.
#[test]
fn rtp_is_sealed_as_the_rfc_shows() {
    let (mut server, _) = pair(SrtpProfile::AEAD_AES_128_GCM);
    let key: [u8; 16] = std::array::from_fn(|at| at as u8);
    let mut salt = [0; 14];
    salt[..12].copy_from_slice(&hex("517569642070726f2071756f"));
    server.rtp = Session {
        cipher: Cipher::Gcm128(crypto().srtp_provider.aead_aes_128_gcm().create_cipher(key, true)),
        salt,
    };
    let mut out = Arena::default();
    out.push(&hex("8040f17b8041f8d35501a0b2"));
    let payload = b"Gallia est omnis divisa in partes tres";
    assert!(server.seal_rtp(&mut out, (12, 0x5501_a0b2, 0xf17b), payload));
    let expected = hex(
        "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a
         51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce",
    );
    assert_eq!(bytes(&mut out), expected);
}

#[test]
fn counter_mode_is_the_keystream_and_a_tag_over_all() {
    let (mut server, _) = pair(SrtpProfile::AES128_CM_SHA1_80);
    let header = [0x80, 96, 0, 5, 0, 0, 0, 0, 0, 0, 0, 9];
    let mut out = Arena::default();
    out.push(b"before");
    out.push(&header);
    let payload = [7; 33];
    let index = 3 << 16 | 5;
    assert!(server.seal_rtp(&mut out, (12, 9, index), &payload));
    let sealed = bytes(&mut out).split_off(6);
    assert_eq!(sealed.len(), 12 + 33 + 10);
    assert_eq!(sealed[..12], header);
    let Cipher::CounterMode(cipher, key) = &mut server.rtp.cipher else {
        panic!("counter mode")
    };
    let hmac = |key: &[u8], parts: &[&[u8]]| server.hmac.sha1_hmac(key, parts);
    assert!(Aes128CmSha1_80::rtp_verify(
        hmac,
        key,
        &sealed[..45],
        index,
        &sealed[45..]
    ));
    let mut opened = [0; 33 + COUNTER_MODE_ROOM];
    let iv = Aes128CmSha1_80::rtp_iv(server.rtp.salt, 9, index);
    cipher.decrypt(&iv, &sealed[12..45], &mut opened).expect("deciphers");
    assert_eq!(opened[..33], payload);
}

#[test]
fn feedback_is_opened_once_and_only_as_it_was_sent() {
    let packet = [0x80, 201, 0, 2, 0, 0, 0, 7, 1, 2, 3, 4];
    for profile in PROFILES {
        let (mut server, mut client) = pair(profile);
        let mut opened = Vec::new();
        let mut sealed = Vec::new();
        for _ in 0..70 {
            let mut out = Arena::default();
            assert!(client.seal_rtcp(&mut out, &packet));
            sealed.push(bytes(&mut out));
        }
        let mut forged = sealed[3].clone();
        forged[9] ^= 1;
        assert!(!server.open_rtcp(&forged, &mut opened), "{profile}: forged");
        let mut readable = sealed[3].clone();
        let at = readable.len()
            - if profile == SrtpProfile::AES128_CM_SHA1_80 {
                14
            } else {
                4
            };
        readable[at] &= 0x7f;
        assert!(!server.open_rtcp(&readable, &mut opened), "{profile}: in the clear");
        for number in [3, 1, 69] {
            assert!(server.open_rtcp(&sealed[number], &mut opened), "{profile}: {number}");
            assert_eq!(opened, packet);
            assert!(!server.open_rtcp(&sealed[number], &mut opened), "{profile}: again");
        }
        assert!(
            !server.open_rtcp(&sealed[2], &mut opened),
            "{profile}: behind the window"
        );
        assert!(server.open_rtcp(&sealed[60], &mut opened), "{profile}: late");
        assert!(!client.open_rtcp(&sealed[4], &mut opened), "{profile}: by our own keys");
    }
}

#[cfg(feature = "wire")]
#[test]
fn media_is_opened_at_its_index_and_only_as_it_was_sent() {
    for profile in PROFILES {
        let (mut server, _) = pair(profile);
        let mut viewer = Opener::new(&keys(profile, true), &crypto()).expect("a known profile");
        let mut out = Arena::default();
        out.push(&[0x80, 96, 0, 5, 0, 0, 0, 0, 0, 0, 0, 9]);
        let (payload, index) = ([7; 33], 3 << 16 | 5);
        assert!(server.seal_rtp(&mut out, (12, 9, index), &payload));
        let sealed = bytes(&mut out);
        let mut opened = Vec::new();
        assert!(viewer.open(&sealed, (12, 9, index), &mut opened), "{profile}");
        assert_eq!(opened, payload);
        assert!(
            !viewer.open(&sealed, (12, 9, 5), &mut opened),
            "{profile}: before the rollover"
        );
        assert!(
            !viewer.open(&sealed[..20], (12, 9, index), &mut opened),
            "{profile}: cut off"
        );
        assert!(
            !viewer.open(&sealed[..5], (12, 9, index), &mut opened),
            "{profile}: no header"
        );
        let mut forged = sealed.clone();
        forged[1] ^= 0x80;
        assert!(!viewer.open(&forged, (12, 9, index), &mut opened), "{profile}: forged");
        assert!(opened.is_empty());
    }
}

/// Browsers send the feedback of each media section by an SSRC of its own, and count each for itself.
#[test]
fn each_sender_of_feedback_counts_for_itself() {
    for profile in PROFILES {
        let (mut server, mut client) = pair(profile);
        let mut opened = Vec::new();
        for index in 0..200 {
            let mut out = Arena::default();
            client.seal_rtcp(&mut out, &[0x80, 201, 0, 1, 0, 0, 0, 7]);
            assert!(server.open_rtcp(&bytes(&mut out), &mut opened), "{profile}: {index}");
        }
        client.next_index = 0;
        for index in 0..MOST_SENDERS as u32 {
            client.next_index = 0;
            let mut out = Arena::default();
            let ssrc = (100 + index).to_be_bytes();
            client.seal_rtcp(&mut out, &[[0x80, 201, 0, 1], ssrc].concat());
            assert!(
                server.open_rtcp(&bytes(&mut out), &mut opened),
                "{profile}: another sender"
            );
            assert!(!server.open_rtcp(&bytes(&mut out), &mut opened), "{profile}: again");
        }
        assert!(server.replay.len() <= MOST_SENDERS);
    }
}

#[test]
fn keys_of_another_length_are_refused() {
    let keys = Keys {
        material: KeyingMaterial::new(&[0; 7]),
        profile: SrtpProfile::AEAD_AES_128_GCM,
        is_client: false,
    };
    assert!(Srtp::new(&keys, &crypto()).is_none());
}

proptest! {
    #[test]
    fn whatever_comes_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let mut opened = Vec::new();
        for profile in PROFILES {
            prop_assert!(!pair(profile).0.open_rtcp(&bytes, &mut opened));
        }
    }

    #[test]
    fn an_index_is_new_once(indices in proptest::collection::vec(0_u32..200, 1..100)) {
        let mut replay = Replay::default();
        let mut seen = std::collections::HashSet::new();
        for index in indices {
            let is_new = replay.is_new(index);
            prop_assert!(!(is_new && seen.contains(&index)));
            if is_new {
                replay.note(index);
                seen.insert(index);
            }
        }
    }
}
