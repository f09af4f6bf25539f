//! SRTP and SRTCP of one viewer (RFC 3711, with AES-GCM as in RFC 7714): seals what is sent, and opens its feedback.
//!
//! The ciphers are the platform's; here are the formats around them.

use str0m::crypto::dtls::SrtpProfile;
use str0m::crypto::{
    AeadAes128Gcm, AeadAes128GcmCipher, AeadAes256Gcm, AeadAes256GcmCipher, Aes128CmSha1_80, Aes128CmSha1_80Cipher,
    CryptoProvider, Sha1HmacProvider, SrtpProvider,
};

use super::arena::Arena;
use super::keys::Keys;

#[cfg(feature = "wire")]
mod open;
#[cfg(feature = "wire")]
pub(super) use open::Opener;

/// Labels of the keys that are derived from the master key (RFC 3711 §4.3.1); SRTCP's are three higher.
const CIPHER: u8 = 0;
const AUTHENTICATION: u8 = 1;
const SALT: u8 = 2;
const SRTCP: u8 = 3;

/// RTCP's fixed header and the sender's SSRC, which stay readable (RFC 3711 §3.4).
const RTCP_HEADER: usize = 8;

/// The SRTCP index, whose first bit says that the packet is encrypted.
const INDEX: usize = 4;
const IS_ENCRYPTED: u32 = 1 << 31;

/// The cipher of counter mode wants so much room behind what it writes.
const COUNTER_MODE_ROOM: usize = 15;

/// SRTCP packets remembered against replay (RFC 3711 §3.3.2 asks for 64 at the least).
const REPLAY_WINDOW: u32 = 64;

/// Senders of RTCP that are told apart: a browser has one for each media section, of which an offer has no more.
const MOST_SENDERS: usize = 80;

#[derive(Debug)]
enum Cipher {
    Gcm128(Box<dyn AeadAes128GcmCipher>),
    Gcm256(Box<dyn AeadAes256GcmCipher>),
    CounterMode(Box<dyn Aes128CmSha1_80Cipher>, [u8; Aes128CmSha1_80::HMAC_KEY_LEN]),
}

/// The keys for one protocol in one direction.
#[derive(Debug)]
struct Session {
    cipher: Cipher,
    /// AES-GCM has 12 bytes of it.
    salt: [u8; 14],
}

impl Session {
    fn gcm_salt(&self) -> [u8; 12] {
        std::array::from_fn(|at| self.salt[at])
    }
}

/// Master key and salt of one direction.
struct Master<'a> {
    key: &'a [u8],
    salt: &'a [u8],
    provider: &'static dyn SrtpProvider,
}

impl Master<'_> {
    /// RFC 3711 §4.3.1 with AES in counter mode (§4.3.3; RFC 6188 §3 for 256 bits), without a key derivation rate.
    fn derive<const N: usize>(&self, label: u8) -> [u8; N] {
        let mut input = [0; 16];
        input[..self.salt.len()].copy_from_slice(self.salt);
        input[7] ^= label;
        let mut derived = [0; N];
        for (round, part) in (0_u16..).zip(derived.chunks_mut(16)) {
            input[14..].copy_from_slice(&round.to_be_bytes());
            let mut block = [0; 32];
            if self.key.len() == AeadAes256Gcm::KEY_LEN {
                self.provider.srtp_aes_256_ecb_round(self.key, &input, &mut block);
            } else {
                self.provider.srtp_aes_128_ecb_round(self.key, &input, &mut block);
            }
            part.copy_from_slice(&block[..part.len()]);
        }
        derived
    }

    fn session(&self, profile: SrtpProfile, first_label: u8, is_sealing: bool) -> Option<Session> {
        let mut salt = [0; 14];
        let cipher = match profile {
            SrtpProfile::AEAD_AES_128_GCM => {
                salt[..12].copy_from_slice(&self.derive::<12>(first_label + SALT));
                let key = self.derive(first_label + CIPHER);
                Cipher::Gcm128(self.provider.aead_aes_128_gcm().create_cipher(key, is_sealing))
            }
            SrtpProfile::AEAD_AES_256_GCM => {
                salt[..12].copy_from_slice(&self.derive::<12>(first_label + SALT));
                let key = self.derive(first_label + CIPHER);
                Cipher::Gcm256(self.provider.aead_aes_256_gcm().create_cipher(key, is_sealing))
            }
            SrtpProfile::AES128_CM_SHA1_80 => {
                salt = self.derive(first_label + SALT);
                let key = self.derive(first_label + CIPHER);
                let cipher = self.provider.aes_128_cm_sha1_80().create_cipher(key, is_sealing);
                Cipher::CounterMode(cipher, self.derive(first_label + AUTHENTICATION))
            }
            _ => return None,
        };
        Some(Session { cipher, salt })
    }
}

