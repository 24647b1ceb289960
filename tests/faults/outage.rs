//! Outages and overload: the circuit breaker, pacing, one writer to a key, failover and the way back.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{Fixture, TempFolder, noise, quick, status, to};
use bytes::Bytes;
use reliable_r2::error::{Category, code};
use reliable_r2::resilience::circuit_breaker::BreakerState;
use reliable_r2::source::chunks::Memory;
use reliable_r2::storage::download::RangeOptions;
use reliable_r2::storage::reconcile::ReconcileOptions;
use reliable_r2::storage::{
    FileLimits, ObjectOptions, RetryOptions, SourceOptions, Storage, StorageConfig, TargetOptions,
};
use reliable_r2_lab::{Fault, LocalR2, Options, Rule};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

const MIB: usize = 1024 * 1024;

fn within(deadline_ms: f64) -> Option<RetryOptions> {
    let (initial_delay_ms, max_delay_ms) = (Some(100.0), Some(300.0));
    let deadline_ms = Some(deadline_ms);
    Some(RetryOptions { max_attempts: Some(100.0), initial_delay_ms, max_delay_ms, deadline_ms, ..quick() })
}

fn breaker(fixture: &Fixture) -> BreakerState {
    fixture.storage.endpoints()[0].gate.breaker
}

#[tokio::test]
async fn with_an_open_breaker_calls_without_a_deadline_fail_at_once() {
    let fixture = Fixture::plain().await;
    fixture.storage.set_breaker("open", None).expect("a state");
    let error = fixture.upload("a.bin", b"hello").await.expect_err("nothing is sent");
    assert_eq!((error.code.as_ref(), error.category, error.attempts), (code::CIRCUIT_OPEN, Category::Network, 0));
    assert!(error.retry_after.is_some_and(|wait| wait <= Duration::from_secs(5)), "{error:?}");
    assert!(error.detail.contains(&fixture.lab.proxy_url()), "{error}");
    assert!(fixture.actions().is_empty());
    fixture.storage.set_breaker("closed", None).expect("a state");
    fixture.upload("a.bin", b"hello").await.expect("stored");
}

#[tokio::test]
async fn with_an_open_breaker_calls_with_a_deadline_wait_and_one_goes_first() {
    let fixture = Arc::new(Fixture::plain().await);
    fixture.storage.set_breaker("open", None).expect("a state");
    let uploads = (0..10).map(|number| {
        let fixture = Arc::clone(&fixture);
        tokio::spawn(async move {
            let options = ObjectOptions { retry: within(20_000.0), ..to(&format!("{number}.bin")) };
            fixture.storage.upload(options, Bytes::from_static(b"hello"), fixture.call()).await
        })
    });
    let uploads: Vec<_> = uploads.collect();
    sleep(Duration::from_millis(100)).await;
    assert_eq!(fixture.storage.endpoints()[0].gate.queued, 10);
    fixture.storage.set_breaker("halfOpen", None).expect("a state");
    for upload in uploads {
        assert_eq!(upload.await.expect("no panic").expect("stored").attempts, 1);
    }
    assert_eq!(breaker(&fixture), BreakerState::Closed);
    assert_eq!(fixture.actions().len(), 10);
}

#[tokio::test]
async fn a_deadline_ends_the_wait_for_a_breaker() {
    let fixture = Fixture::plain().await;
    fixture.storage.set_breaker("open", None).expect("a state");
    let began = Instant::now();
    let options = ObjectOptions { retry: within(300.0), ..to("a.bin") };
    let error = fixture.storage.upload(options, Bytes::from_static(b"x"), fixture.call()).await.expect_err("too late");
    assert_eq!(error.code, code::CIRCUIT_OPEN);
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert!(fixture.actions().is_empty());
}

/// A real outage, as long as it must be for the breaker to open, and what waited for its end.
#[tokio::test]
async fn an_outage_opens_the_breaker_and_its_end_closes_it() {
    let fixture = Arc::new(Fixture::plain().await);
    fixture.lab.set_faults(vec![Rule::always(Fault::Down)]);
    let uploads = (0..8).map(|number| {
        let fixture = Arc::clone(&fixture);
        tokio::spawn(async move {
            let options = ObjectOptions { retry: within(60_000.0), ..to(&format!("{number}.bin")) };
            fixture.storage.upload(options, Bytes::from_static(b"hello"), fixture.call()).await
        })
    });
    let uploads: Vec<_> = uploads.collect();
    while breaker(&fixture) == BreakerState::Closed {
        sleep(Duration::from_millis(50)).await;
    }
    let refused = fixture.actions().len();
    sleep(Duration::from_millis(2500)).await;
    let probes = fixture.actions().len() - refused;
    fixture.lab.set_faults(Vec::new());
    for upload in uploads {
        upload.await.expect("no panic").expect("stored in the end");
    }
    // A probe may make a connection more than once.
    assert!(probes <= 9, "{probes} connections in 2.5 s of an open breaker");
    let endpoint = fixture.storage.endpoints().remove(0);
    assert_eq!((endpoint.gate.breaker, endpoint.gate.opened), (BreakerState::Closed, 1));
}

