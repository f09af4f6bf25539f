//! How large a picture is: read from the first packet of its keyframe, without decoding.
//!
//! A wrong size makes a viewer's tile sharper or softer than it could be, and no more: what makes no sense has none.

use str0m::format::Codec;

use crate::keyframe::{nal, vp8_frame};

/// The longest side of a picture that is believed, in pixels: twice that of 8K.
const LONGEST_SIDE: u32 = 16_384;

/// Of a picture, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) width: u32,
    pub(crate) height: u32,
}

impl Size {
    pub(crate) fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

/// The size of the picture that a keyframe starts, where its first packet says.
pub(crate) fn picture_size(codec: Codec, payload: &[u8]) -> Option<Size> {
    let size = match codec {
        Codec::Vp8 => vp8(payload),
        Codec::H264 => h264(payload),
        Codec::Vp9 => vp9(payload),
        Codec::Av1 => av1(payload),
        _ => None,
    };
    let is_side = |side| (1..=LONGEST_SIDE).contains(&side);
    size.filter(|size| is_side(size.width) && is_side(size.height))
}

/// RFC 6386 §9.1: after the frame tag and the start code, two times 14 bits.
fn vp8(payload: &[u8]) -> Option<Size> {
    match vp8_frame(payload)? {
        [tag, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1, ..] if tag & 0x01 == 0 => {
            let of = |low: u8, high: u8| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
            Some(Size {
                width: of(*w0, *w1),
                height: of(*h0, *h1),
            })
        }
        _ => None,
    }
}

fn h264(payload: &[u8]) -> Option<Size> {
    let sps = match payload {
        [indicator, rest @ ..] if indicator & 0x1f == nal::STAP_A => {
            let mut rest = rest;
            loop {
                let (size, tail) = rest.split_first_chunk()?;
                let (unit, after) = tail.split_at_checked(usize::from(u16::from_be_bytes(*size)))?;
                match unit {
                    [header, sps @ ..] if header & 0x1f == nal::SPS => break sps,
                    _ => rest = after,
                }
            }
        }
        [header, sps @ ..] if header & 0x1f == nal::SPS => sps,
        _ => return None,
    };
    sequence_parameters(sps)
}

/// How much of a sequence parameter set is read, in bytes: behind eight scaling lists, sizes come within it.
const MAX_SPS: usize = 512;

/// Profiles whose parameter sets say more of colours (ITU-T H.264 §7.3.2.1.1).
const HIGH_PROFILES: [u8; 12] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134];

/// 4:4:4 (ITU-T H.264 table 6-1).
const FULL_CHROMA: u32 = 3;

/// ITU-T H.264 §7.3.2.1.1, up to the size. It counts in macroblocks, and what is cut off at the edges is not looked at.
fn sequence_parameters(sps: &[u8]) -> Option<Size> {
    let [profile, _, _, rest @ ..] = sps else { return None };
    // Emulation prevention (§7.4.1.1).
    let mut bytes = Vec::with_capacity(rest.len().min(MAX_SPS));
    for &byte in rest.iter().take(MAX_SPS) {
        if !(byte == 3 && bytes.ends_with(&[0, 0])) {
            bytes.push(byte);
        }
    }
    let mut bits = Bits { bytes: &bytes, at: 0 };
    bits.exp_golomb()?; // seq_parameter_set_id
    if HIGH_PROFILES.contains(profile) {
        skip_colours(&mut bits)?;
    }
    bits.exp_golomb()?; // log2_max_frame_num_minus4
    match bits.exp_golomb()? {
        0 => drop(bits.exp_golomb()?), // log2_max_pic_order_cnt_lsb_minus4
        1 => {
            bits.bit()?;
            bits.exp_golomb()?;
            bits.exp_golomb()?;
            for _ in 0..bits.exp_golomb()?.min(255) {
                bits.exp_golomb()?;
            }
        }
        _ => {}
    }
    bits.exp_golomb()?; // max_num_ref_frames
    bits.bit()?; // gaps_in_frame_num_value_allowed_flag
    let mut macroblocks = || bits.exp_golomb()?.checked_add(1)?.checked_mul(16);
    let (width, height) = (macroblocks()?, macroblocks()?);
    // frame_mbs_only_flag: fields have half the lines of a picture.
    let fields = 2 - bits.bit()?;
    Some(Size {
        width,
        height: height.checked_mul(fields)?,
    })
}

