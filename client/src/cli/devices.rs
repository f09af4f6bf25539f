//! `footlight devices`: what can be captured here.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use anyhow::Context as _;
use footlight_client::devices::{self, CameraInfo, CameraMode, Devices, ScreenKind};

use super::arguments::DevicesOptions;
use super::plain::plain;

pub(super) fn run(options: &DevicesOptions) -> anyhow::Result<()> {
    let devices = devices::list();
    let text = if options.json {
        serde_json::to_string_pretty(&devices)? + "\n"
    } else {
        table(&devices)
    };
    let mut out = io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Whoever read it has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to the standard output"),
    }
}

/// Three lists, each entry with the number that `footlight publish` takes.
fn table(devices: &Devices) -> String {
    let mut out = String::new();
    let cameras = devices.cameras.iter().map(|camera| {
        let modes = match &camera.problem {
            Some(problem) => vec![problem.clone()],
            None => modes(camera),
        };
        let name = format!("{}  ({})", camera.name, camera.id);
        (name, modes)
    });
    section(&mut out, "Cameras", cameras);
    let microphones = devices.microphones.iter().map(|microphone| {
        let mark = if microphone.default { "  (default)" } else { "" };
        (format!("{}{mark}", microphone.name), Vec::new())
    });
    section(&mut out, "Microphones", microphones);
    let screens = devices.screens.iter().map(|screen| {
        let mark = match screen.kind {
            ScreenKind::Window => "  (window)",
            ScreenKind::Screen if screen.primary => "  (primary)",
            ScreenKind::Screen => "",
        };
        (format!("{}  {}{mark}", screen.name, screen.size), Vec::new())
    });
    section(&mut out, "Screens and windows", screens);
    out
}

fn section(out: &mut String, title: &str, entries: impl Iterator<Item = (String, Vec<String>)>) {
    let mut entries = entries.enumerate().peekable();
    // Writing to a String does not fail.
    let _ = writeln!(out, "{title}");
    if entries.peek().is_none() {
        let _ = writeln!(out, "  none");
    }
    // Names are what makers gave their devices and others their windows.
    for (index, (name, details)) in entries {
        let _ = writeln!(out, "  {index}  {}", plain(&name));
        for detail in details {
            let _ = writeln!(out, "     {}", plain(&detail));
        }
    }
}

/// One line for each format and size, with all its frame rates.
fn modes(camera: &CameraInfo) -> Vec<String> {
    let mut sorted: Vec<CameraMode> = camera.modes.clone();
    sorted.sort_unstable();
    sorted
        .chunk_by(|a, b| (a.format, a.size) == (b.format, b.size))
        .map(|group| {
            let rates: Vec<String> = group.iter().map(|mode| mode.fps.to_string()).collect();
            // By `Debug`, as the name that the format has; it is one word.
            let format = format!("{:?}", group[0].format).to_uppercase();
            let size = group[0].size.to_string();
            format!("{format:<6} {size:<10} {} fps", rates.join(", "))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use footlight_client::devices::{MicrophoneInfo, PixelFormat, ScreenInfo};
    use footlight_client::units::Resolution;

    #[test]
    fn rates_of_one_size_share_a_line_and_empty_lists_say_so() {
        let mode = |fps| CameraMode {
            format: PixelFormat::Yuyv,
            size: Resolution::new(640, 480),
            fps,
        };
        let devices = Devices {
            cameras: vec![CameraInfo {
                id: "/dev/video0".to_owned(),
                name: "Desk".to_owned(),
                modes: vec![mode(30), mode(15)],
                problem: None,
            }],
            microphones: vec![MicrophoneInfo {
                id: "default".to_owned(),
                name: "Built-in".to_owned(),
                default: true,
            }],
            screens: Vec::new(),
        };
        assert_eq!(
            table(&devices),
            "Cameras\n  0  Desk  (/dev/video0)\n     YUYV   640x480    15, 30 fps\n\
             Microphones\n  0  Built-in  (default)\nScreens and windows\n  none\n"
        );
    }

    #[test]
    fn a_device_or_a_window_writes_nothing_but_its_name() {
        let escape = "\u{1b}]0;owned\u{7}\nCameras".to_owned();
        let devices = Devices {
            cameras: vec![CameraInfo {
                id: escape.clone(),
                name: escape.clone(),
                modes: Vec::new(),
                problem: Some(escape.clone()),
            }],
            microphones: vec![MicrophoneInfo {
                id: escape.clone(),
                name: escape.clone(),
                default: false,
            }],
            screens: vec![ScreenInfo {
                id: "1".to_owned(),
                name: escape,
                kind: ScreenKind::Window,
                size: Resolution::HD,
                primary: false,
            }],
        };
        let table = table(&devices);
        assert!(
            !table.contains(|char: char| char.is_control() && char != '\n'),
            "{table:?}"
        );
        assert_eq!(
            table.lines().count(),
            3 + 4,
            "a title and a line for each, and one for what is wrong"
        );
    }
}