#[tokio::test]
async fn throttling_slows_everybody_down() {
    let fixture = Arc::new(Fixture::plain().await);
    fixture.lab.set_faults(vec![Rule::times(status(503, "SlowDown"), 12)]);
    let uploads = (0..12).map(|number| {
        let fixture = Arc::clone(&fixture);
        tokio::spawn(async move { fixture.upload(&format!("{number}.bin"), b"hello").await })
    });
    let uploads: Vec<_> = uploads.collect();
    while fixture.storage.endpoints()[0].gate.pace.is_none() {
        sleep(Duration::from_millis(1)).await;
    }
    for upload in uploads {
        upload.await.expect("no panic").expect("stored");
    }
    assert_eq!(fixture.actions().iter().filter(|action| *action == "forward").count(), 12);
}

#[tokio::test]
async fn the_later_write_to_a_key_wins_whatever_the_earlier_one_meets() {
    let fixture = Arc::new(Fixture::plain().await);
    fixture.lab.set_faults(vec![Rule::times(Fault::Reset { after_bytes: None }, 2)]);
    let write = |body: &'static [u8]| {
        let fixture = Arc::clone(&fixture);
        tokio::spawn(async move { fixture.upload("same.bin", body).await })
    };
    let first = write(b"first");
    while fixture.storage.endpoints()[0].gate.in_flight == 0 {
        sleep(Duration::from_millis(1)).await;
    }
    let second = write(b"second");
    assert_eq!(first.await.expect("no panic").expect("stored").attempts, 3);
    assert_eq!(second.await.expect("no panic").expect("stored").attempts, 1);
    assert_eq!(fixture.stored("same.bin").as_deref(), Some(b"second".as_slice()));
}

/// A storage with a primary and a spare endpoint, each a server of its own.
struct Two {
    fixture: Fixture,
    spare: LocalR2,
    folder: TempFolder,
}

impl Two {
    async fn new() -> Self {
        let folder = TempFolder::new();
        let options = Options { buckets: vec!["spare".into()], ..Options::in_folder(folder.path()) };
        let spare = LocalR2::start(options).await.expect("a second R2");
        let at = |endpoint: String| TargetOptions { endpoint: Some(endpoint), ..TargetOptions::default() };
        let fixture = Fixture::with(|lab, config: &mut StorageConfig| {
            config.endpoints = Some(vec![
                at(lab.proxy_url()),
                TargetOptions { bucket: Some("spare".into()), ..at(spare.proxy_url()) },
            ]);
            config.multipart_threshold_bytes = Some(5.0 * 1024.0 * 1024.0);
            config.part_size_bytes = Some(5.0 * 1024.0 * 1024.0);
            config.domain = Some("https://pictures.example".into());
        })
        .await;
        Self { fixture, spare, folder }
    }

    fn primary_is(&self, fault: Option<Fault>) {
        self.fixture.lab.set_faults(fault.into_iter().map(Rule::always).collect());
    }

    fn at_spare(&self, key: &str) -> Option<Vec<u8>> {
        std::fs::read(self.folder.path().join("spare").join(key)).ok()
    }

    async fn reconcile(&self) -> reliable_r2::storage::reconcile::Reconciled {
        self.fixture.storage.reconcile(ReconcileOptions::default(), self.fixture.call()).await.expect("both are well")
    }
}

