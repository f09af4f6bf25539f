//! Pictures: where they come from, how they become 4:2:0 planes of the wanted size, and how those become H.264.

pub(crate) mod camera;
pub mod capture;
pub(crate) mod card;
pub mod convert;
pub mod encoder;
pub mod frame;
pub mod mailbox;
pub mod pattern;
pub mod strip;
mod text;

use std::sync::Arc;

use capture::{CaptureError, CaptureRequest, CaptureThread, Open, VideoCapture};
use mailbox::Mailbox;

use crate::source::VideoSource;

/// Opens `source` on a capture thread of its own, which delivers into `mailbox` once its sender is admitted.
pub(crate) fn start(
    source: &VideoSource,
    request: CaptureRequest,
    mailbox: &Arc<Mailbox>,
) -> Result<CaptureThread, CaptureError> {
    let (open, wanted): (Arc<Open>, _) = match source {
        VideoSource::Pattern => {
            let open = move || Ok(Box::new(pattern::PatternCapture::new(&request)) as Box<dyn VideoCapture>);
            (Arc::new(open), "test pattern".to_owned())
        }
        VideoSource::Camera(choice) => (camera::opener(choice.clone(), request), format!("camera {choice}")),
        VideoSource::Screen(_) => return Err(CaptureError::ScreenUnsupported),
    };
    CaptureThread::start(open, &wanted, mailbox)
}
