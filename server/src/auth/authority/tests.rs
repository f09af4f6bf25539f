mod files;

use std::fs;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use footlight_protocol::ANONYMOUS;
use hmac::{Hmac, KeyInit as _, Mac as _};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::Sha256;

use super::*;
use crate::auth::LEEWAY;
use crate::config::{PrivateFileError, SecretSource};

const API_KEY: &str = "an-api-key-of-the-test";
const SECRET: &str = "a secret of the test, 32 bytes long or more";

/// RFC 8410 §10.3 and §10.1: a private key in the form that openssl writes, and its public key.
const PRIVATE_PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
    -----END PRIVATE KEY-----\n";
const PUBLIC_PEM: &str = "-----BEGIN PUBLIC KEY-----\n\
    MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
    -----END PUBLIC KEY-----\n";

/// A data folder, and files for keys.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn data(&self) -> DataDir {
        DataDir::open(Some(self.0.path())).expect("opens")
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        self.data().write_private(name, content.as_ref()).expect("writes");
        self.0.path().join(name)
    }

    fn authority(&self, config: &AuthConfig) -> Result<Authority, AuthError> {
        Authority::load_or_create(config, &self.data())
    }
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_900_000_000)
}

fn id(text: &str) -> SessionId {
    text.parse().expect("a session id")
}

fn with_secret() -> AuthConfig {
    AuthConfig {
        secret: Some(SecretSource::Text(SECRET.into())),
        ..AuthConfig::default()
    }
}

fn with_api_key() -> AuthConfig {
    AuthConfig {
        api_keys: vec![API_KEY.into()],
        ..with_secret()
    }
}

fn authority() -> Authority {
    Folder::new().authority(&with_api_key()).expect("loads")
}

fn grant(session: &str, role: Role) -> Grant {
    Grant {
        session: id(session),
        user: Some("ada".parse().expect("a user id")),
        name: Some("Ada".into()),
        role,
        lifetime: Duration::from_mins(1),
    }
}

fn issue(authority: &Authority, role: Role) -> String {
    let issued = authority.issue(grant("show", role), now());
    issued.expect("signs").token
}

/// The claims of a token that is good for a minute.
fn claims() -> Value {
    json!({"session": "show", "user": "ada", "name": "Ada", "role": "guest", "exp": 1_900_000_060})
}

/// `claims` with one of them changed; `null` takes it away.
fn claims_but(name: &str, value: Value) -> Value {
    let mut claims = claims();
    let members = claims.as_object_mut().expect("an object");
    if value.is_null() {
        members.remove(name);
    } else {
        members.insert(name.to_owned(), value);
    }
    claims
}

