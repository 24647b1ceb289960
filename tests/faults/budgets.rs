//! Servers and sources that decide how long or how much: each call ends within its budget, and uploads beside it work.
//!
//! The property's cases come from seeds; `BUDGETS_SEED=123 cargo test --test faults budgets` replays one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::support::{Fixture, noise, quick, to};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use reliable_r2::error::{Category, Error};
use reliable_r2::net::limits::{
    MAX_INTERIM_RESPONSES, MAX_LIST_BODY_BYTES, MAX_PAGES_WITHOUT_PROGRESS, MAX_RESPONSE_HEADERS,
};
use reliable_r2::secret::Secret;
use reliable_r2::storage::incomplete_uploads::AbortIncompleteUploadsOptions;
use reliable_r2::storage::objects::ListOptions;
use reliable_r2::storage::{Environment, RetryOptions, SourceOptions, Storage, StorageConfig};
use reliable_r2::store::pages::Pages;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

/// No call may take longer: far more than the slowest of them needs, so that no timing decides.
const END: Duration = Duration::from_secs(240);

/// A server that does to each connection what `serve` does, and counts what it sent.
struct Hostile {
    url: String,
    requests: Arc<AtomicU64>,
    sent: Arc<AtomicU64>,
}

/// What a hostile server has of one connection.
struct Peer {
    socket: TcpStream,
    request: String,
    nth: u64,
    sent: Arc<AtomicU64>,
}

impl Peer {
    /// False once the client has gone.
    async fn send(&mut self, bytes: &[u8]) -> bool {
        self.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.socket.write_all(bytes).await.is_ok()
    }

    async fn for_ever(&mut self, bytes: &[u8]) {
        while self.send(bytes).await {}
    }
}

impl Hostile {
    async fn serving<F>(serve: impl Fn(Peer) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let (requests, sent) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let (count, bytes) = (Arc::clone(&requests), Arc::clone(&sent));
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut head = vec![0; 64 * 1024];
                let read = socket.read(&mut head).await.unwrap_or(0);
                let request = String::from_utf8_lossy(&head[..read]).into_owned();
                let nth = count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(Peer { socket, request, nth, sent: Arc::clone(&bytes) }));
            }
        });
        Self { url, requests, sent }
    }

    fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    fn source(&self) -> SourceOptions {
        SourceOptions {
            url: format!("{}/a.bin", self.url),
            allowed_hosts: Some(vec!["127.0.0.1".into()]),
            max_bytes: Some(4.0 * 1024.0 * 1024.0),
            ..SourceOptions::default()
        }
    }

    /// A storage whose endpoint it is.
    fn storage(&self, retry: RetryOptions) -> Storage {
        let config = StorageConfig {
            endpoint: Some(self.url.clone()),
            access_key: Some(Secret::new("local".into())),
            secret_key: Some(Secret::new("local-secret".into())),
            bucket: Some("pictures".into()),
            retry: Some(retry),
            stall_timeout_ms: Some(300.0),
            ..StorageConfig::default()
        };
        Storage::new(config.resolve(&Environment::default()).expect("a sound configuration")).expect("a storage")
    }
}

fn response(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()).into_bytes()
}

async fn all_objects(storage: &Storage, fixture: &Fixture) -> Result<usize, Error> {
    let (pages, mut count, mut continuation) = (std::sync::Mutex::new(Pages::default()), 0, None);
    loop {
        let options = ListOptions { continuation, ..ListOptions::default() };
        let page = storage.list(options, &pages, fixture.call()).await?;
        count += page.objects.len();
        continuation = page.continuation;
        if continuation.is_none() {
            return Ok(count);
        }
    }
}

fn page_of_objects(keys: impl Iterator<Item = String>, marker: &str) -> String {
    let contents: String = keys.map(|key| format!("<Contents><Key>{key}</Key><Size>1</Size></Contents>")).collect();
    format!(
        "<ListBucketResult><IsTruncated>true</IsTruncated>\
         <NextContinuationToken>{marker}</NextContinuationToken>{contents}</ListBucketResult>"
    )
}

