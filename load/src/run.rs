//! One run: publish, join, settle, measure, leave.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::Url;
use tokio::{task::JoinSet, time};

use crate::{
    LoadError,
    options::Options,
    peer::{self, Identity, Peer},
    process,
    report::{Circumstances, Report},
    signaling::{self, Signaling},
    tally::Tally,
    worker::{Flow, Worker},
};

/// How many reasons a report names; the others are the same, as a rule.
const REFUSALS_SHOWN: usize = 5;
/// How often to look whether all have joined.
const JOIN_CHECK: Duration = Duration::from_millis(20);
/// How long leaving may take.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(10);

/// A peer whose offer was accepted.
struct Joined {
    peer: Peer,
    resource: Option<Url>,
    request: Duration,
}

/// What a run has to undo.
#[derive(Default)]
struct Resources {
    publishing: Vec<Url>,
    receiving: Vec<Url>,
}

/// Makes one run, and leaves the server as it was found. An interrupt (Ctrl-C) ends the measurement early.
pub async fn run(options: &Options) -> Result<Report, LoadError> {
    let signaling = Signaling::new(options.insecure)?;
    let mut resources = Resources::default();
    let outcome = measure(options, &signaling, &mut resources).await;
    leave(options, &signaling, resources).await;
    outcome
}

async fn measure(options: &Options, signaling: &Signaling, resources: &mut Resources) -> Result<Report, LoadError> {
    let identity = Identity::new()?;
    let mut found = Circumstances::default();

    let publishing = Arc::new(Flow::default());
    let publisher = Worker::start("publisher", publishing.clone())?;
    if let Some(whip) = &options.whip {
        for number in 0..options.publishers {
            let url = signaling::address(whip, number)?;
            let joined = join(signaling, &identity, url, options.token.as_deref(), Some(options)).await?;
            resources.publishing.extend(joined.resource);
            publisher.add(joined.peer)?;
        }
        let connected = || publishing.connected_count() + publishing.failed_count() >= options.publishers;
        wait_until(connected, options.join_timeout).await;
    }
    found.publishers = publishing.connected_count();

    let receiving = Arc::new(Flow::default());
    let mut workers = Vec::new();
    if let Some(whep) = &options.whep {
        found.receivers = options.receivers;
        for index in 0..options.threads {
            workers.push(Worker::start(&format!("receivers-{index}"), receiving.clone())?);
        }
        join_all(options, signaling, &identity, whep, &workers, resources, &mut found).await?;
        let expected = found.requests.len() as u32;
        let settled = || receiving.joins().len() as u32 + receiving.failed_count() >= expected;
        wait_until(settled, options.join_timeout).await;
    }
    found.joins = receiving.joins();
    found.receiving = found.joins.len() as u32;
    time::sleep(options.settle).await;

    for worker in workers.iter().chain([&publisher]) {
        worker.reset()?;
    }
    let server_cpu = || options.server_pid.and_then(process::cpu_of);
    let (began, before, server_before) = (Instant::now(), process::cpu(), server_cpu());
    tokio::select! {
        () = time::sleep(options.seconds) => {}
        _ = tokio::signal::ctrl_c() => tracing::warn!("interrupted"),
    }
    found.measured = began.elapsed();
    let since = |(now, before): (Duration, Duration)| now.saturating_sub(before);
    found.cpu = process::cpu().zip(before).map(since);
    found.server_cpu = server_cpu().zip(server_before).map(since);
    let mut total = Tally::new();
    for worker in workers.iter().chain([&publisher]) {
        total.add(&worker.report()?);
    }
    found.failed = publishing.failed_count() + receiving.failed_count();
    found.keyframe_requests = publishing.keyframes_asked();
    Ok(Report::new(&total, found))
}

/// Lets the receivers join, a few at a time.
async fn join_all(
    options: &Options,
    signaling: &Signaling,
    identity: &Identity,
    whep: &str,
    workers: &[Worker],
    resources: &mut Resources,
    found: &mut Circumstances,
) -> Result<(), LoadError> {
    let mut joining = JoinSet::new();
    let mut next = 0;
    while next < options.receivers || !joining.is_empty() {
        while next < options.receivers && joining.len() < options.join_concurrency as usize {
            let url = signaling::address(whep, next % options.publishers)?;
            let (signaling, identity, token) = (signaling.clone(), identity.clone(), options.token.clone());
            joining.spawn(async move { join(&signaling, &identity, url, token.as_deref(), None).await });
            next += 1;
        }
        match joining.join_next().await {
            Some(Ok(Ok(joined))) => {
                let worker = &workers[found.requests.len() % workers.len()];
                found.requests.push(joined.request);
                resources.receiving.extend(joined.resource);
                worker.add(joined.peer)?;
            }
            Some(Ok(Err(error))) if found.refusals.len() < REFUSALS_SHOWN => found.refusals.push(error.to_string()),
            Some(Ok(Err(_))) | None => {}
            Some(Err(error)) => return Err(LoadError::Worker(error.to_string())),
        }
    }
    Ok(())
}

/// Offers, asks, and takes the answer.
async fn join(
    signaling: &Signaling,
    identity: &Identity,
    url: Url,
    bearer: Option<&str>,
    publish: Option<&Options>,
) -> Result<Joined, LoadError> {
    let server = signaling::resolve(&url).await?;
    let offered = peer::offer(identity, server, publish)?;
    let asked = Instant::now();
    let accepted = signaling.post(&url, bearer, offered.offer.clone()).await?;
    let request = asked.elapsed();
    match offered.accept(&accepted.answer) {
        Ok(peer) => Ok(Joined {
            peer,
            resource: accepted.resource,
            request,
        }),
        Err(error) => {
            if let Some(resource) = accepted.resource {
                signaling.delete(resource, bearer).await;
            }
            Err(error)
        }
    }
}

async fn wait_until(reached: impl Fn() -> bool, timeout: Duration) {
    let waiting = async {
        while !reached() {
            time::sleep(JOIN_CHECK).await;
        }
    };
    // A run goes on with those that came; the report says how many did.
    let _ = time::timeout(timeout, waiting).await;
}

/// Deletes what the run made: receivers first, so that the server does not tell them all that the publisher went.
async fn leave(options: &Options, signaling: &Signaling, resources: Resources) {
    let leaving = async {
        let mut deleting = JoinSet::new();
        for resource in resources.receiving {
            while deleting.len() >= options.join_concurrency as usize {
                deleting.join_next().await;
            }
            let (signaling, token) = (signaling.clone(), options.token.clone());
            deleting.spawn(async move { signaling.delete(resource, token.as_deref()).await });
        }
        deleting.join_all().await;
        for resource in resources.publishing {
            signaling.delete(resource, options.token.as_deref()).await;
        }
    };
    if time::timeout(LEAVE_TIMEOUT, leaving).await.is_err() {
        tracing::warn!("not everything could be deleted in time");
    }
}
