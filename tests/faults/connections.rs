//! Which connection carries which request.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{Fixture, noise, quick, status, to};
use bytes::Bytes;
use reliable_r2::storage::{ObjectOptions, RetryOptions};
use reliable_r2_lab::{Event, Fault, Rule};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::{Barrier, mpsc, watch};
use tokio::task::JoinSet;

fn connections(fixture: &Fixture) -> Vec<u64> {
    fixture.lab.events().into_iter().map(|event: Event| event.connection).collect()
}

fn reconnects(fixture: &Fixture) -> u64 {
    fixture.storage.endpoints()[0].reconnects
}

#[tokio::test]
async fn requests_that_succeed_share_a_connection() {
    for fixture in [Fixture::plain().await, Fixture::tls().await] {
        for n in 0..5 {
            fixture.upload(&format!("{n}.bin"), &noise(100_000)).await.expect("stored");
        }
        let used = connections(&fixture);
        assert_eq!(used, [used[0]; 5]);
    }
}

/// Also those of the SDK: an object in parts takes both ways.
#[tokio::test]
async fn all_operations_share_the_connections() {
    let fixture = Fixture::plain().await;
    fixture.upload("a.bin", &noise(17 * 1024 * 1024)).await.expect("stored");
    fixture.upload("b.bin", b"x").await.expect("stored");
    let mut used = connections(&fixture);
    assert_eq!(used.len(), 6, "begun, three parts, completed; and the small one");
    used.sort_unstable();
    used.dedup();
    // Three parts at once need three; what comes before and after them needs none of its own.
    assert!(used.len() <= 3, "{used:?}");
}

/// A socket is notified of by the runtime that made it. Another would wait until that one has time, which may be one with
/// large bodies to encrypt.
#[tokio::test]
async fn a_runtime_prefers_the_connections_that_it_has_made() {
    let fixture = Arc::new(Fixture::plain().await);
    let elsewhere = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let there = async || {
        let fixture = Arc::clone(&fixture);
        let upload = elsewhere.spawn(async move { fixture.upload("there.bin", b"x").await });
        upload.await.expect("joined").expect("stored");
    };
    let here = async |key| drop(fixture.upload(key, b"x").await.expect("stored"));

    there().await;
    let of_there = connections(&fixture)[0];
    // The first takes what is idle, whoever made it; the second makes one here.
    tokio::join!(here("a.bin"), here("b.bin"));
    let of_here = connections(&fixture).into_iter().find(|&it| it != of_there).expect("another connection");
    for _ in 0..2 {
        here("c.bin").await;
        there().await;
    }
    assert_eq!(connections(&fixture)[3..], [of_here, of_there, of_here, of_there]);
    elsewhere.shutdown_background();
}

#[tokio::test]
async fn after_a_failure_the_next_attempt_has_a_connection_of_its_own() {
    let body = noise(300_000);
    let faults = [
        status(503, "SlowDown"),
        status(500, "InternalError"),
        status(429, "TooManyRequests"),
        status(408, "RequestTimeout"),
        status(400, "IncompleteBody"),
        Fault::Reset { after_bytes: None },
        Fault::DropResponse,
    ];
    for fault in faults {
        let fixture = Fixture::plain().await;
        fixture.upload("before.bin", b"x").await.expect("stored");
        fixture.lab.set_faults(vec![Rule::times(fault.clone(), 2)]);
        let receipt = fixture.upload("a.bin", &body).await.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        assert_eq!(receipt.attempts, 3, "{fault:?}");
        let [before, first, second, third] = connections(&fixture)[..] else { panic!("{fault:?}: four requests") };
        assert_eq!(before, first, "{fault:?}: nothing had failed yet");
        assert!(first != second && second != third && first != third, "{fault:?}");
    }
}

#[tokio::test]
async fn a_refusal_leaves_its_connection_whole() {
    let fixture = Fixture::plain().await;
    fixture.lab.set_faults(vec![Rule::times(status(403, "AccessDenied"), 1)]);
    fixture.upload("a.bin", b"x").await.expect_err("refused");
    fixture.upload("a.bin", b"x").await.expect("stored");
    let used = connections(&fixture);
    assert_eq!(used[0], used[1]);
}

/// The server hangs up on connections that are kept; the pool is not notified.
#[tokio::test]
async fn a_connection_that_died_while_it_was_kept_is_no_failed_attempt() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let (hang_up, mut hung_up) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.expect("a connection");
            store(&mut socket, None).await;
            drop(socket);
            hang_up.send(()).expect("somebody listens");
        }
    });
    let fixture = Fixture::with(|_, config| config.endpoint = Some(endpoint)).await;
    for key in ["a.bin", "b.bin", "c.bin"] {
        let receipt = fixture.upload(key, b"x").await.expect("stored");
        assert_eq!(receipt.attempts, 1, "{key}");
        hung_up.recv().await.expect("closed");
        // On this machine a close is received at once, by whoever asks the system.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(fixture.recorder.codes().is_empty());
}

