use super::*;

fn mode(format: PixelFormat, width: u32, height: u32, fps: u32) -> CameraMode {
    CameraMode {
        format,
        size: Resolution::new(width, height),
        fps,
    }
}

/// The mode of `modes` in which a camera is opened for 640×360 at 30 fps.
fn best(modes: &[CameraMode]) -> &CameraMode {
    modes
        .iter()
        .min_by_key(|mode| cost(mode, Resolution::new(640, 360), 30))
        .expect("there are modes")
}

#[test]
fn a_mode_that_need_not_be_enlarged_and_is_fast_enough_wins() {
    let modes = [
        mode(PixelFormat::Yuyv, 320, 180, 30),
        mode(PixelFormat::Yuyv, 1280, 720, 10),
        mode(PixelFormat::Mjpeg, 1280, 720, 30),
        mode(PixelFormat::Mjpeg, 1920, 1080, 60),
    ];
    assert_eq!(best(&modes), &modes[2]);
    assert_eq!(best(&modes[..1]), &modes[0]);
}

#[test]
fn of_equal_modes_the_one_that_costs_least_to_convert_wins() {
    let modes = [
        mode(PixelFormat::Mjpeg, 640, 360, 30),
        mode(PixelFormat::Nv12, 640, 360, 30),
        mode(PixelFormat::Yuyv, 640, 360, 30),
    ];
    assert_eq!(best(&modes), &modes[2]);
}

#[test]
fn a_camera_is_known_again_at_another_place_but_its_twin_is_not_taken_for_it() {
    let identity = Identity {
        id: "/dev/video0".into(),
        node_name: "Desk".into(),
        twins: vec!["/dev/video2".into()],
    };
    assert!(identity.matches("/dev/video0", "Desk"));
    assert!(identity.matches("/dev/video4", "Desk"));
    assert!(!identity.matches("/dev/video2", "Desk"), "the twin");
    assert!(!identity.matches("/dev/video0", "Lid"), "another camera at its place");
}

#[test]
fn what_the_system_says_becomes_advice() {
    let error = |reason: &str| open_error("Desk", reason.into());
    assert!(matches!(
        error("Device or resource busy (os error 16)"),
        CaptureError::Busy { .. }
    ));
    assert!(matches!(
        error("Permission denied (os error 13)"),
        CaptureError::Denied { .. }
    ));
    assert!(matches!(
        error("No such device (os error 19)"),
        CaptureError::Failed { .. }
    ));
}
