//! What the app declares to Android and iOS is what its code uses, and nothing else: each permission and each key has a use
//! here, and each use is looked for in the file that is said to have it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use plist::Dictionary;
use quick_xml::events::{BytesStart, Event};

include!("../src/command_names.rs");

/// Something that the code does, and what it takes.
struct Use {
    /// Below the checkout.
    file: &'static str,
    /// What the file says where it does that.
    words: &'static str,
    /// Permissions of Android, without `android.permission.`
    android: &'static [&'static str],
    /// Keys of iOS' property list.
    ios: &'static [&'static str],
}

const SERVICE: &str = "src-tauri/phone/android/src/main/java/org/footlight/phone/LiveService.kt";

const USES: &[Use] = &[
    // The web view asks for MODIFY_AUDIO_SETTINGS together with the microphone: it routes the sound for a call.
    Use {
        file: "client-ui/src/studio/capture.ts",
        words: "getUserMedia({ audio, video })",
        android: &["CAMERA", "RECORD_AUDIO", "MODIFY_AUDIO_SETTINGS"],
        ios: &["NSCameraUsageDescription", "NSMicrophoneUsageDescription"],
    },
    Use {
        file: "client-ui/src/studio/engine.ts",
        words: "new RTCPeerConnection(",
        android: &["INTERNET"],
        ios: &[],
    },
    // The server may be on one's own network, which iOS and Android 17 keep from an app until the person allows it.
    Use {
        file: "src-tauri/src/commands.rs",
        words: "ask_for_local_network()",
        android: &["ACCESS_LOCAL_NETWORK"],
        ios: &["NSLocalNetworkUsageDescription"],
    },
    // A smaller picture on a cellular network: the web view learns of the kind of network by the app's permission.
    Use {
        file: "client-ui/src/studio/network.ts",
        words: "connection?: NetworkInformation",
        android: &["ACCESS_NETWORK_STATE"],
        ios: &[],
    },
    // Sound goes on while another app is in front.
    Use {
        file: SERVICE,
        words: "ServiceCompat.startForeground(",
        android: &["FOREGROUND_SERVICE"],
        ios: &["UIBackgroundModes"],
    },
    Use {
        file: SERVICE,
        words: "FOREGROUND_SERVICE_TYPE_CAMERA",
        android: &["FOREGROUND_SERVICE_CAMERA"],
        ios: &[],
    },
    Use {
        file: SERVICE,
        words: "FOREGROUND_SERVICE_TYPE_MICROPHONE",
        android: &["FOREGROUND_SERVICE_MICROPHONE"],
        ios: &[],
    },
    // The service's notification, which is asked for once.
    Use {
        file: "src-tauri/phone/android/src/main/java/org/footlight/phone/PhonePlugin.kt",
        words: "Manifest.permission.POST_NOTIFICATIONS",
        android: &["POST_NOTIFICATIONS"],
        ios: &[],
    },
];

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(file: &str) -> String {
    fs::read_to_string(checkout().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The Kotlin code, all of it.
fn kotlin() -> String {
    let folder = Path::new(SERVICE).parent().expect("a folder");
    let mut code = String::new();
    for entry in fs::read_dir(checkout().join(folder)).expect("the Kotlin code") {
        code += &fs::read_to_string(entry.expect("an entry").path()).expect("UTF-8");
    }
    code
}

/// The word after each `prefix` in `text`.
fn words_after<'a>(text: &'a str, prefix: &'a str) -> BTreeSet<&'a str> {
    let word = |rest: &'a str| {
        rest.split(|c: char| !c.is_alphanumeric() && c != '_')
            .next()
            .unwrap_or_default()
    };
    text.split(prefix).skip(1).map(word).collect()
}

/// The attribute `android:name` and the attribute `android:{attribute}` of each `element` of the manifest.
fn declared(element: &str, attribute: &str) -> Vec<(String, Option<String>)> {
    fn value(tag: &BytesStart<'_>, name: &str) -> Option<String> {
        let attribute = tag.try_get_attribute(&format!("android:{name}")).expect("well-formed");
        attribute.map(|attribute| attribute.value.into_owned())
    }
    let manifest = read("src-tauri/phone/android/src/main/AndroidManifest.xml");
    let mut reader = quick_xml::Reader::from_str(&manifest);
    let mut found = Vec::new();
    loop {
        match reader.read_event().expect("well-formed") {
            Event::Start(tag) | Event::Empty(tag) if tag.name().as_ref() == element => {
                found.push((value(&tag, "name").expect("a name"), value(&tag, attribute)));
            }
            Event::Eof => return found,
            _ => {}
        }
    }
}

fn property_list(file: &str) -> Dictionary {
    let list = plist::Value::from_file(checkout().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    list.into_dictionary().expect("a dictionary")
}

/// Those of the keys that both of Apple's systems get, and those for iOS alone: the bundler merges them.
fn ios_keys() -> Dictionary {
    let mut keys = property_list("src-tauri/Info.plist");
    for (key, value) in property_list("src-tauri/Info.ios.plist") {
        assert!(keys.insert(key.clone(), value).is_none(), "{key} is in both files");
    }
    keys
}

#[test]
fn whatever_is_declared_is_used_where_the_table_says() {
    for Use { file, words, .. } in USES {
        assert!(read(file).contains(words), "{file} does not say {words:?} any more");
    }
}

#[test]
fn android_is_asked_for_the_permissions_of_these_uses_and_no_more() {
    let used: BTreeSet<String> = USES
        .iter()
        .flat_map(|one| one.android)
        .map(|name| format!("android.permission.{name}"))
        .collect();
    let declared = declared("uses-permission", "maxSdkVersion");
    let names: BTreeSet<String> = declared.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(names, used);
    assert_eq!(declared.len(), used.len(), "one is declared twice");
    let code = kotlin();
    let constants = words_after(&code, "Manifest.permission.");
    for permission in constants.union(&words_after(&code, "\"android.permission.")) {
        assert!(
            used.contains(&format!("android.permission.{permission}")),
            "{permission} is asked for"
        );
    }
}

#[test]
fn the_service_is_of_the_types_that_its_code_names() {
    let services = declared("service", "foregroundServiceType");
    let [(name, Some(types))] = services.as_slice() else {
        panic!("one service with types: {services:?}");
    };
    let class = name
        .strip_prefix("org.footlight.phone.")
        .expect("in the plugin's package");
    assert!(
        kotlin().contains(&format!("class {class} : Service()")),
        "{class} is no service"
    );
    let code = kotlin();
    let named: BTreeSet<String> = words_after(&code, "ServiceInfo.FOREGROUND_SERVICE_TYPE_")
        .into_iter()
        .map(str::to_lowercase)
        .collect();
    let types: BTreeSet<String> = types.split('|').map(str::to_owned).collect();
    assert_eq!(types, named);
    for kind in types {
        let permission = format!("android.permission.FOREGROUND_SERVICE_{}", kind.to_uppercase());
        assert!(
            declared("uses-permission", "maxSdkVersion")
                .iter()
                .any(|(name, _)| *name == permission),
            "{permission}"
        );
    }
}

#[test]
fn whoever_only_watches_needs_no_camera() {
    let features = declared("uses-feature", "required");
    assert!(!features.is_empty());
    for (name, required) in features {
        assert_eq!(required.as_deref(), Some("false"), "{name}");
    }
}

#[test]
fn every_command_of_the_pages_asks_the_phone_and_has_a_permission_that_they_hold() {
    let rust = read("src-tauri/phone/src/phone.rs");
    let pages = read("client-ui/src/app/commands.ts");
    let capability = read("src-tauri/capabilities/phone.json");
    for command in COMMANDS {
        let camel = command.split('_').enumerate().map(|(index, word)| match index {
            0 => word.to_owned(),
            _ => word[..1].to_uppercase() + &word[1..],
        });
        let camel = camel.collect::<String>();
        assert!(rust.contains(&format!(".ask(\"{camel}\")")), "{camel} from Rust");
        assert!(rust.contains(&format!("async fn {command}<")), "{command} in Rust");
        assert!(
            pages.contains(&format!("plugin:footlight-phone|{command}")),
            "{command} from the pages"
        );
        let permission = format!("footlight-phone:allow-{}", command.replace('_', "-"));
        assert!(capability.contains(&permission), "{permission}");
    }
}

#[test]
fn kotlin_has_the_commands_that_rust_asks_for_and_no_other() {
    let rust = read("src-tauri/phone/src/phone.rs");
    let code = kotlin();
    assert_eq!(words_after(&code, "@Command\n    fun "), words_after(&rust, ".ask(\""));
}

#[test]
fn ios_is_told_of_these_uses_and_no_more() {
    let used: BTreeSet<&str> = USES.iter().flat_map(|one| one.ios).copied().collect();
    let keys = ios_keys();
    assert_eq!(keys.keys().map(String::as_str).collect::<BTreeSet<_>>(), used);
    for (key, words) in &keys {
        if key.ends_with("UsageDescription") {
            assert!(
                words.as_string().is_some_and(|words| words.len() > 20),
                "{key} is shown to people"
            );
        }
    }
    let modes = keys["UIBackgroundModes"].as_array().expect("a list");
    assert_eq!(
        modes.iter().filter_map(plist::Value::as_string).collect::<Vec<_>>(),
        ["audio"]
    );
}

/// iOS wants every service that an app looks for by mDNS in its property list. A phone's app looks for none.
#[test]
fn phones_look_for_nothing_by_mdns() {
    assert!(!ios_keys().contains_key("NSBonjourServices"));
    let manifest = read("src-tauri/Cargo.toml");
    let (_, desktop) = manifest
        .split_once("[target.'cfg(not(any(target_os = \"android\", target_os = \"ios\")))'.dependencies]")
        .expect("what a phone has not");
    let desktop = desktop.split("\n[").next().unwrap_or_default();
    assert!(desktop.contains("mdns-sd"), "mdns-sd is for desktops");
    assert_eq!(manifest.matches("mdns-sd").count(), 1);
}

#[test]
fn links_have_the_same_scheme_everywhere() {
    let config = read("src-tauri/tauri.conf.json");
    assert!(config.contains(r#""desktop": { "schemes": ["footlight"] }"#));
    assert!(config.contains(r#""mobile": [{ "scheme": ["footlight"], "host": "watch", "appLink": false }]"#));
    assert!(read("src-tauri/src/link.rs").contains(r#"const SCHEME: &str = "footlight";"#));
}
