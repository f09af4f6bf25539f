//! The command line.

use clap::{ArgGroup, Args, Parser, Subcommand};
use footlight_client::audio::voice::VoiceProcessing;
use footlight_client::devices::DeviceChoice;
use footlight_client::pipeline::{AudioSource, PipelineConfig, VideoSource};
use footlight_client::publish::{PublishConfig, ServerAddress, SessionToken};
use footlight_client::trust::{Fingerprint, KnownServers, Trust};
use footlight_client::units::{Bitrate, Resolution};
use footlight_protocol::SessionId;

/// Smallest picture, in pixels on either side: below it H.264 has no level and the pattern no strip.
const MIN_SIDE: u32 = 96;

/// Largest picture, in pixels on either side.
const MAX_SIDE: u32 = 4096;

/// Pixels on each side of a macroblock, and how many of these a picture may have: H.264 level 5.1 (ITU-T H.264 table A-1, `MaxFS`),
/// and what openh264 takes.
const MACROBLOCK: u32 = 16;
const MAX_MACROBLOCKS: u32 = 36_864;

/// Most frames per second.
const MAX_FPS: u32 = 120;

/// Bitrates that make sense for a video, in bits per second.
const BITRATES: std::ops::RangeInclusive<u32> = 100_000..=50_000_000;

/// Go live from this machine, and be watched in any browser.
#[derive(Debug, Parser)]
#[command(name = "footlight", version)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the cameras, microphones, screens and windows of this machine.
    Devices(DevicesOptions),
    /// Go live. While live: c or Enter writes to the chat, m mutes, v hides the picture, s switches the camera, y and n answer
    /// who asks to come on the stage, g asks to come back on it, q ends.
    ///
    /// Given the address of a session that others have made, this asks its host to let you come on the stage, and goes live
    /// when the host does. With a token for that session it goes live at once, in the token's role.
    ///
    /// With --json, lines of the form {"chat":"…"} on the standard input are written to the chat, and what happens in the
    /// room is told by objects with a "type", as the server's WebSocket does.
    Publish(Box<PublishOptions>),
}

#[derive(Debug, Args)]
pub(super) struct DevicesOptions {
    /// As one JSON object in place of a table.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("video").multiple(false), group = ArgGroup::new("audio").multiple(false))]
#[command(
    after_help = "Exit codes: 0 ended as asked, 1 failed, 2 bad command line, 3 server not reached or refused, 4 device missing, \
                  5 removed from the session or not let on its stage"
)]
// Each of them is a switch on the command line, and clap keeps those that exclude each other apart.
#[allow(clippy::struct_excessive_bools)]
pub(super) struct PublishOptions {
    /// The server (`https://host:8443`), or a …/watch/ID or …/whip/ID of it.
    address: ServerAddress,
    /// Camera: a part of its name, or its place in `footlight devices`. The first one where nothing is said.
    #[arg(long, value_name = "NAME|INDEX", group = "video")]
    camera: Option<String>,
    /// A screen or window in place of a camera: a part of its name, or its place in `footlight devices`.
    #[arg(long, value_name = "NAME|INDEX", group = "video")]
    screen: Option<String>,
    /// The test pattern in place of a camera.
    #[arg(long, group = "video")]
    pattern: bool,
    /// No picture.
    #[arg(long, group = "video")]
    no_video: bool,
    /// Microphone: a part of its name, or its place in `footlight devices`. The system's default where nothing is said.
    #[arg(long, value_name = "NAME|INDEX", group = "audio")]
    mic: Option<String>,
    /// The test tone in place of a microphone.
    #[arg(long, group = "audio")]
    tone: bool,
    /// No sound.
    #[arg(long, group = "audio")]
    no_audio: bool,
    /// Take steady noise out of what the microphone hears, and bring voices to the same loudness. Good for speech, not for music.
    #[cfg(feature = "voice-processing")]
    #[arg(long, conflicts_with_all = ["tone", "no_audio"])]
    voice_processing: bool,
    /// Size of the picture.
    #[arg(long, value_name = "WxH", default_value = "1280x720", value_parser = size)]
    size: Resolution,
    /// Most frames per second.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_FPS)))]
    fps: u32,
    /// Most bits per second for the picture; congestion control goes below it where the network asks for that.
    #[arg(long, default_value = "2.5M", value_parser = bitrate)]
    bitrate: Bitrate,
    /// Send the picture in up to three sizes at once, each with half the sides of the one before, so that viewers on narrow lines get
    /// a smaller one. Takes about a third more work than one size; all share --bitrate.
    #[arg(long, conflicts_with = "no_video")]
    simulcast: bool,
    /// Shown above the picture.
    #[arg(long)]
    title: Option<String>,
    /// Your name, as viewers see it.
    #[arg(long)]
    username: Option<String>,
    /// Publish to this session; needs a token for it.
    #[arg(long, value_name = "ID", requires = "token")]
    session: Option<SessionId>,
    /// Your token for the session: its host's, or one that was made for you. The environment keeps it out of the process list.
    #[arg(long, env = "FOOTLIGHT_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// SHA-256 fingerprint of the server's certificate; nothing else is then accepted.
    #[arg(long, value_name = "SHA256")]
    fingerprint: Option<Fingerprint>,
    /// One status object a second in place of the status line, and one for each event in the room.
    #[arg(long)]
    pub(super) json: bool,
}

