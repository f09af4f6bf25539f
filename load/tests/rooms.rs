//! Runs against a room on loopback, whose faults are known.

mod room;

use clap::Parser;
use footlight_load::options::{Options, Other};
use footlight_load::rooms::{self, Report};
use room::Faults;

async fn load(faults: Faults, arguments: &str) -> Report {
    let server = room::start(faults).await;
    let line = format!("footlight-load rooms http://{server} --viewers 3 --settle 0 --seconds 1.5 {arguments}");
    let options = Options::parse_from(line.split_whitespace());
    let Some(Other::Rooms(options)) = options.other else {
        panic!("{line}");
    };
    rooms::run(&options).await.expect("a run")
}

#[tokio::test]
async fn everybody_hears_everything_once() {
    let report = load(Faults::default(), "--reactions 30").await;
    assert!(report.everyone_heard(), "{report}");
    assert_eq!((report.viewers, report.joined), (3, 3));
    for phase in [Some(&report.calm), report.flood.as_ref()] {
        let phase = phase.expect("both were asked for");
        assert!(phase.chats > 0, "{report}");
        assert_eq!(phase.expected, 3 * phase.chats, "{report}");
        assert!(
            phase.delay_ms.p50 > 0.0 && phase.delay_ms.p50 <= phase.delay_ms.max,
            "{report}"
        );
    }
    assert!(report.flood.is_some_and(|phase| phase.reactions_per_second > 0.0));
    assert!(report.calm.reactions_per_second.abs() < f64::EPSILON);
}

#[tokio::test]
async fn what_a_viewer_did_not_hear_is_missing() {
    let faults = Faults {
        swallows: true,
        ..Faults::default()
    };
    let report = load(faults, "--reactions 0 --patience 0.5").await;
    assert_eq!((report.calm.missing, report.calm.repeated), (1, 0), "{report}");
    assert!(report.flood.is_none() && !report.everyone_heard());
}

#[tokio::test]
async fn what_a_viewer_heard_twice_is_repeated() {
    let faults = Faults {
        repeats: true,
        ..Faults::default()
    };
    let report = load(faults, "--reactions 0").await;
    assert_eq!(report.calm.missing, 0, "{report}");
    assert!(report.calm.repeated > 0 && !report.everyone_heard(), "{report}");
}

#[tokio::test]
async fn a_viewer_who_is_disconnected_is_lost() {
    let faults = Faults {
        disconnects: true,
        ..Faults::default()
    };
    let report = load(faults, "--reactions 0 --patience 0.5").await;
    assert_eq!((report.joined, report.lost), (3, 1), "{report}");
    assert_eq!(report.calm.missing, report.calm.chats, "{report}");
    assert!(!report.everyone_heard());
}
