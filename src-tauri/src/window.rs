//! The window that shows the pages, and nothing but the pages.

use tauri::webview::{NewWindowResponse, PageLoadEvent, PermissionKind, PermissionResponse};
use tauri::{App, AppHandle, Manager as _, Runtime, WebviewUrl, WebviewWindow, WebviewWindowBuilder, WindowEvent};
#[cfg(mobile)]
use tauri_plugin_footlight_phone::PhoneExt as _;
use tauri_plugin_opener::OpenerExt as _;
use url::Url;

#[cfg(desktop)]
use crate::desktop;
use crate::events::Closing;
use crate::state::AppState;

/// The window's name, to which `capabilities/pages.json` gives its commands.
pub(crate) const LABEL: &str = "main";

/// Where the pages are, besides the scheme `tauri`: Windows and Android know no other schemes than the web's own.
const HOST: &str = "tauri.localhost";

/// Opens the window.
pub(crate) fn open<R: Runtime>(app: &App<R>) -> tauri::Result<WebviewWindow<R>> {
    let opener = app.handle().clone();
    let opener_of_links = app.handle().clone();
    let builder = WebviewWindowBuilder::new(app, LABEL, WebviewUrl::default())
        .on_navigation(move |url| {
            let ours = is_ours(url);
            if !ours {
                open_outside(&opener, url);
            }
            ours
        })
        .on_new_window(move |url, _| {
            open_outside(&opener_of_links, &url);
            NewWindowResponse::Deny
        })
        .on_page_load(|window, load| {
            // The page before is gone, and with it whoever would have taken the frames.
            if load.event() == PageLoadEvent::Started {
                let state = window.state::<AppState>();
                state.sockets.close_all();
                state.pages.leave();
                #[cfg(desktop)]
                {
                    state.media.close_all();
                    desktop::show_live(window.app_handle());
                }
                #[cfg(mobile)]
                end_live_service(window.app_handle());
            }
        })
        .on_permission_request(|webview, kind| {
            let ours = webview.url().is_ok_and(|url| is_ours(&url));
            answer_of(kind, ours)
        });
    #[cfg(desktop)]
    let builder = builder
        .title("Footlight")
        .inner_size(1280.0, 800.0)
        .min_inner_size(400.0, 480.0);
    let window = builder.build()?;
    let handle = app.handle().clone();
    window.on_window_event(move |event| {
        if let WindowEvent::CloseRequested { api, .. } = event
            && handle.state::<AppState>().pages.ask_to_close() == Closing::Ask
        {
            api.prevent_close();
            bring_forward(&handle);
        }
    });
    Ok(window)
}

/// Shows the window to the person, wherever it was.
pub(crate) fn bring_forward<R: Runtime>(app: &AppHandle<R>) {
    #[cfg(desktop)]
    if let Some(window) = app.get_webview_window(LABEL) {
        let shown = window
            .unminimize()
            .and_then(|()| window.show())
            .and_then(|()| window.set_focus());
        if let Err(error) = shown {
            tracing::info!(%error, "the window cannot be brought forward");
        }
    }
    #[cfg(mobile)]
    let _ = app;
}

/// Closes the window, as its own button does: whoever is on air is asked first.
pub(crate) fn close<R: Runtime>(app: &AppHandle<R>) {
    if let Some(window) = app.get_webview_window(LABEL)
        && let Err(error) = window.close()
    {
        tracing::warn!(%error, "the window cannot be closed");
    }
}

/// Ends what a page that is gone cannot end any more.
#[cfg(mobile)]
fn end_live_service<R: Runtime>(app: &AppHandle<R>) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        if let Err(error) = app.phone().stop_live_service().await {
            tracing::warn!(%error, "the live service does not end");
        }
    });
}

/// Whether an address is one of the app's own pages.
pub(crate) fn is_ours(url: &Url) -> bool {
    match url.scheme() {
        "tauri" => url.host_str() == Some("localhost"),
        "http" | "https" => url.host_str() == Some(HOST) && url.port().is_none(),
        _ => false,
    }
}

/// Hands an address of the web to the system's browser. Other schemes start programs with arguments of a stranger's choosing.
fn open_outside<R: Runtime>(app: &AppHandle<R>, url: &Url) {
    if !matches!(url.scheme(), "http" | "https") {
        tracing::info!(scheme = url.scheme(), "an address is not opened");
        return;
    }
    if let Err(error) = app.opener().open_url(url.as_str(), None::<&str>) {
        tracing::warn!(%error, "the browser cannot be opened");
    }
}

/// The operating system asks the person where it has a say; the app itself asks for its own pages alone.
fn answer_of(kind: PermissionKind, ours: bool) -> PermissionResponse {
    match kind {
        PermissionKind::Camera | PermissionKind::Microphone | PermissionKind::DisplayCapture if ours => {
            PermissionResponse::Allow
        }
        _ => PermissionResponse::Deny,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(url: &str) -> bool {
        is_ours(&url.parse().expect("a URL"))
    }

    #[test]
    fn the_pages_that_came_with_the_app_are_ours_and_nobody_elses() {
        for url in [
            "tauri://localhost/",
            "tauri://localhost/watch/show",
            "http://tauri.localhost/live",
        ] {
            assert!(ours(url), "{url}");
        }
        for url in [
            "https://example.org/",
            "http://tauri.localhost.example.org/",
            "http://tauri.localhost:8080/",
            "tauri://elsewhere/",
            "http://localhost/",
            "file:///etc/passwd",
            "about:blank",
            "data:text/html,x",
        ] {
            assert!(!ours(url), "{url}");
        }
    }

    #[test]
    fn camera_microphone_and_screen_are_for_our_pages_and_nothing_else_is_for_anybody() {
        let media = [
            PermissionKind::Camera,
            PermissionKind::Microphone,
            PermissionKind::DisplayCapture,
        ];
        for kind in media {
            assert_eq!(answer_of(kind, true), PermissionResponse::Allow);
            assert_eq!(answer_of(kind, false), PermissionResponse::Deny);
        }
        assert_eq!(answer_of(PermissionKind::Geolocation, true), PermissionResponse::Deny);
    }
}