/// More than a task of Tokio may look at in one go, which then takes the next for one that is well.
#[tokio::test]
async fn hundreds_of_connections_that_died_while_they_were_kept_are_no_failed_attempt() {
    const KEPT: usize = 200;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let fixture = Arc::new(Fixture::with(|_, config| config.endpoint = Some(endpoint)).await);
    let (hang_up, hung_up) = watch::channel(());
    let server = tokio::spawn(async move {
        let all_there = Arc::new(Barrier::new(KEPT));
        for n in 0.. {
            let (mut socket, _) = listener.accept().await.expect("a connection");
            let all_there = (n < KEPT).then(|| Arc::clone(&all_there));
            let mut hung_up = hung_up.clone();
            tokio::spawn(async move {
                store(&mut socket, all_there).await;
                hung_up.changed().await
            });
        }
    });
    let mut uploads = JoinSet::new();
    for n in 0..KEPT {
        let fixture = Arc::clone(&fixture);
        uploads.spawn(async move { fixture.upload(&format!("{n}.bin"), b"x").await.map(drop) });
    }
    assert!(uploads.join_all().await.iter().all(Result::is_ok));
    hang_up.send_replace(());
    // On this machine a close is received at once, by whoever asks the system.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let receipt = fixture.upload("after.bin", b"x").await.expect("stored");
    assert_eq!((receipt.attempts, fixture.recorder.codes()), (1, vec![]));
    server.abort();
}

#[tokio::test]
async fn what_fails_before_anything_was_sent_is_tried_again_within_the_attempt() {
    let fixture = Fixture::tls().await;
    fixture.lab.set_faults(vec![Rule::times(Fault::TlsCut, 2)]);
    let receipt = fixture.upload("a.bin", b"x").await.expect("the third handshake is whole");
    assert_eq!((receipt.attempts, reconnects(&fixture)), (1, 2));
    assert!(fixture.recorder.codes().is_empty());
    assert_eq!(fixture.actions(), ["tlsCut", "tlsCut", "forward"]);
}

#[tokio::test]
async fn a_port_that_nobody_listens_on_is_knocked_at_three_times_an_attempt() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let fixture = Fixture::with(|_, config| config.endpoint = Some(endpoint)).await;
    let error = fixture.upload("a.bin", b"x").await.expect_err("nobody there");
    assert_eq!((error.code.as_ref(), error.attempts), ("ECONNREFUSED", 4));
    assert_eq!(reconnects(&fixture), 2 * 4);
}

#[tokio::test]
async fn what_is_final_is_not_tried_again() {
    let untrusted = Fixture::with(|lab, config| config.endpoint = Some(lab.tls_proxy_url())).await;
    untrusted.upload("a.bin", b"x").await.expect_err("an unknown authority");
    assert_eq!(reconnects(&untrusted), 0);
    let unknown = Fixture::with(|_, config| config.endpoint = Some("https://nobody.invalid".into())).await;
    unknown.upload("a.bin", b"x").await.expect_err("a name that does not exist");
    assert_eq!(reconnects(&unknown), 0);
}

/// `localhost` has an IPv6 address on most systems, and nobody listens there.
#[tokio::test]
async fn every_address_of_a_name_is_tried() {
    let fixture = Fixture::with(|lab, config| {
        config.endpoint = Some(lab.proxy_url().replace("127.0.0.1", "localhost"));
    })
    .await;
    fixture.upload("a.bin", b"x").await.expect("stored");
    assert_eq!(reconnects(&fixture), 0);
}

#[tokio::test]
async fn a_hundred_at_once_leave_connections_for_the_next() {
    let fixture = Arc::new(Fixture::plain().await);
    let mut uploads = JoinSet::new();
    for n in 0..100_usize {
        let fixture = Arc::clone(&fixture);
        uploads.spawn(async move { fixture.upload(&format!("many/{n}.bin"), &noise(1000)).await.map(drop) });
    }
    assert!(uploads.join_all().await.iter().all(Result::is_ok));
    let made = connections(&fixture).into_iter().max().expect("some");
    fixture.upload("one-more.bin", b"x").await.expect("stored");
    let last = *connections(&fixture).last().expect("some");
    assert!(last <= made, "no new one");
}