/// A token as some other program makes it, after RFC 7515 §5.1.
fn sign(header: &Value, payload: &[u8], secret: &[u8]) -> String {
    let header = URL_SAFE_NO_PAD.encode(header.to_string());
    let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(payload));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("takes any length");
    mac.update(message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

fn hs256(claims: &Value) -> String {
    sign(
        &json!({"alg": "HS256"}),
        claims.to_string().as_bytes(),
        SECRET.as_bytes(),
    )
}

fn refusal(authority: &Authority, token: &str) -> TokenRefusal {
    authority.verify(token, &id("show"), now()).expect_err(token)
}

#[test]
fn a_token_says_who_its_bearer_is() {
    let authority = authority();
    let issued = authority.issue(grant("show", Role::Cohost), now()).expect("signs");
    let claims = authority.verify(&issued.token, &id("show"), now()).expect("is good");
    assert_eq!(claims, issued.claims);
    assert_eq!(
        claims,
        Claims {
            session: id("show"),
            user: "ada".parse().expect("a user id"),
            name: "Ada".into(),
            role: Role::Cohost,
            expires_at: now() + Duration::from_mins(1),
        }
    );
}

#[test]
fn a_token_that_another_program_made_with_the_same_secret_is_good() {
    let claims = authority().verify(&hs256(&claims()), &id("show"), now());
    assert_eq!(claims.expect("is good").role, Role::Guest);
}

#[test]
fn the_private_key_signs_and_the_public_key_alone_verifies() {
    let folder = Folder::new();
    let signing = AuthConfig {
        signing_key_file: Some(folder.file("private.pem", PRIVATE_PEM)),
        ..AuthConfig::default()
    };
    let verifying = AuthConfig {
        public_key_files: vec![folder.file("public.pem", PUBLIC_PEM)],
        ..AuthConfig::default()
    };
    let token = issue(&folder.authority(&signing).expect("loads"), Role::Guest);
    let header = jsonwebtoken::decode_header(&token).expect("a header");
    assert_eq!(header.alg, jsonwebtoken::Algorithm::EdDSA);
    let verifying = folder.authority(&verifying).expect("loads");
    assert!(verifying.verify(&token, &id("show"), now()).is_ok());
    assert!(matches!(
        verifying.issue(grant("show", Role::Guest), now()),
        Err(IssueError::NoKey)
    ));
}

#[test]
fn any_of_several_public_keys_will_do_and_no_other_one() {
    let folder = Folder::new();
    let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
    let third = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
    let both = AuthConfig {
        public_key_files: vec![
            folder.file("a.pem", PUBLIC_PEM),
            folder.file("b.pem", other.public_key_pem()),
        ],
        ..AuthConfig::default()
    };
    let authority = folder.authority(&both).expect("loads");
    let signed_by = |name: &str, pem: &str| {
        let config = AuthConfig {
            signing_key_file: Some(folder.file(name, pem)),
            ..AuthConfig::default()
        };
        issue(&folder.authority(&config).expect("loads"), Role::Guest)
    };
    for (name, pem) in [("1.pem", PRIVATE_PEM), ("2.pem", &other.serialize_pem())] {
        assert!(
            authority.verify(&signed_by(name, pem), &id("show"), now()).is_ok(),
            "{name}"
        );
    }
    let stranger = signed_by("3.pem", &third.serialize_pem());
    assert_eq!(refusal(&authority, &stranger), TokenRefusal::Signature);
}

#[test]
fn what_is_no_token_is_refused() {
    let authority = authority();
    let good = hs256(&claims());
    let (head, signature) = good.rsplit_once('.').expect("dots");
    for text in [
        "",
        ".",
        "..",
        "...",
        "größe",
        "a.b.c",
        head,
        signature,
        &format!("{good}."),
        &format!("{good}="),
        &good.replace('.', " "),
    ] {
        assert_eq!(refusal(&authority, text), TokenRefusal::Malformed, "{text}");
    }
    let long = "a".repeat(MAX_TOKEN_BYTES + 1);
    assert_eq!(refusal(&authority, &long), TokenRefusal::TooLong);
    let boundless = hs256(&claims_but("name", json!("x".repeat(64 * 1024))));
    assert_eq!(refusal(&authority, &boundless), TokenRefusal::TooLong);
}

#[test]
fn a_change_anywhere_is_noticed() {
    let authority = authority();
    let token = hs256(&claims());
    for position in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[position] = if changed[position] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).expect("ASCII");
        assert!(
            authority.verify(&changed, &id("show"), now()).is_err(),
            "position {position}"
        );
    }
    // The claims of one good token under the signature of another.
    let (head, _) = token.rsplit_once('.').expect("dots");
    let other = hs256(&claims_but("role", json!("host")));
    let (_, signature) = other.rsplit_once('.').expect("dots");
    assert_eq!(
        refusal(&authority, &format!("{head}.{signature}")),
        TokenRefusal::Signature
    );
}

#[test]
fn the_key_decides_the_algorithm() {
    let payload = claims().to_string();
    let secret = authority();
    for alg in ["none", "None", "NONE", "", "hs256"] {
        let token = sign(&json!({"alg": alg}), payload.as_bytes(), SECRET.as_bytes());
        assert_eq!(refusal(&secret, &token), TokenRefusal::Malformed, "{alg}");
        let (head, _) = token.rsplit_once('.').expect("dots");
        assert_eq!(refusal(&secret, &format!("{head}.")), TokenRefusal::Malformed, "{alg}");
    }
    for alg in ["HS384", "HS512", "RS256", "ES256", "EdDSA"] {
        let token = sign(&json!({"alg": alg}), payload.as_bytes(), SECRET.as_bytes());
        assert_eq!(refusal(&secret, &token), TokenRefusal::Algorithm, "{alg}");
    }
    // The public key is no secret, and whoever has it must not be able to sign with it.
    let folder = Folder::new();
    let ed25519 = AuthConfig {
        public_key_files: vec![folder.file("public.pem", PUBLIC_PEM)],
        ..AuthConfig::default()
    };
    let both = AuthConfig {
        public_key_files: ed25519.public_key_files.clone(),
        ..with_secret()
    };
    let raw = URL_SAFE_NO_PAD
        .decode("Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE")
        .expect("base64");
    for key in [raw.as_slice(), PUBLIC_PEM.as_bytes()] {
        let token = sign(&json!({"alg": "HS256"}), payload.as_bytes(), key);
        let ed25519 = folder.authority(&ed25519).expect("loads");
        assert_eq!(refusal(&ed25519, &token), TokenRefusal::Algorithm);
        let both = folder.authority(&both).expect("loads");
        assert_eq!(refusal(&both, &token), TokenRefusal::Signature);
    }
}

#[test]
fn a_header_that_asks_for_more_is_refused() {
    let header = json!({"alg": "HS256", "crit": ["exp"]});
    let token = sign(&header, claims().to_string().as_bytes(), SECRET.as_bytes());
    assert_eq!(refusal(&authority(), &token), TokenRefusal::Algorithm);
}