#[tokio::test]
async fn what_the_primary_cannot_take_goes_to_the_next_endpoint_and_comes_back() {
    let two = Two::new().await;
    let fixture = &two.fixture;
    let (small, large) = (noise(1000), noise(11 * MIB));
    let stays = fixture.upload("stays.png", &small).await.expect("stored");
    assert_eq!((stays.endpoint, stays.failed_over), (fixture.lab.proxy_url(), false));
    assert_eq!(stays.url, "https://pictures.example/stays.png");

    two.primary_is(Some(Fault::Down));
    let mut options = to("small.png");
    options.headers.metadata.insert("prompt".into(), "a cat".into());
    options.headers.values.insert("cacheControl".into(), "immutable".into());
    let receipt = fixture.storage.upload(options, Bytes::from(small.clone()), fixture.call()).await.expect("stored");
    assert_eq!((receipt.endpoint, receipt.failed_over, receipt.attempts), (two.spare.proxy_url(), true, 1));
    assert_eq!((receipt.bucket.as_str(), receipt.url.as_str()), ("spare", receipt.location.as_str()));
    let receipt = fixture.upload("large.bin", &large).await.expect("stored in parts");
    assert_eq!((receipt.failed_over, receipt.parts), (true, 3));
    let file = two.folder.path().join("file.bin");
    std::fs::write(&file, &large).expect("a file");
    let receipt = fixture
        .storage
        .upload_path(to("file.bin"), &file, FileLimits::default(), fixture.call())
        .await
        .expect("stored");
    assert!(receipt.failed_over);
    let stream = Memory::new(Bytes::from(small.clone()));
    let receipt = fixture.storage.upload_chunks(to("stream.png"), stream, fixture.call()).await.expect("stored");
    assert!(receipt.failed_over, "what goes in one request is in memory");
    assert_eq!((two.at_spare("small.png"), two.at_spare("large.bin")), (Some(small.clone()), Some(large.clone())));

    // It can be read meanwhile, and from wherever it is afterwards.
    for fault in [Some(Fault::Down), None] {
        two.primary_is(fault);
        let info = fixture.storage.head(to("small.png"), fixture.call()).await.expect("found at the spare").value;
        assert_eq!(info.size, 1000);
    }
    assert_eq!(fixture.stored("small.png"), None);

    let mut reconciled = two.reconcile().await;
    reconciled.copied.sort();
    assert_eq!(reconciled.copied, ["file.bin", "large.bin", "small.png", "stream.png"]);
    assert!(reconciled.failed.is_empty() && reconciled.superseded.is_empty(), "{reconciled:?}");
    assert_eq!((fixture.stored("small.png"), fixture.stored("large.bin")), (Some(small), Some(large)));
    assert_eq!(two.at_spare("small.png"), None, "removed there");
    let info = fixture.storage.head(to("small.png"), fixture.call()).await.expect("found").value;
    assert_eq!(info.metadata.into_iter().collect::<Vec<_>>(), [("prompt".to_owned(), "a cat".to_owned())]);
    assert_eq!(info.headers[&reliable_r2::store::ObjectHeader::CacheControl], "public, max-age=31536000, immutable");
    assert_eq!(info.content_type.as_deref(), Some("image/png"));
    assert!(two.reconcile().await.copied.is_empty(), "nothing is left to bring back");
}

/// The storage is well; its operator would read otherwise, and the object be where nobody looks.
#[tokio::test]
async fn trouble_of_a_source_is_no_reason_for_another_endpoint() {
    let two = Two::new().await;
    let fixture = &two.fixture;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/a.png", listener.local_addr().expect("an address"));
    // Hangs up on whoever asks.
    let source = tokio::spawn(async move {
        loop {
            drop(listener.accept().await);
        }
    });
    let options = SourceOptions { url, allow_private_networks: Some(true), ..SourceOptions::default() };
    let error = fixture.download_and_upload(options, "a.png").await.expect_err("nothing to store");
    assert_eq!((error.category, error.attempts), (Category::Network, 4), "{error}");
    assert!(two.spare.events().is_empty() && fixture.lab.events().is_empty());
    source.abort();
}

#[tokio::test]
async fn reconcile_leaves_newer_objects_and_those_of_others_alone() {
    let two = Two::new().await;
    let fixture = &two.fixture;
    two.primary_is(Some(Fault::Down));
    fixture.upload("both.bin", b"older").await.expect("stored at the spare");
    // Times of S3 are in seconds.
    sleep(Duration::from_millis(1100)).await;
    two.primary_is(None);
    fixture.upload("both.bin", b"newer").await.expect("stored at the primary");
    std::fs::write(two.folder.path().join("spare").join("not-ours.bin"), b"of somebody else").expect("a file");
    let reconciled = two.reconcile().await;
    assert_eq!((reconciled.copied.len(), reconciled.superseded), (0, vec!["both.bin".to_owned()]));
    assert_eq!(fixture.stored("both.bin").as_deref(), Some(b"newer".as_slice()));
    assert_eq!(two.at_spare("both.bin"), None);
    assert!(two.at_spare("not-ours.bin").is_some());
}

/// The primary fails again while an object is brought back, and a newer one goes elsewhere: it is brought back, too.
#[tokio::test]
async fn reconcile_loses_nothing_that_is_written_meanwhile() {
    let two = Two::new().await;
    let fixture = &two.fixture;
    two.primary_is(Some(Fault::Down));
    fixture.upload("both.bin", b"older").await.expect("stored at the spare");
    fixture.lab.set_faults(vec![Rule { method: Some("PUT".into()), ..Rule::times(Fault::Delay { ms: 1500 }, 1) }]);
    // As of another process, for which the primary is out.
    let other = Storage::new(fixture.storage.config().clone()).expect("a storage");
    other.set_breaker("open", None).expect("the primary's");
    let newer = async {
        // The response to that comes later.
        while fixture.stored("both.bin").is_none() {
            sleep(Duration::from_millis(10)).await;
        }
        let newer = Bytes::from_static(b"newer");
        let receipt = other.upload(to("both.bin"), newer, fixture.call()).await.expect("stored at the spare");
        assert!(receipt.failed_over);
    };
    let (reconciled, ()) = tokio::join!(two.reconcile(), newer);
    assert_eq!((reconciled.copied, reconciled.failed.len()), (vec!["both.bin".to_owned()], 0));
    assert_eq!(fixture.stored("both.bin").as_deref(), Some(b"newer".as_slice()));
    assert_eq!(two.at_spare("both.bin"), None);
}

