//! What a desktop offers besides the window: a tray, one instance, notifications, and a shortcut that works in any
//! program.
//!
//! **The invariant to keep:** all of it is optional. A desktop that lacks one (no D-Bus, no tray, Wayland without global
//! shortcuts) costs a line in the log.

#[cfg(target_os = "linux")]
pub(crate) mod hand_over;
mod mute_shortcut;
mod tray;

use tauri::{App, AppHandle, Builder, Manager as _, Runtime};
use tauri_plugin_notification::NotificationExt as _;

use crate::state::AppState;
use crate::window;

/// Longest notification, in characters; systems cut what follows.
const MAX_NOTIFICATION_CHARS: usize = 200;

/// The plugins. The first of them has to be first: it ends a second instance before anything else is set up.
pub(crate) fn plugins<R: Runtime>(builder: Builder<R>) -> Builder<R> {
    builder
        // Links reach the first instance by way of the plugin for links, which it knows.
        .plugin(tauri_plugin_single_instance::init(|app, _, _| {
            window::bring_forward(app);
        }))
        .plugin(tauri_plugin_notification::init())
        .plugin(tauri_plugin_global_shortcut::Builder::new().build())
}

/// Sets up what there is.
pub(crate) fn set_up<R: Runtime>(app: &App<R>) {
    tray::add(app.handle());
}

/// Shows whether somebody is on air.
pub(crate) fn show_live<R: Runtime>(app: &AppHandle<R>) {
    let live = app.state::<AppState>().pages.live();
    mute_shortcut::follow(app, live);
    tray::show(app, live);
}

/// Tells a person who looks elsewhere.
pub(crate) fn notify<R: Runtime>(app: &AppHandle<R>, words: &str) {
    let looked_at = app
        .get_webview_window(window::LABEL)
        .is_some_and(|window| window.is_focused().unwrap_or(false));
    if looked_at {
        return;
    }
    let words: String = words.chars().take(MAX_NOTIFICATION_CHARS).collect();
    if let Err(error) = app.notification().builder().body(words).show() {
        tracing::info!(%error, "there are no notifications here");
    }
}
