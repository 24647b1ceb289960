//! `floor`: bare hyper sending a ready-made request over and over, as little as a client on this machine can do. No
//! signature, no retry, no pool, and no JavaScript; so it is a program of its own and no addon: an addon would measure
//! the seam to JavaScript as well, which is part of what a client is to be measured for. One thread, since more of them
//! make small requests dearer and large ones no faster.
//!
//! `floor URL BYTES CONCURRENCY SECONDS [CA.pem]` prints one line of JSON, as the other clients do.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

type Failure = Box<dyn Error + Send + Sync>;
type Sender = http1::SendRequest<Full<Bytes>>;

const USAGE: &str = "usage: floor URL BYTES CONCURRENCY SECONDS [CA.pem]";

struct Plan {
    host: String,
    tls: Option<TlsConnector>,
    body: Bytes,
    concurrency: usize,
    measured: Duration,
}

impl Plan {
    fn from_arguments() -> Result<Self, Failure> {
        let mut arguments = std::env::args().skip(1);
        let mut next = || arguments.next().ok_or(USAGE);
        let url = next()?;
        let (scheme, host) = url.split_once("://").ok_or("the URL has no scheme")?;
        let bytes: usize = next()?.parse()?;
        let concurrency = next()?.parse()?;
        let measured = Duration::from_secs_f64(next()?.parse()?);
        let tls = if scheme == "https" { Some(connector(&next()?)?) } else { None };
        Ok(Self { host: host.to_owned(), tls, body: Bytes::from(vec![b'x'; bytes]), concurrency, measured })
    }

    async fn connect(&self) -> Result<Sender, Failure> {
        let socket = TcpStream::connect(&self.host).await?;
        socket.set_nodelay(true)?;
        match &self.tls {
            None => handshake(socket).await,
            Some(tls) => handshake(tls.connect(ServerName::try_from("localhost")?, socket).await?).await,
        }
    }

    /// As a signed upload to a store is in size, with a signature that proves nothing.
    fn request(&self) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        Request::put("/null/object")
            .header("host", &self.host)
            .header("content-type", "application/octet-stream")
            .header("content-disposition", "inline")
            .header("x-amz-date", "20300101T000000Z")
            .header("x-amz-content-sha256", "0".repeat(64))
            .header("authorization", format!("AWS4-HMAC-SHA256 Credential=none, Signature={}", "0".repeat(64)))
            .body(Full::new(self.body.clone()))
    }
}

fn connector(authority: &str) -> Result<TlsConnector, Failure> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority)?)?;
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn handshake(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Sender, Failure> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// Sends one request after another until the time is over; gives how long each took.
async fn send(plan: &Plan, sender: &mut Sender, until: Instant) -> Result<Vec<f64>, Failure> {
    let mut took = Vec::new();
    while Instant::now() < until {
        let started = Instant::now();
        sender.ready().await?;
        let answer = sender.send_request(plan.request()?).await?;
        if !answer.status().is_success() {
            return Err(format!("the sink answered {}", answer.status()).into());
        }
        answer.into_body().collect().await?;
        took.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(took)
}

/// All connections at once; gives the times of all requests and how long it took.
async fn send_all(
    plan: &Arc<Plan>,
    senders: Vec<Sender>,
    lasts: Duration,
) -> Result<(Vec<Sender>, Vec<f64>, Duration), Failure> {
    let started = Instant::now();
    let tasks: Vec<_> = senders
        .into_iter()
        .map(|mut sender| {
            let plan = Arc::clone(plan);
            tokio::spawn(async move { send(&plan, &mut sender, started + lasts).await.map(|took| (sender, took)) })
        })
        .collect();
    let (mut senders, mut times) = (Vec::new(), Vec::new());
    for task in tasks {
        let (sender, took) = task.await??;
        senders.push(sender);
        times.extend(took);
    }
    Ok((senders, times, started.elapsed()))
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
    let plan = Arc::new(Plan::from_arguments()?);
    let mut senders = Vec::new();
    for _ in 0..plan.concurrency {
        senders.push(plan.connect().await?);
    }
    let (senders, ..) = send_all(&plan, senders, plan.measured / 4).await?;
    let before = usage();
    let (_, times, took) = send_all(&plan, senders, plan.measured).await?;
    let after = usage();
    let report = json!({
        "uploads": times.len(),
        "seconds": took.as_secs_f64(),
        "times": times,
        "cpuMs": after.zip(before).map(|((after, _), (before, _))| after - before),
        "loopMs": null,
        "peakRss": after.map(|(_, peak)| peak),
    });
    println!("{report}");
    Ok(())
}
