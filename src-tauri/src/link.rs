//! Deep links: `footlight://watch/SESSION`, and with `?server=ORIGIN` the server that it is on.
//!
//! Any web page can have such a link opened. All that it does is to show a session; whether to leave the server that one uses,
//! the pages ask first.

use footlight_protocol::SessionId;
use serde::Serialize;
use tauri::{App, Manager as _, Runtime};
use tauri_plugin_deep_link::DeepLinkExt as _;
use url::Url;

use crate::address::Address;
use crate::events::AppEvent;
use crate::state::AppState;
use crate::window;

/// The scheme, as `tauri.conf.json` registers it.
const SCHEME: &str = "footlight";

/// Where a link leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "AppLink"))]
pub(crate) struct Link {
    /// The session to watch.
    #[cfg_attr(test, ts(as = "String"))]
    session: SessionId,
    /// The origin of the server that it is on; `null` for the one that is used.
    server: Option<String>,
}

impl Link {
    /// Reads a link; `None` where it is none of ours.
    pub(crate) fn parse(url: &Url) -> Option<Self> {
        if url.scheme() != SCHEME || url.host_str() != Some("watch") {
            return None;
        }
        let session = url.path().trim_matches('/').parse().ok()?;
        let named = url.query_pairs().find(|(key, _)| key == "server");
        let server = match named {
            Some((_, address)) => Some(address.parse::<Address>().ok()?.origin()),
            None => None,
        };
        Some(Self { session, server })
    }
}

/// Hands the links that the system opens with this app to the pages.
pub(crate) fn follow<R: Runtime>(app: &App<R>) {
    let links = app.deep_link();
    #[cfg(target_os = "linux")]
    // An installed app is registered by its package. One that is a single file has nobody else to do it.
    if app.env().appimage.is_some()
        && let Err(error) = links.register_all()
    {
        tracing::info!(%error, "links are not opened with this app");
    }
    let handle = app.handle().clone();
    let open = move |urls: Vec<url::Url>| {
        for link in urls.iter().filter_map(Link::parse) {
            handle.state::<AppState>().pages.tell(AppEvent::LinkOpened { link });
        }
        window::bring_forward(&handle);
    };
    match links.get_current() {
        Ok(urls) => urls.map(&open).unwrap_or_default(),
        Err(error) => tracing::info!(%error, "links cannot be read here"),
    }
    links.on_open_url(move |event| open(event.urls()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(text: &str) -> Option<(String, Option<String>)> {
        let link = Link::parse(&text.parse().expect("a URL"))?;
        Some((link.session.to_string(), link.server))
    }

    #[test]
    fn a_session_on_this_server_or_on_another_is_understood() {
        let show = "show_1".to_owned();
        assert_eq!(link("footlight://watch/show_1"), Some((show.clone(), None)));
        assert_eq!(link("footlight://watch/show_1/"), Some((show.clone(), None)));
        assert_eq!(
            link("footlight://watch/show_1?server=https%3A%2F%2Fhall%3A8443%2Fx"),
            Some((show, Some("https://hall:8443".to_owned())))
        );
    }

    #[test]
    fn other_links_lead_nowhere() {
        for text in [
            "footlight://stream/show_1",
            "footlight://watch/",
            "footlight://watch/a/b",
            "footlight://watch/a%20b",
            "footlight://watch/show_1?server=file%3A%2F%2F%2Fetc",
            "https://watch/show_1",
        ] {
            assert_eq!(link(text), None, "{text}");
        }
    }
}
