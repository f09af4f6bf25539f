//! Who may use a relay: whoever was told a username and a password that hold for some hours.
//!
//! They are those of the "TURN REST API", which coturn calls `use-auth-secret`: the username begins with the Unix time of
//! its end, and the password is its HMAC-SHA-1 by a secret that the relay and the server of the pages share. The relay
//! keeps no list, and what leaks is soon worth nothing.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use constant_time_eq::constant_time_eq;
use hmac::{Hmac, KeyInit, Mac};
use is::{DefaultSha1HmacProvider, Sha1HmacProvider as _};
use md5::{Digest as _, Md5};
use sha2::Sha256;

use crate::data_dir::{DataDir, DataDirError};

/// The realm of [RFC 8489 §9.2]. A fixed one: credentials are of this server alone anyway.
pub(crate) const REALM: &str = "footlight";

/// How long credentials begin an allocation. An allocation that is there goes on for longer.
const LIFETIME: Duration = Duration::from_hours(12);

/// Longest username that is looked at, in bytes; ours have some 30. RFC 8489 §14.3 allows 508.
const MAX_USERNAME: usize = 128;

/// How long a nonce holds (RFC 8489 §9.2 leaves it to the server). Then a request is refused once, and sent again with a
/// new one.
const NONCE_LIFETIME: Duration = Duration::from_hours(1);

/// The secret's file in the data folder.
const SECRET_FILE: &str = "turn.key";
const SECRET_BYTES: usize = 32;

/// Of the MAC in a nonce: nobody guesses 72 bits in an hour.
const NONCE_MAC_BYTES: usize = 9;

/// What a participant is told.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// `expiry:name`.
    pub username: String,
    /// Base 64 of the username's HMAC.
    pub password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").finish_non_exhaustive()
    }
}

/// What relay and server share.
#[derive(Clone, PartialEq, Eq)]
pub struct TurnSecret(Vec<u8>);

impl std::fmt::Debug for TurnSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TurnSecret(..)")
    }
}

impl From<&str> for TurnSecret {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl TurnSecret {
    /// Reads it from the data folder, or makes one on the first start.
    pub(crate) fn load_or_create(data: &DataDir) -> Result<Self, DataDirError> {
        if let Some(bytes) = data.read(SECRET_FILE)? {
            if bytes.len() != SECRET_BYTES {
                return Err(DataDirError::Damaged {
                    path: data.join(SECRET_FILE),
                    reason: format!("it has {} bytes instead of {SECRET_BYTES}", bytes.len()),
                });
            }
            return Ok(Self(bytes));
        }
        let secret: [u8; SECRET_BYTES] = rand::random();
        data.write_private(SECRET_FILE, &secret)?;
        Ok(Self(secret.to_vec()))
    }

    /// New credentials for one person or program.
    pub fn issue(&self, now: SystemTime) -> Login {
        let name: [u8; NONCE_MAC_BYTES] = rand::random();
        let username = format!("{}:{}", unix_seconds(now + LIFETIME), URL_SAFE_NO_PAD.encode(name));
        Login {
            password: self.password_of(&username),
            username,
        }
    }

    fn password_of(&self, username: &str) -> String {
        STANDARD.encode(DefaultSha1HmacProvider.sha1_hmac(&self.0, &[username.as_bytes()]))
    }

