use bytes::Buf as _;
use mp4_atom::{Any, Codec, Decode as _, Ftyp, Moof, Moov};
use openh264::{decoder::Decoder, formats::YUVSource};

use super::*;
use crate::{
    pipeline::{AudioSource, Pipeline, PipelineConfig, VideoSource},
    units::{Bitrate, Resolution},
    video::strip,
};

fn config(height: u32) -> PipelineConfig {
    PipelineConfig {
        video: Some(VideoSource::Pattern),
        audio: Some(AudioSource::Tone),
        size: Resolution::new(height * 16 / 9, height),
        fps: 30,
        max_bitrate: Bitrate::from_kbps(500),
        ..PipelineConfig::default()
    }
}

/// Puts as many pictures of a pipeline into a recording, with the sound beside them.
async fn put(intake: &Intake, config: PipelineConfig, pictures: u32) {
    let (_pipeline, mut output) = Pipeline::start(config).expect("starts");
    let mut seen = 0;
    while seen < pictures {
        tokio::select! {
            Some(unit) = output.video.recv() => {
                intake.put(Kept::Picture(unit));
                seen += 1;
            }
            Some(packet) = output.audio.recv() => intake.put(Kept::Sound(packet)),
        }
    }
}

/// A file, taken apart.
struct Played {
    moov: Moov,
    /// Of each track, in order: time and duration in its scale, and the media.
    pictures: Vec<(u64, u64, Vec<u8>)>,
    sound: Vec<(u64, u64, Vec<u8>)>,
}

/// What of a file is whole.
fn play(file: &[u8]) -> Played {
    let mut rest = file;
    Ftyp::decode(&mut rest).expect("a file type");
    let moov = Moov::decode(&mut rest).expect("a header");
    let (mut pictures, mut sound) = (Vec::new(), Vec::new());
    while rest.has_remaining() {
        let at = file.len() - rest.len();
        let Ok(fragment) = Moof::decode(&mut rest) else { break };
        let Ok(Any::Mdat(_)) = Any::decode(&mut rest) else {
            break;
        };
        for traf in fragment.traf {
            let samples = if traf.tfhd.track_id == 1 {
                &mut pictures
            } else {
                &mut sound
            };
            let mut time = traf.tfdt.expect("a time").base_media_decode_time;
            for run in &traf.trun {
                let mut offset = at + run.data_offset.expect("an offset") as usize;
                for entry in &run.samples {
                    let (size, duration) = (
                        entry.size.expect("a size") as usize,
                        entry.duration.expect("a duration"),
                    );
                    samples.push((time, u64::from(duration), file[offset..offset + size].to_vec()));
                    time += u64::from(duration);
                    offset += size;
                }
            }
        }
    }
    Played { moov, pictures, sound }
}

impl Played {
    /// The numbers of the pictures, decoded as a player does it.
    fn frame_numbers(&self) -> Vec<u32> {
        let [Codec::Avc1(avc1)] = self.moov.trak[0].mdia.minf.stbl.stsd.codecs.as_slice() else {
            panic!("not H.264");
        };
        let sets = avc1
            .avcc
            .sequence_parameter_sets
            .iter()
            .chain(&avc1.avcc.picture_parameter_sets);
        let mut decoder = Decoder::new().expect("a decoder");
        let header: Vec<u8> = sets.flat_map(|set| [&[0, 0, 0, 1], set.as_slice()].concat()).collect();
        decoder.decode(&header).expect("parameter sets");
        let mut numbers = Vec::new();
        for (_, _, sample) in &self.pictures {
            let (mut stream, mut rest) = (Vec::new(), sample.as_slice());
            while rest.has_remaining() {
                let length = rest.get_u32() as usize;
                stream.extend_from_slice(&[0, 0, 0, 1]);
                stream.extend_from_slice(&rest[..length]);
                rest.advance(length);
            }
            let picture = decoder.decode(&stream).expect("decodes").expect("a picture");
            let (width, height) = picture.dimensions();
            let reading = strip::read(picture.y(), picture.strides().0, width, height).expect("a strip");
            numbers.push(reading.frame_number);
        }
        numbers
    }
}

fn assert_seamless(samples: &[(u64, u64, Vec<u8>)]) {
    for pair in samples.windows(2) {
        assert_eq!(
            pair[0].0 + pair[0].1,
            pair[1].0,
            "no gap and no overlap, across fragments too"
        );
    }
}

