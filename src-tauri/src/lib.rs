//! The Footlight app: a window around the pages of `client-ui`, and what pages cannot do by themselves.
//!
//! ```text
//! window ─┬─ interface      the pages, as they were built into the app
//!         └─ pictures       those of the chosen server
//! commands ─┬─ state ─┬─ connection    the chosen server, over HTTP and WebSocket
//!           │         ├─ embedded      the server inside the app
//!           │         └─ settings      what is remembered
//!           ├─ events ── link            what the app tells the pages by itself
//!           └─ failure                 what went wrong, for pages and people
//! media                                what a web view without WebRTC cannot do, by `footlight-client`
//! desktop                              tray, shortcut, notifications
//! tauri-plugin-footlight-phone         what a phone's system is told of being on air
//! ```
//!
//! What it is not: it captures, encodes and plays nothing itself (that is `footlight-client`), and knows nothing of rooms
//! (those are the pages').
//!
//! **The invariants to keep:**
//! - A page reaches the server that a person chose, and no other: commands take paths.
//! - A window with any other origin gets no command at all (`capabilities/pages.json`).
//! - What only a desktop has stands behind `cfg(desktop)`: the library has to compile for phones.

mod address;
#[cfg(test)]
mod bindings;
mod commands;
mod connection;
#[cfg(desktop)]
mod desktop;
#[cfg(desktop)]
mod embedded;
mod events;
mod failure;
mod interface;
mod link;
#[cfg(desktop)]
mod media;
#[cfg(desktop)]
mod nearby;
mod pictures;
mod server;
mod settings;
mod state;
mod window;

use footlight_trust::KnownServers;
use tauri::{Builder, Manager as _, RunEvent, Runtime};
use tracing_subscriber::EnvFilter;

use crate::state::AppState;

/// Why the app does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppError {
    /// No window can be opened, or something else that every app needs is missing.
    #[error("the app cannot start: {0}")]
    Start(#[from] tauri::Error),
}

/// Runs the app until its window is closed.
pub fn run() -> Result<(), AppError> {
    let filter = EnvFilter::try_from_env("FOOTLIGHT_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let context = tauri::generate_context!(assets = interface::Interface);
    #[cfg(target_os = "linux")]
    if desktop::hand_over::to_first_instance(&context.config().identifier) {
        return Ok(());
    }
    let builder = Builder::default();
    #[cfg(desktop)]
    let builder = desktop::plugins(builder);
    #[cfg(mobile)]
    let builder = builder.plugin(tauri_plugin_footlight_phone::init());
    let app = with_commands(builder)
        .plugin(tauri_plugin_deep_link::init())
        .plugin(
            tauri_plugin_opener::Builder::new()
                .open_js_links_on_click(false)
                .build(),
        )
        .register_asynchronous_uri_scheme_protocol(pictures::SCHEME, |context, request, responder| {
            pictures::answer(&context, &request, responder);
        })
        .setup(|app| {
            let paths = app.path();
            let state = AppState::new(
                &paths.app_config_dir()?,
                paths.app_data_dir()?,
                KnownServers::in_config_dir(),
            );
            app.manage(state);
            window::open(app)?;
            link::follow(app);
            #[cfg(desktop)]
            desktop::set_up(app);
            Ok(())
        })
        .build(context)?;
    app.run(|app, event| {
        if let RunEvent::Exit = event {
            let state = app.state::<AppState>();
            #[cfg(desktop)]
            state.media.close_all();
            tauri::async_runtime::block_on(async {
                state.sockets.drain().await;
                state.stop_serving().await;
            });
        }
    });
    Ok(())
}

/// What a phone's project calls.
#[cfg(mobile)]
#[allow(missing_docs, reason = "the macro writes a public function for Xcode's project")]
mod entry {
    #[tauri::mobile_entry_point]
    fn start() {
        if let Err(error) = super::run() {
            tracing::error!(%error, "the app does not start");
        }
    }
}

/// The part of the app that tests share with it.
fn with_commands<R: Runtime>(builder: Builder<R>) -> Builder<R> {
    builder.invoke_handler(commands::handler())
}
