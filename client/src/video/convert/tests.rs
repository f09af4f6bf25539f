use super::*;

const SIZE: Resolution = Resolution::new(64, 48);

fn noise(length: usize) -> Vec<u8> {
    let mut state = 7_u32;
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect()
}

/// Even and odd sides, widths of which the half is odd, and widths on either side of what a vector register takes.
const SIZES: [(usize, usize); 9] = [
    (64, 48),
    (66, 50),
    (65, 49),
    (2, 2),
    (3, 3),
    (6, 4),
    (130, 6),
    (254, 8),
    (642, 10),
];

#[test]
fn yuyv_becomes_i420_as_a_naive_loop_would_make_it() {
    // One converter for all of them: what a picture leaves behind must not show in the next.
    let mut converter = Converter::default();
    for (width, height) in SIZES {
        let size = Resolution::new(width as u32, height as u32);
        let data = noise(width * height * 2);
        let mut frame = Frame::black(size);
        converter
            .unpack(PixelFormat::Yuyv, &data, size, &mut frame)
            .expect("converts");
        let (columns, rows) = (frame.width(), frame.height());
        for row in 0..rows {
            for column in 0..columns {
                let luma = data[(row * width + column) * 2];
                assert_eq!(frame.y[row * columns + column], luma, "{size}: y at {column}, {row}");
            }
        }
        for row in 0..rows / 2 {
            for column in 0..columns / 2 {
                let mean = |offset: usize| {
                    let at = |line: usize| u16::from(data[line * width * 2 + column * 4 + offset]);
                    u16::midpoint(at(row * 2), at(row * 2 + 1))
                };
                let at = row * columns / 2 + column;
                assert_eq!(u16::from(frame.u[at]), mean(1), "{size}: u at {column}, {row}");
                assert_eq!(u16::from(frame.v[at]), mean(3), "{size}: v at {column}, {row}");
            }
        }
    }
}

#[test]
fn a_screen_becomes_i420_in_limited_range() {
    // Red, green, blue, white in ITU-R BT.601.
    let colours = [
        ([255, 0, 0], [81, 90, 240]),
        ([0, 255, 0], [145, 54, 34]),
        ([0, 0, 255], [41, 240, 110]),
        ([255, 255, 255], [235, 128, 128]),
    ];
    for ([red, green, blue], yuv) in colours {
        let data = [red, green, blue, 7].repeat(64 * 48);
        let mut frame = Frame::black(SIZE);
        Converter::default()
            .convert_rgba(&data, SIZE, &mut frame)
            .expect("converts");
        for (plane, wanted) in [&frame.y, &frame.u, &frame.v].into_iter().zip(yuv) {
            assert!(
                plane.iter().all(|&value: &u8| value.abs_diff(wanted) <= 1),
                "{} for {wanted}",
                plane[0]
            );
        }
    }
    let cut_off = vec![0; 64 * 48 * 4 - 1];
    let error = Converter::default().convert_rgba(&cut_off, SIZE, &mut Frame::black(SIZE));
    assert!(matches!(error, Err(ConvertError::Short { .. })));
}

#[test]
fn nv12_becomes_i420_exactly() {
    let mut converter = Converter::default();
    for (width, height) in SIZES {
        let size = Resolution::new(width as u32, height as u32);
        let data = noise(width * height * 3 / 2);
        let mut frame = Frame::black(size);
        converter
            .unpack(PixelFormat::Nv12, &data, size, &mut frame)
            .expect("converts");
        let (columns, rows) = (frame.width(), frame.height());
        for (row, line) in frame.y.chunks_exact(columns).enumerate() {
            assert_eq!(line, &data[row * width..][..columns], "{size}: row {row}");
        }
        let chroma = &data[width * height..];
        for row in 0..rows / 2 {
            for column in 0..columns / 2 {
                let pair = &chroma[row * width + 2 * column..][..2];
                let at = row * columns / 2 + column;
                assert_eq!(
                    (frame.u[at], frame.v[at]),
                    (pair[0], pair[1]),
                    "{size}: at {column}, {row}"
                );
            }
        }
    }
}

#[test]
fn a_cut_off_picture_is_an_error() {
    let mut frame = Frame::black(SIZE);
    for format in [PixelFormat::Yuyv, PixelFormat::Nv12, PixelFormat::Mjpeg] {
        assert!(
            Converter::default()
                .convert(format, &noise(100), SIZE, &mut frame)
                .is_err(),
            "{format:?}"
        );
    }
}

#[test]
fn jpeg_of_any_usual_chroma_layout_becomes_limited_range_i420() {
    // One converter for all of them: what a picture leaves behind must not show in the next.
    let mut converter = Converter::default();
    for (width, height) in [(64, 48), (63, 47), (62, 47), (63, 48), (3, 3)] {
        // White on the left, red on the right.
        let shown = width & !1;
        let colour = |at: usize| {
            if at % width < shown / 2 {
                [255, 255, 255]
            } else {
                [255, 0, 0]
            }
        };
        let rgb: Vec<u8> = (0..width * height).flat_map(colour).collect();
        for subsamp in [Subsamp::None, Subsamp::Sub2x1, Subsamp::Sub2x2] {
            let image = turbojpeg::Image {
                pixels: &rgb[..],
                width,
                pitch: width * 3,
                height,
                format: turbojpeg::PixelFormat::RGB,
            };
            let data = turbojpeg::compress(image, 100, subsamp).expect("compresses");
            let size = Resolution::new(width as u32, height as u32);
            let mut frame = Frame::black(size);
            converter
                .convert(PixelFormat::Mjpeg, &data, size, &mut frame)
                .expect("converts");
            let columns = frame.width();
            for line in frame.y.chunks_exact(columns) {
                assert!(
                    line[0].abs_diff(235) <= 2,
                    "{size} {subsamp:?}: white is 235, not {}",
                    line[0]
                );
                let last = line[columns - 1];
                assert!(last.abs_diff(81) <= 20, "{size} {subsamp:?}: red is 81, not {last}");
            }
            assert!(frame.u[0].abs_diff(128) <= 20, "{size} {subsamp:?}: {}", frame.u[0]);
        }
    }
}

#[test]
fn another_aspect_gets_black_bars_and_a_whole_picture() {
    let mut data = vec![128; 64 * 48 * 2];
    data.iter_mut().step_by(2).for_each(|luma| *luma = 200);
    let mut frame = Frame::black(Resolution::new(128, 72));
    Converter::default()
        .convert(PixelFormat::Yuyv, &data, SIZE, &mut frame)
        .expect("converts");
    let row = &frame.y[36 * 128..37 * 128];
    assert_eq!((row[0], row[127]), (16, 16), "bars at the sides");
    assert!(row[20..108].iter().all(|&luma| luma == 200));
    assert!(frame.u.iter().all(|&chroma| chroma == 128));
}

#[test]
fn the_fitted_size_keeps_the_aspect() {
    assert_eq!(
        fitted(Resolution::new(640, 480), Resolution::HD),
        Resolution::new(960, 720)
    );
    assert_eq!(fitted(Resolution::new(1920, 1080), Resolution::HD), Resolution::HD);
    assert_eq!(
        fitted(Resolution::new(1080, 1920), Resolution::HD),
        Resolution::new(404, 720)
    );
}
