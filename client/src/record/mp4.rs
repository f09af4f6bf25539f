//! Fragmented MP4: what was captured, in pieces that are each complete (ISO/IEC 14496-12 §8.8).
//!
//! H.264 lies as in ISO/IEC 14496-15 §5 (`avc1`, parameter sets in the header), Opus as in "Encapsulation of Opus in ISO Base Media
//! File Format" (version 0.8.1).

use bytes::{BufMut as _, Bytes, BytesMut};
use mp4_atom::{
    Audio, Avc1, Avcc, Codec, Dinf, Dops, Dref, DrefEntry, Encode, Ftyp, Hdlr, Mdhd, Mdia, Mfhd, Minf, Moof, Moov,
    Mvex, Mvhd, Opus, Smhd, Stbl, Stco, Stsd, Tfdt, Tfhd, Tkhd, Traf, Trak, Trex, Trun, TrunEntry, TrunSamples, Url,
    Visual, Vmhd,
};

use crate::{
    clock::MediaTime,
    pipeline::{EncodedAudio, EncodedVideo},
};

const VIDEO_TRACK: u32 = 1;
const AUDIO_TRACK: u32 = 2;
/// Units of a second in which pictures are timed, as in RTP.
pub(super) const VIDEO_SCALE: u32 = 90_000;
/// The same for sound: one sample.
pub(super) const AUDIO_SCALE: u32 = 48_000;

/// Samples that a decoder leaves out at the start, as libopus has it at 48 kHz (RFC 7845 §4.2).
const OPUS_PRE_SKIP: u16 = 312;

/// A picture that others are decoded from, and one that needs others (ISO/IEC 14496-12 §8.8.3.1: `sample_depends_on`,
/// `sample_is_non_sync_sample`).
const SYNC_SAMPLE: u32 = 0x0200_0000;
const OTHER_SAMPLE: u32 = 0x0101_0000;

/// NAL unit types of parameter sets and delimiters (ITU-T H.264 table 7-1).
const SPS: u8 = 7;
const PPS: u8 = 8;
const DELIMITER: u8 = 9;

/// One sample of a track, timed from the start of the file.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    data: Bytes,
    /// In units of the track's scale.
    pub(super) time: u64,
    keyframe: bool,
}

/// The header of a file: what its tracks are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    /// Size in pixels, sequence and picture parameter sets; none where there is no picture.
    pub(super) picture: Option<Picture>,
    pub(super) sound: bool,
}

/// What a decoder has to know before the first picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Picture {
    width: u32,
    height: u32,
    sps: Bytes,
    pps: Bytes,
}

impl Picture {
    /// Of a keyframe, which brings its parameter sets along; none for other pictures.
    pub(super) fn of(unit: &EncodedVideo) -> Option<Self> {
        let find = |wanted| nal_units(&unit.data).find(|nal| kind(nal) == wanted);
        let (sps, pps) = (find(SPS)?, find(PPS)?);
        (unit.keyframe && sps.len() >= 4).then(|| Self {
            width: unit.width,
            height: unit.height,
            sps: Bytes::copy_from_slice(sps),
            pps: Bytes::copy_from_slice(pps),
        })
    }
}

impl Sample {
    pub(super) fn picture(unit: &EncodedVideo, start: MediaTime) -> Self {
        let mut data = BytesMut::with_capacity(unit.data.len() + 8);
        for nal in nal_units(&unit.data).filter(|nal| !matches!(kind(nal), SPS | PPS | DELIMITER)) {
            data.put_u32(nal.len() as u32);
            data.put_slice(nal);
        }
        Self {
            data: data.freeze(),
            time: ticks(unit.capture, start, VIDEO_SCALE),
            keyframe: unit.keyframe,
        }
    }

    pub(super) fn sound(packet: &EncodedAudio, start: MediaTime) -> Self {
        Self {
            data: packet.data.clone(),
            time: ticks(packet.capture, start, AUDIO_SCALE),
            keyframe: true,
        }
    }
}

