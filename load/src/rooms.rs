//! The audience of a room, without media: viewers on the WebSocket of a Footlight server, what their host says to them,
//! and how long it takes to be heard.
//!
//! Host and viewers are of one process and read one clock. One thread serves them all, so that what is measured holds the
//! generator's own share as well: a message to two thousand is read two thousand times before the last one has it.

mod audience;
mod heard;
mod options;
mod report;
mod session;
mod socket;

use std::sync::Arc;
use std::time::{Duration, Instant};

use footlight_protocol::ClientMessage;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::{LoadError, process};
use audience::Audience;
use heard::Heard;
pub use options::Options;
use report::Usage;
pub use report::{Phase, Report};
use session::Session;
use socket::Speaker;

/// How often the host says something. A Footlight server does not let anybody chat faster for long.
const CHAT_INTERVAL: Duration = Duration::from_secs(1);

/// How often reactions are sent that have become due: often enough that they come as a stream, seldom enough that the
/// timer costs nothing.
const REACTION_PACE: Duration = Duration::from_millis(2);

/// How often to look whether all have arrived.
const ARRIVAL_CHECK: Duration = Duration::from_millis(20);

/// Makes one run in a session of its own, and ends that session.
pub async fn run(options: &Options) -> Result<Report, LoadError> {
    let session = Session::create(&options.server).await?;
    let report = measure(options, &session).await;
    session.end().await;
    report
}

async fn measure(options: &Options, session: &Session) -> Result<Report, LoadError> {
    let (mut host, host_reads) = enter_as_host(session).await?;
    let memory = || options.server_pid.and_then(process::resident);
    let before = memory();

    let heard = Arc::new(Heard::default());
    let mut audience = Audience::join(options, session, &heard).await?;
    sleep(options.settle).await;
    let idle = memory();

    let calm = phase(options, 0.0, &mut host, &mut audience, &heard).await?;
    let flood = match options.reactions {
        0 => None,
        rate => Some(phase(options, f64::from(rate), &mut host, &mut audience, &heard).await?),
    };
    let after = memory();
    let joins = audience.leave().await;
    host_reads.abort();
    Ok(Report {
        viewers: options.viewers,
        joined: joins.durations.len() as u32,
        lost: joins.lost,
        refusals: joins.refusals,
        join_ms: crate::report::Quantiles::of_durations(&joins.durations, Duration::from_millis(1)),
        server_idle_bytes_per_viewer: report::per_viewer(before, idle, joins.durations.len()),
        server_bytes_per_viewer: report::per_viewer(before, after, joins.durations.len()),
        server_bytes: after,
        calm,
        flood,
    })
}

/// The host reads as well, or the server would close the connection as one that does not.
async fn enter_as_host(session: &Session) -> Result<(Speaker, JoinHandle<()>), LoadError> {
    let (speaker, mut listener) = socket::enter(&session.host_address(), session.server).await?;
    let reading = tokio::spawn(async move {
        while let Some(text) = listener.next().await {
            if text.contains(r#""type":"error""#) {
                tracing::warn!(error = %text.as_str(), "the host was refused");
            }
        }
    });
    Ok((speaker, reading))
}

/// Lets the host speak for a while, beside `reactions` a second of all viewers together.
async fn phase(
    options: &Options,
    reactions: f64,
    host: &mut Speaker,
    audience: &mut Audience,
    heard: &Heard,
) -> Result<Phase, LoadError> {
    heard.begin();
    let before = Usage::read(options.server_pid);
    let began = Instant::now();
    let mut chat = interval(CHAT_INTERVAL);
    chat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut pace = interval(REACTION_PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut chats, mut reacted) = (0, 0);
    while began.elapsed() < options.seconds {
        tokio::select! {
            _ = chat.tick() => {
                let message = heard.next_message();
                host.say(&ClientMessage::Chat { message }).await?;
                chats += 1;
            }
            _ = pace.tick(), if reactions > 0.0 => {
                let due = (began.elapsed().as_secs_f64() * reactions) as u64;
                audience.react(due.saturating_sub(reacted)).await;
                reacted = reacted.max(due);
            }
        }
    }
    let measured = began.elapsed();
    let used = Usage::read(options.server_pid).since(&before);
    let messages = heard.messages();
    let expected = chats * audience.size();
    let all = async {
        while heard.receipts() < expected {
            sleep(ARRIVAL_CHECK).await;
        }
    };
    // Whatever comes later than this is missing.
    let _ = timeout(options.patience, all).await;
    Ok(heard.phase(expected, messages, reacted, measured, &used))
}
