//! Uploads under faults, over real sockets to a real S3 server: stored bytes, attempts, codes, bounds.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{Fixture, noise, quick, status, to};
use bytes::Bytes;
use reliable_r2::error::Category;
use reliable_r2::storage::{ObjectOptions, RetryOptions};
use reliable_r2_lab::{Fault, Piece, RawEnd, Rule};
use tokio::task::JoinSet;
use tokio::time::Instant;

#[tokio::test]
async fn nothing_fails() {
    let fixture = Fixture::plain().await;
    let body = noise(100_000);
    let receipt = fixture.upload("a/b c.png", &body).await.expect("stored");
    assert_eq!(fixture.stored("a/b c.png"), Some(body));
    assert_eq!((receipt.attempts, receipt.size, receipt.filename.as_str()), (1, 100_000, "b c.png"));
    assert_eq!(receipt.content_type, "image/png");
    assert!(receipt.location.ends_with("/pictures/a/b%20c.png"), "{}", receipt.location);
    assert!(fixture.recorder.codes().is_empty());
}

/// A captive portal, or a proxy's page: it says 200, and has stored nothing.
#[tokio::test]
async fn a_200_that_is_not_the_storages_is_no_success() {
    let fixture = Fixture::plain().await;
    fixture.lab.set_faults(vec![Rule::times(status(200, "Welcome"), 1)]);
    let receipt = fixture.upload("a.bin", b"hello").await.expect("stored by the second");
    assert_eq!((receipt.attempts, fixture.recorder.codes()), (2, vec!["ERR_PROTOCOL".to_owned()]));
    assert_eq!(fixture.stored("a.bin").as_deref(), Some(b"hello".as_slice()));
    assert_eq!(
        fixture.storage.endpoints()[0].proofs,
        [Some("checksum"), None],
        "that page said nothing of the storage"
    );
}

/// Each fault that another attempt fixes, twice in a row: stored on the third, whole.
#[tokio::test]
async fn passing_faults_are_survived() {
    let faults = [
        (Fault::Refuse, "ECONNRESET"),
        (Fault::Reset { after_bytes: Some(0) }, "ECONNRESET"),
        (Fault::Reset { after_bytes: None }, "ECONNRESET"),
        (Fault::Fin { after_bytes: None }, "ECONNRESET"),
        (Fault::DropResponse, "ECONNRESET"),
        (status(500, "InternalError"), "InternalError"),
        (status(502, "BadGateway"), "BadGateway"),
        (status(503, "ServiceUnavailable"), "ServiceUnavailable"),
        (status(520, "x"), "x"),
        (status(408, "RequestTimeout"), "RequestTimeout"),
        (status(400, "IncompleteBody"), "IncompleteBody"),
        (status(400, "ClientDisconnect"), "ClientDisconnect"),
        (status(400, "ExpiredRequest"), "ExpiredRequest"),
        (status(400, "RequestTimeout"), "RequestTimeout"),
        (Fault::EarlyStatus { status: 503, code: "SlowDown".into(), message: None }, ""),
    ];
    let body = noise(300_000);
    for (fault, code) in faults {
        let fixture = Fixture::plain().await;
        fixture.lab.set_faults(vec![Rule::times(fault.clone(), 2)]);
        let receipt = fixture.upload("a.bin", &body).await.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        // A reset that comes while the connection is still being made is fixed within the attempt.
        let fewest = if fault == Fault::Refuse { 1 } else { 3 };
        assert!((fewest..=3).contains(&receipt.attempts), "{fault:?}: {}", receipt.attempts);
        assert_eq!(fixture.stored("a.bin").as_ref(), Some(&body), "{fault:?}");
        assert_eq!(fixture.actions(), [fault.name(), fault.name(), "forward"], "{fault:?}");
        // A server that closes while it is written to may be received as EPIPE.
        let received = fixture.recorder.codes();
        let expected =
            |received: &String| code.is_empty() || received == code || (code == "ECONNRESET" && received == "EPIPE");
        assert!(received.iter().all(expected), "{fault:?}: {received:?}");
    }
}

