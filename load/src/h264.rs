//! Synthetic H.264 (ITU-T H.264, RTP payload RFC 6184): parameter sets and slice headers that a parser accepts, and
//! slices of filler that carry a stamp.

use crate::{
    options::{Options, Size},
    probe::{SLICE_HEADER_LEN, STAMP_LEN, Stamp},
};

/// The longest RTP payload. With RTP header, extensions and SRTP's tag it makes datagrams of about 1,130 bytes, as
/// browsers send them.
const MAX_PAYLOAD: usize = 1_090;

/// How many times larger a keyframe is than the others; a keyframe is what fills queues, so there must be a difference.
const KEYFRAME_FACTOR: usize = 4;

/// `nal_ref_idc` of what others refer to.
const REFERENCE: u8 = 0x60;
const NAL_SLICE: u8 = 1;
const NAL_IDR: u8 = 5;
const NAL_STAP_A: u8 = 24;
const NAL_FU_A: u8 = 28;

/// One RTP payload of a picture.
#[derive(Debug)]
pub(crate) struct Payload {
    pub(crate) bytes: Vec<u8>,
    /// The last of its picture (RFC 6184 §5.1).
    pub(crate) marker: bool,
}

/// A publisher's pictures, one after the other.
#[derive(Debug)]
pub(crate) struct Stream {
    sps: Vec<u8>,
    pps: Vec<u8>,
    picture_bytes: f64,
    /// What rounding to whole bytes left over.
    carry: f64,
    frame_num: u64,
    next_number: u32,
}

impl Stream {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            sps: sequence_parameter_set(options.size),
            pps: picture_parameter_set(),
            picture_bytes: options.bitrate as f64 / 8.0 / f64::from(options.fps),
            carry: 0.0,
            frame_num: 0,
            next_number: 0,
        }
    }

    /// The next picture's payloads, in order.
    pub(crate) fn picture(&mut self, keyframe: bool, now_unix_ns: u64) -> Vec<Payload> {
        let exact = self.picture_bytes + self.carry;
        let mut size = exact as usize;
        self.carry = exact - size as f64;
        let mut payloads = Vec::new();
        if keyframe {
            size *= KEYFRAME_FACTOR;
            self.frame_num = 0;
            payloads.push(Payload {
                bytes: aggregate(&[&self.sps, &self.pps]),
                marker: false,
            });
        }
        let header = slice_header(keyframe, self.frame_num);
        self.frame_num += 1;
        let nal_type = if keyframe { NAL_IDR } else { NAL_SLICE };

        let fragment = MAX_PAYLOAD - 2;
        // One byte more than a fragment, so that a picture is always cut in two at least: FU-A must not carry a whole
        // NAL unit (RFC 6184 §5.8).
        let mut left = size.max(fragment + 2 + SLICE_HEADER_LEN + STAMP_LEN);
        let mut begins = true;
        while left > 0 {
            // A last fragment has room for its stamp.
            let take = if left <= fragment {
                left
            } else {
                fragment.min(left - (STAMP_LEN + 1))
            };
            let ends = take == left;
            let mut bytes = Vec::with_capacity(2 + take);
            bytes.push(REFERENCE | NAL_FU_A);
            bytes.push(u8::from(begins) << 7 | u8::from(ends) << 6 | nal_type);
            if begins {
                bytes.extend_from_slice(&header);
            }
            Stamp {
                number: self.next_number,
                sent_unix_ns: now_unix_ns,
            }
            .write(&mut bytes);
            self.next_number = self.next_number.wrapping_add(1);
            bytes.resize(2 + take, 0xff);
            payloads.push(Payload { bytes, marker: ends });
            left -= take;
            begins = false;
        }
        payloads
    }
}

/// STAP-A (RFC 6184 §5.7.1).
fn aggregate(units: &[&[u8]]) -> Vec<u8> {
    let mut out = vec![REFERENCE | NAL_STAP_A];
    for unit in units {
        out.extend_from_slice(&(unit.len() as u16).to_be_bytes());
        out.extend_from_slice(unit);
    }
    out
}

/// §7.3.2.1.1, constrained baseline.
fn sequence_parameter_set(size: Size) -> Vec<u8> {
    /// 5.1, so that no size or rate that the command line accepts is above it by name.
    const LEVEL: u8 = 51;
    let (across, down) = (size.width.div_ceil(16), size.height.div_ceil(16));
    let (right, bottom) = (across * 16 - size.width, down * 16 - size.height);
    let mut bits = Bits::new(&[REFERENCE | 7, 66, 0xe0, LEVEL]);
    bits.ue(0); // seq_parameter_set_id
    bits.ue(0); // log2_max_frame_num_minus4
    bits.ue(2); // pic_order_cnt_type: output order is decoding order
    bits.ue(1); // max_num_ref_frames
    bits.u(1, 0); // gaps_in_frame_num_value_allowed_flag
    bits.ue(across - 1);
    bits.ue(down - 1);
    bits.u(1, 1); // frame_mbs_only_flag
    bits.u(1, 1); // direct_8x8_inference_flag
    let cropped = right + bottom > 0;
    bits.u(1, u32::from(cropped));
    if cropped {
        // In units of two luma samples for 4:2:0 (§7.4.2.1.1).
        for crop in [0, right / 2, 0, bottom / 2] {
            bits.ue(crop);
        }
    }
    bits.u(1, 0); // vui_parameters_present_flag
    bits.finish()
}