/// Of what we seal, and of what the other side does. `None` for a profile that is not known here, or keys that are not its
/// own.
fn masters<'a>(keys: &'a Keys, crypto: &CryptoProvider) -> Option<(Master<'a>, Master<'a>)> {
    let (key, salt) = match keys.profile {
        SrtpProfile::AES128_CM_SHA1_80 => (Aes128CmSha1_80::KEY_LEN, Aes128CmSha1_80::SALT_LEN),
        SrtpProfile::AEAD_AES_128_GCM => (AeadAes128Gcm::KEY_LEN, AeadAes128Gcm::SALT_LEN),
        SrtpProfile::AEAD_AES_256_GCM => (AeadAes256Gcm::KEY_LEN, AeadAes256Gcm::SALT_LEN),
        _ => return None,
    };
    if keys.material.len() != 2 * (key + salt) {
        return None;
    }
    // Client's key, server's key, client's salt, server's salt (RFC 5764 §4.2).
    let (both_keys, both_salts) = keys.material.split_at(2 * key);
    let master = |is_client: bool| Master {
        key: if is_client {
            &both_keys[..key]
        } else {
            &both_keys[key..]
        },
        salt: if is_client {
            &both_salts[..salt]
        } else {
            &both_salts[salt..]
        },
        provider: crypto.srtp_provider,
    };
    Some((master(keys.is_client), master(!keys.is_client)))
}

/// Both directions of one viewer.
#[derive(Debug)]
pub(super) struct Srtp {
    rtp: Session,
    rtcp: Session,
    remote_rtcp: Session,
    hmac: &'static dyn Sha1HmacProvider,
    /// Of the next SRTCP packet that is sent.
    next_index: u32,
    /// By the sender's SSRC: each counts for itself (RFC 3711 §3.2.1).
    replay: Vec<(u32, Replay)>,
}

impl Srtp {
    /// `None` for a profile that is not known here, or keys that are not its own.
    pub(super) fn new(keys: &Keys, crypto: &CryptoProvider) -> Option<Self> {
        let (ours, theirs) = masters(keys, crypto)?;
        Some(Self {
            rtp: ours.session(keys.profile, 0, true)?,
            rtcp: ours.session(keys.profile, SRTCP, true)?,
            remote_rtcp: theirs.session(keys.profile, SRTCP, false)?,
            hmac: crypto.sha1_hmac_provider,
            next_index: 0,
            replay: Vec::new(),
        })
    }

