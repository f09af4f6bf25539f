//! The connection that sends, of which a page has one.

use std::sync::Arc;

use footlight_client::audio::AudioError;
use footlight_client::pipeline::PipelineError;
use footlight_client::studio::{Connection, ConnectionError, ConnectionState, Offer, Studio};
use footlight_client::video::capture::CaptureError;
use footlight_protocol::TrackSource;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::failure::{DeviceCause, Failure};

/// Names a connection to the page: what is said late of an old one does not concern the one in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct PublishId(u32);

/// The page's connection to the server, while it publishes.
#[derive(Debug, Default)]
pub(super) struct Publishing {
    current: Mutex<Current>,
}

#[derive(Debug, Default)]
struct Current {
    /// Counts pages: what one of them asked for is of no use to the next.
    page: u32,
    last: PublishId,
    connection: Option<Arc<Connection>>,
}

impl Publishing {
    /// Makes a connection in place of the one before, unless the page that asks for it is gone by then. `tell` hears each state of it,
    /// and says whether it still listens.
    pub(super) async fn offer(
        &self,
        studio: Arc<Studio>,
        host: &str,
        sources: &[TrackSource],
        tell: impl Fn(ConnectionState) -> bool + Send + 'static,
    ) -> Result<(PublishId, Offer), Failure> {
        let page = self.current.lock().page;
        let (connection, offer) = Connection::offer(studio, host, sources).await?;
        let connection = Arc::new(connection);
        let mut states = connection.state();
        tauri::async_runtime::spawn(async move {
            loop {
                let state = *states.borrow_and_update();
                if !tell(state) || state == ConnectionState::Failed || states.changed().await.is_err() {
                    return;
                }
            }
        });
        let mut current = self.current.lock();
        if current.page != page {
            drop(current);
            end(Some(connection));
            return Err(Failure::page_gone());
        }
        current.last.0 = current.last.0.wrapping_add(1);
        let (id, before) = (current.last, current.connection.replace(connection));
        drop(current);
        end(before);
        Ok((id, offer))
    }

    /// The connection of this name, unless another one has its place.
    pub(super) fn connection(&self, id: PublishId) -> Result<Arc<Connection>, Failure> {
        let current = self.current.lock();
        let connection = current.connection.clone().filter(|_| current.last == id);
        connection.ok_or_else(|| Failure::invalid("This connection has ended."))
    }

    /// Whichever there is.
    pub(super) fn current(&self) -> Option<Arc<Connection>> {
        self.current.lock().connection.clone()
    }

    /// Ends the connection of this name; the server notices by the silence, where the room does not say so.
    pub(super) fn close(&self, id: PublishId) {
        let mut current = self.current.lock();
        if current.last == id {
            end(current.connection.take());
        }
    }

    /// The page is gone: ends whichever there is, and whichever is being made.
    pub(super) fn leave_page(&self) {
        let mut current = self.current.lock();
        current.page = current.page.wrapping_add(1);
        end(current.connection.take());
    }
}

/// A command that still uses the connection may hold it a little longer.
fn end(connection: Option<Arc<Connection>>) {
    if let Some(connection) = connection {
        tauri::async_runtime::spawn(async move { connection.close().await });
    }
}

impl From<PipelineError> for Failure {
    fn from(error: PipelineError) -> Self {
        let cause = match &error {
            PipelineError::Video(error) => match error {
                CaptureError::NoDevice { .. } | CaptureError::NotFound { .. } => DeviceCause::Missing,
                CaptureError::Busy { .. } => DeviceCause::Busy,
                CaptureError::Denied { .. } => DeviceCause::Refused,
                _ => DeviceCause::Failed,
            },
            PipelineError::Audio(error) => match error {
                AudioError::NoDevice | AudioError::NotFound { .. } => DeviceCause::Missing,
                AudioError::Busy { .. } => DeviceCause::Busy,
                AudioError::Denied { .. } => DeviceCause::Refused,
                _ => DeviceCause::Failed,
            },
            _ => DeviceCause::Failed,
        };
        Self::Device {
            cause,
            message: error.to_string(),
        }
    }
}

impl From<ConnectionError> for Failure {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::NothingToSend => Self::invalid(error.to_string()),
            error => Self::system(&error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use footlight_client::pipeline::VideoSource;
    use footlight_client::studio::SourceConfig;
    use footlight_client::units::{Bitrate, Resolution};

    use super::*;

    /// Far more than a connection needs to end.
    const PATIENCE: Duration = Duration::from_secs(20);

    fn studio() -> Arc<Studio> {
        let studio = Studio::new();
        let pattern = SourceConfig::Picture {
            source: VideoSource::Pattern,
            size: Resolution::new(320, 180),
            fps: 30,
            bitrate: Bitrate::from_kbps(300),
        };
        studio.open(TrackSource::Camera, pattern).expect("it needs no device");
        Arc::new(studio)
    }

    async fn offer(publishing: &Publishing) -> Result<(PublishId, Offer), Failure> {
        let sources = [TrackSource::Camera];
        publishing.offer(studio(), "127.0.0.1", &sources, |_| true).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_connection_ends_although_a_command_still_uses_it() {
        let publishing = Publishing::default();
        let (id, _) = offer(&publishing).await.expect("an offer");
        let used = publishing.connection(id).expect("the current one");
        let mut states = used.state();
        publishing.close(id);
        let ended = async { while states.changed().await.is_ok() {} };
        tokio::time::timeout(PATIENCE, ended)
            .await
            .expect("nobody keeps it open");
        assert!(publishing.connection(id).is_err());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_a_page_asked_for_that_is_gone_is_not_kept() {
        let publishing = Publishing::default();
        let mut asked = std::pin::pin!(offer(&publishing));
        tokio::select! {
            biased;
            _ = &mut asked => panic!("it takes longer than this"),
            () = std::future::ready(()) => publishing.leave_page(),
        }
        assert!(asked.await.is_err());
        assert!(publishing.current().is_none());
        offer(&publishing).await.expect("the next page has one of its own");
        assert!(publishing.current().is_some());
    }
}