#[tokio::test]
async fn reconcile_leaves_alone_what_has_no_known_age() {
    let two = Two::new().await;
    let fixture = &two.fixture;
    two.primary_is(Some(Fault::Down));
    fixture.upload("both.bin", b"one").await.expect("stored at the spare");
    two.primary_is(None);
    // As of another process: its first request, so that it does not know the primary's clock.
    let other = Storage::new(fixture.storage.config().clone()).expect("a storage");
    other.upload(to("both.bin"), Bytes::from_static(b"two"), fixture.call()).await.expect("stored at the primary");
    let reconciled = two.reconcile().await;
    assert_eq!(
        reconciled.failed.iter().map(|(key, error)| (&**key, &*error.code)).collect::<Vec<_>>(),
        [("both.bin", "Conflict")]
    );
    assert!(two.at_spare("both.bin").is_some() && fixture.stored("both.bin").is_some());
}

#[tokio::test]
async fn failures_of_the_callers_making_do_not_go_elsewhere() {
    let two = Two::new().await;
    two.primary_is(Some(status(403, "AccessDenied")));
    let error = two.fixture.upload("a.bin", b"hello").await.expect_err("refused");
    assert_eq!(error.category, Category::Auth);
    assert!(two.spare.events().is_empty());
}

#[tokio::test]
async fn when_all_endpoints_fail_the_last_error_has_the_first_as_its_cause() {
    let two = Two::new().await;
    two.primary_is(Some(Fault::Down));
    two.spare.set_faults(vec![Rule::always(status(403, "AccessDenied"))]);
    let error = two.fixture.upload("a.bin", b"hello").await.expect_err("nobody takes it");
    assert_eq!(error.code, "AccessDenied");
    assert!(error.causes().iter().any(|cause| cause.contains("ECONNRESET")), "{:?}", error.causes());
}

#[tokio::test]
async fn an_open_breaker_sends_uploads_elsewhere_at_once_and_endpoints_share_a_deadline() {
    let two = Two::new().await;
    let fixture = &two.fixture;
    fixture.storage.set_breaker("open", Some(&fixture.lab.proxy_url())).expect("the primary's");
    let receipt = fixture.upload("a.bin", b"hello").await.expect("stored");
    assert!(receipt.failed_over && fixture.actions().is_empty());
    fixture.storage.set_breaker("closed", None).expect("a state");
    two.primary_is(Some(Fault::Hang { for_ms: None }));
    let options = ObjectOptions { retry: within(4000.0), ..to("b.bin") };
    let began = Instant::now();
    let receipt = fixture.storage.upload(options, Bytes::from_static(b"x"), fixture.call()).await.expect("stored");
    assert!(receipt.failed_over);
    assert!(began.elapsed() >= Duration::from_secs(2), "half of the time is the primary's");
}

#[tokio::test]
async fn an_object_is_deleted_wherever_it_is() {
    let two = Two::new().await;
    let fixture = &two.fixture;
    two.primary_is(Some(Fault::Down));
    fixture.upload("a.bin", b"hello").await.expect("stored at the spare");
    two.primary_is(None);
    fixture.storage.delete(to("a.bin"), fixture.call()).await.expect("deleted");
    assert_eq!(two.at_spare("a.bin"), None);
    let missing = fixture.storage.head(to("a.bin"), fixture.call()).await.expect_err("it is nowhere");
    assert_eq!(missing.status, Some(404));
}

#[tokio::test]
async fn a_download_finds_its_object_at_the_next_endpoint() {
    let two = Two::new().await;
    two.primary_is(Some(Fault::Down));
    let body = noise(100_000);
    two.fixture.upload("a.bin", &body).await.expect("stored at the spare");
    let Two { fixture, spare: _spare, folder: _folder } = two;
    let (call, storage) = (fixture.call(), Arc::new(fixture.storage));
    let mut found = storage.download(to("a.bin"), RangeOptions::default(), call).await.expect("found");
    let mut read = Vec::new();
    while let Some(piece) = reliable_r2::source::chunks::Chunks::next(&mut found.value.bytes).await.expect("a piece") {
        read.extend_from_slice(&piece);
    }
    assert_eq!(read, body);
}