#[test]
fn a_claim_that_is_missing_or_makes_no_sense_is_named() {
    let authority = authority();
    for (name, value) in [
        ("session", json!(null)),
        ("session", json!("a/b")),
        ("session", json!("x".repeat(65))),
        ("user", json!(null)),
        ("user", json!("<script>")),
        ("user", json!(7)),
        ("role", json!(null)),
        ("role", json!("admin")),
        ("role", json!("Host")),
        ("name", json!(["Ada"])),
        ("exp", json!(null)),
        ("exp", json!("1900000060")),
        ("exp", json!(-1)),
        ("exp", json!(1e300)),
        ("exp", json!(253_402_300_800_u64)),
        ("exp", json!(u64::MAX)),
        ("nbf", json!("now")),
        ("nbf", json!(1e19)),
        ("aud", json!("another service")),
    ] {
        let refusal = refusal(&authority, &hs256(&claims_but(name, value.clone())));
        assert_eq!(refusal, TokenRefusal::Claim(name), "{value}");
        assert_eq!(refusal.code(), "token_claims");
    }
    for payload in ["[]", "7", "null", "", "{", "\u{feff}{}"] {
        let token = sign(&json!({"alg": "HS256"}), payload.as_bytes(), SECRET.as_bytes());
        assert!(authority.verify(&token, &id("show"), now()).is_err(), "{payload}");
    }
    let twice = claims().to_string().replacen('{', "{\"role\":\"viewer\",", 1);
    let token = sign(&json!({"alg": "HS256"}), twice.as_bytes(), SECRET.as_bytes());
    assert_eq!(refusal(&authority, &token), TokenRefusal::Malformed, "a claim twice");
}

#[test]
fn a_token_is_good_from_its_beginning_to_its_end_and_thirty_seconds_around() {
    let authority = authority();
    let second = Duration::from_secs(1);
    let (from, to) = (now(), now() + Duration::from_mins(1));
    let token = hs256(&claims_but("nbf", json!(1_900_000_000.0)));
    let at = |time| authority.verify(&token, &id("show"), time).map(drop);
    assert_eq!(at(from - LEEWAY - second), Err(TokenRefusal::NotYet { from }));
    assert_eq!(at(from - LEEWAY), Ok(()));
    assert_eq!(at(to + LEEWAY - second), Ok(()));
    assert_eq!(at(to + LEEWAY), Err(TokenRefusal::Expired { at: to }));
    let words = TokenRefusal::Expired { at: to }.to_string();
    assert!(words.contains("2030-03-17T17:47:40Z"), "{words}");
}

#[test]
fn a_token_is_good_in_its_own_session_alone() {
    let authority = authority();
    let token = issue(&authority, Role::Host);
    let refusal = authority.verify(&token, &id("other"), now()).expect_err("another one");
    assert_eq!(refusal, TokenRefusal::OtherSession);
}

#[test]
fn a_name_is_cleaned_as_every_name_is() {
    let authority = authority();
    for (name, shown) in [
        (json!(null), ANONYMOUS.to_owned()),
        (json!(" \u{202e} "), ANONYMOUS.to_owned()),
        (json!("A\nda\u{202e}"), "A da".to_owned()),
        (json!("ö".repeat(500)), "ö".repeat(40)),
    ] {
        let token = hs256(&claims_but("name", name));
        let claims = authority.verify(&token, &id("show"), now()).expect("is good");
        assert_eq!(claims.name, shown);
    }
}

#[test]
fn a_token_is_made_for_no_longer_than_a_month_and_no_shorter_than_a_second() {
    let authority = authority();
    let of = |lifetime| {
        let grant = Grant {
            lifetime,
            ..grant("show", Role::Viewer)
        };
        authority.issue(grant, now())
    };
    for bad in [
        Duration::ZERO,
        Duration::from_millis(999),
        MAX_LIFETIME + Duration::from_secs(1),
        Duration::MAX,
    ] {
        assert!(matches!(of(bad), Err(IssueError::Lifetime)), "{bad:?}");
    }
    let longest = of(MAX_LIFETIME).expect("signs");
    assert_eq!(longest.claims.expires_at, now() + MAX_LIFETIME);
}

#[test]
fn the_longest_token_that_is_made_is_taken() {
    let authority = authority();
    let grant = Grant {
        session: id(&"s".repeat(64)),
        user: Some("u".repeat(64).parse().expect("a user id")),
        name: Some("🔥".repeat(40)),
        role: Role::Cohost,
        lifetime: MAX_LIFETIME,
    };
    let issued = authority.issue(grant, now()).expect("signs");
    assert!(issued.token.len() < 900, "{}", issued.token.len());
    assert!(authority.verify(&issued.token, &issued.claims.session, now()).is_ok());
}