#[tokio::test]
async fn a_list_whose_marker_does_not_move_ends() {
    let server = Hostile::serving(async |mut peer: Peer| {
        let body = page_of_objects((0..10).map(|n| format!("k{n}")), "same");
        peer.send(&response("200 OK", &body)).await;
    })
    .await;
    let fixture = Fixture::plain().await;
    let error =
        timeout(END, all_objects(&server.storage(quick()), &fixture)).await.expect("an end").expect_err("stuck");
    assert_eq!((&*error.code, error.category), ("ERR_PROTOCOL", Category::Service));
    assert!(error.detail.contains("does not end"), "{error}");
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn a_list_of_empty_pages_with_new_markers_ends() {
    let server = Hostile::serving(async |mut peer: Peer| {
        let body = page_of_objects(std::iter::empty(), &format!("token{}", peer.nth));
        peer.send(&response("200 OK", &body)).await;
    })
    .await;
    let fixture = Fixture::plain().await;
    let error =
        timeout(END, all_objects(&server.storage(quick()), &fixture)).await.expect("an end").expect_err("stuck");
    assert_eq!(&*error.code, "ERR_PROTOCOL");
    assert_eq!(server.requests(), u64::from(MAX_PAGES_WITHOUT_PROGRESS));
}

#[tokio::test]
async fn uploads_in_parts_that_are_listed_for_ever_end_the_cleanup() {
    let server = Hostile::serving(async |mut peer: Peer| {
        let upload = "<Upload><Key>k</Key><UploadId>u</UploadId><Initiated>2099-01-01T00:00:00Z</Initiated></Upload>";
        let body = format!(
            "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>k</NextKeyMarker>\
             <NextUploadIdMarker>u{}</NextUploadIdMarker>{upload}</ListMultipartUploadsResult>",
            peer.nth
        );
        peer.send(&response("200 OK", &body)).await;
    })
    .await;
    let fixture = Fixture::plain().await;
    let storage = server.storage(quick());
    let cleaning = storage.abort_incomplete_uploads(AbortIncompleteUploadsOptions::default(), fixture.call());
    let error = timeout(END, cleaning).await.expect("an end").expect_err("stuck");
    assert_eq!(&*error.code, "ERR_PROTOCOL");
    assert!(server.requests() <= u64::from(MAX_PAGES_WITHOUT_PROGRESS) + 1, "{}", server.requests());
}

#[tokio::test]
async fn the_xml_of_a_list_is_read_up_to_its_limit() {
    let server = Hostile::serving(async |mut peer: Peer| {
        if peer.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/xml\r\n\r\n<ListBucketResult>").await {
            peer.for_ever(&[b' '; 64 * 1024]).await;
        }
    })
    .await;
    let fixture = Fixture::plain().await;
    let once = RetryOptions { max_attempts: Some(1.0), ..quick() };
    let listing = timeout(END, async { all_objects(&server.storage(once), &fixture).await }).await;
    let error = listing.expect("an end").expect_err("too large");
    assert_eq!(&*error.code, "ERR_PROTOCOL");
    assert!(error.detail.contains(&MAX_LIST_BODY_BYTES.to_string()), "{error}");
    let sent = server.sent.load(Ordering::Relaxed);
    assert!(sent < 4 * MAX_LIST_BODY_BYTES as u64, "{sent} bytes");
}

#[tokio::test]
async fn interim_responses_without_end_are_counted_and_a_few_are_skipped() {
    let most = MAX_INTERIM_RESPONSES;
    for (count, is_too_many) in [(1, false), (most, false), (most + 1, true), (1_000_000_000, true)] {
        let server = Hostile::serving(move |mut peer: Peer| async move {
            let head = peer.request.split(" ").next().unwrap_or_default().to_owned();
            let final_response = if head == "PUT" { "etag: \"9dd4e461268c8034f5c8564e155c67a6\"\r\n" } else { "" };
            let mut left = count;
            let interim = |count: u32| b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(count as usize);
            while left > 1000 {
                if !peer.send(&interim(1000)).await {
                    return;
                }
                left -= 1000;
            }
            let body = if head == "PUT" { "" } else { "x" };
            let length = body.len();
            let last = format!(
                "HTTP/1.1 200 OK\r\n{final_response}connection: close\r\ncontent-length: {length}\r\n\r\n{body}"
            );
            // In one piece: the response is there when the last interim response is counted.
            peer.send(&[interim(left), last.into_bytes()].concat()).await;
            sleep(END).await;
        })
        .await;
        let fixture = Fixture::plain().await;
        let once = RetryOptions { max_attempts: Some(1.0), timeout: Some(30_000.0), ..quick() };
        let storage = server.storage(once);
        let uploading = storage.upload(to("a"), b"x".as_slice().into(), fixture.call());
        let outcome = timeout(END, uploading).await.expect("an end");
        let copied = timeout(END, fixture.download_and_upload(server.source(), "b")).await.expect("an end");
        if is_too_many {
            let error = outcome.expect_err("too many");
            assert!(error.code == "ERR_PROTOCOL" && error.detail.contains("interim"), "{error}");
            let error = copied.expect_err("too many");
            assert!(error.code == "ERR_PROTOCOL" && error.detail.contains("interim"), "{error}");
        } else {
            outcome.expect("stored");
            copied.expect("copied");
        }
    }
}

