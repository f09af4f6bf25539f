//! Carries encoded media from the pipeline to whatever connection there is.

use tokio::sync::mpsc;

use crate::pipeline::MediaOutput;
use crate::publish::outlet::Outlets;

/// A change of connection waits for at most one packet to be written, and changes are seconds apart.
const CHANGES: usize = 1;

/// Where [`carry`] takes its outlets from: `None` between connections.
pub(crate) type OutletChanges = mpsc::Sender<Option<Outlets>>;

/// The two ends of a change of connection.
pub(crate) fn changes() -> (OutletChanges, mpsc::Receiver<Option<Outlets>>) {
    mpsc::channel(CHANGES)
}

/// Runs until the pipeline ends or nobody can change the connection any more.
///
/// Between connections media is taken and thrown away: the pipeline keeps its pace, and what is sent first afterwards
/// is new. A connection that takes packets slowly (TCP does) holds this task up, and the pipeline then drops by its own
/// rules.
pub(crate) async fn carry(mut media: MediaOutput, mut changes: mpsc::Receiver<Option<Outlets>>) {
    let mut outlets: Option<Outlets> = None;
    loop {
        let written = tokio::select! {
            biased;
            change = changes.recv() => match change {
                Some(next) => {
                    outlets = next;
                    Ok(())
                }
                None => return,
            },
            Some(packet) = media.audio.recv() => match &mut outlets {
                Some(outlets) => outlets.send_audio(&packet).await,
                None => Ok(()),
            },
            Some(unit) = media.video.recv() => match &mut outlets {
                Some(outlets) => outlets.send_video(&unit).await,
                None => Ok(()),
            },
        };
        if let Err(error) = written {
            // The supervisor notices a dead connection by itself, and sets the next one.
            tracing::debug!(%error, "connection takes no packets");
            outlets = None;
        }
    }
}