#[test]
fn two_people_without_an_id_are_two_people() {
    let authority = authority();
    let of_nobody = || {
        let grant = Grant {
            user: None,
            ..grant("show", Role::Viewer)
        };
        authority.issue(grant, now()).expect("signs").claims.user
    };
    assert_ne!(of_nobody(), of_nobody());
}

#[test]
fn without_keys_everybody_may_do_everything_and_no_token_is_taken() {
    let folder = Folder::new();
    let authority = folder.authority(&AuthConfig::default()).expect("loads");
    assert!(authority.is_open() && authority.allows_public_viewing());
    assert_eq!(authority.check_creation(None, None, now()), Ok(()));
    assert!(!authority.api_key_matches(""));
    assert_eq!(refusal(&authority, &hs256(&claims())), TokenRefusal::NoKeys);
    assert!(matches!(
        authority.issue(grant("show", Role::Viewer), now()),
        Err(IssueError::NoKey)
    ));
    assert_eq!(
        fs::read_dir(folder.0.path()).expect("lists").count(),
        0,
        "no secret is made"
    );
}

#[test]
fn any_key_closes_the_server() {
    let folder = Folder::new();
    let by_public_key = AuthConfig {
        public_key_files: vec![folder.file("public.pem", PUBLIC_PEM)],
        public_viewing: false,
        ..AuthConfig::default()
    };
    let by_file = AuthConfig {
        api_keys_file: Some(folder.file("keys", API_KEY)),
        ..AuthConfig::default()
    };
    for config in [with_secret(), by_public_key, by_file] {
        let authority = folder.authority(&config).expect("loads");
        assert!(!authority.is_open());
        assert_eq!(authority.allows_public_viewing(), config.public_viewing);
        assert_eq!(
            authority.check_creation(None, None, now()),
            Err(CreationRefusal::KeyRequired)
        );
    }
}

#[test]
fn a_session_is_created_with_an_api_key_or_by_its_host() {
    let authority = authority();
    let show = id("show");
    let create = |bearer: &str, session: Option<&SessionId>| authority.check_creation(Some(bearer), session, now());
    assert_eq!(create(API_KEY, None), Ok(()));
    assert_eq!(create(API_KEY, Some(&show)), Ok(()));
    for wrong in ["", "an-api-key-of-the-tesT", "an-api-key-of-the-test ", "a.b"] {
        assert_eq!(create(wrong, None), Err(CreationRefusal::UnknownKey), "{wrong}");
    }
    let host = issue(&authority, Role::Host);
    assert_eq!(create(&host, Some(&show)), Ok(()));
    assert_eq!(create(&host, None), Err(CreationRefusal::Unnamed));
    assert_eq!(
        create(&host, Some(&id("other"))),
        Err(CreationRefusal::Token(TokenRefusal::OtherSession))
    );
    for role in [Role::Cohost, Role::Guest, Role::Viewer] {
        assert_eq!(
            create(&issue(&authority, role), Some(&show)),
            Err(CreationRefusal::NotHost)
        );
    }
}

#[test]
fn nothing_of_a_key_or_a_token_is_shown() {
    let authority = authority();
    let issued = authority.issue(grant("show", Role::Host), now()).expect("signs");
    let shown = format!("{:?} {authority:?} {issued:?}", with_api_key());
    for secret in [API_KEY, SECRET, &issued.token] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_a_token(text in any::<String>()) {
        prop_assert!(authority().verify(&text, &id("show"), now()).is_err());
    }

    #[test]
    fn no_three_parts_make_a_token(
        header in prop_oneof![Just(br#"{"alg":"HS256"}"#.to_vec()), Just(br#"{"alg":"EdDSA"}"#.to_vec()), any::<Vec<u8>>()],
        payload in any::<Vec<u8>>(),
        signature in any::<[u8; 32]>(),
    ) {
        let parts = [header, payload, signature.to_vec()].map(|part| URL_SAFE_NO_PAD.encode(part));
        prop_assert!(authority().verify(&parts.join("."), &id("show"), now()).is_err());
    }

    /// Whoever holds the secret may be wrong, and must not be able to bring the server down.
    #[test]
    fn no_signed_claims_make_it_panic(exp in any::<f64>(), nbf in any::<f64>(), name in any::<String>(), junk in any::<Vec<u8>>()) {
        let authority = authority();
        let claims = claims_but("exp", json!(exp));
        let mut claims = claims.as_object().expect("an object").clone();
        claims.insert("nbf".into(), json!(nbf));
        claims.insert("name".into(), json!(name));
        let _ = authority.verify(&hs256(&Value::Object(claims)), &id("show"), now());
        let token = sign(&json!({"alg": "HS256"}), &junk, SECRET.as_bytes());
        prop_assert!(authority.verify(&token, &id("show"), now()).is_err());
    }
}
