//! What a machine must have before anything is built: system packages, and a Node.js that is new enough.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::process;

/// What the workspace links and compiles with.
///
/// C and C++ (aws-lc, openh264, opus), cmake (opus, turbojpeg), nasm (openh264 and turbojpeg are about three times
/// slower without), libclang (bindgen for V4L2 and `PipeWire`), ALSA (cpal), and for screen capture by xcap `PipeWire`,
/// Wayland, EGL, GBM and X11.
pub(crate) const BUILD: &[&str] = &[
    "build-essential",
    "pkg-config",
    "cmake",
    "nasm",
    "libclang-dev",
    "libasound2-dev",
    "libpipewire-0.3-dev",
    "libwayland-dev",
    "libegl-dev",
    "libgbm-dev",
    "libxcb1-dev",
];

/// What the app's window is built with besides: the system's web view. What it does with a tray is loaded when it runs.
pub(crate) const APP: &[&str] = &["libwebkit2gtk-4.1-dev"];

/// What packages of the app are made with besides.
#[cfg(target_os = "linux")]
pub(crate) const BUNDLE: &[&str] = &["dpkg", "squashfs-tools"];

/// What the tests of the crates need besides: a display for screen capture.
pub(crate) const CRATE_TESTS: &[&str] = &["xvfb"];

/// What the end-to-end tests drive: browsers, the app's window among others on a desktop and what decodes VP9 and AV1 in it, a sound
/// server, and a virtual machine with a camera in it.
pub(crate) const END_TO_END: &[&str] = &[
    "chromium",
    "firefox-esr",
    "webkit2gtk-driver",
    "gstreamer1.0-plugins-bad",
    "xvfb",
    "libayatana-appindicator3-1",
    "jwm",
    "xdotool",
    "x11-utils",
    "dbus-daemon",
    "python3-gi",
    "pulseaudio",
    "pulseaudio-utils",
    "libasound2-plugins",
    "qemu-system-x86",
    "busybox-static",
    "v4l-utils",
    "alsa-utils",
    "kmod",
    "cpio",
    "iproute2",
    "python3-venv",
];

/// The oldest Node.js that Vite 8 runs on, major and minor.
const OLDEST_NODE: (u32, u32) = (20, 19);

/// Installs the Debian packages that are missing, or says in one command what to install.
pub(crate) fn require_packages(wanted: &[&'static str]) -> Result<()> {
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    let Some(missing) = missing_packages(wanted) else {
        eprintln!(
            "note: this is no Debian, so nobody checked for these packages or what they are called here: {}",
            wanted.join(" ")
        );
        return Ok(());
    };
    if missing.is_empty() {
        return Ok(());
    }
    if !is_root() {
        bail!(
            "packages are missing, please run:\n\n    sudo apt-get install -y {}\n",
            missing.join(" ")
        );
    }
    eprintln!("installing {}", missing.join(" "));
    process::succeed(Command::new("apt-get").args(["update", "-q"])).context("apt-get cannot read its sources")?;
    process::succeed(
        Command::new("apt-get")
            .args(["install", "-y", "-q", "--no-install-recommends"])
            .args(&missing)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
    .with_context(|| format!("apt-get cannot install {}", missing.join(" ")))
}

/// Those of `wanted` that dpkg does not have; `None` where there is no dpkg.
fn missing_packages(wanted: &[&'static str]) -> Option<Vec<&'static str>> {
    // It fails when one of them is unknown, and lists the others all the same.
    let listed = Command::new("dpkg-query")
        .args(["-W", "-f", "${db:Status-Status} ${Package}\n"])
        .args(wanted)
        .output()
        .ok()?;
    let listed = String::from_utf8_lossy(&listed.stdout);
    let installed: Vec<_> = listed
        .lines()
        .filter_map(|line| line.strip_prefix("installed "))
        .collect();
    Some(
        wanted
            .iter()
            .copied()
            .filter(|package| !installed.contains(package))
            .collect(),
    )
}

#[cfg(unix)]
fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

#[cfg(not(unix))]
fn is_root() -> bool {
    false
}

/// Fails unless Node.js and npm are there and new enough.
pub(crate) fn require_node() -> Result<()> {
    let (major, minor) = OLDEST_NODE;
    let remedy = format!("please install Node.js {major}.{minor} or newer with npm from https://nodejs.org");
    let Some(version) = process::output(Command::new("node").arg("--version")) else {
        bail!("node is missing: {remedy}");
    };
    let Some(found) = parse_node_version(&version) else {
        bail!("`node --version` answers {version:?}: {remedy}");
    };
    if found < OLDEST_NODE {
        bail!("node {version} is too old: {remedy}");
    }
    if process::output(Command::new("npm").arg("--version")).is_none() {
        bail!("npm is missing: {remedy}");
    }
    Ok(())
}

fn parse_node_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.strip_prefix('v')?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_versions_compare_by_number_not_by_text() {
        assert!(parse_node_version("v100.2.0") > Some(OLDEST_NODE));
        assert!(parse_node_version("v20.9.0") < Some(OLDEST_NODE));
        assert_eq!(parse_node_version("20.19.0"), None);
    }

    #[test]
    fn a_package_that_nobody_has_is_missing() {
        if let Some(missing) = missing_packages(&["dpkg", "footlight-has-no-such-package"]) {
            assert_eq!(missing, ["footlight-has-no-such-package"]);
        }
    }
}