#[tokio::test]
async fn a_source_with_five_hundred_headers_is_read() {
    for (count, is_read) in [(100, true), (MAX_RESPONSE_HEADERS - 1, true), (MAX_RESPONSE_HEADERS + 1, false)] {
        let server = Hostile::serving(move |mut peer: Peer| async move {
            let headers: String = (1..count).map(|n| format!("x-meta-{n}: {}\r\n", "v".repeat(100))).collect();
            peer.send(format!("HTTP/1.1 200 OK\r\n{headers}content-length: 1\r\n\r\nx").as_bytes()).await;
            sleep(END).await;
        })
        .await;
        let fixture = Fixture::plain().await;
        let outcome = timeout(END, fixture.download_and_upload(server.source(), "a")).await.expect("an end");
        assert_eq!(outcome.is_ok(), is_read, "{count}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_source_that_breaks_off_again_and_again_ends() {
    let server = Hostile::serving(async |mut peer: Peer| {
        let range = peer
            .request
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
        let at: u64 = range.and_then(|range| range.trim_end_matches('-').parse().ok()).unwrap_or(0);
        let (length, end) = (3_000_000_000_u64, 2_999_999_999_u64);
        // A little more than what counts as progress.
        let head = format!(
            "HTTP/1.1 {}\r\netag: \"v\"\r\ncontent-length: {}\r\ncontent-range: bytes {at}-{end}/{length}\r\n\r\n",
            if at > 0 { "206 Partial Content" } else { "200 OK" },
            length - at
        );
        let _ = peer.send(head.as_bytes()).await && peer.send(&[7; 1_100_000]).await;
    })
    .await;
    let fixture = Fixture::plain().await;
    let retry = RetryOptions { initial_delay_ms: Some(0.0), max_delay_ms: Some(0.0), ..quick() };
    let source = SourceOptions { max_bytes: Some(4e9), ..server.source() };
    let options = reliable_r2::storage::ObjectOptions { retry: Some(retry), ..to("a") };
    let copying = fixture.storage.download_and_upload(source, options, fixture.call());
    let error = timeout(END, copying).await.expect("an end").expect_err("endless");
    assert!(error.detail.contains("broke off"), "{error}");
    assert!((100..130).contains(&server.requests()), "{}", server.requests());
}

#[tokio::test]
async fn a_retry_after_of_hours_ends_a_call_and_pauses_no_endpoint() {
    for asked in ["3600", "86400", "99999999999999999999", "1e20", "Fri, 31 Dec 9999 23:59:59 GMT"] {
        let server = Hostile::serving(move |mut peer: Peer| async move {
            let head = format!("HTTP/1.1 503 Later\r\nretry-after: {asked}\r\ncontent-length: 0\r\n\r\n");
            peer.send(head.as_bytes()).await;
        })
        .await;
        let fixture = Fixture::plain().await;
        let outcome = timeout(END, fixture.download_and_upload(server.source(), "a")).await.expect("an end");
        assert_eq!(&*outcome.expect_err("never").code, "ERR_SOURCE_STATUS", "{asked}");
        assert!(fixture.recorder.waits().iter().all(|wait| *wait < Duration::from_secs(1)), "{asked}");
        fixture.upload("b", b"x").await.expect("the endpoint has not asked for anything");
    }
}

/// What a hostile source does, of a seed.
async fn misbehave(seed: u64, mut peer: Peer) {
    let mut random = StdRng::seed_from_u64(seed);
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    match random.random_range(0..12) {
        0 => sleep(END).await,
        1 => peer.for_ever(&b"HTTP/1.1 100 Continue\r\n\r\n".repeat(random.random_range(1..1000))).await,
        2 => peer.for_ever(b"HTTP/1.1 200 OK\r\nx: y\r\n".repeat(random.random_range(1..100)).as_slice()).await,
        3 => {
            let size = random.random_range(1..20);
            let chunk = format!("{size:x}\r\n{}\r\n", "a".repeat(size)).repeat(1000);
            let _ = peer.send(chunked.as_bytes()).await;
            peer.for_ever(chunk.as_bytes()).await;
        }
        4 => {
            let _ = peer.send(chunked.as_bytes()).await;
            peer.for_ever(format!("1;{}\r\na\r\n", "x".repeat(random.random_range(1..10_000))).as_bytes()).await;
        }
        5 => {
            let wait = random.random_range(5_u64..100_000);
            let head = format!("HTTP/1.1 429 No\r\nretry-after: {wait}\r\ncontent-length: 0\r\n\r\n");
            peer.send(head.as_bytes()).await;
        }
        6 => {
            // A byte now and then, of the head or of the body.
            let text = format!("HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n{}", "a".repeat(100_000));
            for byte in text.bytes() {
                if !peer.send(&[byte]).await {
                    return;
                }
                sleep(Duration::from_millis(100)).await;
            }
        }
        7 => {
            let location = format!("/{}", random.random_range(0..1000));
            peer.send(format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n").as_bytes())
                .await;
        }
        8 => {
            let length = random.random_range(1_u64..u64::MAX);
            let _ = peer.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\na").as_bytes()).await;
        }
        9 => {
            let _ = peer.send(b"HTTP/1.1 503 No\r\n\r\n").await;
            peer.for_ever(&[b'x'; 10_000]).await;
        }
        10 => {
            let _ = peer.send(chunked.as_bytes()).await && peer.send(b"1\r\na\r\n0\r\n").await;
            peer.for_ever(b"x-trailer: endless\r\n").await;
        }
        _ => {
            let noise = noise(random.random_range(0..100_000));
            peer.send(&noise).await;
        }
    }
}

/// Peak memory of this process, in bytes; 0 where the system does not say.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0) * 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_source_or_a_server_does_calls_end_and_uploads_beside_them_work() {
    let seeds = match std::env::var("BUDGETS_SEED").ok().and_then(|text| text.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..48,
    };
    let fixture = Arc::new(Fixture::plain().await);
    let before = peak_memory();
    let mut calls = tokio::task::JoinSet::new();
    for seed in seeds {
        let fixture = Arc::clone(&fixture);
        calls.spawn(async move {
            let server = Hostile::serving(move |peer: Peer| misbehave(seed, peer)).await;
            let retry = RetryOptions { max_attempts: Some(2.0), timeout: Some(500.0), ..quick() };
            let storage = server.storage(retry.clone());
            let options = reliable_r2::storage::ObjectOptions { retry: Some(retry), ..to(&format!("{seed}")) };
            let copied = fixture.storage.download_and_upload(server.source(), options, fixture.call());
            let (copied, stored, listed) = timeout(END, async {
                tokio::join!(
                    copied,
                    storage.upload(to("a"), b"x".as_slice().into(), fixture.call()),
                    all_objects(&storage, &fixture)
                )
            })
            .await
            .unwrap_or_else(|_| panic!("seed {seed}: a call does not end"));
            for error in [copied.map(drop).err(), stored.map(drop).err(), listed.map(drop).err()].into_iter().flatten()
            {
                assert_ne!(error.category, Category::Internal, "seed {seed}: {error}");
            }
        });
    }
    // Honest uploads beside them: each is stored at its first attempt.
    let mut honest = 0;
    while !calls.is_empty() {
        // A long attempt: how busy the machine is decides nothing.
        let retry = RetryOptions { timeout: Some(60_000.0), ..quick() };
        let options = reliable_r2::storage::ObjectOptions { retry: Some(retry), ..to(&format!("honest/{honest}")) };
        let body = noise(20_000).into();
        let receipt = fixture.storage.upload(options, body, fixture.call()).await.expect("stored");
        assert_eq!(receipt.attempts, 1);
        honest += 1;
        while let Some(ended) = calls.try_join_next() {
            ended.unwrap_or_else(|error| panic!("{error}"));
        }
        sleep(Duration::from_millis(20)).await;
    }
    assert!(honest > 0);
    let grown = peak_memory().saturating_sub(before);
    assert!(grown < 256 * 1024 * 1024, "{grown} bytes");
}