impl Header {
    /// The file's first bytes.
    pub(super) fn encode(&self) -> Result<Vec<u8>, mp4_atom::Error> {
        let brands = [b"iso6", b"iso5", b"mp41"];
        let ftyp = Ftyp {
            major_brand: b"iso6".into(),
            minor_version: 0,
            compatible_brands: brands.map(Into::into).to_vec(),
        };
        let tracks: Vec<Trak> = [self.picture.as_ref().map(picture_track), self.sound.then(sound_track)]
            .into_iter()
            .flatten()
            .collect();
        let extends = tracks.iter().map(|track| Trex {
            track_id: track.tkhd.track_id,
            default_sample_description_index: 1,
            ..Trex::default()
        });
        let moov = Moov {
            mvhd: Mvhd {
                timescale: 1_000,
                rate: 1.into(),
                volume: 1.into(),
                next_track_id: AUDIO_TRACK + 1,
                ..Mvhd::default()
            },
            mvex: Some(Mvex {
                mehd: None,
                trex: extends.collect(),
            }),
            trak: tracks,
            ..Moov::default()
        };
        let mut out = Vec::new();
        ftyp.encode(&mut out)?;
        moov.encode(&mut out)?;
        Ok(out)
    }
}

/// What was captured of both tracks within some time. The last sample of each is there for its time alone: it begins the next fragment.
pub(super) struct Fragment<'a> {
    /// From 1.
    pub(super) number: u32,
    pub(super) pictures: &'a [Sample],
    pub(super) sound: &'a [Sample],
}

impl Fragment<'_> {
    /// Header and media.
    pub(super) fn encode(&self) -> Result<Vec<u8>, mp4_atom::Error> {
        let runs: Vec<_> = [(VIDEO_TRACK, self.pictures), (AUDIO_TRACK, self.sound)]
            .into_iter()
            .filter(|(_, samples)| samples.len() > 1)
            .collect();
        let moof = |base: usize| {
            let mut offset = base;
            let tracks = runs.iter().map(|(track, samples)| {
                let run = run(*track, samples, offset);
                offset += size(samples);
                run
            });
            Moof {
                mfhd: Mfhd {
                    sequence_number: self.number,
                },
                traf: tracks.collect(),
            }
        };
        // How long it is does not depend on the offsets in it.
        let mut measure = Vec::new();
        moof(0).encode(&mut measure)?;
        let media: usize = runs.iter().map(|(_, samples)| size(samples)).sum();
        let mut out = Vec::with_capacity(measure.len() + MDAT_HEADER + media);
        moof(measure.len() + MDAT_HEADER).encode(&mut out)?;
        out.put_u32((MDAT_HEADER + media) as u32);
        out.put_slice(b"mdat");
        for (_, samples) in &runs {
            for sample in complete(samples) {
                out.put_slice(&sample.data);
            }
        }
        Ok(out)
    }
}

/// Size and name of the box that media lies in.
const MDAT_HEADER: usize = 8;

/// All but the last, whose end is not known yet.
fn complete(samples: &[Sample]) -> &[Sample] {
    samples.split_last().map_or(&[], |(_, complete)| complete)
}

fn size(samples: &[Sample]) -> usize {
    complete(samples).iter().map(|sample| sample.data.len()).sum()
}

fn run(track: u32, samples: &[Sample], offset: usize) -> Traf {
    let entries = samples.windows(2).map(|pair| TrunEntry {
        duration: Some(pair[1].time.saturating_sub(pair[0].time) as u32),
        size: Some(pair[0].data.len() as u32),
        flags: Some(if pair[0].keyframe { SYNC_SAMPLE } else { OTHER_SAMPLE }),
        cts: None,
    });
    Traf {
        tfhd: Tfhd {
            track_id: track,
            default_base_is_moof: true,
            ..Tfhd::default()
        },
        tfdt: Some(Tfdt {
            base_media_decode_time: samples.first().map_or(0, |sample| sample.time),
        }),
        trun: vec![Trun {
            data_offset: Some(offset as i32),
            samples: TrunSamples::Explicit(entries.collect()),
        }],
        ..Traf::default()
    }
}

