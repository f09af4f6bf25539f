//! What the media workers report, and the passing of time.

use std::time::Duration;

use footlight_protocol::{Connection, MediaKind, ServerEvent};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::crowds::Standing;
use super::peers::{Peer, Purpose};
use super::registry::Sessions;
use crate::media::{CloseReason, MediaEvent, PeerId};
use crate::rooms::Command;

/// How often time passes in the rooms: as often as a big one tells its presence.
const TICK: Duration = Duration::from_millis(250);

/// For whoever looks for the reason: the remote may have been heard, and is told nothing but silence.
const WHY_NEVER: &str = "the remote reached no address of the answer, or presented an RSA certificate, which DTLS does not take here \
                         (GStreamer before 1.28 does)";

impl Sessions {
    /// Handles the media workers' reports until they end.
    pub async fn run(self, mut events: mpsc::Receiver<MediaEvent>) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => self.media_event(event),
                    None => break,
                },
                _ = tick.tick() => self.tick(),
            }
        }
    }

    fn media_event(&self, event: MediaEvent) {
        let id = event.peer();
        let peer = {
            let mut peers = self.0.peers.lock();
            let Some(peer) = peers.get(id) else {
                peers.defer(id, event);
                return;
            };
            peer
        };
        self.handle(id, &peer, event);
    }

    /// Enters a peer, and handles what was reported of it before its number was known here.
    pub(super) fn enter(&self, id: PeerId, peer: &Peer, standing: Option<Standing>) {
        let early = self.0.peers.lock().enter(id, peer.clone(), standing);
        for event in early {
            self.handle(id, peer, event);
        }
    }

    fn handle(&self, id: PeerId, peer: &Peer, event: MediaEvent) {
        let session = &peer.session.id;
        match event {
            MediaEvent::Connected { .. } => {
                tracing::info!(%session, peer = %id, "peer connected");
                self.0.peers.lock().connected(id);
            }
            MediaEvent::Closed { reason, .. } => {
                tracing::info!(%session, peer = %id, ?reason, "peer closed");
                if reason == CloseReason::NeverConnected {
                    tracing::info!(peer = %id, "{WHY_NEVER}");
                }
                let gone = self.0.peers.lock().remove(id);
                free(id, gone);
            }
            MediaEvent::TrackStarted {
                kind, source, codec, ..
            } => {
                tracing::info!(%session, peer = %id, ?kind, %codec, "track started");
                if kind == MediaKind::Video {
                    peer.session.set_picture(id, source, Some(codec));
                }
                if let Purpose::Publish(publication) = peer.purpose {
                    peer.session.command(Command::MediaStarted { publication, kind });
                }
            }
            MediaEvent::TrackStopped { kind, source, .. } => {
                tracing::info!(%session, peer = %id, "track stopped");
                if kind == MediaKind::Video {
                    peer.session.set_picture(id, source, None);
                }
            }
            MediaEvent::SlotsWanted { audio, video, .. } => {
                if let Purpose::Subscribe(viewer) = &peer.purpose {
                    peer.session.tell(viewer, ServerEvent::SlotsWanted { audio, video });
                }
            }
            MediaEvent::Speaking { user, level, .. } => {
                let level = Some(level);
                peer.session.command(Command::Speaking { user, level });
            }
            MediaEvent::Silent { user, .. } => peer.session.command(Command::Speaking { user, level: None }),
            MediaEvent::Quality { user, level, .. } => {
                let connection = match peer.purpose {
                    Purpose::Publish(_) => Connection::Publish,
                    Purpose::Subscribe(_) | Purpose::Watch(_) => Connection::Subscribe,
                    Purpose::Preview => return,
                };
                let level = Some(level);
                peer.session.command(Command::Quality {
                    user,
                    connection,
                    level,
                });
            }
            MediaEvent::SlotAssigned {
                mid,
                user,
                kind,
                source,
                ..
            } => {
                if let Purpose::Subscribe(viewer) = &peer.purpose {
                    let assigned = ServerEvent::SlotAssigned {
                        mid,
                        user_id: user,
                        kind,
                        source,
                    };
                    peer.session.tell(viewer, assigned);
                }
            }
            MediaEvent::CodecUnsupported { mid, codec, .. } => {
                tracing::info!(%session, peer = %id, mid, %codec, "codec not offered by the viewer");
                if let Purpose::Subscribe(viewer) = &peer.purpose {
                    let error = ServerEvent::Error {
                        code: "codec_unsupported".to_owned(),
                        message: format!("A picture is sent as {codec}, which cannot be played here."),
                        action: None,
                        connection: None,
                    };
                    peer.session.tell(viewer, error);
                }
            }
        }
    }

    /// Closes a peer. What it held is free when this returns, whatever its worker has in hand.
    pub(super) fn close_peer(&self, id: PeerId) {
        let gone = self.0.peers.lock().remove_closing(id);
        self.0.media.close(id);
        free(id, gone);
    }

    /// Closes a peer that was made and is not to be entered.
    pub(super) fn discard(&self, id: PeerId) {
        self.0.peers.lock().discard(id);
        self.0.media.close(id);
    }
}

/// Frees everything that a peer held. The second time there is none, and nothing is done.
fn free(id: PeerId, peer: Option<Peer>) {
    let Some(peer) = peer else { return };
    match peer.purpose {
        Purpose::Publish(publication) => peer.session.command(Command::PublishStopped { publication }),
        Purpose::Watch(user) => peer.session.command(Command::Leave { user }),
        Purpose::Subscribe(_) | Purpose::Preview => {}
    }
    peer.session.remove_peer(id);
}