/// A middlebox that restarted knows none of them: each would cost an attempt of its own.
#[tokio::test]
async fn with_one_kept_connection_that_fails_the_others_that_were_idle_are_forgotten() {
    for ends_by in ["a reset", "silence"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let fixture = Fixture::with(|_, config| {
            config.endpoint = Some(endpoint);
            config.retry.as_mut().expect("quick").timeout = Some(500.0);
        })
        .await;
        let all_there = Arc::new(Barrier::new(3));
        let server = tokio::spawn(async move {
            for n in 0.. {
                let (mut socket, _) = listener.accept().await.expect("a connection");
                let mut all_there = (n < 3).then(|| Arc::clone(&all_there));
                tokio::spawn(async move {
                    loop {
                        store(&mut socket, all_there.take()).await;
                        if n < 3 {
                            break;
                        }
                    }
                    if ends_by == "a reset" {
                        // What it never read makes the system send one.
                        socket.readable().await.expect("a request");
                    } else {
                        std::future::pending::<()>().await;
                    }
                });
            }
        });
        let before = tokio::join!(fixture.upload("a", b"x"), fixture.upload("b", b"x"), fixture.upload("c", b"x"));
        assert!(before.0.is_ok() && before.1.is_ok() && before.2.is_ok(), "three connections are kept");
        let receipt = fixture.upload("d", b"x").await.unwrap_or_else(|error| panic!("{ends_by}: {error}"));
        assert_eq!(receipt.attempts, 2, "{ends_by}");
        server.abort();
    }
}

/// Reads a request whose body is an x, and says that it is stored, once all who wait are there.
async fn store(socket: &mut TcpStream, all_there: Option<Arc<Barrier>>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\nx") {
        let read = socket.read_buf(&mut request).await.expect("a request");
        if read == 0 {
            return std::future::pending().await;
        }
    }
    if let Some(all_there) = all_there {
        all_there.wait().await;
    }
    let response = b"HTTP/1.1 200 OK\r\netag: \"9dd4e461268c8034f5c8564e155c67a6\"\r\ncontent-length: 0\r\n\r\n";
    socket.write_all(response).await.expect("responded");
}

/// Nobody waits for a garbage collector, or until they grow old.
#[tokio::test]
async fn closing_closes_the_connections_that_are_kept() {
    let server = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let endpoint = format!("http://{}", server.local_addr().expect("an address"));
    let fixture = Fixture::with(|_, config| config.endpoint = Some(endpoint)).await;
    let serve = async {
        let (mut socket, _) = server.accept().await.expect("a connection");
        store(&mut socket, None).await;
        socket
    };
    let (stored, mut socket) = tokio::join!(fixture.upload("a.bin", b"x"), serve);
    stored.expect("stored");
    fixture.storage.close();
    let end = tokio::time::timeout(Duration::from_secs(5), socket.read(&mut [0; 16])).await;
    assert_eq!(end.expect("closed by now").expect("an orderly end"), 0);
}

/// What waits for its turn has not begun: neither its attempt nor a connection.
#[tokio::test]
async fn more_uploads_than_connections_take_turns() {
    let fixture = Fixture::with(|lab, config| {
        config.endpoint = Some(lab.proxy_url());
        config.max_connections = Some(4.0);
        // Six turns of 200 ms are longer than an attempt may take.
        config.retry.as_mut().expect("quick").timeout = Some(1000.0);
    })
    .await;
    fixture.lab.set_faults(vec![Rule::always(Fault::Delay { ms: 200 })]);
    let fixture = Arc::new(fixture);
    let mut uploads = JoinSet::new();
    for n in 0..24 {
        let fixture = Arc::clone(&fixture);
        uploads.spawn(async move { fixture.upload(&format!("{n}.bin"), b"x").await });
    }
    let attempts: Vec<_> = uploads.join_all().await.into_iter().map(|it| it.expect("stored").attempts).collect();
    assert_eq!(attempts, [1; 24]);
    let mut used = connections(&fixture);
    used.sort_unstable();
    used.dedup();
    assert_eq!(used.len(), 4, "{used:?}");
}

#[tokio::test]
async fn a_turn_that_does_not_come_in_time_is_a_timeout_of_the_call() {
    let fixture = Fixture::with(|lab, config| {
        config.endpoint = Some(lab.proxy_url());
        config.max_connections = Some(1.0);
    })
    .await;
    fixture.lab.set_faults(vec![Rule::always(Fault::Hang { for_ms: None })]);
    let second = async {
        // The first has begun.
        while fixture.storage.endpoints()[0].gate.in_flight == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let retry = Some(RetryOptions { deadline_ms: Some(300.0), ..quick() });
        let options = ObjectOptions { retry, ..to("second.bin") };
        fixture.storage.upload(options, Bytes::from_static(b"x"), fixture.call()).await
    };
    let error = tokio::select! {
        second = second => second.expect_err("there was no turn"),
        _ = fixture.upload("first.bin", b"x") => panic!("it hangs for longer"),
    };
    assert_eq!((error.code.as_ref(), error.attempts), ("ETIMEDOUT", 0), "{error}");
}
