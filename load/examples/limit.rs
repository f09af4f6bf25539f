//! What forwarding cannot cost less than: sealing packets (AES-GCM, RFC 7714) for many viewers and sending them in runs
//! by generic segmentation offload, with nothing around it. `cargo xtask bench limit` compares a server with it.
//!
//! Prints one JSON object; times are processor time of the one thread that works, in nanoseconds for each packet.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, LessSafeKey, Nonce, UnboundKey};
use clap::Parser;
use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use serde::Serialize;

/// RTP header with the extensions that a server writes: authenticated, not encrypted.
const HEADER: usize = 32;

/// Authentication tag (RFC 7714 §14.1).
const TAG: usize = 16;

/// Room for what the kernel glues together on the way in.
const RECEIVED: usize = 65_535;

/// Rounds between two looks at the clock.
const ROUNDS: u32 = 16;

#[derive(Debug, Parser)]
struct Options {
    /// UDP payload of a packet, in bytes.
    #[arg(long, default_value_t = 1_100, value_parser = clap::value_parser!(u16).range(64..=1_472))]
    size: u16,
    /// Packets that go to one viewer together.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u16).range(1..=44))]
    burst: u16,
    /// Each with a key and a socket of its own.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=900))]
    viewers: u16,
    /// For each of the three measurements.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct Figures {
    packets: u64,
    seal_128_ns: f64,
    seal_256_ns: f64,
    send_ns: f64,
    /// Of the packets that were sent, those that came out of a socket again.
    received_share: f64,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let time = Duration::from_secs_f64(options.seconds);
    let (packets, send_ns, received_share) = send(&options, time)?;
    let figures = Figures {
        packets,
        seal_128_ns: seal(&AES_128_GCM, &options, time)?,
        seal_256_ns: seal(&AES_256_GCM, &options, time)?,
        send_ns,
        received_share,
    };
    println!("{}", serde_json::to_string(&figures)?);
    Ok(())
}

/// Processor time of this thread so far.
fn clock() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.cast_unsigned(), time.tv_nsec as u32)
}

/// Does `round` for `time`; processor time of this thread for each of its `packets`, in nanoseconds, and how many those
/// were.
fn measure(time: Duration, packets: u64, mut round: impl FnMut() -> Result<()>) -> Result<(f64, u64)> {
    round()?;
    let (end, before) = (Instant::now() + time, clock());
    let mut rounds = 0;
    while Instant::now() < end {
        for _ in 0..ROUNDS {
            round()?;
        }
        rounds += u64::from(ROUNDS);
    }
    let used = clock().saturating_sub(before);
    ensure!(rounds > 0, "no time to measure anything");
    Ok((used.as_nanos() as f64 / (rounds * packets) as f64, rounds * packets))
}

/// Seals a burst for each viewer, with its key, out of one payload that all of them share.
fn seal(algorithm: &'static Algorithm, options: &Options, time: Duration) -> Result<f64> {
    let key = |viewer: u16| {
        let bytes = vec![viewer as u8; algorithm.key_len()];
        UnboundKey::new(algorithm, &bytes).map(LessSafeKey::new)
    };
    let keys: Vec<_> = (0..options.viewers)
        .map(key)
        .collect::<Result<_, _>>()
        .context("a key")?;
    let payload = vec![7; usize::from(options.size) - HEADER - TAG];
    let mut datagram = vec![0; usize::from(options.size)];
    let mut sealed: u64 = 0;
    let packets = u64::from(options.viewers) * u64::from(options.burst);
    let (ns, _) = measure(time, packets, || {
        for key in &keys {
            for _ in 0..options.burst {
                sealed += 1;
                let mut nonce = [0; 12];
                nonce[4..].copy_from_slice(&sealed.to_be_bytes());
                let (header, rest) = datagram.split_at_mut(HEADER);
                let (body, tag) = rest.split_at_mut(payload.len());
                body.copy_from_slice(&payload);
                let nonce = Nonce::assume_unique_for_key(nonce);
                let made = key.seal_in_place_separate_tag(nonce, Aad::from(&*header), body);
                tag.copy_from_slice(made.ok().context("sealing")?.as_ref());
            }
        }
        std::hint::black_box(&datagram);
        Ok(())
    })?;
    Ok(ns)
}

/// Sends a burst to each viewer, in one call where the kernel can segment. Packets, time of each, and the share of them
/// that arrived.
fn send(options: &Options, time: Duration) -> Result<(u64, f64, f64)> {
    let bind = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0));
    let viewers: Vec<_> = (0..options.viewers).map(|_| bind()).collect::<Result<_, _>>()?;
    let addresses: Vec<SocketAddr> = viewers.iter().map(UdpSocket::local_addr).collect::<Result<_, _>>()?;
    let states: Vec<_> = viewers
        .iter()
        .map(|socket| UdpSocketState::new(socket.into()))
        .collect::<Result<_, _>>()?;
    let is_over = Arc::new(AtomicBool::new(false));
    let reader = std::thread::spawn({
        let is_over = is_over.clone();
        move || read(&viewers, &states, &is_over)
    });

    let socket = bind()?;
    let state = UdpSocketState::new((&socket).into())?;
    let size = usize::from(options.size);
    let most = usize::from(options.burst).min(state.max_gso_segments());
    let datagrams = vec![7; most * size];
    let run = |destination, count: usize| Transmit {
        destination,
        ecn: None,
        contents: &datagrams[..count * size],
        segment_size: (count > 1).then_some(size),
        src_ip: None,
    };
    let packets = u64::from(options.viewers) * u64::from(options.burst);
    let (ns, sent) = measure(time, packets, || {
        for address in &addresses {
            let mut left = usize::from(options.burst);
            while left > 0 {
                let count = left.min(most);
                // Blocks where the kernel has no room.
                state.try_send((&socket).into(), &run(*address, count))?;
                left -= count;
            }
        }
        Ok(())
    })?;
    is_over.store(true, Relaxed);
    let received = reader.join().ok().context("the reader panicked")?;
    Ok((sent, ns, received as f64 / (sent + packets) as f64))
}

/// Reads what comes in at all sockets, so that their buffers have room, and counts the packets.
fn read(sockets: &[UdpSocket], states: &[UdpSocketState], is_over: &AtomicBool) -> u64 {
    let mut received = 0;
    let mut buffer = vec![0; RECEIVED];
    while !is_over.load(Relaxed) {
        for (socket, state) in sockets.iter().zip(states) {
            let mut metas = [RecvMeta::default()];
            let mut slices = [std::io::IoSliceMut::new(&mut buffer)];
            while let Ok(count) = state.recv(socket.into(), &mut slices, &mut metas) {
                let of = |meta: &RecvMeta| meta.len.div_ceil(meta.stride.max(1)) as u64;
                received += metas.iter().take(count).map(of).sum::<u64>();
            }
        }
    }
    received
}
