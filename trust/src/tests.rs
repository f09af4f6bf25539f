//! Decisions on certificates, by host and by what is remembered.

use std::path::PathBuf;

use super::*;

const AUTHORITY: &str = "hall.example:8443";

/// A folder of its own, removed with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("footlight-trust-{:016x}", rand::random::<u64>()));
        Self(path)
    }

    fn trust(&self) -> Trust {
        Trust {
            fingerprint: None,
            known_servers: Some(KnownServers::at(self.0.join("config").join("known_servers"))),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What the platform says of a certificate of a server's own making.
fn unknown() -> Error {
    Error::InvalidCertificate(CertificateError::UnknownIssuer)
}

/// A platform that has made up its mind.
#[derive(Debug)]
struct Platform(Result<(), CertificateError>);

impl ServerCertVerifier for Platform {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.0.clone().map(|()| ServerCertVerified::assertion());
        verdict.map_err(Error::InvalidCertificate)
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        unreachable!("signatures are checked without it")
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        unreachable!("signatures are checked without it")
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        Vec::new()
    }
}

/// The outcome of a handshake with the server at `host`, of which the platform thinks so.
fn meet(
    trust: &Trust,
    host: &'static str,
    certificate: &[u8],
    verdict: Result<(), CertificateError>,
) -> Result<(), Error> {
    let verifier = ServerVerifier {
        trust: trust.clone(),
        host: "hall.example".to_owned(),
        authority: AUTHORITY.to_owned(),
        platform: Some(Arc::new(Platform(verdict))),
        provider: Arc::new(rustls::crypto::ring::default_provider()),
    };
    let name = ServerName::try_from(host).expect("a name");
    let certificate = CertificateDer::from(certificate);
    let met = verifier.verify_server_cert(&certificate, &[], &name, &[], UnixTime::now());
    met.map(|_| ())
}

#[test]
fn who_was_vouched_for_is_not_met_for_the_first_time_afterwards() {
    let folder = Folder::new();
    let trust = folder.trust();
    let impostor = || {
        meet(
            &trust,
            "hall.example",
            b"impostor",
            Err(CertificateError::UnknownIssuer),
        )
    };
    for renewed in [b"first", b"other"] {
        meet(&trust, "hall.example", renewed, Ok(())).expect("the platform believes it");
    }
    for _ in 0..2 {
        let error = impostor().expect_err("nobody vouches for it");
        let refusal = Refusal::behind(&error).expect("a refusal");
        assert!(
            matches!(
                refusal,
                Refusal::Distrusted(TrustError::NoLongerVouched { received, is_expired: false, .. })
                    if *received == Fingerprint::of(b"impostor")
            ),
            "{refusal}"
        );
        assert!(refusal.to_string().contains("WARNING"), "{refusal}");
    }
    meet(&trust, "hall.example", b"other", Ok(())).expect("it is still the same server");
    let known = trust.known_servers.as_ref().expect("a memory");
    let text = std::fs::read_to_string(known.path()).expect("a file");
    assert_eq!(text, format!("{AUTHORITY} vouched\n"), "one line, however often");
}

#[test]
fn a_vouched_for_certificate_that_has_expired_is_named_as_such() {
    let folder = Folder::new();
    let trust = folder.trust();
    let expired = || meet(&trust, "hall.example", b"first", Err(CertificateError::Expired));
    meet(&trust, "hall.example", b"first", Ok(())).expect("the platform believes it");
    let error = expired().expect_err("it has expired");
    let refusal = Refusal::behind(&error).expect("a refusal");
    assert!(matches!(
        refusal,
        Refusal::Distrusted(TrustError::NoLongerVouched { is_expired: true, .. })
    ));
    assert!(refusal.to_string().contains("has expired"), "{refusal}");
    let known = trust.known_servers.as_ref().expect("a memory");
    known
        .replace(AUTHORITY, Identity::Certificate(Fingerprint::of(b"first")))
        .expect("a writable file");
    expired().expect("somebody decided to believe it");
}

#[test]
fn a_fingerprint_that_was_taken_on_faith_gives_way_to_an_authority() {
    let folder = Folder::new();
    let trust = folder.trust();
    let own_making = || meet(&trust, "hall.example", b"first", Err(CertificateError::UnknownIssuer));
    own_making().expect("a first contact");
    meet(&trust, "hall.example", b"other", Ok(())).expect("the platform believes it");
    own_making().expect_err("what was taken on faith counts no more");
}

#[test]
fn where_a_redirect_leads_is_not_remembered_as_ours() {
    let folder = Folder::new();
    let trust = folder.trust();
    meet(&trust, "elsewhere.example", b"first", Ok(())).expect("the platform believes it");
    let known = trust.known_servers.as_ref().expect("a memory");
    assert_eq!(known.find(AUTHORITY).expect("readable"), None);
}

#[test]
fn what_an_authority_vouches_for_needs_no_memory() {
    let folder = Folder::new();
    std::fs::create_dir_all(&folder.0).expect("a folder where the file should be");
    let unwritable = Trust {
        fingerprint: None,
        known_servers: Some(KnownServers::at(&folder.0)),
    };
    for trust in [unwritable, Trust::default()] {
        meet(&trust, "hall.example", b"first", Ok(())).expect("the platform believes it");
    }
}

#[test]
fn a_first_contact_is_remembered_and_a_change_refused() {
    let folder = Folder::new();
    let (first, other) = (Fingerprint::of(b"first"), Fingerprint::of(b"other"));
    let judge = |fingerprint| {
        folder
            .trust()
            .judge_self_signed("hall.example", AUTHORITY, fingerprint, &unknown())
    };
    judge(first).expect("the first contact");
    judge(first).expect("the same again");
    let error = judge(other).expect_err("another certificate");
    let words = error.to_string();
    assert!(matches!(error, TrustError::Changed { expected, received, .. } if expected == first && received == other));
    assert!(words.contains("WARNING") && words.contains("known_servers"), "{words}");
    judge(first).expect("the refused one replaced nothing");
}

#[test]
fn ports_of_one_host_are_servers_of_their_own() {
    let folder = Folder::new();
    let trust = folder.trust();
    trust
        .judge_self_signed("hall.example", "hall.example:1", Fingerprint::of(b"first"), &unknown())
        .expect("the first server");
    trust
        .judge_self_signed("hall.example", "hall.example:2", Fingerprint::of(b"other"), &unknown())
        .expect("the second server");
}

#[test]
fn a_server_on_this_machine_needs_no_proof_and_is_not_remembered() {
    let folder = Folder::new();
    for host in ["127.0.0.1", "127.8.8.8", "::1", "localhost"] {
        folder
            .trust()
            .judge_self_signed(host, "any:1", Fingerprint::of(host.as_bytes()), &unknown())
            .expect("loopback");
    }
    assert!(!folder.0.exists());
}

#[test]
fn without_a_memory_nobody_is_believed_on_first_contact() {
    let error = Trust::default()
        .judge_self_signed("hall.example", AUTHORITY, Fingerprint::of(b"first"), &unknown())
        .expect_err("no memory");
    assert!(matches!(error, TrustError::NoMemory { .. }));
}

#[test]
fn a_memory_that_cannot_be_read_is_not_an_empty_one() {
    let folder = Folder::new();
    let known = KnownServers::at(&folder.0);
    std::fs::create_dir_all(&folder.0).expect("a folder where the file should be");
    let trust = Trust {
        fingerprint: None,
        known_servers: Some(known),
    };
    let error = trust
        .judge_self_signed("hall.example", AUTHORITY, Fingerprint::of(b"first"), &unknown())
        .expect_err("unreadable");
    assert!(matches!(error, TrustError::NoMemory { .. }));
}

#[test]
fn a_replaced_fingerprint_is_believed_and_all_others_stay() {
    let folder = Folder::new();
    let trust = folder.trust();
    let (first, other) = (Fingerprint::of(b"first"), Fingerprint::of(b"other"));
    for authority in [AUTHORITY, "stage.example:8443"] {
        trust
            .judge_self_signed("hall.example", authority, first, &unknown())
            .expect("a first contact");
    }
    let known = trust.known_servers.as_ref().expect("a memory");
    known
        .replace(AUTHORITY, Identity::Certificate(other))
        .expect("a writable file");
    trust
        .judge_self_signed("hall.example", AUTHORITY, other, &unknown())
        .expect("the new one");
    trust
        .judge_self_signed("hall.example", AUTHORITY, first, &unknown())
        .expect_err("the one that was replaced");
    trust
        .judge_self_signed("hall.example", "stage.example:8443", first, &unknown())
        .expect("the neighbour");
    let files = std::fs::read_dir(folder.0.join("config")).expect("the folder").count();
    assert_eq!(files, 1, "nothing unfinished is left behind");
}

#[test]
fn a_fingerprint_can_be_replaced_before_there_is_a_file() {
    let folder = Folder::new();
    let known = folder.trust().known_servers.expect("a memory");
    known
        .replace(AUTHORITY, Identity::Certificate(Fingerprint::of(b"first")))
        .expect("a file is made");
    assert_eq!(
        known.find(AUTHORITY).expect("readable"),
        Some(Identity::Certificate(Fingerprint::of(b"first")))
    );
}