#[tokio::test]
async fn what_was_sent_can_be_played_with_sound_and_picture_in_step() {
    let folder = tempfile::tempdir().expect("a folder");
    let recording = Recording::start(folder.path(), "show", true, true).expect("starts");
    put(&recording.intake(), config(180), 75).await;
    let state = recording.finish();
    assert_eq!((state.problem.as_deref(), state.lost), (None, 0));
    assert!((2.0..4.0).contains(&state.seconds), "{} s", state.seconds);
    let file = fs::read(&state.files[0]).expect("a file");
    assert_eq!(file.len() as u64, state.bytes);
    let played = play(&file);
    assert_eq!(played.moov.trak.len(), 2);
    let numbers = played.frame_numbers();
    assert_eq!(numbers.len(), 75);
    assert!(numbers.is_sorted());
    assert_seamless(&played.pictures);
    assert_seamless(&played.sound);
    let end = |samples: &[(u64, u64, Vec<u8>)], scale: f64| {
        samples
            .last()
            .map(|(time, duration, _)| (time + duration) as f64 / scale)
            .expect("samples")
    };
    let (pictures, sound) = (end(&played.pictures, 90_000.0), end(&played.sound, 48_000.0));
    assert!(
        (pictures - sound).abs() < 0.3,
        "{pictures} s of picture, {sound} s of sound"
    );
}

#[tokio::test]
async fn a_file_that_was_cut_off_plays_up_to_its_last_whole_piece() {
    let folder = tempfile::tempdir().expect("a folder");
    let recording = Recording::start(folder.path(), "show", true, true).expect("starts");
    put(&recording.intake(), config(90), 80).await;
    let state = recording.finish();
    let file = fs::read(&state.files[0]).expect("a file");
    let whole = play(&file).pictures.len();
    let cut = play(&file[..file.len() - 10]);
    assert!(
        cut.pictures.len() < whole && cut.pictures.len() >= 55,
        "{} of {whole}",
        cut.pictures.len()
    );
    assert_eq!(cut.frame_numbers().len(), cut.pictures.len());
}

#[tokio::test]
async fn another_size_begins_another_file_and_no_file_is_overwritten() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = folder.path().join("show.mp4");
    fs::write(&taken, "somebody's").expect("writes");
    let recording = Recording::start(folder.path(), "show", true, true).expect("starts");
    let intake = recording.intake();
    put(&intake, config(90), 10).await;
    put(&intake, config(180), 10).await;
    drop(intake);
    let state = recording.finish();
    let names: Vec<_> = state
        .files
        .iter()
        .map(|file| file.file_name().expect("a name"))
        .collect();
    assert_eq!(names, ["show 2.mp4", "show 3.mp4"]);
    for file in &state.files {
        assert_eq!(play(&fs::read(file).expect("a file")).frame_numbers().len(), 10);
    }
    assert_eq!(fs::read(&taken).expect("a file"), b"somebody's");
}

#[tokio::test]
async fn sound_alone_is_recorded_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let recording = Recording::start(folder.path(), "talk", false, true).expect("starts");
    let intake = recording.intake();
    let alone = PipelineConfig {
        video: None,
        ..config(90)
    };
    let (_pipeline, mut output) = Pipeline::start(alone).expect("starts");
    for _ in 0..60 {
        intake.put(Kept::Sound(output.audio.recv().await.expect("sound")));
    }
    drop(intake);
    let state = recording.finish();
    let played = play(&fs::read(&state.files[0]).expect("a file"));
    assert_eq!((played.pictures.len(), played.sound.len()), (0, 60));
    assert_seamless(&played.sound);
}

/// A packet of 20 ms.
fn sound_at(milliseconds: u64) -> EncodedAudio {
    EncodedAudio {
        data: bytes::Bytes::from_static(&[0; 60]),
        capture: at(milliseconds),
        samples: 960,
    }
}

fn at(milliseconds: u64) -> MediaTime {
    MediaTime::from_duration(Duration::from_millis(milliseconds))
}

#[tokio::test]
async fn sound_is_written_on_while_no_pictures_come_and_they_are_in_step_when_they_do() {
    /// When there are pictures, in milliseconds, and how many a second.
    const SHOWN: [std::ops::Range<u64>; 2] = [0..3_000, 9_000..12_000];
    const APART: u64 = 40;
    let folder = tempfile::tempdir().expect("a folder");
    let state = Arc::new(Mutex::new(RecordingState::default()));
    let mut writer = Writer::new(folder.path(), "show", true, true, Arc::clone(&state));
    let (_pipeline, mut output) = Pipeline::start(config(90)).expect("starts");
    let mut captures = Vec::new();
    for now in (0..12_000).step_by(20) {
        if now % APART == 0 && SHOWN.iter().any(|shown| shown.contains(&now)) {
            let mut unit = output.video.recv().await.expect("a picture");
            unit.capture = at(now);
            captures.push(now);
            writer.take_picture(&unit).expect("written");
        }
        writer.take_sound(&sound_at(now)).expect("written");
        let waiting = writer.sound.len() as u64 * 20;
        assert!(waiting <= 2_100, "{waiting} ms of sound wait for the disk");
        if now == 8_980 {
            let written = play(&fs::read(folder.path().join("show.mp4")).expect("a file"));
            assert_eq!(written.frame_numbers().len(), captures.len(), "all pictures so far");
            let (time, duration, _) = written.sound.last().expect("sound");
            assert!(time + duration >= 48 * 6_900, "{time} + {duration}");
            let seconds = state.lock().expect("not poisoned").seconds;
            assert!((6.9..9.0).contains(&seconds), "{seconds} s");
        }
    }
    writer.flush().expect("written");
    let played = play(&fs::read(folder.path().join("show.mp4")).expect("a file"));
    assert_eq!(played.frame_numbers().len(), captures.len());
    let times: Vec<_> = played.pictures.iter().map(|(time, ..)| time / 90).collect();
    assert_eq!(times, captures);
    for pair in played.pictures.windows(2) {
        assert!(pair[0].0 + pair[0].1 <= pair[1].0, "no overlap");
    }
    assert_eq!(played.sound.len(), 600);
    assert_seamless(&played.sound);
    let seconds = state.lock().expect("not poisoned").seconds;
    assert!((11.9..=12.0).contains(&seconds), "{seconds} s");
}

