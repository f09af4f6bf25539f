//! What cameras and screens deliver, turned into I420 of the wanted size, without a detour through RGB where the source is YUV.

mod unpack;

use fast_image_resize::{
    FilterType, ResizeAlg, ResizeOptions, Resizer,
    images::{TypedCroppedImageMut, TypedImage, TypedImageRef},
    pixels::U8,
};
use turbojpeg::{Decompressor, Subsamp, YuvImage};

use super::{frame::Frame, jpeg};
use crate::{devices::PixelFormat, units::Resolution};

/// Why a picture could not be used. The next one may be fine.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// The driver delivered less than a picture.
    #[error("the picture is cut off: {got} of {needed} bytes")]
    Short {
        /// Bytes that came.
        got: usize,
        /// Bytes of a whole picture.
        needed: usize,
    },
    /// The picture is not valid JPEG of the announced size, or of a chroma layout that no camera uses.
    #[error("the camera's JPEG cannot be decoded: {0}")]
    Jpeg(String),
    /// The scaler or the colour library refused.
    #[error("the picture cannot be converted: {0}")]
    Conversion(String),
}

/// Converts and scales; keeps its buffers from picture to picture.
#[derive(Default)]
pub struct Converter {
    jpeg: Option<Decompressor>,
    jpeg_planes: Vec<u8>,
    scratch: unpack::Scratch,
    unscaled: Option<Frame>,
    resizer: Resizer,
}

impl std::fmt::Debug for Converter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Converter").finish_non_exhaustive()
    }
}

impl Converter {
    /// Converts a camera's picture of `size` into `out`, scaled to fit with black bars where the aspect differs.
    pub fn convert(
        &mut self,
        format: PixelFormat,
        data: &[u8],
        size: Resolution,
        out: &mut Frame,
    ) -> Result<(), ConvertError> {
        self.fit(size, out, |this, frame| this.unpack(format, data, size, frame))
    }

    /// The same for four bytes a pixel: red, green, blue and one that is not looked at.
    pub fn convert_rgba(&mut self, data: &[u8], size: Resolution, out: &mut Frame) -> Result<(), ConvertError> {
        self.fit(size, out, |_, frame| unpack::rgba(data, size, frame))
    }

    fn fit(
        &mut self,
        size: Resolution,
        out: &mut Frame,
        unpack: impl FnOnce(&mut Self, &mut Frame) -> Result<(), ConvertError>,
    ) -> Result<(), ConvertError> {
        if size == out.size() {
            return unpack(self, out);
        }
        let mut unscaled = self
            .unscaled
            .take()
            .filter(|frame| frame.size() == size.even())
            .unwrap_or_else(|| Frame::black(size));
        let result = unpack(self, &mut unscaled).and_then(|()| self.scale(&unscaled, out));
        self.unscaled = Some(unscaled);
        result
    }

    fn unpack(
        &mut self,
        format: PixelFormat,
        data: &[u8],
        size: Resolution,
        out: &mut Frame,
    ) -> Result<(), ConvertError> {
        match format {
            PixelFormat::Yuyv => unpack::yuyv(data, size, out, &mut self.scratch),
            PixelFormat::Nv12 => unpack::nv12(data, size, out, &mut self.scratch),
            PixelFormat::Mjpeg => self.unpack_jpeg(data, size, out),
        }
    }

    fn unpack_jpeg(&mut self, data: &[u8], size: Resolution, out: &mut Frame) -> Result<(), ConvertError> {
        let failed = |error: turbojpeg::Error| ConvertError::Jpeg(error.to_string());
        let data = jpeg::trim(data).ok_or_else(|| ConvertError::Jpeg("it is cut off".into()))?;
        let jpeg = match self.jpeg.take() {
            Some(jpeg) => self.jpeg.insert(jpeg),
            None => self.jpeg.insert(Decompressor::new().map_err(failed)?),
        };
        let header = jpeg.read_header(data).map_err(failed)?;
        let (width, height) = (size.width as usize, size.height as usize);
        if (header.width, header.height) != (width, height) {
            return Err(ConvertError::Jpeg(format!(
                "it is {}x{}, not {size}",
                header.width, header.height
            )));
        }
        let subsamp = header.subsamp;
        if !matches!(subsamp, Subsamp::Sub2x2 | Subsamp::Sub2x1 | Subsamp::None) {
            return Err(ConvertError::Jpeg(format!(
                "its chroma layout {subsamp:?} is not supported"
            )));
        }
        // An odd side is rounded up to whole chroma samples, in the luma as well.
        let layout = YuvImage {
            pixels: (),
            width,
            align: 1,
            height,
            subsamp,
        };
        let (luma_width, luma_height) = layout.y_size();
        let (chroma_width, chroma_height) = layout.uv_size();
        let (luma, chroma) = (luma_width * luma_height, chroma_width * chroma_height);
        self.jpeg_planes.resize(luma + 2 * chroma, 0);
        let planes = YuvImage {
            pixels: &mut self.jpeg_planes[..],
            width,
            align: 1,
            height,
            subsamp,
        };
        jpeg.decompress_to_yuv(data, planes).map_err(failed)?;
        let (y, rest) = self.jpeg_planes.split_at(luma);
        let (u, v) = rest.split_at(chroma);
        let out_width = out.width();
        for (from, to) in y.chunks_exact(luma_width).zip(out.y.chunks_exact_mut(out_width)) {
            // JPEG is full range (JFIF), the encoder is told limited range.
            from.iter().zip(to).for_each(|(from, to)| *to = limited_luma(*from));
        }
        let subsampling = (subsamp.width(), subsamp.height());
        for (from, to) in [(u, &mut out.u), (v, &mut out.v)] {
            reduce_chroma(from, (chroma_width, chroma_height), subsampling, to, out_width / 2);
        }
        Ok(())
    }

