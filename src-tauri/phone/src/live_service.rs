//! The service that goes with being on air.

use serde::{Serialize, Serializer};
use tauri::plugin::{Builder, TauriPlugin};
use tauri::{AppHandle, Manager, Runtime};

#[cfg(target_os = "android")]
use tauri::plugin::{PluginHandle, mobile::PluginInvokeError};

/// The plugin's name, from which its commands' permissions have theirs.
const NAME: &str = "footlight-phone";

/// Where the Kotlin class is.
#[cfg(target_os = "android")]
const ANDROID_PACKAGE: &str = "org.footlight.phone";

/// Why the system was not told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LiveServiceError {
    /// The system does not let the service run.
    #[cfg(target_os = "android")]
    #[error("the phone may cut sound and picture while another app is in front: {0}")]
    Refused(#[from] PluginInvokeError),
}

impl Serialize for LiveServiceError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The way to the service.
#[derive(Debug)]
pub struct LiveService<R: Runtime> {
    #[cfg(target_os = "android")]
    plugin: PluginHandle<R>,
    #[cfg(not(target_os = "android"))]
    runtime: std::marker::PhantomData<fn() -> R>,
}

impl<R: Runtime> LiveService<R> {
    /// Tells the system that the app is on air. The app has to be in front; a second time changes nothing.
    #[cfg_attr(
        not(target_os = "android"),
        expect(clippy::unused_async, reason = "Android answers later")
    )]
    pub async fn start(&self) -> Result<(), LiveServiceError> {
        #[cfg(target_os = "android")]
        self.plugin
            .run_mobile_plugin_async::<()>("startLiveService", ())
            .await?;
        Ok(())
    }

    /// Tells it that the app is off air, whether it was told of the opposite or not.
    #[cfg_attr(
        not(target_os = "android"),
        expect(clippy::unused_async, reason = "Android answers later")
    )]
    pub async fn stop(&self) -> Result<(), LiveServiceError> {
        #[cfg(target_os = "android")]
        self.plugin.run_mobile_plugin_async::<()>("stopLiveService", ()).await?;
        Ok(())
    }
}

/// Where an app has the service.
pub trait PhoneExt<R: Runtime> {
    /// The service, once the plugin is set up.
    fn live_service(&self) -> &LiveService<R>;
}

impl<R: Runtime, T: Manager<R>> PhoneExt<R> for T {
    fn live_service(&self) -> &LiveService<R> {
        self.state::<LiveService<R>>().inner()
    }
}

#[tauri::command]
async fn start_live_service<R: Runtime>(app: AppHandle<R>) -> Result<(), LiveServiceError> {
    app.live_service().start().await
}

#[tauri::command]
async fn stop_live_service<R: Runtime>(app: AppHandle<R>) -> Result<(), LiveServiceError> {
    app.live_service().stop().await
}

/// The plugin, with its two commands for the pages.
pub fn init<R: Runtime>() -> TauriPlugin<R> {
    Builder::new(NAME)
        .invoke_handler(tauri::generate_handler![start_live_service, stop_live_service])
        .setup(|app, _api| {
            app.manage(LiveService::<R> {
                #[cfg(target_os = "android")]
                plugin: _api.register_android_plugin(ANDROID_PACKAGE, "PhonePlugin")?,
                #[cfg(not(target_os = "android"))]
                runtime: std::marker::PhantomData,
            });
            Ok(())
        })
        .build()
}
