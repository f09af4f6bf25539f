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

#[test]
fn a_first_contact_is_remembered_and_a_change_refused() {
    let folder = Folder::new();
    let (first, other) = (Fingerprint::of(b"first"), Fingerprint::of(b"other"));
    let judge = |fingerprint| folder.trust().judge_self_signed("hall.example", AUTHORITY, fingerprint);
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
        .judge_self_signed("hall.example", "hall.example:1", Fingerprint::of(b"first"))
        .expect("the first server");
    trust
        .judge_self_signed("hall.example", "hall.example:2", Fingerprint::of(b"other"))
        .expect("the second server");
}

#[test]
fn a_server_on_this_machine_needs_no_proof_and_is_not_remembered() {
    let folder = Folder::new();
    for host in ["127.0.0.1", "127.8.8.8", "::1", "localhost"] {
        folder
            .trust()
            .judge_self_signed(host, "any:1", Fingerprint::of(host.as_bytes()))
            .expect("loopback");
    }
    assert!(!folder.0.exists());
}

#[test]
fn without_a_memory_nobody_is_believed_on_first_contact() {
    let error = Trust::default()
        .judge_self_signed("hall.example", AUTHORITY, Fingerprint::of(b"first"))
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
        .judge_self_signed("hall.example", AUTHORITY, Fingerprint::of(b"first"))
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
            .judge_self_signed("hall.example", authority, first)
            .expect("a first contact");
    }
    let known = trust.known_servers.as_ref().expect("a memory");
    known.replace(AUTHORITY, other).expect("a writable file");
    trust
        .judge_self_signed("hall.example", AUTHORITY, other)
        .expect("the new one");
    trust
        .judge_self_signed("hall.example", AUTHORITY, first)
        .expect_err("the one that was replaced");
    trust
        .judge_self_signed("hall.example", "stage.example:8443", first)
        .expect("the neighbour");
    let files = std::fs::read_dir(folder.0.join("config")).expect("the folder").count();
    assert_eq!(files, 1, "nothing unfinished is left behind");
}

#[test]
fn a_fingerprint_can_be_replaced_before_there_is_a_file() {
    let folder = Folder::new();
    let known = folder.trust().known_servers.expect("a memory");
    known
        .replace(AUTHORITY, Fingerprint::of(b"first"))
        .expect("a file is made");
    assert_eq!(
        known.find(AUTHORITY).expect("readable"),
        Some(Fingerprint::of(b"first"))
    );
}