    /// Scales `from` into `to`: as large as it fits, with black around it.
    pub(crate) fn scale(&mut self, from: &Frame, to: &mut Frame) -> Result<(), ConvertError> {
        let (from_size, to_size) = (from.size(), to.size());
        let target = fitted(from_size, to_size);
        let (left, top) = (
            ((to_size.width - target.width) / 2) & !1,
            ((to_size.height - target.height) / 2) & !1,
        );
        if target != to_size {
            to.clear();
        }
        self.resize(from, to, (left, top), target)
    }

    /// Scales `from` to the whole of `to`, and takes over what else is known of it.
    pub(crate) fn shrink(&mut self, from: &Frame, to: &mut Frame) -> Result<(), ConvertError> {
        (to.capture, to.content, to.rotation) = (from.capture, from.content, from.rotation);
        let size = to.size();
        self.resize(from, to, (0, 0), size)
    }

    /// Scales `from` into a window of `to`, whose corner and size are even.
    fn resize(
        &mut self,
        from: &Frame,
        to: &mut Frame,
        (left, top): (u32, u32),
        target: Resolution,
    ) -> Result<(), ConvertError> {
        let (from_size, to_size) = (from.size(), to.size());
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        let planes = [
            (&from.y, &mut to.y, 1),
            (&from.u, &mut to.u, 2),
            (&from.v, &mut to.v, 2),
        ];
        for (source, sink, divisor) in planes {
            let refused = |error: &dyn std::fmt::Display| ConvertError::Conversion(error.to_string());
            // By type, since the untyped way compiles the code for every kind of pixel into this crate: half a minute.
            let source =
                TypedImageRef::<U8>::from_buffer(from_size.width / divisor, from_size.height / divisor, source);
            let sink = TypedImage::<U8>::from_buffer(to_size.width / divisor, to_size.height / divisor, sink);
            let (source, mut sink) = (
                source.map_err(|error| refused(&error))?,
                sink.map_err(|error| refused(&error))?,
            );
            let (width, height) = (target.width / divisor, target.height / divisor);
            let mut window = TypedCroppedImageMut::from_ref(&mut sink, left / divisor, top / divisor, width, height)
                .map_err(|error| refused(&error))?;
            self.resizer
                .resize_typed(&source, &mut window, &options)
                .map_err(|error| refused(&error))?;
        }
        Ok(())
    }
}

/// The largest size with the aspect of `from` that fits into `into`; both sides even.
pub(crate) fn fitted(from: Resolution, into: Resolution) -> Resolution {
    let (from_width, from_height) = (u64::from(from.width.max(1)), u64::from(from.height.max(1)));
    let (width, height) = (u64::from(into.width), u64::from(into.height));
    let size = if from_width * height > width * from_height {
        Resolution::new(into.width, (width * from_height / from_width) as u32)
    } else {
        Resolution::new((height * from_width / from_height) as u32, into.height)
    };
    Resolution::new(size.width.max(2), size.height.max(2)).even()
}

/// Averages a JPEG's chroma plane down to 4:2:0 and takes it to limited range.
fn reduce_chroma(from: &[u8], size: (usize, usize), subsampling: (usize, usize), to: &mut [u8], to_width: usize) {
    let (width, height) = size;
    let (step_x, step_y) = (2 / subsampling.0, 2 / subsampling.1);
    for (row, out) in to.chunks_exact_mut(to_width).enumerate() {
        let line = |row: usize| &from[row.min(height - 1) * width..][..width];
        let (upper, lower) = (line(row * step_y), line(row * step_y + step_y - 1));
        let pairs = upper.chunks_exact(step_x).zip(lower.chunks_exact(step_x));
        for ((upper, lower), out) in pairs.zip(out) {
            let corners = [upper[0], upper[step_x - 1], lower[0], lower[step_x - 1]];
            let sum = corners.map(u16::from).into_iter().sum::<u16>();
            *out = limited_chroma(((sum + 2) / 4) as u8);
        }
    }
}

/// 0…255 to 16…235. In 16 bits, which hold the product, so that a vector register takes twice as many of them.
fn limited_luma(full: u8) -> u8 {
    (16 + (u16::from(full) * 219 + 127) / 255) as u8
}

/// 0…255 to 16…240 around 128, in 16 bits as well.
fn limited_chroma(full: u8) -> u8 {
    ((u16::from(full) * 224 + 128 * 31 + 127) / 255) as u8
}

#[cfg(test)]
mod tests;
