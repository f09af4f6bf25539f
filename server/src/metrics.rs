//! The figures behind `/metrics`.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use axum::http::{Method, StatusCode};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::media::{Media, MediaSnapshot};
use crate::sessions::Sessions;
use crate::turn::Turn;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    /// The route's pattern, of which there are a few; paths would be without number.
    route: String,
    method: String,
    status: u16,
}

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter<u64, AtomicU64>>,
}

impl Metrics {
    /// Figures of these sessions and this media engine.
    pub fn new(sessions: Sessions, media: Media, turn: Option<Arc<Turn>>) -> Self {
        let mut registry = Registry::with_prefix("footlight");
        let requests = Family::default();
        registry.register("http_requests", "HTTP requests answered", requests.clone());
        registry.register_collector(Box::new(Snapshot { sessions, media, turn }));
        Self { registry, requests }
    }

    /// Counts an answered request.
    pub fn count_request(&self, route: &str, method: &Method, status: StatusCode) {
        // Any token is a method (RFC 9110 §9.1): strangers must not be able to make up labels.
        let method = match *method {
            Method::GET | Method::HEAD | Method::POST | Method::PATCH | Method::DELETE | Method::OPTIONS => {
                method.as_str()
            }
            _ => "other",
        };
        let labels = RequestLabels {
            route: route.to_owned(),
            method: method.to_owned(),
            status: status.as_u16(),
        };
        self.requests.get_or_create(&labels).inc();
    }

    /// All figures in the text format of `OpenMetrics`.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        if let Err(error) = prometheus_client::encoding::text::encode(&mut text, &self.registry) {
            tracing::error!(%error, "figures cannot be encoded");
        }
        text
    }
}

/// Reads what others count, at the moment at which it is asked for.
#[derive(Debug)]
struct Snapshot {
    sessions: Sessions,
    media: Media,
    turn: Option<Arc<Turn>>,
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let sessions = self.sessions.figures();
        gauge(&mut encoder, "sessions", "Sessions, on air or not", sessions.sessions)?;
        gauge(
            &mut encoder,
            "sessions_on_air",
            "Sessions that are on air",
            sessions.on_air,
        )?;
        gauge(
            &mut encoder,
            "viewers",
            "People watching, previews not counted",
            sessions.viewers,
        )?;
        gauge(
            &mut encoder,
            "participants",
            "Everybody who is connected",
            sessions.participants,
        )?;
        encode_media(&mut encoder, &self.media.snapshot())?;
        let (allocations, dropped) = self.turn.as_ref().map(|turn| turn.figures()).unwrap_or_default();
        gauge(
            &mut encoder,
            "turn_allocations",
            "Clients' addresses at the relay",
            allocations,
        )?;
        counter(
            &mut encoder,
            "turn_dropped",
            "Datagrams that the relay dropped because a client was slow",
            dropped,
        )?;
        let process = Process::read();
        gauge(
            &mut encoder,
            "process_resident_memory_bytes",
            "Memory in use",
            process.resident_bytes,
        )?;
        gauge(
            &mut encoder,
            "process_open_fds",
            "Open file descriptors",
            process.open_fds,
        )
    }
}

fn encode_media(encoder: &mut DescriptorEncoder<'_>, media: &MediaSnapshot) -> std::fmt::Result {
    gauge(encoder, "peers", "WebRTC connections", media.peers)?;
    gauge(encoder, "tracks", "Published tracks", media.tracks)?;
    gauge(encoder, "slots", "Slots that show a track", media.slots)?;
    gauge(
        encoder,
        "tcp_connections",
        "ICE-TCP connections, half-open ones included",
        media.tcp_connections,
    )?;
    counter(
        encoder,
        "received_packets",
        "Datagrams taken in for a peer",
        media.packets_in,
    )?;
    counter(
        encoder,
        "received_bytes",
        "Bytes of datagrams taken in for a peer",
        media.bytes_in,
    )?;
    counter(encoder, "sent_packets", "Datagrams sent", media.packets_out)?;
    counter(encoder, "sent_bytes", "Bytes of datagrams sent", media.bytes_out)?;
    counter(
        encoder,
        "forwarded_packets",
        "Track packets sent to a slot",
        media.forwarded,
    )?;
    counter(
        encoder,
        "dropped_packets",
        "Packets that a slot, a queue or a socket did not take",
        media.dropped,
    )?;
    counter(
        encoder,
        "unknown_datagrams",
        "Datagrams that belonged to nobody",
        media.unknown_datagrams,
    )?;
    let keyframes = media.keyframe_requests;
    let outcomes = [
        ("received", keyframes.received),
        ("merged", keyframes.merged),
        ("sent", keyframes.sent),
    ];
    let help =
        "Requests for keyframes: received from viewers and new slots, merged into one that waited, sent to publishers";
    labelled(
        encoder,
        "keyframe_requests",
        help,
        "outcome",
        &outcomes,
        ConstCounter::new,
    )?;
    let number = |index: usize| index.to_string();
    let workers = media.workers.iter().enumerate();
    let loads: Vec<_> = workers
        .map(|(index, worker)| (number(index), worker.load_permille))
        .collect();
    let ratio = |permille: u64| ConstGauge::new(permille as f64 / 1000.0);
    labelled(
        encoder,
        "worker_load_ratio",
        "Share of the last second that a media worker was busy",
        "worker",
        &loads,
        ratio,
    )
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> std::fmt::Result {
    let metric = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
    metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
}

fn counter(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> std::fmt::Result {
    let metric = ConstCounter::new(value);
    metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
}

/// One metric with a value for each value of a label.
fn labelled<L: AsRef<str>, M: EncodeMetric>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &str,
    values: &[(L, u64)],
    metric: impl Fn(u64) -> M,
) -> std::fmt::Result {
    let Some((_, first)) = values.first() else {
        return Ok(());
    };
    let mut family = encoder.encode_descriptor(name, help, None, metric(*first).metric_type())?;
    for (value, count) in values {
        let labels = [(label, value.as_ref())];
        metric(*count).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

/// What the operating system says of this process. Zero where it says nothing, as everywhere but on Linux.
struct Process {
    resident_bytes: u64,
    open_fds: u64,
}

impl Process {
    fn read() -> Self {
        // proc_pid_status(5): "VmRSS:	   12345 kB".
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = resident.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
        let open_fds = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        Self {
            resident_bytes: kilobytes.unwrap_or(0) * 1024,
            open_fds: open_fds as u64,
        }
    }
}
