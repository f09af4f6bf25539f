//! The way to the phone's system.

use serde::{Serialize, Serializer};
use tauri::plugin::{Builder, TauriPlugin};
use tauri::{AppHandle, Manager, Runtime, State};

#[cfg(target_os = "android")]
use tauri::plugin::{PluginHandle, mobile::PluginInvokeError};

/// The plugin's name, from which its commands' permissions have theirs.
const NAME: &str = "footlight-phone";

/// Where the Kotlin class is.
#[cfg(target_os = "android")]
const ANDROID_PACKAGE: &str = "org.footlight.phone";

/// Why the system does not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PhoneError {
    /// It does not let the live service run.
    #[error("The phone may cut your sound while another app is in front: {message}.")]
    LiveService {
        /// In its own words.
        message: String,
    },
}

impl Serialize for PhoneError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What can be asked of the system.
#[derive(Debug)]
pub struct Phone<R: Runtime> {
    #[cfg(target_os = "android")]
    plugin: PluginHandle<R>,
    #[cfg(not(target_os = "android"))]
    runtime: std::marker::PhantomData<fn() -> R>,
}

#[cfg(target_os = "android")]
impl<R: Runtime> Phone<R> {
    /// Tells it that the app is on air. The app has to be in front; a second time changes nothing.
    pub async fn start_live_service(&self) -> Result<(), PhoneError> {
        self.ask("startLiveService")
            .await
            .map_err(|error| PhoneError::LiveService {
                message: words_of(error),
            })
    }

    /// Tells it that the app is off air, whether it was told of the opposite or not.
    pub async fn stop_live_service(&self) -> Result<(), PhoneError> {
        self.ask("stopLiveService")
            .await
            .map_err(|error| PhoneError::LiveService {
                message: words_of(error),
            })
    }

    /// Has it ask the person, once, whether the app may reach their own network. Whatever the answer, trying comes next, and
    /// tells it.
    pub async fn ask_for_local_network(&self) {
        // Nobody can do anything about a question that was not asked but try.
        let _ = self.ask("askForLocalNetwork").await;
    }

    async fn ask(&self, command: &str) -> Result<(), PluginInvokeError> {
        self.plugin.run_mobile_plugin_async(command, ()).await
    }
}

/// What Kotlin says, without the words around it.
#[cfg(target_os = "android")]
fn words_of(error: PluginInvokeError) -> String {
    match error {
        PluginInvokeError::InvokeRejected(refusal) => refusal.message.unwrap_or_default(),
        other => other.to_string(),
    }
}

/// iOS asks by itself, and has nothing to be told.
#[cfg(not(target_os = "android"))]
#[expect(clippy::unused_async, reason = "Android answers later")]
impl<R: Runtime> Phone<R> {
    /// The background mode is declared, and needs nobody to turn it on.
    pub async fn start_live_service(&self) -> Result<(), PhoneError> {
        Ok(())
    }

    /// Nor off.
    pub async fn stop_live_service(&self) -> Result<(), PhoneError> {
        Ok(())
    }

    /// The first packet makes it ask.
    pub async fn ask_for_local_network(&self) {}
}

/// Where an app has its phone.
pub trait PhoneExt<R: Runtime> {
    /// The phone, once the plugin is set up.
    fn phone(&self) -> State<'_, Phone<R>>;
}

impl<R: Runtime, T: Manager<R>> PhoneExt<R> for T {
    fn phone(&self) -> State<'_, Phone<R>> {
        self.state()
    }
}

#[tauri::command]
async fn start_live_service<R: Runtime>(app: AppHandle<R>) -> Result<(), PhoneError> {
    app.phone().start_live_service().await
}

#[tauri::command]
async fn stop_live_service<R: Runtime>(app: AppHandle<R>) -> Result<(), PhoneError> {
    app.phone().stop_live_service().await
}

/// The plugin, with its commands for the pages.
pub fn init<R: Runtime>() -> TauriPlugin<R> {
    Builder::new(NAME)
        .invoke_handler(tauri::generate_handler![start_live_service, stop_live_service])
        .setup(|app, _api| {
            app.manage(Phone::<R> {
                #[cfg(target_os = "android")]
                plugin: _api.register_android_plugin(ANDROID_PACKAGE, "PhonePlugin")?,
                #[cfg(not(target_os = "android"))]
                runtime: std::marker::PhantomData,
            });
            Ok(())
        })
        .build()
}