/// The number that `bytes` begin with (`ue(v)`, ITU-T H.264 §9.1).
pub(crate) fn first_number(bytes: &[u8]) -> Option<u32> {
    Bits { bytes, at: 0 }.exp_golomb()
}

/// What only high profiles say, from `chroma_format_idc` to the scaling lists.
fn skip_colours(bits: &mut Bits<'_>) -> Option<()> {
    let chroma = bits.exp_golomb()?;
    if chroma == FULL_CHROMA {
        bits.bit()?; // separate_colour_plane_flag
    }
    bits.exp_golomb()?; // bit_depth_luma_minus8
    bits.exp_golomb()?; // bit_depth_chroma_minus8
    bits.bit()?; // qpprime_y_zero_transform_bypass_flag
    let has_lists = bits.bit()? == 1;
    let lists = if chroma == FULL_CHROMA { 12 } else { 8 };
    for list in (0..lists).filter(|_| has_lists) {
        if bits.bit()? == 1 {
            skip_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
        }
    }
    Some(())
}

/// ITU-T H.264 §7.3.2.1.1.1.
fn skip_scaling_list(bits: &mut Bits<'_>, size: usize) -> Option<()> {
    let (mut last, mut next) = (8, 8);
    for _ in 0..size {
        if next != 0 {
            next = (last + bits.signed_exp_golomb()?).rem_euclid(256);
        }
        last = if next == 0 { last } else { next };
    }
    Some(())
}

/// The largest layer's size of the scalability structure (RFC 9628 §4.2.1) where there is one, else the frame's own.
fn vp9(payload: &[u8]) -> Option<Size> {
    let mut bits = Bits { bytes: payload, at: 0 };
    let [has_id, is_predicted, has_layers, is_flexible, _, _, has_structure, _] = bits.flags()?;
    if has_id && bits.bit()? == 1 {
        bits.skip(15)?;
    } else if has_id {
        bits.skip(7)?;
    }
    if has_layers {
        bits.skip(if is_flexible { 8 } else { 16 })?;
    }
    if is_flexible && is_predicted {
        return None;
    }
    if !has_structure {
        return vp9_frame(bits);
    }
    let layers = bits.number(3)? + 1;
    let has_sizes = bits.bit()? == 1;
    let has_pictures = bits.bit()? == 1;
    bits.skip(3)?;
    if has_sizes {
        bits.skip(32 * (layers as usize - 1))?;
        return Some(Size {
            width: bits.number(16)?,
            height: bits.number(16)?,
        });
    }
    if has_pictures {
        for _ in 0..bits.number(8)? {
            bits.skip(4)?;
            let references = bits.number(2)?;
            bits.skip(2 + 8 * references as usize)?;
        }
    }
    vp9_frame(bits)
}

/// The uncompressed header of a keyframe (VP9 bitstream specification, §6.2).
fn vp9_frame(mut bits: Bits<'_>) -> Option<Size> {
    const SYNC_CODE: u32 = 0x49_8342;
    const SRGB: u32 = 7;
    let marker = bits.number(2)?;
    let profile = bits.bit()? | bits.bit()? << 1;
    if profile == 3 {
        bits.bit()?;
    }
    let (shows_existing, is_inter) = (bits.bit()?, bits.bit()?);
    bits.skip(2)?; // show_frame, error_resilient_mode
    if (marker, shows_existing, is_inter) != (2, 0, 0) || bits.number(24)? != SYNC_CODE {
        return None;
    }
    if profile >= 2 {
        bits.bit()?; // ten_or_twelve_bit
    }
    let has_subsampling = profile == 1 || profile == 3;
    if bits.number(3)? == SRGB {
        bits.skip(usize::from(has_subsampling))?;
    } else {
        bits.skip(if has_subsampling { 4 } else { 1 })?;
    }
    Some(Size {
        width: bits.number(16)? + 1,
        height: bits.number(16)? + 1,
    })
}

