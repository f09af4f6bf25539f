//! One picture in several sizes at once (RFC 8853): which, and what each may fill.

use crate::units::{Bitrate, Resolution};

/// Most layers: what browsers send, and what servers look for.
pub(crate) const MOST_LAYERS: usize = 3;

/// No layer is smaller than this on its shorter side, in pixels: half of a picture of 270 lines, as in browsers, made even.
const SHORTEST_SIDE: u32 = 134;

/// Shares of the bitrate, the largest picture first. Each layer has a quarter of the pixels of the one before; smaller pictures
/// need more bits for each pixel.
const SHARES: [&[u32]; MOST_LAYERS] = [&[100], &[76, 24], &[71, 22, 7]];

/// The sizes that a picture of `full` size is sent in, that one first. Each has half the sides of the one before.
pub(crate) fn sizes(full: Resolution) -> Vec<Resolution> {
    let full = full.even();
    let halves = std::iter::successors(Some(full), |size| {
        Some(Resolution::new(size.width / 2, size.height / 2).even())
    });
    halves
        .take(MOST_LAYERS)
        .enumerate()
        .take_while(|(layer, size)| *layer == 0 || size.width.min(size.height) >= SHORTEST_SIDE)
        .map(|(_, size)| size)
        .collect()
}

/// What each of so many layers may fill of `available`, where all together may fill `ceiling`: the smallest gets its share first, so
/// that layers fail from the top.
pub(crate) fn bitrates(available: Bitrate, ceiling: Bitrate, layers: usize) -> Vec<Bitrate> {
    let Some(shares) = SHARES.get(layers.wrapping_sub(1)) else {
        return Vec::new();
    };
    let mut rest = available.bps();
    let mut bitrates: Vec<_> = shares
        .iter()
        .rev()
        .map(|percent| {
            let most = u64::from(ceiling.bps()) * u64::from(*percent) / 100;
            let given = rest.min(u32::try_from(most).unwrap_or(u32::MAX));
            rest -= given;
            Bitrate::from_bps(given)
        })
        .collect();
    bitrates.reverse();
    bitrates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_layer_has_half_the_sides_and_none_is_too_small_to_be_of_use() {
        let heights = |width, height| {
            let sizes = sizes(Resolution::new(width, height));
            sizes.into_iter().map(|size| size.height).collect::<Vec<_>>()
        };
        assert_eq!(heights(1280, 720), [720, 360, 180]);
        assert_eq!(heights(1920, 1080), [1080, 540, 270]);
        assert_eq!(heights(960, 540), [540, 270, 134]);
        assert_eq!(heights(640, 360), [360, 180]);
        assert_eq!(heights(320, 180), [180]);
        assert_eq!(heights(720, 1280), [1280, 640, 320], "an upright picture");
        assert_eq!(heights(96, 96), [96]);
    }

    #[test]
    fn the_smallest_gets_its_share_first() {
        let kbps = |available| {
            let bitrates = bitrates(Bitrate::from_kbps(available), Bitrate::from_kbps(2_500), 3);
            bitrates
                .into_iter()
                .map(|bitrate| bitrate.bps() / 1000)
                .collect::<Vec<_>>()
        };
        assert_eq!(kbps(2_500), [1_775, 550, 175]);
        assert_eq!(kbps(9_000), [1_775, 550, 175], "nobody gets more than the whole allows");
        assert_eq!(kbps(1_000), [275, 550, 175]);
        assert_eq!(kbps(300), [0, 125, 175]);
        assert_eq!(kbps(100), [0, 0, 100]);
        assert_eq!(
            bitrates(Bitrate::from_kbps(500), Bitrate::from_kbps(500), 1),
            [Bitrate::from_kbps(500)]
        );
    }
}
