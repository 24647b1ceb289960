//! `baseline`: bare hyper sending a ready-made request over and over: the least that a client on this machine can do. One
//! thread, since more of them make small requests dearer.
//!
//! `baseline URL BYTES CONCURRENCY SECONDS [CA.pem]` prints one line of JSON, as `support/load.mjs` does for the others.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reliable_r2_rig::bare::{Failure, Peer, Sender};
use serde_json::json;
use tokio::time::Instant;

const USAGE: &str = "usage: baseline URL BYTES CONCURRENCY SECONDS [CA.pem]";

/// Sends one request after another until the time is over; gives how long each took, in milliseconds.
async fn send(peer: &Peer, sender: &mut Sender, body: &Bytes, until: Instant) -> Result<Vec<f64>, Failure> {
    let mut took = Vec::new();
    while Instant::now() < until {
        let started = Instant::now();
        peer.put(sender, body.clone()).await?;
        took.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(took)
}

/// The same on all connections at once.
async fn send_all(
    peer: &Arc<Peer>,
    senders: Vec<Sender>,
    body: &Bytes,
    until: Instant,
) -> Result<(Vec<Sender>, Vec<f64>), Failure> {
    let send = |mut sender: Sender| {
        let (peer, body) = (Arc::clone(peer), body.clone());
        tokio::spawn(async move { send(&peer, &mut sender, &body, until).await.map(|took| (sender, took)) })
    };
    let tasks: Vec<_> = senders.into_iter().map(send).collect();
    let (mut senders, mut times) = (Vec::new(), Vec::new());
    for task in tasks {
        let (sender, took) = task.await??;
        senders.push(sender);
        times.extend(took);
    }
    Ok((senders, times))
}

/// This process's time on processors in milliseconds, and its peak memory in bytes. `None` where there is no `/proc`.
fn usage() -> Option<(f64, u64)> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    // User and system, in hundredths of a second.
    let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
    let cpu_ms = (ticks(11)? + ticks(12)?) * 10.0;
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB"))?;
    Some((cpu_ms, peak.trim().parse::<u64>().ok()? * 1024))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or(USAGE);
    let (url, bytes, concurrency, seconds) = (next()?, next()?.parse()?, next()?.parse::<usize>()?, next()?.parse()?);
    let peer = Arc::new(Peer::new(&url, next().ok().as_deref())?);
    let body = Bytes::from(vec![b'x'; bytes]);
    let lasts = Duration::from_secs_f64(seconds);

    let mut senders = Vec::with_capacity(concurrency);
    for _ in 0..concurrency {
        senders.push(peer.connect().await?);
    }
    let (senders, _) = send_all(&peer, senders, &body, Instant::now() + lasts / 4).await?;
    let (before, started) = (usage(), Instant::now());
    let (_, times) = send_all(&peer, senders, &body, started + lasts).await?;
    let (took, after) = (started.elapsed(), usage());
    let report = json!({
        "uploads": times.len(),
        "seconds": took.as_secs_f64(),
        "times": times,
        "cpuMs": after.zip(before).map(|((after, _), (before, _))| after - before),
        "jsThreadMs": null,
        "peakRss": after.map(|(_, peak)| peak),
    });
    println!("{report}");
    Ok(())
}
