//! Who gets which command.

use tauri::ipc::{CallbackFn, InvokeBody};
use tauri::test::{INVOKE_KEY, MockRuntime, get_ipc_response, mock_builder};
use tauri::webview::InvokeRequest;
use tauri::{App, Manager as _, WebviewUrl, WebviewWindowBuilder};

use crate::{interface, window};

include!("../command_names.rs");

const OURS: &str = if cfg!(any(windows, target_os = "android")) {
    "http://tauri.localhost/watch/show"
} else {
    "tauri://localhost/watch/show"
};

/// The app with its own capabilities, and without anything behind the commands: whatever is let through fails for want of
/// arguments or of state.
fn app() -> App<MockRuntime> {
    crate::with_commands(mock_builder())
        .build(tauri::generate_context!(test = true, assets = interface::Interface))
        .expect("a mock app")
}

/// What a page at `url`, in the window `label`, hears when it asks for `command`.
fn answer(app: &App<MockRuntime>, label: &str, url: &str, command: &str) -> String {
    let window = app.get_webview_window(label).unwrap_or_else(|| {
        let builder = WebviewWindowBuilder::new(app, label, WebviewUrl::default());
        builder.build().expect("a mock window")
    });
    let request = InvokeRequest {
        cmd: command.to_owned(),
        callback: CallbackFn(0),
        error: CallbackFn(1),
        url: url.parse().expect("a URL"),
        body: InvokeBody::default(),
        headers: tauri::http::HeaderMap::default(),
        invoke_key: INVOKE_KEY.to_owned(),
    };
    let answer = get_ipc_response(&window, request);
    answer.map_or_else(|refusal| refusal.to_string(), |_| "done".to_owned())
}

fn is_refused(answer: &str) -> bool {
    answer.contains("not allowed") || answer.contains("not found")
}

#[test]
fn our_pages_get_every_command() {
    let app = app();
    for command in COMMANDS {
        let answer = answer(&app, window::LABEL, OURS, command);
        assert!(!is_refused(&answer), "{command}: {answer}");
    }
}

#[test]
fn a_foreign_origin_gets_none() {
    let app = app();
    for url in [
        "https://example.org/",
        "http://tauri.localhost.example.org/",
        "http://127.0.0.1:8443/",
    ] {
        for command in COMMANDS {
            let answer = answer(&app, window::LABEL, url, command);
            assert!(answer.contains("not allowed"), "{command} from {url}: {answer}");
        }
    }
}

#[test]
fn another_window_gets_none() {
    let app = app();
    for command in COMMANDS {
        let answer = answer(&app, "other", OURS, command);
        assert!(answer.contains("not allowed"), "{command}: {answer}");
    }
}

#[test]
fn there_is_no_command_beside_those_that_are_named() {
    let app = app();
    for command in [
        "plugin:opener|open_url",
        "plugin:notification|notify",
        "plugin:event|listen",
        "format_disk",
    ] {
        let answer = answer(&app, window::LABEL, OURS, command);
        assert!(is_refused(&answer), "{command}: {answer}");
    }
}