/// The sequence header, where it is the first that comes (AV1 RTP specification §4.4: that of a new coded video sequence is).
fn av1(payload: &[u8]) -> Option<Size> {
    const SEQUENCE_HEADER: u32 = 1;
    let mut bits = Bits { bytes: payload, at: 0 };
    let is_continued = bits.bit()? == 1;
    bits.bit()?;
    let elements = bits.number(2)?;
    bits.skip(4)?;
    if is_continued {
        return None;
    }
    // The length of an element is left out where it is the last (§4.4).
    if elements != 1 {
        bits.leb128()?;
    }
    bits.bit()?;
    let is_sequence = bits.number(4)? == SEQUENCE_HEADER;
    let (has_extension, has_length) = (bits.bit()? == 1, bits.bit()? == 1);
    bits.bit()?;
    if has_extension {
        bits.skip(8)?;
    }
    if has_length {
        bits.leb128()?;
    }
    is_sequence.then(|| sequence_header(&mut bits)).flatten()
}

/// AV1 bitstream specification §5.5.1, up to the size.
fn sequence_header(bits: &mut Bits<'_>) -> Option<Size> {
    bits.skip(4)?; // seq_profile, still_picture
    if bits.bit()? == 1 {
        bits.skip(5)?; // seq_level_idx of a picture by itself
    } else {
        skip_operating_points(bits)?;
    }
    let (width, height) = (bits.number(4)? as usize + 1, bits.number(4)? as usize + 1);
    Some(Size {
        width: bits.number(width)? + 1,
        height: bits.number(height)? + 1,
    })
}

/// AV1 bitstream specification §5.5.1, from `timing_info_present_flag` to the last operating point.
fn skip_operating_points(bits: &mut Bits<'_>) -> Option<()> {
    let mut delay_length = None;
    if bits.bit()? == 1 {
        bits.skip(64)?; // num_units_in_display_tick, time_scale
        if bits.bit()? == 1 {
            bits.exp_golomb()?; // num_ticks_per_picture_minus_1: its `uvlc` is the same
        }
        if bits.bit()? == 1 {
            delay_length = Some(bits.number(5)? as usize + 1);
            bits.skip(32 + 5 + 5)?;
        }
    }
    let has_display_delay = bits.bit()? == 1;
    for _ in 0..=bits.number(5)? {
        bits.skip(12)?; // operating_point_idc
        if bits.number(5)? > 7 {
            bits.bit()?; // seq_tier
        }
        if let Some(length) = delay_length
            && bits.bit()? == 1
        {
            bits.skip(2 * length + 1)?;
        }
        if has_display_delay && bits.bit()? == 1 {
            bits.skip(4)?;
        }
    }
    Some(())
}

