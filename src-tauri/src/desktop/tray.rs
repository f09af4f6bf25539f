//! The icon in the tray, which says whether one is on air.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tauri::image::Image;
use tauri::menu::{Menu, MenuItem, PredefinedMenuItem};
use tauri::tray::{TrayIcon, TrayIconBuilder};
use tauri::{AppHandle, Manager as _, Runtime, include_image};

use crate::events::{AppEvent, Live};
use crate::state::AppState;
use crate::window;

const OFF_AIR: Image<'_> = include_image!("./icons/tray.png");
const ON_AIR: Image<'_> = include_image!("./icons/tray-live.png");

const SOUND: &str = "sound";
const SHOW: &str = "show";
const QUIT: &str = "quit";

/// The icon and the entries of its menu that change.
struct Tray<R: Runtime> {
    icon: TrayIcon<R>,
    state: MenuItem<R>,
    sound: MenuItem<R>,
}

/// Adds the icon, where there is a tray.
pub(super) fn add<R: Runtime>(app: &AppHandle<R>) {
    // On Linux the library that draws it is loaded only now, and the binding panics where there is none.
    match catch_unwind(AssertUnwindSafe(|| build(app))) {
        Ok(Ok(tray)) => {
            app.manage(tray);
        }
        Ok(Err(error)) => tracing::info!(%error, "there is no tray"),
        Err(_) => tracing::info!("there is no library for the tray"),
    }
}

fn build<R: Runtime>(app: &AppHandle<R>) -> tauri::Result<Tray<R>> {
    let state = MenuItem::new(app, state_words(Live::default()), false, None::<&str>)?;
    let sound = MenuItem::with_id(app, SOUND, sound_words(Live::default()), false, None::<&str>)?;
    let show = MenuItem::with_id(app, SHOW, "Show Footlight", true, None::<&str>)?;
    let quit = MenuItem::with_id(app, QUIT, "Quit", true, None::<&str>)?;
    let line = PredefinedMenuItem::separator(app)?;
    let menu = Menu::with_items(app, &[&state, &sound, &line, &show, &quit])?;
    let icon = TrayIconBuilder::with_id("footlight")
        .icon(OFF_AIR)
        .tooltip("Footlight")
        .menu(&menu)
        .on_menu_event(|app, event| match event.id().as_ref() {
            SOUND => app.state::<AppState>().pages.tell(AppEvent::ToggleSound),
            SHOW => window::bring_forward(app),
            QUIT => window::close(app),
            _ => {}
        })
        .build(app)?;
    Ok(Tray { icon, state, sound })
}

/// Shows whether one is on air and heard.
pub(super) fn show<R: Runtime>(app: &AppHandle<R>, live: Live) {
    let Some(tray) = app.try_state::<Tray<R>>() else {
        return;
    };
    let words = state_words(live);
    let shown = tray
        .icon
        .set_icon(Some(if live.on_air { ON_AIR } else { OFF_AIR }))
        .and_then(|()| tray.icon.set_tooltip(Some(format!("Footlight: {words}"))))
        .and_then(|()| tray.state.set_text(words))
        .and_then(|()| tray.sound.set_text(sound_words(live)))
        .and_then(|()| tray.sound.set_enabled(live.on_air));
    if let Err(error) = shown {
        tracing::info!(%error, "the tray does not show the state");
    }
}

fn state_words(live: Live) -> &'static str {
    match live {
        Live { on_air: false, .. } => "Off air",
        Live { muted: false, .. } => "On air",
        Live { muted: true, .. } => "On air, muted",
    }
}

fn sound_words(live: Live) -> &'static str {
    if live.muted { "Unmute" } else { "Mute" }
}
