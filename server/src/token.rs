//! Who may publish: the host's bearer token, and the ids that the server makes.
//!
//! A host token proves itself: it is a random nonce and its HMAC-SHA-256 (RFC 2104) over the session's id, by a key that is
//! kept in the data folder. A server that was started again knows no sessions, yet still knows its own tokens, and so a
//! publisher resumes where it was, in a session of the same kind: a token says what that was, so that a session that was
//! reached by its link alone does not come back in public.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use constant_time_eq::constant_time_eq;
use footlight_protocol::{SessionId, SessionMode, Topology, Visibility};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::data_dir::{DataDir, DataDirError};

/// The key's file in the data folder.
const KEY_FILE: &str = "host.key";
const KEY_BYTES: usize = 32;

/// Of which the first byte is the session's kind. Two tokens for one session differ, so that having had a session's name once is no claim to the next session of that name.
const NONCE_BYTES: usize = 16;

/// What the MAC of a host token is for; the number is that of its layout.
const HOST_TOKEN: &str = "host token 2";

/// Crockford's base 32: nothing in it is taken for something else when an id is read out on a phone.
const ID_ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// 60 bits: an unlisted session is found by its link alone, and must not be found by guessing.
const ID_RANDOM_CHARS: usize = 12;
/// 20 bits that say "this server made it". A stranger hits them by chance once in a million, and gains a stream's *name*.
const ID_CHECK_CHARS: usize = 4;

/// The longest bearer that is looked at, in bytes; stream keys of other programs are some dozens.
pub const MAX_BEARER_BYTES: usize = 512;

/// What a bearer is kept as: its SHA-256. The secret itself is not kept.
#[derive(Clone, PartialEq, Eq)]
pub struct BearerDigest([u8; 32]);

impl BearerDigest {
    /// Digests a bearer.
    pub fn of(bearer: &str) -> Self {
        Self(Sha256::digest(bearer.as_bytes()).into())
    }

    /// Compares in constant time.
    pub fn matches(&self, bearer: &str) -> bool {
        constant_time_eq(&self.0, &Self::of(bearer).0)
    }
}

impl std::fmt::Debug for BearerDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BearerDigest(..)")
    }
}

/// What of a session does not change while it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SessionKind {
    /// Who may show what.
    pub mode: SessionMode,
    /// The way of the media.
    pub topology: Topology,
    /// Whether it is listed.
    pub visibility: Visibility,
}

impl SessionKind {
    fn to_byte(self) -> u8 {
        let mode = match self.mode {
            SessionMode::Voice => 0,
            SessionMode::Camera => 1,
            SessionMode::Studio => 2,
        };
        let mesh = u8::from(self.topology == Topology::Mesh);
        let unlisted = u8::from(self.visibility == Visibility::Unlisted);
        mode | mesh << 2 | unlisted << 3
    }

    fn from_byte(byte: u8) -> Option<Self> {
        let mode = match byte & 0b11 {
            0 => SessionMode::Voice,
            1 => SessionMode::Camera,
            2 => SessionMode::Studio,
            _ => return None,
        };
        let is_set = |bit: u8| byte & (1 << bit) != 0;
        (byte < 1 << 4).then_some(Self {
            mode,
            topology: if is_set(2) { Topology::Mesh } else { Topology::Sfu },
            visibility: if is_set(3) {
                Visibility::Unlisted
            } else {
                Visibility::Public
            },
        })
    }
}

/// The server's own key.
pub struct HostKey([u8; KEY_BYTES]);

impl HostKey {
    /// Reads the key from the data folder, or makes one on the first start.
    pub fn load_or_create(data: &DataDir) -> Result<Self, DataDirError> {
        if let Some(bytes) = data.read(KEY_FILE)? {
            return bytes
                .try_into()
                .map(Self)
                .map_err(|bytes: Vec<u8>| DataDirError::Damaged {
                    path: data.join(KEY_FILE),
                    reason: format!("it has {} bytes instead of {KEY_BYTES}", bytes.len()),
                });
        }
        let key = Self(rand::random());
        data.write_private(KEY_FILE, &key.0)?;
        Ok(key)
    }

    /// A new token for the host of `session`, which is of this kind.
    pub fn issue(&self, session: &SessionId, kind: SessionKind) -> String {
        let mut nonce: [u8; NONCE_BYTES] = rand::random();
        nonce[0] = kind.to_byte();
        let mut token = nonce.to_vec();
        token.extend_from_slice(&self.mac(HOST_TOKEN, session.as_str(), &nonce));
        URL_SAFE_NO_PAD.encode(token)
    }