    /// The key of a long-term credential (RFC 8489 §9.2.2).
    pub(crate) fn key_of(&self, username: &str) -> [u8; 16] {
        let password = self.password_of(username);
        Md5::digest(format!("{username}:{REALM}:{password}")).into()
    }
}

/// Whether a username still begins allocations. Its signature is not looked at here.
pub(crate) fn is_current(username: &str, now: SystemTime) -> bool {
    let expiry = username.split_once(':').and_then(|(expiry, _)| expiry.parse().ok());
    username.len() <= MAX_USERNAME && expiry.is_some_and(|expiry: u64| expiry > unix_seconds(now))
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Makes nonces that prove themselves: the time, and a MAC of it and of the client's address. Nothing is kept for a
/// stranger who asks for one.
pub(crate) struct Nonces {
    key: [u8; 64],
}

impl Nonces {
    /// Of this run alone.
    pub(crate) fn new() -> Self {
        Self { key: rand::random() }
    }

    pub(crate) fn issue(&self, client: SocketAddr, now: SystemTime) -> String {
        let at = (unix_seconds(now) as u32).to_be_bytes();
        let mut nonce = at.to_vec();
        nonce.extend_from_slice(&self.mac(at, client));
        URL_SAFE_NO_PAD.encode(nonce)
    }

    /// Whether it is one that this client was given, and not too long ago. Compares in constant time.
    pub(crate) fn is_fresh(&self, nonce: &str, client: SocketAddr, now: SystemTime) -> bool {
        let mut bytes = [0; 4 + NONCE_MAC_BYTES];
        if URL_SAFE_NO_PAD.decode_slice(nonce, &mut bytes) != Ok(bytes.len()) {
            return false;
        }
        let (at, mac) = bytes.split_at(4);
        let at: [u8; 4] = at.try_into().unwrap_or_default();
        let age = (unix_seconds(now) as u32).wrapping_sub(u32::from_be_bytes(at));
        constant_time_eq(mac, &self.mac(at, client)) && u64::from(age) <= NONCE_LIFETIME.as_secs()
    }

    fn mac(&self, at: [u8; 4], client: SocketAddr) -> [u8; NONCE_MAC_BYTES] {
        let mut mac = Hmac::<Sha256>::new(&self.key.into());
        mac.update(&at);
        match client.ip().to_canonical() {
            std::net::IpAddr::V4(ip) => mac.update(&ip.octets()),
            std::net::IpAddr::V6(ip) => mac.update(&ip.octets()),
        }
        mac.update(&client.port().to_be_bytes());
        let full = mac.finalize().into_bytes();
        full.first_chunk().copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// Computed apart, with `openssl dgst -sha1 -hmac` and `openssl md5`.
    #[test]
    fn the_password_is_that_of_coturn() {
        let secret = TurnSecret::from("north");
        assert_eq!(secret.password_of("1433895918:ann"), "zAlhH20kpuDJR8ZKdq5vyQV+Ung=");
        let key = secret.key_of("1433895918:ann");
        assert_eq!(u128::from_be_bytes(key), 0x19f2_6479_1e2a_9305_b2e0_813c_a4e3_5680);
    }

    #[test]
    fn credentials_end() {
        let login = TurnSecret::from("north").issue(at(1_000));
        assert!(is_current(&login.username, at(1_000 + LIFETIME.as_secs() - 1)));
        assert!(!is_current(&login.username, at(1_000 + LIFETIME.as_secs())));
        for strange in ["", "ann", "ann:1", ":", "-1:ann", "99999999999999999999999:ann"] {
            assert!(!is_current(strange, at(1_000)), "{strange}");
        }
        assert!(!is_current(&format!("9999999999:{}", "a".repeat(MAX_USERNAME)), at(1)));
        assert!(!format!("{login:?}").contains(&login.password));
    }

    #[test]
    fn the_secret_is_kept_in_the_data_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = DataDir::open(Some(folder.path())).expect("opens");
        let first = TurnSecret::load_or_create(&data).expect("made");
        assert!(TurnSecret::load_or_create(&data).expect("read") == first);
        data.write_private(SECRET_FILE, b"short").expect("writes");
        let error = TurnSecret::load_or_create(&data).expect_err("damaged").to_string();
        assert!(error.contains(SECRET_FILE), "{error}");
    }

    #[test]
    fn a_nonce_is_of_one_client_and_one_hour() {
        let nonces = Nonces::new();
        let client: SocketAddr = "192.0.2.7:4711".parse().expect("an address");
        let nonce = nonces.issue(client, at(1_000));
        assert!(nonces.is_fresh(&nonce, client, at(1_000 + NONCE_LIFETIME.as_secs())));
        assert!(!nonces.is_fresh(&nonce, client, at(1_001 + NONCE_LIFETIME.as_secs())));
        assert!(!nonces.is_fresh(&nonce, "192.0.2.8:4711".parse().expect("an address"), at(1_000)));
        assert!(!Nonces::new().is_fresh(&nonce, client, at(1_000)));
        for strange in ["", "x", "ä", &nonce[1..]] {
            assert!(!nonces.is_fresh(strange, client, at(1_000)), "{strange}");
        }
    }
}