impl PublishOptions {
    pub(super) fn into_config(self) -> anyhow::Result<PublishConfig> {
        #[cfg(feature = "voice-processing")]
        let voice = if self.voice_processing {
            // Nobody is heard here, so that there is no echo.
            VoiceProcessing {
                echo_cancellation: false,
                ..VoiceProcessing::ALL
            }
        } else {
            VoiceProcessing::OFF
        };
        #[cfg(not(feature = "voice-processing"))]
        let voice = VoiceProcessing::OFF;
        let session = self.session.or_else(|| self.address.session().cloned());
        let resume = match (self.token, session) {
            (Some(token), Some(session)) => Some(SessionToken { session, token }),
            (Some(_), None) => anyhow::bail!("a token belongs to a session: name it with --session or in the address"),
            (None, _) => None,
        };
        let video = match (self.camera, self.screen) {
            _ if self.no_video => None,
            _ if self.pattern => Some(VideoSource::Pattern),
            (_, Some(screen)) => Some(VideoSource::Screen(DeviceChoice::Matching(screen))),
            (camera, None) => Some(VideoSource::Camera(choice(camera))),
        };
        let audio = match self.mic {
            _ if self.no_audio => None,
            _ if self.tone => Some(AudioSource::Tone),
            mic => Some(AudioSource::Microphone(choice(mic))),
        };
        Ok(PublishConfig {
            address: self.address,
            resume,
            title: self.title,
            username: self.username,
            pipeline: PipelineConfig {
                video,
                audio,
                size: self.size,
                fps: self.fps,
                max_bitrate: self.bitrate,
                simulcast: self.simulcast,
                voice,
                ..PipelineConfig::default()
            },
            trust: Trust {
                fingerprint: self.fingerprint,
                known_servers: KnownServers::in_config_dir(),
            },
        })
    }
}

fn choice(wanted: Option<String>) -> DeviceChoice {
    wanted.map_or(DeviceChoice::Default, DeviceChoice::Matching)
}

fn size(text: &str) -> Result<Resolution, String> {
    let size: Resolution = text.parse().map_err(|error| format!("{error}"))?;
    let sides = [size.width, size.height];
    if !sides.iter().all(|side| (MIN_SIDE..=MAX_SIDE).contains(side)) {
        return Err(format!(
            "a picture has between {MIN_SIDE} and {MAX_SIDE} pixels on each side"
        ));
    }
    let macroblocks: u32 = sides.iter().map(|side| side.div_ceil(MACROBLOCK)).product();
    if macroblocks > MAX_MACROBLOCKS {
        return Err(format!(
            "a picture has at most {MAX_MACROBLOCKS} macroblocks of {MACROBLOCK}x{MACROBLOCK} pixels, and this one has {macroblocks}: 4096x2304 \
             is the largest"
        ));
    }
    Ok(size)
}

