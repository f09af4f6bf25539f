//! The status in one line.

use footlight_client::publish::{State, Status};

/// Cells of the level meter.
const METER_CELLS: usize = 8;

/// The level at which the meter begins, in dBFS: speech at arm's length reaches a third of the meter.
const METER_FLOOR_DBFS: f32 = -48.0;

/// What a person wants to know at a glance, the most important first: a narrow terminal cuts the end.
pub(super) fn live_line(status: &Status) -> String {
    let reason = status.reason.as_deref().unwrap_or("");
    match status.state {
        State::Connecting => format!("connecting … {reason}"),
        State::Waiting => format!("WAITING  {reason}"),
        State::Reconnecting => format!("RECONNECTING {}  {reason}", clock(status.on_air_seconds)),
        State::Ended => format!("ended after {}  {reason}", clock(status.on_air_seconds)),
        State::Live => live(status),
    }
}

fn live(status: &Status) -> String {
    let viewers = status
        .viewers
        .map_or_else(|| "?".to_owned(), |viewers| viewers.to_string());
    let round_trip = status
        .round_trip_ms
        .map_or_else(|| "–".to_owned(), |trip| format!("{trip:.0} ms"));
    let mut parts = vec![format!("LIVE {}", clock(status.on_air_seconds))];
    // Before everything else: whoever speaks and is not heard has to know.
    if status.muted {
        parts.push(off("muted", status.audio_muted_by.as_deref()));
    }
    if status.hidden {
        parts.push(off("picture off", status.video_muted_by.as_deref()));
    }
    let watching = if viewers == "1" { "viewer" } else { "viewers" };
    parts.push(format!("{viewers} {watching}"));
    if !status.hidden && !status.video_source.is_empty() {
        let (captured, encoded, sent) = (status.fps_captured, status.fps_encoded, status.fps_sent);
        parts.push(format!(
            "{} {captured:.0}/{encoded:.0}/{sent:.0} fps",
            status.resolution
        ));
    }
    let actual = status.bitrate_bps as f64 / 1e6;
    let target = f64::from(status.target_bps.bps()) / 1e6;
    parts.push(format!("{actual:.2} of {target:.2} Mb/s"));
    parts.push(format!("loss {:.1} %", status.loss * 100.0));
    parts.push(format!("rtt {round_trip}"));
    if !status.muted && !status.audio_source.is_empty() {
        parts.push(meter(status));
    }
    for problem in [&status.video_problem, &status.audio_problem].into_iter().flatten() {
        parts.push(problem.clone());
    }
    parts.join(" · ")
}

fn meter(status: &Status) -> String {
    let level = status.audio_level_dbfs.unwrap_or(f32::NEG_INFINITY);
    let share = (1.0 - level / METER_FLOOR_DBFS).clamp(0.0, 1.0);
    let filled = (share * METER_CELLS as f32).round() as usize;
    format!("{}{}", "▮".repeat(filled), "▯".repeat(METER_CELLS - filled))
}

/// Who else than oneself turned a track off.
fn off(what: &str, by: Option<&str>) -> String {
    by.map_or_else(|| what.to_owned(), |name| format!("{what} by {name}"))
}

fn clock(seconds: f64) -> String {
    let seconds = seconds as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes:02}:{seconds:02}")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use footlight_client::units::{Bitrate, Resolution};

    pub(in crate::cli) fn status() -> Status {
        Status {
            state: State::Live,
            reason: None,
            session_id: "show".parse().expect("an id"),
            watch_url: "https://host/watch/show".to_owned(),
            on_air_seconds: 3671.9,
            reconnects: 0,
            video_source: "Desk".to_owned(),
            video_problem: None,
            audio_source: "Built-in".to_owned(),
            audio_problem: None,
            resolution: Resolution::HD,
            fps_captured: 30.0,
            fps_encoded: 29.9,
            fps_sent: 29.9,
            encode_ms: 2.0,
            target_bps: Bitrate::from_kbps(2500),
            bitrate_bps: 2_310_000,
            loss: 0.004,
            round_trip_ms: Some(12.3),
            role: None,
            viewers: Some(1),
            audio_level_dbfs: Some(-24.0),
            muted: false,
            audio_muted_by: None,
            hidden: false,
            video_muted_by: None,
        }
    }

    #[test]
    fn a_live_stream_is_told_in_one_line() {
        assert_eq!(
            live_line(&status()),
            "LIVE 1:01:11 · 1 viewer · 1280x720 30/30/30 fps · 2.31 of 2.50 Mb/s · loss 0.4 % · rtt 12 ms · ▮▮▮▮▯▯▯▯"
        );
    }

    #[test]
    fn what_is_wrong_is_told_too() {
        let lost = Status {
            video_problem: Some("camera unplugged".to_owned()),
            viewers: None,
            muted: true,
            ..status()
        };
        let line = live_line(&lost);
        assert!(
            line.ends_with("camera unplugged") && line.contains("· muted · ? viewers"),
            "{line}"
        );
        let silenced = Status {
            muted: true,
            audio_muted_by: Some("Ann".to_owned()),
            hidden: true,
            ..status()
        };
        let line = live_line(&silenced);
        assert!(
            line.starts_with("LIVE 1:01:11 · muted by Ann · picture off · 1 viewer"),
            "{line}"
        );
        let away = Status {
            state: State::Reconnecting,
            reason: Some("cannot reach host:1: refused".to_owned()),
            ..status()
        };
        assert!(live_line(&away).contains("RECONNECTING 1:01:11  cannot reach"));
    }

    #[test]
    fn the_meter_ends_at_full_scale_and_at_silence() {
        let at = |level| {
            meter(&Status {
                audio_level_dbfs: level,
                ..status()
            })
        };
        assert_eq!(at(Some(0.0)), "▮▮▮▮▮▮▮▮");
        assert_eq!(at(Some(6.0)), "▮▮▮▮▮▮▮▮");
        assert_eq!(at(None), "▯▯▯▯▯▯▯▯");
    }
}
