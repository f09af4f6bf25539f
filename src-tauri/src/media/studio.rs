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
    last: PublishId,
    connection: Option<Arc<Connection>>,
}

impl Publishing {
    /// Makes a connection in place of the one before. `tell` hears each state of it, and says whether it still listens.
    pub(super) async fn offer(
        &self,
        studio: Arc<Studio>,
        host: &str,
        sources: &[TrackSource],
        tell: impl Fn(ConnectionState) -> bool + Send + 'static,
    ) -> Result<(PublishId, Offer), Failure> {
        let (connection, offer) = Connection::offer(studio, host, sources).await?;
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
        current.last.0 = current.last.0.wrapping_add(1);
        let (id, before) = (current.last, current.connection.replace(Arc::new(connection)));
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

    /// Ends whichever there is.
    pub(super) fn close_any(&self) {
        end(self.current.lock().connection.take());
    }
}

/// A command that still uses the connection holds it a little longer.
fn end(connection: Option<Arc<Connection>>) {
    if let Some(connection) = connection.and_then(Arc::into_inner) {
        tauri::async_runtime::spawn(connection.close());
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
