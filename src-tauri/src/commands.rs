//! What the pages can ask of the app. Commands translate: what is decided is decided elsewhere.
//!
//! A new one is registered here, named in `command_names.rs`, and allowed in `capabilities/pages.json`; a test holds the three
//! together.

use serde::Serialize;
use tauri::ipc::{Channel, Invoke};
use tauri::{AppHandle, Manager as _, Runtime, State};
#[cfg(mobile)]
use tauri_plugin_footlight_phone::PhoneExt as _;

use crate::address::Address;
use crate::connection::{Request, Response, SocketEvent, SocketId};
use crate::events::{AppEvent, Live};
use crate::failure::Failure;
#[cfg(desktop)]
use crate::media;
use crate::server::{NearbyServer, Server};
use crate::state::AppState;
use crate::window;

/// What the pages begin with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) struct Start {
    /// What the person wants to be called; `null` where nobody asked, empty where it was left open.
    name: Option<String>,
    /// The server of the last time; `null` before one is chosen.
    server: Option<Server>,
    /// Why the server of the last time is not used.
    failure: Option<Failure>,
    /// Something that the person should know.
    notice: Option<String>,
    /// Whether this app can run everything on this computer.
    can_serve: bool,
    /// Whether this is a phone: the web view captures, and the system has to be told of being on air.
    phone: bool,
}

/// Answers the commands.
pub(crate) fn handler<R: Runtime>() -> impl Fn(Invoke<R>) -> bool + Send + Sync + 'static {
    tauri::generate_handler![
        start,
        set_name,
        nearby_servers,
        connect,
        serve,
        leave,
        believe_certificate,
        ask_server,
        open_socket,
        send_frame,
        acknowledge_frames,
        close_socket,
        listen,
        set_live,
        notify,
        stay,
        quit,
        #[cfg(desktop)]
        media::capture_devices,
        #[cfg(desktop)]
        media::capture_screens,
        #[cfg(desktop)]
        media::screen_picture,
        #[cfg(desktop)]
        media::open_source,
        #[cfg(desktop)]
        media::close_source,
        #[cfg(desktop)]
        media::turn_source,
        #[cfg(desktop)]
        media::studio_figures,
        #[cfg(desktop)]
        media::preview,
        #[cfg(desktop)]
        media::publish_offer,
        #[cfg(desktop)]
        media::publish_again,
        #[cfg(desktop)]
        media::publish_accept,
        #[cfg(desktop)]
        media::publish_candidate,
        #[cfg(desktop)]
        media::publish_close,
        #[cfg(desktop)]
        media::subscribe,
        #[cfg(desktop)]
        media::subscribe_again,
        #[cfg(desktop)]
        media::subscribe_accept,
        #[cfg(desktop)]
        media::slot_pictures,
        #[cfg(desktop)]
        media::set_volume,
        #[cfg(desktop)]
        media::loudspeakers,
        #[cfg(desktop)]
        media::choose_loudspeaker,
        #[cfg(desktop)]
        media::follow_loudspeaker,
        #[cfg(desktop)]
        media::subscription_sample,
        #[cfg(desktop)]
        media::unsubscribe,
        #[cfg(desktop)]
        media::start_recording,
        #[cfg(desktop)]
        media::stop_recording
    ]
}

#[tauri::command]
async fn start(state: State<'_, AppState>) -> Result<Start, Failure> {
    let (server, failure) = match state.resume().await {
        Ok(server) => (server, None),
        Err(failure) => (None, Some(failure)),
    };
    Ok(Start {
        name: state.name(),
        server,
        failure,
        notice: state.take_complaint(),
        can_serve: cfg!(desktop),
        phone: cfg!(mobile),
    })
}

#[tauri::command]
async fn set_name(state: State<'_, AppState>, name: String) -> Result<(), Failure> {
    state.set_name(&name)
}