fn picture_track(picture: &Picture) -> Trak {
    let (width, height) = (picture.width as u16, picture.height as u16);
    let avcc = Avcc {
        configuration_version: 1,
        avc_profile_indication: picture.sps[1],
        profile_compatibility: picture.sps[2],
        avc_level_indication: picture.sps[3],
        length_size: 4,
        sequence_parameter_sets: vec![picture.sps.to_vec()],
        picture_parameter_sets: vec![picture.pps.to_vec()],
        ext: None,
    };
    let codec = Codec::Avc1(Avc1 {
        visual: Visual {
            data_reference_index: 1,
            width,
            height,
            ..Visual::default()
        },
        avcc,
        ..Avc1::default()
    });
    let mut track = track(VIDEO_TRACK, VIDEO_SCALE, *b"vide", "Picture", codec);
    track.tkhd.width = width.into();
    track.tkhd.height = height.into();
    track.mdia.minf.vmhd = Some(Vmhd::default());
    track
}

fn sound_track() -> Trak {
    let codec = Codec::Opus(Opus {
        audio: Audio {
            data_reference_index: 1,
            channel_count: 2,
            sample_size: 16,
            sample_rate: (AUDIO_SCALE as u16).into(),
        },
        dops: Dops {
            output_channel_count: 2,
            pre_skip: OPUS_PRE_SKIP,
            input_sample_rate: AUDIO_SCALE,
            output_gain: 0,
            channel_mapping: None,
        },
        btrt: None,
    });
    let mut track = track(AUDIO_TRACK, AUDIO_SCALE, *b"soun", "Sound", codec);
    track.tkhd.volume = 1.into();
    track.mdia.minf.smhd = Some(Smhd::default());
    track
}

fn track(id: u32, timescale: u32, handler: [u8; 4], name: &str, codec: Codec) -> Trak {
    let here = DrefEntry::Url(Url {
        location: String::new(),
    });
    Trak {
        tkhd: Tkhd {
            track_id: id,
            enabled: true,
            in_movie: true,
            ..Tkhd::default()
        },
        mdia: Mdia {
            mdhd: Mdhd {
                timescale,
                language: "und".to_owned(),
                ..Mdhd::default()
            },
            hdlr: Hdlr {
                handler: handler.into(),
                name: name.to_owned(),
            },
            minf: Minf {
                dinf: Dinf {
                    dref: Dref { entries: vec![here] },
                },
                stbl: Stbl {
                    stsd: Stsd { codecs: vec![codec] },
                    stco: Some(Stco::default()),
                    ..Stbl::default()
                },
                ..Minf::default()
            },
        },
        ..Trak::default()
    }
}

fn ticks(capture: MediaTime, start: MediaTime, scale: u32) -> u64 {
    let since = capture.saturating_since(start);
    (since.as_nanos() * u128::from(scale) / 1_000_000_000) as u64
}

fn kind(nal: &[u8]) -> u8 {
    nal.first().map_or(0, |byte| byte & 0x1f)
}

/// The NAL units of a byte stream (ITU-T H.264 annex B), without their start codes.
fn nal_units(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = after_start_code(stream);
    std::iter::from_fn(move || {
        let current = rest?;
        let end = start_code(current).unwrap_or(current.len());
        rest = after_start_code(&current[end..]);
        // A start code of four bytes leaves its first zero at the end of the unit before, as do trailing zeros.
        let unit = &current[..end];
        let length = unit.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        Some(&unit[..length])
    })
    .filter(|unit| !unit.is_empty())
}

fn start_code(stream: &[u8]) -> Option<usize> {
    stream.windows(3).position(|window| window == [0, 0, 1])
}

fn after_start_code(stream: &[u8]) -> Option<&[u8]> {
    start_code(stream).map(|at| &stream[at + 3..])
}
