//! `cargo xtask icons`: the app's icons, drawn from the mark in `assets/`.
//!
//! Windows and macOS want several sizes in one file. Both of their formats take PNG pictures as they are, so all that is
//! made here is the table in front of them.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::system;

/// The picture: the mark on its own ground, which shows on any desktop.
const PICTURE: &str = "assets/favicon.svg";

/// Where the app's build looks for them.
const FOLDER: &str = "src-tauri/icons";

/// What draws the SVG.
const PACKAGES: &[&str] = &["librsvg2-bin"];

/// Sizes in a Windows icon, in pixels: title bar, taskbar and Explorer's views, each at its common scales.
const ICO_SIZES: [u32; 6] = [16, 24, 32, 48, 64, 256];

/// Sizes in a macOS icon, in pixels, and their names there ("icon type" in Apple's Icon Composer format).
const ICNS_SIZES: [(&[u8; 4], u32); 6] = [
    (b"ic11", 32),
    (b"ic12", 64),
    (b"ic07", 128),
    (b"ic08", 256),
    (b"ic09", 512),
    (b"ic10", 1024),
];

/// Single pictures for Linux desktops; `icon.png` is also that of the window.
const PNG_SIZES: [(&str, u32); 4] = [
    ("32x32.png", 32),
    ("128x128.png", 128),
    ("128x128@2x.png", 256),
    ("icon.png", 512),
];

/// The tray's icon is shown at 16 to 48 pixels.
const TRAY_PX: u32 = 64;

/// The states that the tray shows, and the picture of each.
const TRAY: [(&str, &str); 2] = [
    ("tray.png", "assets/mark.svg"),
    ("tray-live.png", "assets/mark-live.svg"),
];

/// Draws all icons anew.
pub(crate) fn run(checkout: &Path) -> Result<()> {
    system::require_packages(PACKAGES)?;
    let folder = checkout.join(FOLDER);
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let write = |name: &str, content: &[u8]| {
        let path = folder.join(name);
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))
    };
    let picture = checkout.join(PICTURE);
    for (name, size) in PNG_SIZES {
        write(name, &draw(&picture, size)?)?;
    }
    for (name, picture) in TRAY {
        write(name, &draw(&checkout.join(picture), TRAY_PX)?)?;
    }
    let pictures = ICO_SIZES.map(|size| Ok((size, draw(&picture, size)?)));
    write("icon.ico", &ico(&pictures.into_iter().collect::<Result<Vec<_>>>()?))?;
    let pictures = ICNS_SIZES.map(|(name, size)| Ok((*name, draw(&picture, size)?)));
    write("icon.icns", &icns(&pictures.into_iter().collect::<Result<Vec<_>>>()?))
}

fn draw(picture: &Path, size: u32) -> Result<Vec<u8>> {
    let size = size.to_string();
    let drawn = Command::new("rsvg-convert")
        .args(["--width", &size, "--height", &size])
        .arg(picture)
        .output()
        .context("cannot start rsvg-convert")?;
    if !drawn.status.success() {
        bail!(
            "cannot draw {}: {}",
            picture.display(),
            String::from_utf8_lossy(&drawn.stderr)
        );
    }
    Ok(drawn.stdout)
}

/// Windows' icon file: a header of 6 bytes, an entry of 16 for each picture, the pictures.
fn ico(pictures: &[(u32, Vec<u8>)]) -> Vec<u8> {
    const HEADER_BYTES: u32 = 6;
    const ENTRY_BYTES: u32 = 16;
    const ICON: u16 = 1;
    const PLANES: u16 = 1;
    const BITS_PER_PIXEL: u16 = 32;
    let count = pictures.len() as u16;
    let mut file = Vec::new();
    for field in [0, ICON, count] {
        file.extend_from_slice(&field.to_le_bytes());
    }
    let mut offset = HEADER_BYTES + ENTRY_BYTES * u32::from(count);
    for (size, picture) in pictures {
        // 256 is written as 0; neither a palette nor the reserved byte is used.
        let side = (*size % 256) as u8;
        file.extend_from_slice(&[side, side, 0, 0]);
        file.extend_from_slice(&PLANES.to_le_bytes());
        file.extend_from_slice(&BITS_PER_PIXEL.to_le_bytes());
        file.extend_from_slice(&(picture.len() as u32).to_le_bytes());
        file.extend_from_slice(&offset.to_le_bytes());
        offset += picture.len() as u32;
    }
    for (_, picture) in pictures {
        file.extend_from_slice(picture);
    }
    file
}

/// macOS' icon file: `icns`, the length of all, and for each picture its name and length, head included.
fn icns(pictures: &[([u8; 4], Vec<u8>)]) -> Vec<u8> {
    const HEAD_BYTES: usize = 8;
    let length = pictures
        .iter()
        .map(|(_, picture)| HEAD_BYTES + picture.len())
        .sum::<usize>()
        + HEAD_BYTES;
    let mut file = b"icns".to_vec();
    file.extend_from_slice(&(length as u32).to_be_bytes());
    for (name, picture) in pictures {
        file.extend_from_slice(name);
        file.extend_from_slice(&((HEAD_BYTES + picture.len()) as u32).to_be_bytes());
        file.extend_from_slice(picture);
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_of_an_ico_points_at_its_picture() {
        let pictures = [(16, vec![1_u8; 10]), (256, vec![2_u8; 20])];
        let file = ico(&pictures);
        assert_eq!(file[..6], [0, 0, 1, 0, 2, 0]);
        for (index, (_, picture)) in pictures.iter().enumerate() {
            let entry = &file[6 + 16 * index..][..16];
            let field = |at: usize| u32::from_le_bytes(entry[at..at + 4].try_into().expect("four bytes")) as usize;
            assert_eq!(file[field(12)..][..field(8)], picture[..]);
        }
        assert_eq!((file[6], file[22]), (16, 0), "256 is written as 0");
    }

    #[test]
    fn the_lengths_of_an_icns_add_up() {
        let file = icns(&[(*b"ic07", vec![1; 10]), (*b"ic08", vec![2; 20])]);
        assert_eq!(file[..8], [b'i', b'c', b'n', b's', 0, 0, 0, 54]);
        assert_eq!(file.len(), 54);
        assert_eq!(file[8..16], [b'i', b'c', b'0', b'7', 0, 0, 0, 18]);
        assert_eq!(file[26..34], [b'i', b'c', b'0', b'8', 0, 0, 0, 28]);
    }
}
