//! One pixel format each, to I420 of the same size, by the SIMD routines of `yuv`.
//!
//! An odd side of the source is longer than that of the [`Frame`] by one; that row or column is left out.

use yuv::{
    BufferStoreMut, YuvConversionMode, YuvError, YuvPackedImage, YuvPlanarImageMut, YuvRange, YuvStandardMatrix,
    rgba_to_yuv420, uyvy422_to_yuv422, yuyv422_to_yuv422,
};

use super::ConvertError;
use crate::{units::Resolution, video::frame::Frame};

/// Planes that a conversion needs on its way, kept from picture to picture.
pub(super) type Scratch = Vec<u8>;

fn check_length(data: &[u8], needed: usize) -> Result<(), ConvertError> {
    if data.len() < needed {
        Err(ConvertError::Short {
            got: data.len(),
            needed,
        })
    } else {
        Ok(())
    }
}

fn refused(error: &YuvError) -> ConvertError {
    ConvertError::Conversion(error.to_string())
}

fn borrowed(plane: &mut [u8]) -> BufferStoreMut<'_, u8> {
    BufferStoreMut::Borrowed(plane)
}

/// Two rows at a time: they are taken apart to planar 4:2:2, and their chroma is averaged while it is still in the
/// cache. `yuv` can go to 4:2:0 in one step, but takes the chroma of one row and drops that of the other, which tears
/// coloured edges.
pub(super) fn yuyv(data: &[u8], size: Resolution, out: &mut Frame, scratch: &mut Scratch) -> Result<(), ConvertError> {
    let stride = size.width as usize * 2;
    check_length(data, stride * size.height as usize)?;
    let width = out.width();
    let half = width / 2;
    scratch.resize(4 * half, 0);
    let (u_pair, v_pair) = scratch.split_at_mut(2 * half);
    let luma = out.y.chunks_exact_mut(2 * width);
    let chroma = out.u.chunks_exact_mut(half).zip(out.v.chunks_exact_mut(half));
    for ((rows, luma), (u, v)) in data.chunks_exact(2 * stride).zip(luma).zip(chroma) {
        let packed = YuvPackedImage {
            yuy: rows,
            yuy_stride: stride as u32,
            width: width as u32,
            height: 2,
        };
        let mut planar = YuvPlanarImageMut {
            y_plane: borrowed(luma),
            y_stride: width as u32,
            u_plane: borrowed(u_pair),
            u_stride: half as u32,
            v_plane: borrowed(v_pair),
            v_stride: half as u32,
            width: width as u32,
            height: 2,
        };
        yuyv422_to_yuv422(&mut planar, &packed).map_err(|error| refused(&error))?;
        average(u_pair, u);
        average(v_pair, v);
    }
    Ok(())
}

/// The mean of the two rows that `pair` holds one after the other.
fn average(pair: &[u8], out: &mut [u8]) {
    let (upper, lower) = pair.split_at(out.len());
    for ((upper, lower), out) in upper.iter().zip(lower).zip(out) {
        *out = upper.midpoint(*lower);
    }
}

/// Luma is copied. For the chroma `yuv` has no routine that only takes pairs apart, but U V U V is laid out like the
/// packed formats that it does take apart: read as YUYV, all U stand where luma is; read as UYVY, all V do. What it makes
/// of the other half is not looked at. Even so it is three times as fast as a loop over the pairs.
pub(super) fn nv12(data: &[u8], size: Resolution, out: &mut Frame, scratch: &mut Scratch) -> Result<(), ConvertError> {
    let (width, height) = (size.width as usize, size.height as usize);
    let luma = width * height;
    check_length(data, luma + luma / 2)?;
    let (out_width, out_height) = (out.width(), out.height());
    for (from, to) in data[..luma].chunks_exact(width).zip(out.y.chunks_exact_mut(out_width)) {
        to.copy_from_slice(&from[..out_width]);
    }
    let (half, rows) = (out_width / 2, out_height / 2);
    let interleaved = &data[luma..][..width * rows];
    // A packed format knows no odd width, so that the last of an odd number of pairs is left for afterwards.
    let (even, quarter) = (half & !1, half / 2);
    scratch.resize(2 * quarter * rows, 0);
    let (unused_first, unused_second) = scratch.split_at_mut(quarter * rows);
    let packed = YuvPackedImage {
        yuy: interleaved,
        yuy_stride: width as u32,
        width: even as u32,
        height: rows as u32,
    };
    for (plane, take_apart) in [
        (&mut out.u, yuyv422_to_yuv422 as TakeApart),
        (&mut out.v, uyvy422_to_yuv422 as TakeApart),
    ] {
        if even == 0 {
            break;
        }
        let mut planar = YuvPlanarImageMut {
            y_plane: borrowed(plane),
            y_stride: half as u32,
            u_plane: borrowed(unused_first),
            u_stride: quarter as u32,
            v_plane: borrowed(unused_second),
            v_stride: quarter as u32,
            width: even as u32,
            height: rows as u32,
        };
        take_apart(&mut planar, &packed).map_err(|error| refused(&error))?;
    }
    if even < half {
        let planes = out.u.chunks_exact_mut(half).zip(out.v.chunks_exact_mut(half));
        for (from, (u, v)) in interleaved.chunks_exact(width).zip(planes) {
            (u[even], v[even]) = (from[2 * even], from[2 * even + 1]);
        }
    }
    Ok(())
}

type TakeApart = fn(&mut YuvPlanarImageMut<'_, u8>, &YuvPackedImage<'_, u8>) -> Result<(), YuvError>;

/// Four bytes a pixel: red, green, blue and one that is not looked at.
pub(super) fn rgba(data: &[u8], size: Resolution, out: &mut Frame) -> Result<(), ConvertError> {
    let stride = size.width * 4;
    check_length(data, stride as usize * size.height as usize)?;
    let used = &data[..stride as usize * out.height()];
    let Resolution { width, height } = out.size();
    let mut planar = YuvPlanarImageMut {
        y_plane: borrowed(&mut out.y),
        y_stride: width,
        u_plane: borrowed(&mut out.u),
        u_stride: width / 2,
        v_plane: borrowed(&mut out.v),
        v_stride: width / 2,
        width,
        height,
    };
    rgba_to_yuv420(
        &mut planar,
        used,
        stride,
        YuvRange::Limited,
        YuvStandardMatrix::Bt601,
        YuvConversionMode::Balanced,
    )
    .map_err(|error| refused(&error))
}