fn bitrate(text: &str) -> Result<Bitrate, String> {
    let bitrate: Bitrate = text.parse().map_err(|error| format!("{error}"))?;
    if BITRATES.contains(&bitrate.bps()) {
        Ok(bitrate)
    } else {
        Err("a video has between 100k and 50M bits per second".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &str) -> Result<PublishConfig, String> {
        let words = ["footlight", "publish"].into_iter().chain(arguments.split_whitespace());
        let parsed = Arguments::try_parse_from(words).map_err(|error| error.to_string())?;
        let Command::Publish(options) = parsed.command else {
            return Err("another command".to_owned());
        };
        options.into_config().map_err(|error| error.to_string())
    }

    fn refusal(arguments: &str) -> String {
        parse(arguments).expect_err("a bad command line")
    }

    #[test]
    fn the_first_camera_and_the_default_microphone_are_taken_where_nothing_is_said() {
        let config = parse("https://host").expect("a good command line");
        assert_eq!(config.pipeline.video, Some(VideoSource::Camera(DeviceChoice::Default)));
        assert_eq!(
            config.pipeline.audio,
            Some(AudioSource::Microphone(DeviceChoice::Default))
        );
        assert_eq!((config.pipeline.size, config.pipeline.fps), (Resolution::HD, 30));
        assert_eq!(config.pipeline.max_bitrate, Bitrate::from_kbps(2500));
    }

    #[test]
    fn sources_are_chosen_by_name_or_by_kind() {
        let config = parse("https://host --screen 1 --tone").expect("a good command line");
        let screen = DeviceChoice::Matching("1".to_owned());
        assert_eq!(config.pipeline.video, Some(VideoSource::Screen(screen)));
        assert_eq!(config.pipeline.audio, Some(AudioSource::Tone));
        let config = parse("https://host --pattern --no-audio").expect("a good command line");
        assert_eq!(
            (config.pipeline.video, config.pipeline.audio),
            (Some(VideoSource::Pattern), None)
        );
        assert!(refusal("https://host --pattern --camera 0").contains("cannot be used with"));
        assert!(refusal("https://host --no-video --simulcast").contains("cannot be used with"));
        let simulcast = |arguments| parse(arguments).expect("a good command line").pipeline.simulcast;
        assert!(simulcast("https://host --simulcast") && !simulcast("https://host"));
        assert!(refusal("https://host --tone --no-audio").contains("cannot be used with"));
    }

    #[test]
    #[cfg(feature = "voice-processing")]
    fn sound_is_left_as_it_is_unless_asked_otherwise() {
        let voice = |arguments: &str| parse(arguments).expect("a good command line").pipeline.voice;
        assert_eq!(voice("https://host"), VoiceProcessing::OFF);
        let asked = voice("https://host --voice-processing --mic desk");
        assert!(asked.noise_suppression && asked.gain_control && !asked.echo_cancellation);
        assert!(refusal("https://host --tone --voice-processing").contains("cannot be used with"));
        assert!(refusal("https://host --no-audio --voice-processing").contains("cannot be used with"));
    }

    #[test]
    fn what_is_wrong_is_said_in_words() {
        assert!(refusal("host:8443").contains("https://host:8443"));
        assert!(refusal("https://host --size big").contains("1280x720"));
        assert!(refusal("https://host --size 0x0").contains("pixels on each side"));
        assert!(refusal("https://host --size 99999x720").contains("pixels on each side"));
        assert!(refusal("https://host --size 4096x4096").contains("36864 macroblocks"));
        assert!(refusal("https://host --size 4096x2306").contains("has 37120"));
        assert!(parse("https://host --size 4096x2304").is_ok() && parse("https://host --size 2304x4096").is_ok());
        assert!(refusal("https://host --bitrate fast").contains("2.5M"));
        assert!(refusal("https://host --bitrate 1").contains("100k"));
        assert!(refusal("https://host --fps 0").contains("--fps"));
        assert!(refusal("https://host --fingerprint AB").contains("64 hexadecimal digits"));
        assert!(refusal("https://host --session a/b --token t").contains("'/'"));
    }

    #[test]
    fn a_token_goes_with_a_session() {
        let resume = |arguments: &str| {
            parse(arguments)
                .expect("a good command line")
                .resume
                .expect("a session")
        };
        assert_eq!(resume("https://host --session a --token t").session.as_str(), "a");
        assert_eq!(resume("https://host/watch/b --token t").session.as_str(), "b");
        assert!(refusal("https://host --token t").contains("--session"));
        assert!(refusal("https://host --session a").contains("--token"));
        assert!(!format!("{:?}", resume("https://host/watch/b --token secret")).contains("secret"));
    }
}
