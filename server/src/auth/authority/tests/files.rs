//! Keys in files of their own.

use super::*;

#[test]
fn the_secret_is_made_once_and_by_the_server_alone() {
    let folder = Folder::new();
    let config = AuthConfig {
        secret: None,
        ..with_api_key()
    };
    let early = Authority::load(&config, &folder.data()).expect_err("there is none");
    assert!(early.to_string().contains("token.key"), "{early}");
    let token = issue(&folder.authority(&config).expect("makes"), Role::Guest);
    for again in [
        folder.authority(&config).expect("loads"),
        Authority::load(&config, &folder.data()).expect("loads"),
    ] {
        assert!(again.verify(&token, &id("show"), now()).is_ok());
    }
    let elsewhere = Folder::new().authority(&config).expect("makes");
    assert_eq!(refusal(&elsewhere, &token), TokenRefusal::Signature);
    folder.file("token.key", "short");
    let error = folder.authority(&config).expect_err("damaged");
    assert!(
        error.to_string().contains("token.key") && error.to_string().contains("damaged"),
        "{error}"
    );
}

#[test]
fn the_secret_of_a_file_is_that_of_the_configuration() {
    let folder = Folder::new();
    let config = AuthConfig {
        secret: Some(SecretSource::File(folder.file("secret", format!("{SECRET}\n")))),
        ..AuthConfig::default()
    };
    let authority = folder.authority(&config).expect("loads");
    assert!(authority.verify(&hs256(&claims()), &id("show"), now()).is_ok());
}

#[test]
fn the_file_of_api_keys_has_one_in_a_line() {
    let folder = Folder::new();
    let file = folder.file("keys", "# The site's\nthe-key-of-the-site\n\n  the-key-of-the-shop  \n");
    let config = AuthConfig {
        api_keys_file: Some(file),
        ..with_api_key()
    };
    let authority = folder.authority(&config).expect("loads");
    for key in [API_KEY, "the-key-of-the-site", "the-key-of-the-shop"] {
        assert!(authority.api_key_matches(key), "{key}");
    }
    for text in ["", "# The site's", "  the-key-of-the-shop  "] {
        assert!(!authority.api_key_matches(text), "{text}");
    }
}

/// A setting that names a file, what the file holds, and what is said of it.
type Check<'a> = (&'a dyn Fn(&str) -> AuthConfig, String, &'a str);

#[test]
fn a_key_file_that_cannot_be_used_is_named_and_not_quoted() {
    let folder = Folder::new();
    let ec = rcgen::KeyPair::generate().expect("a key of another kind");
    let api_keys = |content: &str| AuthConfig {
        api_keys_file: Some(folder.file("bad", content)),
        ..AuthConfig::default()
    };
    let signing = |content: &str| AuthConfig {
        signing_key_file: Some(folder.file("bad", content)),
        ..AuthConfig::default()
    };
    let public = |content: &str| AuthConfig {
        public_key_files: vec![folder.file("bad", content)],
        ..AuthConfig::default()
    };
    let secret = |content: &str| AuthConfig {
        secret: Some(SecretSource::File(folder.file("bad", content))),
        ..AuthConfig::default()
    };
    let checks: [Check<'_>; 11] = [
        (&api_keys, String::new(), "there is no key in it"),
        (&api_keys, "# no key\n".into(), "there is no key in it"),
        (&api_keys, format!("{API_KEY}\n12345\n"), "line 2"),
        (&api_keys, format!("{API_KEY} with words"), "without spaces"),
        (&signing, "no PEM".into(), "Ed25519 private key"),
        (&signing, PUBLIC_PEM.into(), "Ed25519 private key"),
        (&signing, ec.serialize_pem(), "Ed25519 private key"),
        (&public, PRIVATE_PEM.into(), "Ed25519 public key"),
        (&public, ec.public_key_pem(), "Ed25519 public key"),
        (&secret, "x".repeat(31), "31 bytes"),
        (&secret, format!("{}\n", "x".repeat(31)), "31 bytes"),
    ];
    for (config, content, reason) in checks {
        let error = folder.authority(&config(&content)).expect_err(reason).to_string();
        assert!(error.contains("bad") && error.contains(reason), "{error}");
        assert!(content.len() < 8 || !error.contains(&content), "{error}");
    }
    let missing = AuthConfig {
        public_key_files: vec![folder.0.path().join("nothing.pem")],
        ..AuthConfig::default()
    };
    let error = folder.authority(&missing).expect_err("missing").to_string();
    assert!(error.contains("nothing.pem"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_secret_that_everybody_can_read_is_none() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let path = folder.file("keys", API_KEY);
    let config = AuthConfig {
        api_keys_file: Some(path.clone()),
        ..AuthConfig::default()
    };
    for (mode, good) in [(0o600, true), (0o440, true), (0o644, false), (0o602, false)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("changes");
        match folder.authority(&config) {
            Ok(_) => assert!(good, "{mode:o}"),
            Err(AuthError::File {
                source: PrivateFileError::Exposed { .. },
                ..
            }) => assert!(!good, "{mode:o}"),
            Err(other) => panic!("{mode:o}: {other}"),
        }
    }
}
