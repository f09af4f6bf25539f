use openh264::{decoder::Decoder, formats::YUVSource};

use super::*;
use crate::{
    devices::DeviceChoice,
    source::SourceState,
    video::{
        capture::{CaptureError, OPEN_TIMEOUT, VideoCapture},
        frame::WHITE,
        mailbox::Sender,
    },
};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
const SIZE: Resolution = Resolution::new(320, 180);
/// Luma of the fake camera's pictures.
const PICTURE: u8 = 150;

/// A camera with a plain picture that can be unplugged.
struct FakeCamera {
    plugged_in: Arc<AtomicBool>,
    clock: MediaClock,
}

impl VideoCapture for FakeCamera {
    fn name(&self) -> &'static str {
        "Desk camera"
    }

    fn capture(&mut self, sink: &Sender) -> Result<(), CaptureError> {
        thread::sleep(Duration::from_millis(10));
        if !self.plugged_in.load(Ordering::Acquire) {
            return Err(CaptureError::NoDevice { class: "camera" });
        }
        let mut frame = sink.buffer(SIZE);
        frame.fill_grey(0, 0, 320, 180, PICTURE);
        frame.capture = self.clock.now();
        sink.send(frame);
        Ok(())
    }
}

/// The pictures that viewers see.
struct Viewer {
    output: mpsc::Receiver<EncodedVideo>,
    decoder: Decoder,
    last: MediaTime,
    keyframes: u32,
}

impl Viewer {
    /// The next picture: luma of its corner, and of its brightest pixel.
    async fn look(&mut self) -> (u8, u8) {
        let unit = tokio::time::timeout(PATIENCE, self.output.recv())
            .await
            .expect("the stream goes on")
            .expect("the pipeline runs");
        assert!(unit.capture > self.last, "time on the track never runs backwards");
        self.last = unit.capture;
        self.keyframes += u32::from(unit.keyframe);
        let picture = self
            .decoder
            .decode(&unit.data)
            .expect("no reference is missing")
            .expect("a picture");
        let brightest = picture.y().iter().copied().max().expect("it has pixels");
        (picture.y()[0], brightest)
    }

    /// Looks on until the picture's corner has this luma, and returns that picture's brightest luma.
    async fn wait_for_corner(&mut self, luma: u8) -> u8 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < deadline, "the picture did not change");
            let (corner, brightest) = self.look().await;
            if corner.abs_diff(luma) < 10 {
                return brightest;
            }
        }
    }

    async fn expect_corner(&mut self, luma: u8) {
        let (corner, _) = self.look().await;
        assert!(corner.abs_diff(luma) < 10, "{corner} in place of {luma}");
    }
}

/// Waits for a small copy whose corner has this luma, and returns that copy's brightest luma.
async fn wait_for_copy(preview: &Preview, luma: u8) -> u8 {
    let copied = async {
        loop {
            let copy = preview.receive().await.expect("the pipeline runs");
            if copy.y[0].abs_diff(luma) < 10 {
                return copy.y.iter().copied().max().expect("it has pixels");
            }
        }
    };
    tokio::time::timeout(PATIENCE, copied)
        .await
        .expect("the preview changes")
}

/// Looks on until the source counts as live, which its capture thread says just after a picture is on its way.
async fn wait_until_live(track: &VideoTrack, viewer: &mut Viewer) {
    let live = async {
        while track.stats().state != SourceState::Live {
            viewer.wait_for_corner(PICTURE).await;
        }
    };
    tokio::time::timeout(PATIENCE, live).await.expect("it is live");
}

#[tokio::test]
async fn while_the_camera_is_away_a_card_is_on_air_and_then_its_picture_again() {
    let request = CaptureRequest {
        size: SIZE,
        fps: 30,
        clock: MediaClock::start(),
    };
    let plugged_in = Arc::new(AtomicBool::new(true));
    let present = Arc::clone(&plugged_in);
    let open = move || {
        if !present.load(Ordering::Acquire) {
            return Err(CaptureError::NoDevice { class: "camera" });
        }
        Ok(Box::new(FakeCamera {
            plugged_in: Arc::clone(&present),
            clock: request.clock,
        }) as Box<dyn VideoCapture>)
    };
    let mailbox = Mailbox::new();
    let capture = CaptureThread::start(Arc::new(open), "desk", OPEN_TIMEOUT, &mailbox).expect("opens");
    let source = VideoSource::Camera(DeviceChoice::Default);
    let (sender, output) = mpsc::channel(QUEUE);
    let way = Way {
        max_bitrate: Bitrate::from_kbps(500),
        simulcast: false,
        encoding: true,
    };
    let track = VideoTrack::encode(source, capture, mailbox, request, way, sender).expect("a thread");
    let mut viewer = Viewer {
        output,
        decoder: Decoder::new().expect("a decoder"),
        last: MediaTime::default(),
        keyframes: 0,
    };

    let preview = track.preview(SIZE);
    let brightest = viewer.wait_for_corner(PICTURE).await;
    assert!(brightest < PICTURE + 10, "a plain picture: {brightest}");
    wait_until_live(&track, &mut viewer).await;
    wait_for_copy(&preview, PICTURE).await;

    plugged_in.store(false, Ordering::Release);
    let brightest = viewer.wait_for_corner(card::BACKGROUND).await;
    assert!(brightest > WHITE - 40, "the card has no text: {brightest}");
    assert!(matches!(track.stats().state, SourceState::Lost { .. }));
    let brightest = wait_for_copy(&preview, card::BACKGROUND).await;
    assert!(
        brightest > WHITE - 40,
        "whoever is filmed sees the card as well: {brightest}"
    );
    // Away for longer than a driver may hang: the thread that waits for it is not taken for a hung one.
    let unplugged = Instant::now();
    while unplugged.elapsed() < HANG + STALL {
        viewer.expect_corner(card::BACKGROUND).await;
    }

    plugged_in.store(true, Ordering::Release);
    viewer.wait_for_corner(PICTURE).await;
    wait_until_live(&track, &mut viewer).await;
    wait_for_copy(&preview, PICTURE).await;

    track.set_hidden(true);
    let brightest = viewer.wait_for_corner(card::BACKGROUND).await;
    assert!(brightest > WHITE - 40, "the card has no text: {brightest}");
    for _ in 0..5 {
        viewer.expect_corner(card::BACKGROUND).await;
    }
    assert_eq!(track.stats().state, SourceState::Live, "the camera is well");
    track.set_hidden(false);
    viewer.wait_for_corner(PICTURE).await;
    assert_eq!(viewer.keyframes, 1, "only the first picture needs to be one");
}
