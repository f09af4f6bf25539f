//! Flags, environment and file, and the sample that documents all three.

use std::path::Path;
use std::process::{Command, Output};

use clap::Args as _;
use footlight_server::config::{self, Config, Settings, TlsMode};

const SAMPLE: &str = include_str!("../../assets/footlight.toml");

fn server(arguments: &[&str], environment: &[(&str, &str)], home: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_footlight-server"));
    command.arg("--check-config").args(arguments).env_clear();
    command.env("HOME", home).envs(environment.iter().copied());
    command.output().expect("starts")
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The keys of a file as flags name them: `api_keys` of `[auth]` is `auth_api_keys`.
fn flat_keys(table: &toml::Table) -> Vec<String> {
    let of_value = |(key, value): (&String, &toml::Value)| match value {
        toml::Value::Table(inner) => inner.keys().map(|name| format!("{key}_{name}")).collect(),
        _ => vec![key.clone()],
    };
    table.iter().flat_map(of_value).collect()
}

/// The keys of [`Settings`], from the flags that are made of it.
fn keys() -> Vec<String> {
    let command = Settings::augment_args(clap::Command::new("keys"));
    command
        .get_arguments()
        .map(|argument| argument.get_id().to_string())
        .collect()
}

#[test]
fn the_sample_holds_every_key_with_its_default() {
    let table: toml::Table = SAMPLE.parse().expect("the sample is TOML");
    let mut sampled = flat_keys(&table);
    let mut keys = keys();
    sampled.sort();
    keys.sort();
    assert_eq!(sampled, keys);
    let config = config::parse(SAMPLE)
        .expect("the sample is valid")
        .resolve()
        .expect("and makes sense");
    assert_eq!(config, Config::default());
}

#[test]
fn the_sample_names_every_environment_variable_and_flag() {
    let command = Settings::augment_args(clap::Command::new("keys"));
    for argument in command.get_arguments() {
        let key = argument.get_id().to_string();
        let env = argument
            .get_env()
            .and_then(|name| name.to_str())
            .expect("every key has a variable");
        let flag = argument.get_long().expect("every key has a flag");
        assert_eq!(env, format!("FOOTLIGHT_{}", key.to_uppercase()));
        assert_eq!(flag, key.replace('_', "-"));
        assert!(SAMPLE.contains(&format!("# {env}, --{flag}")), "{key}");
    }
}

#[test]
fn flags_win_over_the_environment_and_the_environment_over_the_file() {
    let home = tempfile::tempdir().expect("a folder");
    let file = home.path().join("own.toml");
    std::fs::write(&file, "max_sessions = 1\nmedia_port = 1\nworkers = 1\n").expect("writes");
    let file = file.to_str().expect("a path in UTF-8");
    let environment = [
        ("FOOTLIGHT_CONFIG", file),
        ("FOOTLIGHT_MEDIA_PORT", "2"),
        ("FOOTLIGHT_WORKERS", "2"),
    ];
    let output = server(&["--workers", "3"], &environment, home.path());
    let text = printed(&output);
    assert!(output.status.success(), "{text}");
    for expected in [
        "max_sessions: 1,",
        "media_port: 2,",
        "workers: 3,",
        "max_participants: 10000,",
    ] {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
}

#[test]
fn the_file_in_the_data_folder_is_found() {
    let home = tempfile::tempdir().expect("a folder");
    std::fs::write(home.path().join("footlight.toml"), "max_sessions = 7\n").expect("writes");
    let data_dir = home.path().to_str().expect("a path in UTF-8");
    let output = server(&["--data-dir", data_dir], &[], home.path());
    assert!(printed(&output).contains("max_sessions: 7,"), "{}", printed(&output));
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    let home = tempfile::tempdir().expect("a folder");
    let file = home.path().join("own.toml");
    std::fs::write(&file, "workers = 1\nworkerz = 2\n").expect("writes");
    let output = server(&["--config", file.to_str().expect("a path in UTF-8")], &[], home.path());
    let text = printed(&output);
    assert!(!output.status.success());
    assert!(
        text.contains("workerz") && text.contains("line 2") && text.contains("own.toml"),
        "{text}"
    );
}

#[test]
fn an_error_names_its_place_and_repeats_nothing_of_the_line() {
    let home = tempfile::tempdir().expect("a folder");
    let file = home.path().join("own.toml");
    let secret = "north-by-northwest-of-the-secret";
    for line in [
        format!("secret = \"{secret}"),
        format!("secret = {secret}"),
        format!("secret = '{secret}\""),
        format!("secret = \"{secret}\" # \n oops"),
        format!("secret = \"{secret}\" \"{secret}\""),
        format!("secret = [\"{secret}\"]"),
        format!("secret = \"\\q{secret}\""),
        format!("api_keys = \"{secret}\""),
        format!("api_keys = \", expected {secret}\""),
        format!("api_keys = [\"{secret}\" \"{secret}\"]"),
        format!("public_viewing = \"{secret}\""),
        "secret = 3141592653589793".to_owned(),
        "secret = 3.141592653589793".to_owned(),
    ] {
        std::fs::write(&file, format!("[auth]\n{line}\n")).expect("writes");
        let error = config::load(Settings::default(), Some(&file))
            .expect_err(&line)
            .to_string();
        assert!(error.contains("own.toml") && error.contains("line "), "{error}");
        assert!(!error.contains("north") && !error.contains("14159"), "{error}");
    }
    for line in [
        format!("ice_servers = [{{ urls = [\"turn:a\"], credential = \"{secret}\" }}]"),
        format!("ice_servers = [[\"{secret}\"]]"),
        format!("ice_servers = [\"turn:ann:{secret}@turn.example.net\"]"),
        format!("ice_servers = [\"turn:turn.example.net ann {secret} {secret}\"]"),
    ] {
        std::fs::write(&file, &line).expect("writes");
        let error = config::load(Settings::default(), Some(&file))
            .expect_err(&line)
            .to_string();
        assert!(error.contains("line 1, column 15"), "{error}");
        assert!(!error.contains(secret), "{error}");
    }
}

#[test]
fn a_file_that_is_missing_is_named() {
    let home = tempfile::tempdir().expect("a folder");
    let output = server(&["--config", "/nowhere/footlight.toml"], &[], home.path());
    assert!(!output.status.success());
    assert!(
        printed(&output).contains("/nowhere/footlight.toml"),
        "{}",
        printed(&output)
    );
}

#[test]
fn every_way_of_saying_tls_is_understood() {
    let resolve = |text: &str| config::parse(text).expect("is TOML").resolve();
    let files = TlsMode::Files {
        certificate: "a".into(),
        key: "b".into(),
    };
    assert_eq!(resolve("").expect("valid").tls, TlsMode::SelfSigned);
    assert_eq!(resolve("no_tls = true").expect("valid").tls, TlsMode::Off);
    assert_eq!(resolve("tls = [\"a\", \"b\"]").expect("valid").tls, files);
    assert!(resolve("tls = [\"a\"]").is_err());
    assert!(resolve("tls = [\"a\", \"b\"]\nno_tls = true").is_err());
    let flag = Settings {
        no_tls: Some(true),
        ..Settings::default()
    };
    let file = config::parse("tls = [\"a\", \"b\"]").expect("is TOML");
    assert_eq!(flag.or(file).resolve().expect("valid").tls, TlsMode::Off);
}

#[test]
fn values_that_make_no_sense_name_their_key() {
    for (text, key) in [
        ("listen = []", "listen"),
        ("max_sessions = 0", "max_sessions"),
        ("public_url = \"live.example.org\"", "public_url"),
        ("public_url = \"https://example.org/live\"", "public_url"),
        ("no_tls = true\ntls = [\"a\", \"b\"]", "no_tls"),
        ("[auth]\napi_keys = [\"short\"]", "auth.api_keys"),
        ("[auth]\napi_keys = [\"a key with spaces in it\"]", "auth.api_keys"),
        ("[auth]\nsecret = \"short\"", "auth.secret"),
        (
            "[auth]\nsecret = \"long enough to be a secret of 32 bytes\"\nsecret_file = \"a\"",
            "auth.secret",
        ),
    ] {
        let error = config::parse(text)
            .expect("is TOML")
            .resolve()
            .expect_err(text)
            .to_string();
        assert!(error.contains(&format!("`{key}`")), "{error}");
    }
}

#[test]
fn every_source_may_name_keys_and_none_of_them_is_printed() {
    let home = tempfile::tempdir().expect("a folder");
    let file = home.path().join("own.toml");
    std::fs::write(&file, "[auth]\nsecret_file = \"a\"\npublic_viewing = false\n").expect("writes");
    let (key, secret) = ("the-key-of-the-test", "the secret of the test, 32 bytes or more");
    let output = server(
        &[
            "--config",
            file.to_str().expect("a path in UTF-8"),
            "--auth-api-keys",
            key,
        ],
        &[("FOOTLIGHT_AUTH_SECRET", secret)],
        home.path(),
    );
    let text = printed(&output);
    assert!(output.status.success(), "{text}");
    for expected in ["Secret(..)", "secret: Some(", "public_viewing: false,"] {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
    // The secret of the environment and the file of the configuration are one choice, and no conflict.
    for hidden in [key, secret, "\"a\""] {
        assert!(!text.contains(hidden), "{hidden} is in {text}");
    }
    let help = server(&["--help"], &[("FOOTLIGHT_AUTH_SECRET", secret)], home.path());
    assert!(!printed(&help).contains(secret));
}

#[test]
fn a_network_that_is_none_is_refused_by_each_source() {
    let home = tempfile::tempdir().expect("a folder");
    for (arguments, environment) in [
        (&["--trusted-proxies", "10.0.0.0/8,proxy"][..], &[][..]),
        (&[], &[("FOOTLIGHT_TRUSTED_PROXIES", "10.0.0.0/8,proxy")]),
    ] {
        let output = server(arguments, environment, home.path());
        assert!(!output.status.success());
        assert!(printed(&output).contains("\"proxy\""), "{}", printed(&output));
    }
    let error = config::parse("trusted_proxies = [\"10.1.2.3/8\"]")
        .expect_err("a host")
        .to_string();
    assert!(
        error.contains("trusted_proxies") && error.contains("10.0.0.0/8"),
        "{error}"
    );
}

#[test]
fn an_empty_variable_configures_no_key() {
    let empty = config::parse("[auth]\napi_keys = [\"\"]\npublic_key_files = [\"\"]").expect("is TOML");
    assert_eq!(empty.resolve().expect("valid"), Config::default());
}

#[cfg(unix)]
#[test]
fn a_file_with_secrets_in_it_is_not_for_everybody() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = tempfile::tempdir().expect("a folder");
    let file = home.path().join("own.toml");
    let path = file.to_str().expect("a path in UTF-8");
    for secrets in [
        "[auth]\napi_keys = [\"the-key-of-the-test\"]\n",
        "ice_servers = [\"turn:turn.example.net ann north\"]\n",
        "ice_servers = [\"turn:turn.example.net secret=north\"]\n",
    ] {
        std::fs::write(&file, secrets).expect("writes");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("changes");
        let exposed = server(&["--config", path], &[], home.path());
        assert!(!exposed.status.success());
        let text = printed(&exposed);
        assert!(text.contains("own.toml") && text.contains("chmod o-rwx"), "{text}");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).expect("changes");
        assert!(server(&["--config", path], &[], home.path()).status.success());
    }
}

#[test]
fn flags_of_the_server_are_not_flags_of_a_command() {
    let home = tempfile::tempdir().expect("a folder");
    let output = Command::new(env!("CARGO_BIN_EXE_footlight-server"))
        .args(["--workers", "1", "token", "--session", "show"])
        .env_clear()
        .env("HOME", home.path())
        .output()
        .expect("starts");
    assert!(!output.status.success());
    assert!(printed(&output).contains("token"), "{}", printed(&output));
}