#[tokio::test]
async fn a_tls_handshake_cut_short_is_survived() {
    let fixture = Fixture::tls().await;
    // Three to an attempt: it tries again by itself while nothing was sent.
    fixture.lab.set_faults(vec![Rule::times(Fault::TlsCut, 6)]);
    let body = noise(50_000);
    let receipt = fixture.upload("a.bin", &body).await.expect("the seventh handshake is whole");
    assert_eq!(receipt.attempts, 3);
    assert!(fixture.stored("a.bin") == Some(body), "whole");
    assert_eq!(fixture.recorder.codes(), ["ECONNRESET", "ECONNRESET"]);
    assert_eq!(fixture.actions(), [["tlsCut"; 6].as_slice(), &["forward"]].concat());
}

#[tokio::test]
async fn faults_under_tls_are_survived_too() {
    for fault in [Fault::Reset { after_bytes: None }, Fault::Fin { after_bytes: None }, Fault::DropResponse] {
        let fixture = Fixture::tls().await;
        fixture.lab.set_faults(vec![Rule::times(fault.clone(), 1)]);
        let body = noise(200_000);
        let receipt = fixture.upload("a.bin", &body).await.expect("survived");
        assert_eq!((receipt.attempts, fixture.stored("a.bin")), (2, Some(body)), "{fault:?}");
    }
}

#[tokio::test]
async fn an_outage_fails_with_a_clear_message_and_all_attempts() {
    let fixture = Fixture::plain().await;
    fixture.lab.set_faults(vec![Rule::always(Fault::Down)]);
    let error = fixture.upload("a.bin", b"x").await.expect_err("down");
    assert_eq!((error.attempts, error.category, error.code.as_ref()), (4, Category::Network, "ECONNRESET"));
    assert!(error.to_string().contains("ECONNRESET"), "{error}");
    assert_eq!(error.host.as_deref(), Some("127.0.0.1"));
    // More where a reset came while the connection was still being made.
    let actions = fixture.actions();
    assert!((4..=12).contains(&actions.len()) && actions.iter().all(|action| action == "down"), "{actions:?}");
    assert_eq!(fixture.stored("a.bin"), None);
}

/// A line that is too slow for the first timeout is fast enough for the second, which is twice as long.
#[tokio::test]
async fn a_large_file_on_a_slow_line_gets_through() {
    let fixture = Fixture::plain().await;
    fixture.lab.set_faults(vec![Rule::always(Fault::Slow { bytes_per_second: 1_000_000 })]);
    let body = noise(1_500_000);
    let retry = RetryOptions { timeout: Some(1000.0), ..quick() };
    let options = ObjectOptions { retry: Some(retry), ..to("large.bin") };
    let started = Instant::now();
    let receipt = fixture.storage.upload(options, Bytes::from(body.clone()), fixture.call()).await.expect("stored");
    assert_eq!(fixture.stored("large.bin"), Some(body));
    assert!((2..=3).contains(&receipt.attempts), "{}", receipt.attempts);
    assert!(fixture.recorder.codes().iter().all(|code| code == "ETIMEDOUT"));
    assert!(started.elapsed() >= Duration::from_secs(2), "a whole timeout passed before");
}

#[tokio::test]
async fn a_hanging_server_is_a_timeout() {
    let fixture = Fixture::plain().await;
    fixture.lab.set_faults(vec![Rule::always(Fault::Hang { for_ms: None })]);
    let retry = RetryOptions { timeout: Some(100.0), max_attempts: Some(2.0), ..quick() };
    let options = ObjectOptions { retry: Some(retry), ..to("a.bin") };
    let error = fixture.storage.upload(options, Bytes::from_static(b"x"), fixture.call()).await.expect_err("hangs");
    assert_eq!((error.category, error.code.as_ref(), error.attempts), (Category::Timeout, "ETIMEDOUT", 2));
    assert!(error.to_string().contains("timeout"), "{error}");
}

#[tokio::test]
async fn a_timeout_of_the_storages_own_says_so() {
    let fixture = Fixture::plain().await;
    for (number, code) in [(408, "RequestTimeout"), (400, "RequestTimeout")] {
        fixture.lab.set_faults(vec![Rule::always(status(number, code))]);
        let error = fixture.upload("a.bin", b"x").await.expect_err("a timeout");
        assert_eq!(error.category, Category::Timeout);
        assert!(error.to_string().contains("timeout"), "{error}");
    }
}