    /// The kind of `session`, where this server issued `token` for it. Compares in constant time.
    pub fn verify(&self, session: &SessionId, token: &str) -> Option<SessionKind> {
        if token.len() > MAX_BEARER_BYTES {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (nonce, mac) = bytes.split_at_checked(NONCE_BYTES)?;
        if !constant_time_eq(mac, &self.mac(HOST_TOKEN, session.as_str(), nonce)) {
            return None;
        }
        SessionKind::from_byte(nonce[0])
    }

    /// A new session id.
    pub fn mint_session_id(&self) -> SessionId {
        let random: [u8; ID_RANDOM_CHARS] = rand::random();
        let mut id = encode_id(&random);
        id.push_str(&self.check_of(&id));
        id.parse()
            .expect("the alphabet is within A-Z a-z 0-9 and 16 characters are fewer than 64")
    }

    /// Whether this server made the id. A session of such a name is taken up again only with its token: otherwise, after a
    /// restart, any viewer could go on air under the name that the others are waiting at.
    pub fn minted(&self, session: &SessionId) -> bool {
        let text = session.as_str();
        text.len() == ID_RANDOM_CHARS + ID_CHECK_CHARS
            && constant_time_eq(
                &text.as_bytes()[ID_RANDOM_CHARS..],
                self.check_of(&text[..ID_RANDOM_CHARS]).as_bytes(),
            )
    }

    fn check_of(&self, random_part: &str) -> String {
        encode_id(&self.mac("session id", random_part, &[])[..ID_CHECK_CHARS])
    }

    /// `purpose` keeps one kind of MAC from being taken for another; the lengths are unambiguous because neither purpose nor
    /// subject can contain a zero byte.
    fn mac(&self, purpose: &str, subject: &str, nonce: &[u8]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length (RFC 2104 §2)");
        for part in [purpose.as_bytes(), &[0], subject.as_bytes(), &[0], nonce] {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

fn encode_id(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|b| char::from(ID_ALPHABET[usize::from(b % 32)]))
        .collect()
}

/// A name that cannot be guessed, for a WHIP or WHEP resource: whoever knows the URL may change the connection.
pub fn unguessable_name() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> HostKey {
        HostKey([7; KEY_BYTES])
    }

    fn id(text: &str) -> SessionId {
        text.parse().expect("a session id")
    }

    #[test]
    fn a_token_holds_for_its_session_and_key_alone() {
        let token = key().issue(&id("show"), SessionKind::default());
        assert!(key().verify(&id("show"), &token).is_some());
        assert!(key().verify(&id("other"), &token).is_none());
        assert!(HostKey([8; KEY_BYTES]).verify(&id("show"), &token).is_none());
    }

    #[test]
    fn a_token_says_what_kind_of_session_it_is_for() {
        for mode in [SessionMode::Voice, SessionMode::Camera, SessionMode::Studio] {
            for topology in [Topology::Sfu, Topology::Mesh] {
                for visibility in [Visibility::Public, Visibility::Unlisted] {
                    let kind = SessionKind {
                        mode,
                        topology,
                        visibility,
                    };
                    let token = key().issue(&id("show"), kind);
                    assert_eq!(key().verify(&id("show"), &token), Some(kind));
                }
            }
        }
    }

    #[test]
    fn a_changed_token_is_refused() {
        let token = key().issue(&id("show"), SessionKind::default());
        for position in 0..token.len() - 1 {
            let mut changed = token.clone().into_bytes();
            changed[position] = if changed[position] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ASCII");
            assert!(key().verify(&id("show"), &changed).is_none(), "{position}");
        }
        for cut in 0..token.len() {
            assert!(key().verify(&id("show"), &token[..cut]).is_none(), "{cut}");
        }
        assert!(key().verify(&id("show"), "größe").is_none());
    }

    #[test]
    fn no_two_tokens_are_the_same() {
        assert_ne!(
            key().issue(&id("show"), SessionKind::default()),
            key().issue(&id("show"), SessionKind::default())
        );
    }

    #[test]
    fn the_server_knows_the_ids_it_made() {
        let minted = key().mint_session_id();
        assert!(key().minted(&minted), "{minted}");
        assert!(!HostKey([8; KEY_BYTES]).minted(&minted));
        for other in ["show", "0123456789abcdef", "ffffffffffffffff"] {
            assert!(!key().minted(&id(other)), "{other}");
        }
    }

    #[test]
    fn the_key_outlives_the_process() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = DataDir::open(Some(folder.path())).expect("opens");
        let token = HostKey::load_or_create(&data)
            .expect("makes")
            .issue(&id("show"), SessionKind::default());
        assert!(
            HostKey::load_or_create(&data)
                .expect("loads")
                .verify(&id("show"), &token)
                .is_some()
        );
    }

    #[test]
    fn a_damaged_key_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = DataDir::open(Some(folder.path())).expect("opens");
        data.write_private(KEY_FILE, b"short").expect("writes");
        let error = HostKey::load_or_create(&data).err().expect("damaged");
        assert!(error.to_string().contains(KEY_FILE), "{error}");
    }

    #[test]
    fn a_bearer_is_never_shown() {
        assert_eq!(format!("{:?}", BearerDigest::of("secret")), "BearerDigest(..)");
        assert!(BearerDigest::of("secret").matches("secret"));
        assert!(!BearerDigest::of("secret").matches("Secret"));
    }
}
