//! Captures for some seconds and prints the pipeline's figures once a second.
//!
//! `capture [camera NAME|screen NAME|pattern|none] [mic NAME|tone|none] [WIDTHxHEIGHT] [SECONDS]`; the name `default` is the system's choice.

use std::{env, error::Error, time::Duration};

use footlight_client::{
    devices::{self, DeviceChoice},
    pipeline::{AudioSource, Pipeline, PipelineConfig, VideoSource},
};

fn choice(name: Option<String>) -> DeviceChoice {
    name.filter(|name| name != "default")
        .map_or(DeviceChoice::Default, DeviceChoice::Matching)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt()
        .with_env_filter("footlight_client=debug")
        .init();
    let mut arguments = env::args().skip(1);
    let video = match arguments.next().as_deref() {
        Some("camera") => Some(VideoSource::Camera(choice(arguments.next()))),
        Some("screen") => Some(VideoSource::Screen(choice(arguments.next()))),
        Some("none") => None,
        _ => Some(VideoSource::Pattern),
    };
    let audio = match arguments.next().as_deref() {
        Some("mic") => Some(AudioSource::Microphone(choice(arguments.next()))),
        Some("none") => None,
        _ => Some(AudioSource::Tone),
    };
    let size = arguments.next().unwrap_or_else(|| "640x360".into()).parse()?;
    let seconds = arguments.next().unwrap_or_else(|| "5".into()).parse()?;
    println!("{}", serde_json::to_string(&devices::list())?);
    let (pipeline, mut output) = Pipeline::start(PipelineConfig {
        video,
        audio,
        size,
        ..PipelineConfig::default()
    })?;
    tokio::spawn(async move { while output.video.recv().await.is_some() {} });
    tokio::spawn(async move { while output.audio.recv().await.is_some() {} });
    for _ in 0..seconds {
        tokio::time::sleep(Duration::from_secs(1)).await;
        println!(
            "{} level {:.1} dBFS",
            serde_json::to_string(&pipeline.stats())?,
            pipeline.audio_level()
        );
    }
    Ok(())
}