    /// Seals an RTP packet: the last `header` bytes of `out` are its header, and `payload` follows, encrypted. `index` is
    /// its extended sequence number (RFC 3711 §3.3.1). Whether it was; if not, the header is taken back.
    pub(super) fn seal_rtp(
        &mut self,
        out: &mut Arena,
        (header, ssrc, index): (usize, u32, u64),
        payload: &[u8],
    ) -> bool {
        let start = out.len() - header;
        let body = out.len();
        let sealed = match &mut self.rtp.cipher {
            Cipher::Gcm128(_) | Cipher::Gcm256(_) => {
                let (before, room) = out.grow(payload.len() + AeadAes128Gcm::TAG_LEN);
                let associated = &before[start..];
                let (rollover, number) = ((index >> 16) as u32, index as u16);
                let iv = AeadAes128Gcm::rtp_iv(self.rtp.gcm_salt(), ssrc, rollover, number);
                match &mut self.rtp.cipher {
                    Cipher::Gcm128(cipher) => cipher.encrypt(&iv, associated, payload, room),
                    Cipher::Gcm256(cipher) => cipher.encrypt(&iv, associated, payload, room),
                    Cipher::CounterMode(..) => return false,
                }
            }
            Cipher::CounterMode(cipher, key) => {
                let (_, room) = out.grow(payload.len() + COUNTER_MODE_ROOM);
                let iv = Aes128CmSha1_80::rtp_iv(self.rtp.salt, ssrc, index);
                let sealed = cipher.encrypt(&iv, payload, room);
                out.truncate(body + payload.len());
                let (before, tag) = out.grow(Aes128CmSha1_80::HMAC_TAG_LEN);
                let rollover = ((index >> 16) as u32).to_be_bytes();
                let whole = self.hmac.sha1_hmac(key, &[&before[start..], &rollover]);
                tag.copy_from_slice(&whole[..Aes128CmSha1_80::HMAC_TAG_LEN]);
                sealed
            }
        };
        if sealed.is_err() {
            out.truncate(start);
        }
        sealed.is_ok()
    }

    /// Seals an RTCP packet, compound or reduced-size, onto `out`. Whether it was.
    pub(super) fn seal_rtcp(&mut self, out: &mut Arena, packet: &[u8]) -> bool {
        let start = out.len();
        let (Some((header, payload)), Some(ssrc)) = (packet.split_at_checked(RTCP_HEADER), ssrc_of(packet)) else {
            return false;
        };
        let index = self.next_index;
        self.next_index = (index + 1) & !IS_ENCRYPTED;
        let marked = (index | IS_ENCRYPTED).to_be_bytes();
        out.push(header);
        let mut associated = [0; RTCP_HEADER + INDEX];
        associated[..RTCP_HEADER].copy_from_slice(header);
        associated[RTCP_HEADER..].copy_from_slice(&marked);
        let iv = AeadAes128Gcm::rtcp_iv(self.rtcp.gcm_salt(), ssrc, index);
        let sealed = match &mut self.rtcp.cipher {
            Cipher::Gcm128(cipher) => {
                let (_, room) = out.grow(payload.len() + AeadAes128Gcm::TAG_LEN);
                cipher.encrypt(&iv, &associated, payload, room)
            }
            Cipher::Gcm256(cipher) => {
                let (_, room) = out.grow(payload.len() + AeadAes256Gcm::TAG_LEN);
                cipher.encrypt(&iv, &associated, payload, room)
            }
            Cipher::CounterMode(cipher, _) => {
                let iv = Aes128CmSha1_80::rtp_iv(self.rtcp.salt, ssrc, u64::from(index));
                let (_, room) = out.grow(payload.len() + COUNTER_MODE_ROOM);
                let sealed = cipher.encrypt(&iv, payload, room);
                out.truncate(start + packet.len());
                sealed
            }
        };
        out.push(&marked);
        if let Cipher::CounterMode(_, key) = &self.rtcp.cipher {
            let (before, tag) = out.grow(Aes128CmSha1_80::HMAC_TAG_LEN);
            let whole = self.hmac.sha1_hmac(key, &[&before[start..]]);
            tag.copy_from_slice(&whole[..Aes128CmSha1_80::HMAC_TAG_LEN]);
        }
        if sealed.is_err() {
            out.truncate(start);
        }
        sealed.is_ok()
    }

    /// Opens an SRTCP packet of the viewer's into `opened`. Whether it is genuine and new.
    pub(super) fn open_rtcp(&mut self, datagram: &[u8], opened: &mut Vec<u8>) -> bool {
        opened.clear();
        self.try_open(datagram, opened).is_some()
    }

