//! What openh264's safe interface has no call for: bitrate and frame rate of a running encoder, and its slices.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};

use openh264::{Error, encoder::Encoder};
use openh264_sys2::{
    ENCODER_OPTION, ENCODER_OPTION_BITRATE, ENCODER_OPTION_FRAME_RATE, ENCODER_OPTION_MAX_BITRATE,
    ENCODER_OPTION_SVC_ENCODE_PARAM_EXT, SBitrateInfo, SEncParamExt, SM_FIXEDSLCNUM_SLICE, SPATIAL_LAYER_0,
};

use super::EncoderTarget;
use crate::units::Bitrate;

/// How far above its target the encoder may go for a moment, in percent. With no room at all it stays well below the target.
const BURST_PERCENT: u64 = 150;

/// Takes a running encoder from `old` to `new`. It must have encoded a picture already: before that openh264 has nothing to change.
pub(super) fn apply(encoder: &mut Encoder, old: EncoderTarget, new: EncoderTarget) -> Result<(), Error> {
    set(encoder, ENCODER_OPTION_FRAME_RATE, &mut { new.fps })?;
    // openh264 refuses a target above its ceiling, so that the order matters.
    if new.bitrate >= old.bitrate {
        set_bitrate(encoder, ENCODER_OPTION_MAX_BITRATE, ceiling(new.bitrate))?;
        set_bitrate(encoder, ENCODER_OPTION_BITRATE, new.bitrate)
    } else {
        set_bitrate(encoder, ENCODER_OPTION_BITRATE, new.bitrate)?;
        set_bitrate(encoder, ENCODER_OPTION_MAX_BITRATE, ceiling(new.bitrate))
    }
}

/// Makes each picture of as many slices, encoded side by side by as many threads. It must have encoded a picture already;
/// the next one is a keyframe.
pub(super) fn slice(encoder: &mut Encoder, slices: u16) -> Result<(), Error> {
    let mut parameters = SEncParamExt::default();
    // SAFETY: `get_option` writes one `SEncParamExt` for this option (codec_app_def.h) through a pointer to one, which it does
    // not keep.
    let code = unsafe {
        encoder.raw_api().get_option(
            ENCODER_OPTION_SVC_ENCODE_PARAM_EXT,
            std::ptr::from_mut(&mut parameters).cast::<c_void>(),
        )
    };
    check(ENCODER_OPTION_SVC_ENCODE_PARAM_EXT, code)?;
    parameters.iMultipleThreadIdc = slices;
    let layout = &mut parameters.sSpatialLayers[0].sSliceArgument;
    layout.uiSliceMode = SM_FIXEDSLCNUM_SLICE;
    layout.uiSliceNum = slices.into();
    set(encoder, ENCODER_OPTION_SVC_ENCODE_PARAM_EXT, &mut parameters)
}

fn ceiling(target: Bitrate) -> Bitrate {
    Bitrate::from_bps(u32::try_from(u64::from(target.bps()) * BURST_PERCENT / 100).unwrap_or(u32::MAX))
}

fn set_bitrate(encoder: &mut Encoder, option: ENCODER_OPTION, bitrate: Bitrate) -> Result<(), Error> {
    let bits = c_int::try_from(bitrate.bps()).unwrap_or(c_int::MAX);
    set(
        encoder,
        option,
        &mut SBitrateInfo {
            iLayer: SPATIAL_LAYER_0,
            iBitrate: bits,
        },
    )
}

fn set<T>(encoder: &mut Encoder, option: ENCODER_OPTION, value: &mut T) -> Result<(), Error> {
    // SAFETY: `raw_api` asks not to change what the safe encoder relies on; it keeps no copy of bitrate or frame rate that it would act
    // on. `set_option` reads, through the pointer and during the call only, one value of the type that belongs to the option
    // (codec_app_def.h): f32 for FRAME_RATE, SBitrateInfo for BITRATE and MAX_BITRATE, SEncParamExt for SVC_ENCODE_PARAM_EXT. The
    // callers above pass exactly those.
    let code = unsafe {
        encoder
            .raw_api()
            .set_option(option, std::ptr::from_mut(value).cast::<c_void>())
    };
    check(option, code)
}

fn check(option: ENCODER_OPTION, code: c_int) -> Result<(), Error> {
    if code == 0 {
        Ok(())
    } else {
        Err(Error::msg_string(format!(
            "option {option} was refused with code {code}"
        )))
    }
}