#[tauri::command]
async fn nearby_servers(state: State<'_, AppState>) -> Result<Vec<NearbyServer>, Failure> {
    #[cfg(desktop)]
    return state.nearby.servers();
    #[cfg(mobile)]
    {
        let _ = state;
        Ok(Vec::new())
    }
}

#[tauri::command]
async fn connect<R: Runtime>(
    app: AppHandle<R>,
    state: State<'_, AppState>,
    address: String,
) -> Result<Server, Failure> {
    let address: Address = address.parse()?;
    #[cfg(mobile)]
    if address.is_on_own_network().await {
        app.phone().ask_for_local_network().await;
    }
    #[cfg(desktop)]
    let _ = app;
    state.connect(address).await
}

#[tauri::command]
async fn serve(state: State<'_, AppState>) -> Result<Server, Failure> {
    #[cfg(desktop)]
    return state.serve().await;
    #[cfg(mobile)]
    {
        let _ = state;
        Err(Failure::invalid(
            "A phone runs no server. Choose one that runs elsewhere.",
        ))
    }
}

#[tauri::command]
async fn leave(state: State<'_, AppState>) -> Result<(), Failure> {
    state.leave().await
}

#[tauri::command]
async fn believe_certificate(state: State<'_, AppState>, server: String, received: String) -> Result<(), Failure> {
    state.believe(&server, &received)
}

#[tauri::command]
async fn ask_server(state: State<'_, AppState>, request: Request) -> Result<Response, Failure> {
    let connection = state.connection()?;
    connection.ask(request).await.map_err(|failure| state.noted(failure))
}

#[tauri::command]
async fn open_socket<R: Runtime>(
    app: AppHandle<R>,
    state: State<'_, AppState>,
    path: String,
    events: Channel<SocketEvent>,
) -> Result<SocketId, Failure> {
    let connection = state.connection()?;
    state.sockets.open(&connection, &path, move |event| {
        if let SocketEvent::Closed(closed) = &event
            && let Some(failure) = &closed.failure
        {
            app.state::<AppState>().noted(failure.clone());
        }
        events.send(event).is_ok()
    })
}

#[tauri::command]
async fn send_frame(state: State<'_, AppState>, socket: SocketId, text: String) -> Result<(), Failure> {
    state.sockets.send(socket, text).await
}

#[tauri::command]
async fn acknowledge_frames(state: State<'_, AppState>, socket: SocketId, taken: u64) -> Result<(), Failure> {
    state.sockets.acknowledge(socket, taken)
}

#[tauri::command]
async fn close_socket(state: State<'_, AppState>, socket: SocketId, code: Option<u16>) -> Result<(), Failure> {
    state.sockets.close(socket, code);
    Ok(())
}

#[tauri::command]
async fn listen(state: State<'_, AppState>, events: Channel<AppEvent>) -> Result<(), Failure> {
    state.pages.listen(events);
    Ok(())
}

#[tauri::command]
async fn set_live<R: Runtime>(app: AppHandle<R>, live: Live) -> Result<(), Failure> {
    app.state::<AppState>().pages.set_live(live);
    #[cfg(desktop)]
    crate::desktop::show_live(&app);
    Ok(())
}

#[tauri::command]
async fn notify<R: Runtime>(app: AppHandle<R>, words: String) -> Result<(), Failure> {
    if words.trim().is_empty() {
        return Err(Failure::invalid("A notification has words."));
    }
    #[cfg(desktop)]
    crate::desktop::notify(&app, &words);
    #[cfg(mobile)]
    let _ = app;
    Ok(())
}

#[tauri::command]
async fn stay(state: State<'_, AppState>) -> Result<(), Failure> {
    state.pages.stay();
    Ok(())
}

#[tauri::command]
async fn quit<R: Runtime>(app: AppHandle<R>, state: State<'_, AppState>) -> Result<(), Failure> {
    // The person has answered already.
    state.pages.leave();
    window::close(&app);
    Ok(())
}

#[cfg(test)]
mod tests;