#[tokio::test]
async fn rate_limits_wait_at_least_a_second() {
    for fault in [status(429, "TooManyRequests"), status(503, "SlowDown")] {
        let fixture = Fixture::plain().await;
        fixture.lab.set_faults(vec![Rule::times(fault.clone(), 1)]);
        let receipt = fixture.upload("a.bin", b"x").await.expect("stored");
        assert_eq!((receipt.attempts, fixture.stored("a.bin")), (2, Some(b"x".to_vec())));
        if matches!(fault, Fault::Status { status: 429, .. }) {
            assert!(fixture.recorder.waits()[0] >= Duration::from_secs(1), "{:?}", fixture.recorder.waits());
        }
    }
}

#[tokio::test]
async fn retry_after_is_obeyed_or_ends_the_call() {
    let asked = |seconds: &str| {
        let mut fault = status(503, "SlowDown");
        if let Fault::Status { retry_after, .. } = &mut fault {
            *retry_after = Some(seconds.to_owned());
        }
        vec![Rule::times(fault, 1)]
    };
    let fixture = Fixture::plain().await;
    fixture.lab.set_faults(asked("1"));
    fixture.upload("a.bin", b"x").await.expect("stored");
    assert_eq!(fixture.recorder.waits(), [Duration::from_secs(1)]);

    fixture.lab.set_faults(asked("3600"));
    let retry = RetryOptions { deadline_ms: Some(5000.0), ..quick() };
    let options = ObjectOptions { retry: Some(retry), ..to("b.bin") };
    let started = Instant::now();
    let error = fixture.storage.upload(options, Bytes::new(), fixture.call()).await.expect_err("an hour");
    assert_eq!((error.category, error.attempts), (Category::Throttled, 1));
    assert_eq!(error.retry_after, Some(Duration::from_secs(3600)));
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn refusals_are_tried_once() {
    for (number, code, category) in [
        (403, "AccessDenied", Category::Auth),
        (403, "SignatureDoesNotMatch", Category::Auth),
        (401, "Unauthorized", Category::Auth),
        (404, "NoSuchBucket", Category::Input),
        (400, "InvalidArgument", Category::Input),
        (412, "PreconditionFailed", Category::Service),
        (501, "NotImplemented", Category::Service),
        (418, "Teapot", Category::Service),
    ] {
        let fixture = Fixture::plain().await;
        fixture.lab.set_faults(vec![Rule::always(status(number, code))]);
        let error = fixture.upload("a.bin", b"x").await.expect_err(code);
        assert_eq!((error.attempts, error.code.as_ref(), error.category), (1, code, category));
        assert_eq!(error.status, Some(number));
    }
}

#[tokio::test]
async fn a_wrong_secret_is_said_and_not_retried() {
    let fixture = Fixture::with(|lab, config| {
        config.endpoint = Some(lab.proxy_url());
        config.secret_key = Some(reliable_r2::secret::Secret::new("CANARYSECRET".into()));
    })
    .await;
    let error = fixture.upload("a.bin", b"x").await.expect_err("refused");
    assert_eq!((error.category, error.attempts), (Category::Auth, 1));
    let everything = format!("{error} {error:?} {:?} {:?}", error.causes(), fixture.storage);
    assert!(!everything.contains("CANARY") && !everything.contains("Signature="), "{everything}");
}

#[tokio::test]
async fn an_unknown_authority_is_final() {
    let fixture = Fixture::with(|lab, config| config.endpoint = Some(lab.tls_proxy_url())).await;
    let error = fixture.upload("a.bin", b"x").await.expect_err("untrusted");
    assert_eq!((error.code.as_ref(), error.attempts), ("UNABLE_TO_VERIFY_LEAF_SIGNATURE", 1));
}

#[tokio::test]
async fn tls_towards_a_plain_port_is_final() {
    let fixture = Fixture::with(|lab, config| config.endpoint = Some(lab.s3_url().replace("http:", "https:"))).await;
    let error = fixture.upload("a.bin", b"x").await.expect_err("no TLS there");
    assert_eq!((error.category, error.code.as_ref(), error.attempts), (Category::Network, "EPROTO", 1));
}

#[tokio::test]
async fn damaged_bytes_are_found_and_sent_once_more() {
    let fixture = Fixture::plain().await;
    fixture.lab.set_faults(vec![Rule::times(Fault::BadEtag, 1)]);
    let receipt = fixture.upload("a.bin", b"hello").await.expect("the second is right");
    assert_eq!((receipt.attempts, receipt.etag.as_deref()), (2, Some("5d41402abc4b2a76b9719d911017c592")));

    fixture.lab.set_faults(vec![Rule::always(Fault::BadEtag)]);
    let error = fixture.upload("a.bin", b"hello").await.expect_err("never right");
    assert_eq!((error.code.as_ref(), error.attempts), ("ERR_INTEGRITY", 2));

    let options = ObjectOptions { verify_integrity: Some(false), ..to("a.bin") };
    fixture.storage.upload(options, Bytes::from_static(b"hello"), fixture.call()).await.expect("not asked to look");
}

/// Over TLS the signature does not cover the body once responses have proven that it arrived, by a checksum or by an MD5.
/// The check stays.
#[tokio::test]
async fn damaged_bytes_are_found_where_bodies_are_not_signed() {
    for by_md5 in [false, true] {
        let fixture = Fixture::tls().await;
        fixture.lab.set_faults(if by_md5 { vec![Rule::always(Fault::NoChecksum)] } else { vec![] });
        fixture.upload("first.bin", b"hello").await.expect("stored");
        fixture.lab.set_faults(vec![Rule::times(Fault::BadEtag, 1)]);
        let body = noise(100_000);
        let receipt = fixture.upload("a.bin", &body).await.expect("the second is right");
        assert_eq!(receipt.attempts, 2, "{by_md5}");
        assert!(fixture.stored("a.bin") == Some(body), "whole");
    }
}

/// A server that knows no checksums says so instead of storing, once.
#[tokio::test]
async fn a_refused_checksum_is_left_out_from_then_on() {
    let fixture = Fixture::plain().await;
    let refusal = status(400, "InvalidArgument");
    fixture.lab.set_faults(vec![Rule::times(refusal.clone(), 1)]);
    for key in ["a.bin", "b.bin"] {
        let receipt = fixture.upload(key, b"hello").await.expect("stored");
        assert_eq!((receipt.attempts, receipt.etag.as_deref()), (1, Some("5d41402abc4b2a76b9719d911017c592")), "{key}");
    }
    assert_eq!(fixture.actions(), ["status", "forward", "forward"]);
    assert!(fixture.recorder.codes().is_empty());
    // From now on it says nothing of checksums.
    fixture.lab.set_faults(vec![Rule::always(refusal)]);
    fixture.upload("c.bin", b"hello").await.expect_err("refused, whatever it says");
    assert_eq!(fixture.actions().len(), 4);
}

/// The server's clock is an hour ahead: its refusal teaches us its time, and the next attempt is signed by it.
#[tokio::test]
async fn clock_skew_is_corrected_and_tried_once_more() {
    let fixture = Fixture::plain().await;
    let hour_ahead = std::time::SystemTime::now() + Duration::from_secs(3600);
    let mut fault = status(403, "RequestTimeTooSkewed");
    if let Fault::Status { date, .. } = &mut fault {
        *date = Some(httpdate::fmt_http_date(hour_ahead));
    }
    fixture.lab.set_faults(vec![Rule::times(fault.clone(), 1), Rule::always(status(403, "AccessDenied"))]);
    let error = fixture.upload("a.bin", b"x").await.expect_err("the second response is a refusal");
    assert_eq!((error.attempts, error.code.as_ref()), (2, "AccessDenied"));
    let dates: Vec<String> = fixture.lab.events().into_iter().filter_map(|event| event.amz_date).collect();
    let hour = |date: &str| date.get(9..11).and_then(|hour| hour.parse::<u32>().ok()).expect("an x-amz-date");
    assert_eq!((hour(&dates[0]) + 1) % 24, hour(&dates[1]), "{dates:?}");

    fixture.lab.set_faults(vec![Rule::always(fault)]);
    let error = fixture.upload("a.bin", b"x").await.expect_err("still skewed");
    assert_eq!(error.attempts, 2, "corrected once, then final");
}

#[tokio::test]
async fn an_abort_ends_every_phase_and_closes_the_connection() {
    for fault in [Fault::Hang { for_ms: None }, Fault::Slow { bytes_per_second: 1000 }, Fault::Down] {
        let fixture = Fixture::plain().await;
        fixture.lab.set_faults(vec![Rule::always(fault.clone())]);
        let retry = RetryOptions { initial_delay_ms: Some(10_000.0), max_delay_ms: Some(10_000.0), ..quick() };
        let options = ObjectOptions { retry: Some(retry), ..to("a.bin") };
        let call = fixture.call();
        let cancel = call.cancel.clone().expect("support gives one");
        let body = Bytes::from(noise(100_000));
        let upload = fixture.storage.upload(options, body, call);
        let aborted_at = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            cancel.cancel();
            Instant::now()
        };
        let (outcome, aborted_at) = tokio::join!(upload, aborted_at);
        let error = outcome.expect_err("aborted");
        assert_eq!((error.category, error.code.as_ref()), (Category::Aborted, "ERR_ABORTED"), "{fault:?}");
        assert!(aborted_at.elapsed() < Duration::from_secs(1), "{fault:?}");
    }
}