/// The files of a writer that has come to its end.
fn files_of(mut writer: Writer) -> Vec<Played> {
    writer.end().expect("written");
    let files = writer.state.lock().expect("not poisoned").files.clone();
    files
        .iter()
        .map(|file| play(&fs::read(file).expect("a file")))
        .collect()
}

#[test]
fn sound_is_kept_while_an_open_camera_sends_no_pictures() {
    let folder = tempfile::tempdir().expect("a folder");
    for milliseconds in [1_000, 5_000] {
        let mut writer = Writer::new(folder.path(), "show", true, true, Arc::default());
        for now in (0..milliseconds).step_by(20) {
            writer.take_sound(&sound_at(now)).expect("written");
            let waiting = (writer.held.len() + writer.sound.len()) as u64 * 20;
            assert!(waiting <= 2_100, "{waiting} ms of sound wait for the disk");
        }
        let files = files_of(writer);
        assert_eq!(files.len(), 1);
        assert_eq!(files[0].sound.len() as u64, milliseconds / 20);
        assert_seamless(&files[0].sound);
    }
}

#[tokio::test]
async fn the_first_picture_begins_a_file_with_the_sound_of_its_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_pipeline, mut output) = Pipeline::start(config(90)).expect("starts");
    let mut unit = output.video.recv().await.expect("a picture");
    for (captured, sounds) in [(1_000, vec![150]), (3_000, vec![156, 44])] {
        let mut writer = Writer::new(folder.path(), "show", true, true, Arc::default());
        for now in (0..4_000).step_by(20) {
            writer.take_sound(&sound_at(now)).expect("written");
            // Encoded, it is behind the sound of its time.
            if now == captured + 100 {
                unit.capture = at(captured);
                writer.take_picture(&unit).expect("written");
            }
        }
        let files = files_of(writer);
        let kept: Vec<_> = files.iter().map(|file| file.sound.len()).collect();
        assert_eq!(kept, sounds, "with the first picture at {captured} ms");
    }
}

#[test]
fn a_recording_ends_though_somebody_still_has_something_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let recording = Recording::start(folder.path(), "talk", false, true).expect("starts");
    let intake = recording.intake();
    (0..50).for_each(|number| intake.put(Kept::Sound(sound_at(20 * number))));
    let (sender, finished) = mpsc::channel();
    thread::spawn(move || sender.send(recording.finish()));
    let state = finished.recv_timeout(Duration::from_secs(30)).expect("it ends");
    intake.put(Kept::Sound(sound_at(1_000)));
    let played = play(&fs::read(&state.files[0]).expect("a file"));
    assert_eq!((played.sound.len(), state.lost), (50, 0), "all that was put before");
}

#[test]
fn a_folder_that_cannot_be_written_to_is_named_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a file");
    fs::write(&file, "").expect("writes");
    let error = Recording::start(&file.join("below"), "show", true, true).expect_err("no folder");
    assert!(error.to_string().contains("a file/below"), "{error}");
}

/// `/dev/full` answers every write as a full disk does.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_ends_the_recording_in_words() {
    let folder = tempfile::tempdir().expect("a folder");
    let recording = Recording::start(folder.path(), "show", true, true).expect("starts");
    std::os::unix::fs::symlink("/dev/full", folder.path().join("full")).expect("a link");
    let mut writer = Writer::new(folder.path(), "full", false, true, Arc::clone(&recording.state));
    writer.start = Some(MediaTime::default());
    writer.open = Some(Open {
        file: OpenOptions::new().write(true).open("/dev/full").expect("a device"),
        path: folder.path().join("full"),
        header: Header {
            picture: None,
            sound: true,
        },
        fragments: 0,
        until: Duration::ZERO,
    });
    let failed = (0..100).find_map(|number| writer.take_sound(&sound_at(20 * number)).err());
    assert_eq!(failed.expect("no room").kind(), io::ErrorKind::StorageFull);
    recording.finish();
}