/// Bits, the highest of a byte first.
#[derive(Debug, Clone, Copy)]
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn bit(&mut self) -> Option<u32> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(u32::from(bit))
    }

    fn flags(&mut self) -> Option<[bool; 8]> {
        let byte = self.number(8)?;
        Some(std::array::from_fn(|at| byte >> (7 - at) & 1 == 1))
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.at += count;
        (self.at <= self.bytes.len() * 8).then_some(())
    }

    /// Of `length` bits, 32 at the most.
    fn number(&mut self, length: usize) -> Option<u32> {
        let mut value = 0;
        for _ in 0..length {
            value = value << 1 | self.bit()?;
        }
        Some(value)
    }

    /// `ue(v)`, ITU-T H.264 §9.1.
    fn exp_golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1 << zeros | self.number(zeros)?) - 1)
    }

    /// `se(v)`, ITU-T H.264 §9.1.1.
    fn signed_exp_golomb(&mut self) -> Option<i64> {
        let code = i64::from(self.exp_golomb()?);
        Some(if code % 2 == 0 { -code / 2 } else { code / 2 + 1 })
    }

    /// AV1 bitstream specification §4.10.5.
    fn leb128(&mut self) -> Option<()> {
        for _ in 0..8 {
            let goes_on = self.bit()? == 1;
            self.skip(7)?;
            if !goes_on {
                return Some(());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn size(width: u32, height: u32) -> Size {
        Size { width, height }
    }

    #[test]
    fn the_size_of_a_picture_is_read_from_its_keyframe() {
        // 640 by 360.
        let vp8 = [0x10, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01, 0];
        assert_eq!(picture_size(Codec::Vp8, &vp8), Some(size(640, 360)));
        assert_eq!(
            picture_size(
                Codec::Vp8,
                &[0x10, 0x11, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01]
            ),
            None
        );
        // Constrained baseline, 1280 by 720, as openh264 and browsers write it.
        let sps = [0x67, 0x42, 0xc0, 0x1f, 0x8c, 0x8d, 0x40, 0x28, 0x02, 0xdd, 0x80];
        assert_eq!(picture_size(Codec::H264, &sps), Some(size(1280, 720)));
        let mut packed = vec![0x78, 0, sps.len() as u8];
        packed.extend_from_slice(&sps);
        packed.extend_from_slice(&[0, 2, 0x68, 0xce]);
        assert_eq!(picture_size(Codec::H264, &packed), Some(size(1280, 720)));
        assert_eq!(picture_size(Codec::H264, &[0x65, 1, 2]), None);
    }

    /// The beginnings of what Chromium and x264 make of pictures of 640 by 360 and 1280 by 720.
    #[test]
    fn the_size_is_read_from_whatever_encoders_write() {
        let high = [
            0x67, 0x64, 0x0c, 0x1e, 0xac, 0x19, 0x1a, 0x80, 0xa0, 0x2f, 0xf9, 0x66, 0xe0,
        ];
        // In macroblocks.
        assert_eq!(picture_size(Codec::H264, &high), Some(size(640, 368)));
        let high = [
            0x67, 0x64, 0x00, 0x1f, 0xac, 0xd9, 0x40, 0x50, 0x05, 0xbb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10,
        ];
        assert_eq!(picture_size(Codec::H264, &high), Some(size(1280, 720)));

        let vp9 = [0x82, 0x49, 0x83, 0x42, 0x50, 0x27, 0xf0, 0x16, 0x76, 0x1e];
        let vp9_of_profile_1 = [0xa2, 0x49, 0x83, 0x42, 0x50, 0x04, 0xfe, 0x02, 0xce, 0xc3];
        let structure = [0x30, 0x01, 0x40, 0x00, 0xb4, 0x02, 0x80, 0x01, 0x68];
        let pictures = [0x08, 2, 0x04, 1, 0x00];
        for (descriptor, frame) in [
            (&[0x08][..], &vp9[..]),
            (&[0x08], &vp9_of_profile_1),
            (&[0x88, 0x05], &vp9),
            (&[0xa8, 0x85, 0x05, 0x00, 0x01], &vp9),
            (&[0xb8, 0x85, 0x05, 0x00], &vp9),
            (&[&[0x8a, 0x85, 0x05][..], &structure].concat(), &[]),
            (&[&[0x0a][..], &pictures].concat(), &vp9),
        ] {
            let payload = [descriptor, frame].concat();
            assert_eq!(
                picture_size(Codec::Vp9, &payload),
                Some(size(640, 360)),
                "{descriptor:02x?}"
            );
        }
        assert_eq!(picture_size(Codec::Vp9, &[0x48, 0x86, 0x49, 0x83, 0x42]), None);

        let sequence = [0x00, 0x00, 0x00, 0x0c, 0xc4, 0xff, 0x67, 0x00, 0x68];
        for header in [
            &[0x18, 0x08][..],
            &[0x18, 0x0a, 0x09],
            &[0x08, 0x0a, 0x08],
            &[0x28, 0x0b, 0x0c, 0x00],
        ] {
            let payload = [header, &sequence].concat();
            assert_eq!(
                picture_size(Codec::Av1, &payload),
                Some(size(640, 360)),
                "{header:02x?}"
            );
        }
        assert_eq!(picture_size(Codec::Av1, &[0x98, 0x08, 0, 0, 0, 0x0c]), None);
    }

    #[test]
    fn a_picture_without_end_is_not_believed() {
        // Sides of 2³² and more, in macroblocks.
        let sps = [
            0x67, 0x42, 0xc0, 0x1f, 0xf1, 0x00, 0x00, 0x00, 0x01, 0xff, 0xff, 0xff, 0xff,
        ];
        assert_eq!(picture_size(Codec::H264, &sps), None);
        let vp8 = [0x10, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 0, 0, 0x68, 0x01, 0];
        assert_eq!(picture_size(Codec::Vp8, &vp8), None, "no pixel at all");
    }

    proptest! {
        #[test]
        fn no_payload_panics(payload in proptest::collection::vec(any::<u8>(), 0..64)) {
            for codec in [Codec::H264, Codec::Vp8, Codec::Vp9, Codec::Av1, Codec::Opus] {
                let size = picture_size(codec, &payload);
                prop_assert!(size.is_none_or(|size| size.pixels() <= u64::from(LONGEST_SIDE).pow(2)));
            }
        }
    }
}
