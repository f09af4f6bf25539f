//! Pictures: where they come from, how they become 4:2:0 planes of the wanted size, and how those become H.264, and pictures again.

pub(crate) mod bits;
pub(crate) mod camera;
pub mod capture;
pub(crate) mod card;
pub mod colours;
pub mod convert;
pub mod decoder;
pub mod encoder;
pub mod frame;
mod jpeg;
pub mod mailbox;
pub mod pattern;
#[cfg(feature = "screen")]
pub(crate) mod screen;
pub mod strip;
mod text;

use std::sync::Arc;
#[cfg(feature = "screen")]
use std::time::Duration;

use capture::{CaptureError, CaptureRequest, CaptureThread, OPEN_TIMEOUT, Open, VideoCapture};
use mailbox::Mailbox;

use crate::source::VideoSource;

/// How long somebody may take to answer the question whether their screen may be recorded.
#[cfg(feature = "screen")]
const DIALOG_TIMEOUT: Duration = Duration::from_mins(1);

/// Opens `source` on a capture thread of its own, which delivers into `mailbox` once its sender is admitted.
pub(crate) fn start(
    source: &VideoSource,
    request: CaptureRequest,
    mailbox: &Arc<Mailbox>,
) -> Result<CaptureThread, CaptureError> {
    let patience = match source {
        #[cfg(feature = "screen")]
        VideoSource::Screen(_) if screen::asks_its_user() => DIALOG_TIMEOUT,
        _ => OPEN_TIMEOUT,
    };
    let (open, wanted): (Arc<Open>, _) = match source {
        VideoSource::Pattern => {
            let open = move || Ok(Box::new(pattern::PatternCapture::new(&request)) as Box<dyn VideoCapture>);
            (Arc::new(open), "test pattern".to_owned())
        }
        VideoSource::Camera(choice) => (camera::opener(choice.clone(), request), format!("camera {choice}")),
        #[cfg(feature = "screen")]
        VideoSource::Screen(choice) => (screen::opener(choice.clone(), request), format!("screen {choice}")),
        #[cfg(not(feature = "screen"))]
        VideoSource::Screen(_) => return Err(CaptureError::ScreenUnsupported),
        VideoSource::Custom(custom) => {
            let source = custom.clone();
            (Arc::new(move || source.open(request)), custom.name().to_owned())
        }
    };
    CaptureThread::start(open, &wanted, patience, mailbox)
}