/// §7.3.2.2: CAVLC, one slice group, no prediction weights.
fn picture_parameter_set() -> Vec<u8> {
    let mut bits = Bits::new(&[REFERENCE | 8]);
    bits.ue(0); // pic_parameter_set_id
    bits.ue(0); // seq_parameter_set_id
    bits.u(2, 0); // entropy_coding_mode_flag, bottom_field_pic_order_in_frame_present_flag
    bits.ue(0); // num_slice_groups_minus1
    bits.ue(0); // num_ref_idx_l0_default_active_minus1
    bits.ue(0); // num_ref_idx_l1_default_active_minus1
    bits.u(3, 0); // weighted_pred_flag, weighted_bipred_idc
    bits.ue(0); // pic_init_qp_minus26, signed, as the two that follow: zero is written alike
    bits.ue(0); // pic_init_qs_minus26
    bits.ue(0); // chroma_qp_index_offset
    bits.u(3, 0); // deblocking control, constrained intra, redundant pictures
    bits.finish()
}

/// The start of §7.3.3, filled up with ones to whole bytes.
fn slice_header(keyframe: bool, frame_num: u64) -> [u8; SLICE_HEADER_LEN] {
    let mut bits = Bits::new(&[]);
    bits.ue(0); // first_mb_in_slice
    bits.ue(if keyframe { 7 } else { 5 }); // slice_type: all slices I, or all P
    bits.ue(0); // pic_parameter_set_id
    bits.u(4, (frame_num % 16) as u32);
    if keyframe {
        bits.ue(0); // idr_pic_id
    }
    while bits.used < 8 * SLICE_HEADER_LEN {
        bits.u(1, 1);
    }
    [bits.bytes[0], bits.bytes[1]]
}

/// A bit string, most significant bit first.
struct Bits {
    bytes: Vec<u8>,
    used: usize,
}

impl Bits {
    fn new(start: &[u8]) -> Self {
        Self {
            bytes: start.to_vec(),
            used: 8 * start.len(),
        }
    }

    fn u(&mut self, width: u32, value: u32) {
        for index in (0..width).rev() {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let bit = (value >> index & 1) as u8;
            if let Some(last) = self.bytes.last_mut() {
                *last |= bit << (7 - self.used % 8);
            }
            self.used += 1;
        }
    }

    /// Exp-Golomb (§9.1).
    fn ue(&mut self, value: u32) {
        let coded = value + 1;
        let width = coded.ilog2() + 1;
        self.u(width - 1, 0);
        self.u(width, coded);
    }

    /// `rbsp_trailing_bits` (§7.3.2.11).
    fn finish(mut self) -> Vec<u8> {
        self.u(1, 1);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn stream(arguments: &str) -> Stream {
        Stream::new(&Options::parse_from(
            format!("footlight-load {arguments}").split_whitespace(),
        ))
    }

    #[test]
    fn the_bitrate_is_what_was_asked_for() {
        let mut stream = stream("--bitrate 2.5M --fps 30");
        let bytes: usize = (0..300)
            .flat_map(|_| stream.picture(false, 1))
            .map(|payload| payload.bytes.len())
            .sum();
        let bits = 8 * bytes / 10;
        assert!((2_500_000..2_530_000).contains(&bits), "{bits} bit/s");
    }

    #[test]
    fn every_slice_packet_carries_the_next_number() {
        for bitrate in ["10k", "247k", "2.5M", "50M"] {
            let mut stream = stream(&format!("--bitrate {bitrate}"));
            let mut next = 0;
            for picture in 0..60 {
                let payloads = stream.picture(picture % 20 == 0, 7);
                let last = payloads.len() - 1;
                for (index, payload) in payloads.iter().enumerate() {
                    assert!(payload.bytes.len() <= MAX_PAYLOAD);
                    assert_eq!(payload.marker, index == last);
                    if payload.bytes[0] & 0x1f == NAL_STAP_A {
                        continue;
                    }
                    assert_eq!(
                        Stamp::read(&payload.bytes),
                        Some(Stamp {
                            number: next,
                            sent_unix_ns: 7
                        })
                    );
                    next += 1;
                }
            }
            assert_eq!(stream.next_number, next);
        }
    }

    #[test]
    fn parameter_sets_are_those_of_the_size() {
        // 1280×720 is 80×45 macroblocks and needs no cropping; written out by hand from §7.3.2.1.1.
        let sps = sequence_parameter_set(Size {
            width: 1280,
            height: 720,
        });
        let expected = "1 1 011 010 0 0000001010000 00000101101 1 1 0 0 1";
        let bits = sps[4..]
            .iter()
            .flat_map(|byte| (0..8).rev().map(move |index| char::from(b'0' + (byte >> index & 1))));
        let bits: String = bits.collect();
        assert_eq!(bits.trim_end_matches('0'), expected.replace(' ', ""));
        // 1080 is no multiple of 16: four luma rows pairs are cropped away.
        let cropped = sequence_parameter_set(Size {
            width: 1920,
            height: 1080,
        });
        assert!(cropped.len() > sps.len());
    }
}