    fn try_open(&mut self, datagram: &[u8], opened: &mut Vec<u8>) -> Option<()> {
        let ssrc = ssrc_of(datagram)?;
        let is_counter_mode = matches!(self.remote_rtcp.cipher, Cipher::CounterMode(..));
        let tag = if is_counter_mode {
            Aes128CmSha1_80::HMAC_TAG_LEN
        } else {
            0
        };
        let (signed, tag) = datagram.split_at_checked(datagram.len().checked_sub(tag)?)?;
        let (packet, marked) = signed.split_last_chunk::<INDEX>()?;
        let (header, sealed) = packet.split_at_checked(RTCP_HEADER)?;
        let index = u32::from_be_bytes(*marked);
        // Nobody sends WebRTC's feedback in the clear (RFC 8827 §6.5).
        if index & IS_ENCRYPTED == 0 {
            return None;
        }
        let index = index & !IS_ENCRYPTED;
        let seen = self.replay.iter().find(|(sender, _)| *sender == ssrc);
        if seen.is_some_and(|(_, replay)| !replay.is_new(index)) {
            return None;
        }
        opened.extend_from_slice(header);
        let salt = self.remote_rtcp.gcm_salt();
        let iv = AeadAes128Gcm::rtcp_iv(salt, ssrc, index);
        match &mut self.remote_rtcp.cipher {
            Cipher::Gcm128(cipher) => {
                opened.resize(RTCP_HEADER + sealed.len().checked_sub(AeadAes128Gcm::TAG_LEN)?, 0);
                let room = &mut opened[RTCP_HEADER..];
                cipher.decrypt(&iv, &[header, marked], sealed, room).ok()?;
            }
            Cipher::Gcm256(cipher) => {
                opened.resize(RTCP_HEADER + sealed.len().checked_sub(AeadAes256Gcm::TAG_LEN)?, 0);
                let room = &mut opened[RTCP_HEADER..];
                cipher.decrypt(&iv, &[header, marked], sealed, room).ok()?;
            }
            Cipher::CounterMode(cipher, key) => {
                let hmac = |key: &[u8], parts: &[&[u8]]| self.hmac.sha1_hmac(key, parts);
                if !Aes128CmSha1_80::rtcp_verify(hmac, key, signed, tag) {
                    return None;
                }
                let iv = Aes128CmSha1_80::rtp_iv(self.remote_rtcp.salt, ssrc, u64::from(index));
                opened.resize(RTCP_HEADER + sealed.len() + COUNTER_MODE_ROOM, 0);
                cipher.decrypt(&iv, sealed, &mut opened[RTCP_HEADER..]).ok()?;
                opened.truncate(RTCP_HEADER + sealed.len());
            }
        }
        self.note(ssrc, index);
        Some(())
    }

    fn note(&mut self, ssrc: u32, index: u32) {
        if let Some((_, replay)) = self.replay.iter_mut().find(|(sender, _)| *sender == ssrc) {
            replay.note(index);
            return;
        }
        if self.replay.len() >= MOST_SENDERS {
            self.replay.remove(0);
        }
        let mut replay = Replay::default();
        replay.note(index);
        self.replay.push((ssrc, replay));
    }
}

fn ssrc_of(rtcp: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(*rtcp.get(4..8)?.first_chunk()?))
}

/// SRTCP indices that were seen (RFC 3711 §3.3.2).
#[derive(Debug, Default)]
struct Replay {
    highest: Option<u32>,
    /// Bit n: the n-th below the highest.
    seen: u64,
}

impl Replay {
    fn is_new(&self, index: u32) -> bool {
        match self.highest {
            Some(highest) if index <= highest => {
                let below = highest - index;
                below < REPLAY_WINDOW && self.seen >> below & 1 == 0
            }
            _ => true,
        }
    }

    fn note(&mut self, index: u32) {
        match self.highest {
            Some(highest) if index <= highest => {
                self.seen |= 1_u64.checked_shl(highest - index).unwrap_or(0);
            }
            before => {
                let step = before.map_or(u32::MAX, |highest| index - highest);
                self.seen = self.seen.checked_shl(step).unwrap_or(0) | 1;
                self.highest = Some(index);
            }
        }
    }
}

#[cfg(test)]
mod tests;
