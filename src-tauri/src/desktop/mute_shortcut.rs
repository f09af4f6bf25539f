//! The shortcut that mutes and unmutes from within any other program.

use tauri::{AppHandle, Manager as _, Runtime};
use tauri_plugin_global_shortcut::{GlobalShortcutExt as _, ShortcutState};

use crate::events::{AppEvent, Live};
use crate::state::AppState;

/// Its keys. Taken only while on air: whoever is not needs them for something else.
const KEYS: &str = "CommandOrControl+Alt+M";

/// Takes the keys while there is something to mute.
pub(super) fn follow<R: Runtime>(app: &AppHandle<R>, live: Live) {
    let shortcuts = app.global_shortcut();
    if live.on_air == shortcuts.is_registered(KEYS) {
        return;
    }
    let done = if live.on_air {
        shortcuts.on_shortcut(KEYS, |app, _, event| {
            if event.state() == ShortcutState::Pressed {
                app.state::<AppState>().pages.tell(AppEvent::ToggleSound);
            }
        })
    } else {
        shortcuts.unregister(KEYS)
    };
    if let Err(error) = done {
        tracing::info!(%error, keys = KEYS, "the shortcut for the microphone does not work here");
    }
}