#[tokio::test]
async fn closing_ends_what_is_in_flight_and_refuses_what_comes() {
    let fixture = Fixture::plain().await;
    fixture.lab.set_faults(vec![Rule::always(Fault::Hang { for_ms: None })]);
    let close = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        fixture.storage.close();
    };
    let (outcome, ()) = tokio::join!(fixture.upload("a.bin", b"x"), close);
    assert_eq!(outcome.expect_err("closed").code, "ERR_CLOSED");
    assert_eq!(fixture.upload("b.bin", b"x").await.expect_err("closed").code, "ERR_CLOSED");
    fixture.storage.close();
}

#[tokio::test]
async fn two_hundred_at_once_are_all_whole() {
    let fixture = Arc::new(Fixture::plain().await);
    let mut uploads = JoinSet::new();
    for n in 0..200_usize {
        let fixture = Arc::clone(&fixture);
        uploads.spawn(async move { fixture.upload(&format!("many/{n}.bin"), &noise(1000 + n * 37)).await });
    }
    assert!(uploads.join_all().await.iter().all(Result::is_ok));
    for n in 0..200_usize {
        assert_eq!(fixture.stored(&format!("many/{n}.bin")), Some(noise(1000 + n * 37)), "{n}");
    }
}

#[tokio::test]
async fn headers_and_metadata_reach_the_object() {
    let fixture = Fixture::plain().await;
    let mut options = to("a.png");
    options.headers.values.insert("cacheControl".into(), "public, max-age=31536000, immutable".into());
    options.headers.values.insert("contentDisposition".into(), "attachment; filename=\"a.png\"".into());
    options.headers.metadata.insert("Prompt".into(), "ein Löwe".into());
    fixture.storage.upload(options, Bytes::from_static(b"x"), fixture.call()).await.expect("stored");
    let kept = crate::support::stored_attributes(&fixture);
    for part in ["image/png", "public, max-age=31536000, immutable", "attachment; filename=", "prompt"] {
        assert!(kept.contains(part), "{part} in {kept}");
    }
}

/// R2 has 400s that another attempt fixes and such that none does. Which it is, only the body's code says.
#[tokio::test]
async fn a_400_whose_code_cannot_be_read_is_tried_again() {
    let fixture = Fixture::plain().await;
    let text = "HTTP/1.1 400 Bad Request\r\ncontent-length: 200\r\n\r\n<?xml version=\"1.0\"";
    let response = vec![Piece { text: Some(text.to_owned()), base64: None, times: None }];
    let broken = Fault::Raw { response, bytes_per_second: None, end: Some(RawEnd::Close) };
    fixture.lab.set_faults(vec![Rule::times(broken, 1)]);
    let receipt = fixture.upload("a.bin", b"hello").await.expect("stored by the second");
    assert_eq!((receipt.attempts, fixture.recorder.codes()), (2, vec!["HTTP_400".to_owned()]));

    // The response to a HEAD has no body at all.
    let head = Rule { method: Some("HEAD".into()), ..Rule::times(status(400, "IncompleteBody"), 1) };
    fixture.lab.set_faults(vec![head]);
    let found = fixture.storage.head(to("a.bin"), fixture.call()).await.expect("found by the second");
    assert_eq!((found.attempts, found.value.size), (2, 5));
}
