//! Screen capture from an X server of the test's own.
//!
//! xcap finds the screen by the environment, which a test must not change under its neighbours: each test therefore runs its other half
//! in a process of its own, which is this same program with `SCREEN_TEST` set.

#![cfg(all(feature = "screen", target_os = "linux"))]

use std::{
    env,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use footlight_client::{
    devices::{self, DeviceChoice},
    pipeline::{Pipeline, PipelineConfig, SourceState, VideoSource},
    units::{Bitrate, Resolution},
};
use openh264::{decoder::Decoder, formats::YUVSource};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
const SCREEN: Resolution = Resolution::new(800, 600);
/// Wider than the screen, so that black bars stand beside it.
const STREAM: Resolution = Resolution::new(640, 360);
/// Luma of white and black in limited range, with what the encoder may be off.
const WHITE: std::ops::RangeInclusive<u8> = 225..=245;
const BLACK: std::ops::RangeInclusive<u8> = 8..=26;

/// An X server without a monitor; dropping it ends it.
struct XServer {
    process: Child,
    display: String,
}

impl XServer {
    /// `root` is the option for the colour of the root window.
    fn start(root: &str) -> Self {
        let mut process = Command::new("Xvfb")
            // Without `-noreset` it would start over whenever its last client leaves, which xcap does after each picture.
            .args(["-displayfd", "1", "-noreset", "-nolisten", "tcp", "-screen", "0"])
            .args([&format!("{SCREEN}x24"), root])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Xvfb is needed for this test: install the package `xvfb`");
        let mut number = String::new();
        let output = process.stdout.take().expect("its output is piped");
        BufReader::new(output)
            .read_line(&mut number)
            .expect("Xvfb tells its display");
        Self {
            process,
            display: format!(":{}", number.trim()),
        }
    }
}

impl Drop for XServer {
    fn drop(&mut self) {
        // It may have been killed already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs the other half of the test `name` with the screen of `display`.
fn in_session(name: &str, display: Option<&str>) {
    let mut command = Command::new(env::current_exe().expect("a path"));
    command
        .args(["--exact", name, "--nocapture"])
        .env("SCREEN_TEST", name)
        .env_remove("XDG_SESSION_TYPE")
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("DISPLAY");
    if let Some(display) = display {
        command.env("DISPLAY", display);
    }
    let output = command.output().expect("starts");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    // What libraries print into the terminal would spoil the status line of `footlight publish`.
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("[OpenH264]"), "{stderr}");
}

fn is_other_half() -> bool {
    env::var_os("SCREEN_TEST").is_some()
}

fn screen_only() -> PipelineConfig {
    PipelineConfig {
        video: Some(VideoSource::Screen(DeviceChoice::Default)),
        audio: None,
        size: STREAM,
        fps: 30,
        max_bitrate: Bitrate::from_kbps(1_000),
        ..PipelineConfig::default()
    }
}

/// Luma in the middle of the picture and in the middle of its left edge, after `pictures`.
async fn look(pictures: usize) -> (u8, u8) {
    let (pipeline, mut output) = Pipeline::start(screen_only()).expect("the screen opens");
    let mut decoder = Decoder::new().expect("a decoder");
    let mut seen = (0, 0);
    let mut last = None;
    for n in 0..pictures {
        let unit = tokio::time::timeout(PATIENCE, output.video.recv())
            .await
            .expect("a picture in time")
            .expect("the pipeline runs");
        assert_eq!(unit.keyframe, n == 0, "picture {n} of a screen that stands still");
        assert!(last < Some(unit.capture));
        last = Some(unit.capture);
        let picture = decoder.decode(&unit.data).expect("decodes").expect("a picture");
        assert_eq!(picture.dimensions(), (640, 360));
        let row = 180 * picture.strides().0;
        seen = (picture.y()[row + 320], picture.y()[row + 8]);
    }
    let video = pipeline.stats().video.expect("there is video");
    assert_eq!(video.state, SourceState::Live);
    seen
}

#[tokio::test]
async fn a_white_screen_is_white_between_black_bars() {
    if !is_other_half() {
        let server = XServer::start("-wr");
        return in_session("a_white_screen_is_white_between_black_bars", Some(&server.display));
    }
    let (middle, edge) = look(10).await;
    assert!(
        WHITE.contains(&middle) && BLACK.contains(&edge),
        "{middle} beside {edge}"
    );
    let screens = devices::list().screens;
    assert_eq!(screens.len(), 1, "{screens:?}");
    assert_eq!(screens[0].size, SCREEN);
    assert!(!screens[0].name.is_empty());
}

#[tokio::test]
async fn a_black_screen_is_black() {
    if !is_other_half() {
        let server = XServer::start("-br");
        return in_session("a_black_screen_is_black", Some(&server.display));
    }
    let (middle, _) = look(3).await;
    assert!(BLACK.contains(&middle), "{middle}");
}

#[test]
fn without_a_display_the_error_says_what_is_missing() {
    if !is_other_half() {
        return in_session("without_a_display_the_error_says_what_is_missing", None);
    }
    let error = Pipeline::start(screen_only())
        .expect_err("there is no screen")
        .to_string();
    assert!(error.contains("desktop session"), "{error}");
    assert!(devices::list().screens.is_empty());
}
