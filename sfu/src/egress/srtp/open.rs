//! Opens RTP, which a viewer does with what [`Srtp`](super::Srtp) sealed. The server's publishers are the engine's.

use str0m::crypto::{AeadAes128Gcm, Aes128CmSha1_80, CryptoProvider, Sha1HmacProvider};

use super::{COUNTER_MODE_ROOM, Cipher, Keys, Session, masters};

/// The other side's RTP.
#[derive(Debug)]
pub(in crate::egress) struct Opener {
    session: Session,
    hmac: &'static dyn Sha1HmacProvider,
}

impl Opener {
    /// `None` for a profile that is not known here, or keys that are not its own.
    pub(in crate::egress) fn new(keys: &Keys, crypto: &CryptoProvider) -> Option<Self> {
        let (_, theirs) = masters(keys, crypto)?;
        Some(Self {
            session: theirs.session(keys.profile, 0, false)?,
            hmac: crypto.sha1_hmac_provider,
        })
    }

    /// Puts the payload of `datagram` into `opened`; its first `header` bytes are the RTP header. `index` is its extended
    /// sequence number (RFC 3711 §3.3.1). Whether it is genuine.
    pub(in crate::egress) fn open(
        &mut self,
        datagram: &[u8],
        (header, ssrc, index): (usize, u32, u64),
        opened: &mut Vec<u8>,
    ) -> bool {
        opened.clear();
        let length = self.try_open(datagram, (header, ssrc, index), opened);
        opened.truncate(length.unwrap_or(0));
        length.is_some()
    }

    fn try_open(
        &mut self,
        datagram: &[u8],
        (header, ssrc, index): (usize, u32, u64),
        opened: &mut Vec<u8>,
    ) -> Option<usize> {
        let (header, sealed) = datagram.split_at_checked(header)?;
        let salt = self.session.gcm_salt();
        let iv = AeadAes128Gcm::rtp_iv(salt, ssrc, (index >> 16) as u32, index as u16);
        match &mut self.session.cipher {
            Cipher::Gcm128(cipher) => {
                let length = sealed.len().checked_sub(AeadAes128Gcm::TAG_LEN)?;
                opened.resize(length, 0);
                cipher.decrypt(&iv, &[header], sealed, opened).ok()
            }
            Cipher::Gcm256(cipher) => {
                let length = sealed.len().checked_sub(AeadAes128Gcm::TAG_LEN)?;
                opened.resize(length, 0);
                cipher.decrypt(&iv, &[header], sealed, opened).ok()
            }
            Cipher::CounterMode(cipher, key) => {
                let length = sealed.len().checked_sub(Aes128CmSha1_80::HMAC_TAG_LEN)?;
                let (signed, tag) = datagram.split_at_checked(header.len() + length)?;
                let hmac = |key: &[u8], parts: &[&[u8]]| self.hmac.sha1_hmac(key, parts);
                if !Aes128CmSha1_80::rtp_verify(hmac, key, signed, index, tag) {
                    return None;
                }
                let iv = Aes128CmSha1_80::rtp_iv(self.session.salt, ssrc, index);
                opened.resize(length + COUNTER_MODE_ROOM, 0);
                cipher.decrypt(&iv, &sealed[..length], opened).ok()?;
                Some(length)
            }
        }
    }
}
