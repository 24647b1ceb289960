//! Objects in parts.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use reliable_r2::error::{Error, code};
use reliable_r2::source::channel::channel;
use reliable_r2::storage::{Call, HeaderOptions, ObjectOptions};
use reliable_r2::store::{Progress, ProgressSink};
use reliable_r2::transfer::Receipt;
use reliable_r2_lab::{Event, Fault, Rule};

use crate::support::{Fixture, noise, status, to};

const MIB: usize = 1024 * 1024;
/// Three parts of 5 MiB and one of 2.
const SIZE: usize = 17 * MIB;

async fn fixture() -> Fixture {
    Fixture::with(|lab, config| {
        config.endpoint = Some(lab.proxy_url());
        config.part_size_bytes = Some(5.0 * 1024.0 * 1024.0);
        config.multipart_threshold_bytes = Some(6.0 * 1024.0 * 1024.0);
        config.retry.as_mut().expect("quick").timeout = Some(10_000.0);
    })
    .await
}

fn requests(fixture: &Fixture, method: &str) -> Vec<Event> {
    fixture.lab.events().into_iter().filter(|event| event.method.as_deref() == Some(method)).collect()
}

/// An abort does not wait for the removal of what was begun.
async fn removed(fixture: &Fixture) {
    let removed = async {
        while fixture.open_uploads() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), removed).await.expect("nothing is left");
}

/// Pushes a body in pieces of a size that divides nothing.
async fn push(fixture: &Fixture, body: &[u8], declared: Option<u64>, finish: bool) -> Result<Receipt, Error> {
    let (pusher, source) = channel(declared);
    let body = Bytes::copy_from_slice(body);
    let pushing = async move {
        let mut at = 0;
        while at < body.len() {
            let end = body.len().min(at + 100_003);
            while !pusher.try_push(body.slice(at..end)) {
                if !pusher.ready().await {
                    return;
                }
            }
            at = end;
        }
        if finish {
            pusher.finish().await;
        }
    };
    let upload = fixture.storage.upload_chunks(to("stream.bin"), source, fixture.call());
    tokio::join!(pushing, upload).1
}

#[tokio::test]
async fn a_large_object_is_stored_in_parts_with_its_headers() {
    let fixture = fixture().await;
    let body = noise(SIZE);
    let receipt = fixture.upload("large.png", &body).await.expect("stored");
    assert!(fixture.stored("large.png").as_deref() == Some(&body[..]));
    assert_eq!((receipt.size, receipt.parts, receipt.attempts), (SIZE as u64, 4, 1));
    assert!(receipt.etag.expect("an ETag").ends_with("-4"));
    assert_eq!(receipt.content_type, "image/png");
    assert_eq!(fixture.open_uploads(), 0);
    let info = fixture.storage.head(to("large.png"), fixture.call()).await.expect("there").value;
    assert_eq!(info.content_type.as_deref(), Some("image/png"));
    let mut sizes: Vec<u64> = requests(&fixture, "PUT").iter().map(|event| event.body_bytes).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [2 * MIB as u64, 5 * MIB as u64, 5 * MIB as u64, 5 * MIB as u64]);
}

#[tokio::test]
async fn only_the_part_that_failed_is_sent_again() {
    let fixture = fixture().await;
    fixture.lab.set_faults(vec![Rule {
        method: Some("PUT".into()),
        skip: 1,
        ..Rule::times(Fault::Reset { after_bytes: None }, 1)
    }]);
    let body = noise(SIZE);
    let receipt = fixture.upload("reset.bin", &body).await.expect("stored");
    assert!(fixture.stored("reset.bin").as_deref() == Some(&body[..]));
    assert_eq!((receipt.attempts, requests(&fixture, "PUT").len()), (2, 5));
    assert_eq!(fixture.recorder.codes(), ["ECONNRESET"]);
}

#[tokio::test]
async fn every_step_backs_off() {
    let fixture = fixture().await;
    fixture.lab.set_faults(vec![
        Rule { method: Some("POST".into()), ..Rule::times(status(503, "SlowDown"), 1) },
        Rule { method: Some("PUT".into()), ..Rule::times(status(503, "SlowDown"), 3) },
        Rule { method: Some("POST".into()), skip: 1, ..Rule::times(status(500, "InternalError"), 1) },
    ]);
    let body = noise(SIZE);
    fixture.upload("slow.bin", &body).await.expect("stored");
    assert!(fixture.stored("slow.bin").as_deref() == Some(&body[..]));
    assert_eq!(fixture.recorder.codes().len(), 5);
}

#[tokio::test]
async fn a_lost_response_to_complete_is_settled_by_what_is_stored() {
    for lost in [1, 4] {
        let fixture = fixture().await;
        // The first POST begins the upload; the responses to the others are lost.
        fixture.lab.set_faults(vec![Rule {
            method: Some("POST".into()),
            skip: 1,
            ..Rule::times(Fault::DropResponse, lost)
        }]);
        let body = noise(SIZE);
        let receipt = fixture.upload("lost.bin", &body).await.expect("stored");
        assert!(fixture.stored("lost.bin").as_deref() == Some(&body[..]));
        assert!(receipt.etag.expect("an ETag").ends_with("-4"));
        // Where no response has said that the upload is gone, its parts are to be removed, in the background.
        let removals = usize::from(lost == 4);
        let asked = async {
            while requests(&fixture, "DELETE").len() < removals {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), asked).await.expect("asked to be removed");
        assert_eq!(requests(&fixture, "DELETE").len(), removals);
    }
}

#[tokio::test]
async fn an_earlier_upload_of_the_same_bytes_is_not_this_one() {
    let fixture = fixture().await;
    let body = Bytes::from(noise(SIZE));
    let of_type = |content_type: &str| {
        let headers = HeaderOptions { content_type: Some(content_type.into()), ..HeaderOptions::default() };
        ObjectOptions { headers, ..to("same.bin") }
    };
    fixture.storage.upload(of_type("image/png"), body.clone(), fixture.call()).await.expect("stored");
    fixture.lab.set_faults(vec![Rule {
        method: Some("POST".into()),
        skip: 1,
        ..Rule::times(status(503, "SlowDown"), 4)
    }]);
    let of_other = fixture.storage.upload(of_type("image/webp"), body.clone(), fixture.call());
    let error = of_other.await.expect_err("not completed");
    assert_eq!((&*error.code, error.attempts), ("SlowDown", 4));
    removed(&fixture).await;
    // Nor is one of the same bytes under the same type: the object's identity is that of the earlier write.
    fixture.lab.set_faults(vec![Rule {
        method: Some("POST".into()),
        skip: 1,
        ..Rule::times(status(503, "SlowDown"), 4)
    }]);
    let error = fixture.storage.upload(of_type("image/png"), body, fixture.call()).await.expect_err("not completed");
    assert_eq!((&*error.code, error.attempts), ("SlowDown", 4));
    removed(&fixture).await;
}

/// The upload is gone, and the object is not there yet: an earlier Complete, given up at its timeout, is still at it.
#[tokio::test]
async fn a_complete_that_is_still_under_way_is_waited_for() {
    let fixture = fixture().await;
    let lost = Rule { method: Some("POST".into()), skip: 1, ..Rule::times(Fault::DropResponse, 1) };
    let not_yet = Rule { method: Some("HEAD".into()), ..Rule::times(status(404, "NoSuchKey"), 2) };
    fixture.lab.set_faults(vec![lost, not_yet]);
    let body = noise(SIZE);
    fixture.upload("late.bin", &body).await.expect("stored");
    assert!(fixture.stored("late.bin").as_deref() == Some(&body[..]));
}

/// And one that nobody completes: reported as it is, once the attempts are used up.
#[tokio::test]
async fn an_upload_that_is_gone_for_good_is_reported() {
    let fixture = fixture().await;
    let lost = Rule { method: Some("POST".into()), skip: 1, ..Rule::times(status(500, "InternalError"), 1) };
    let gone = Rule { method: Some("POST".into()), skip: 1, ..Rule::always(status(404, "NoSuchUpload")) };
    fixture.lab.set_faults(vec![lost, gone]);
    let error = fixture.upload("gone.bin", &noise(SIZE)).await.expect_err("nothing is stored");
    assert_eq!((&*error.code, error.attempts), ("NoSuchUpload", 4));
    assert_eq!(fixture.stored("gone.bin"), None);
}

/// S3 may begin a 200 before it knows, and put an error into it.
#[tokio::test]
async fn a_200_with_an_error_in_it_is_a_failure() {
    let fixture = fixture().await;
    fixture.lab.set_faults(vec![Rule {
        method: Some("POST".into()),
        skip: 1,
        ..Rule::times(status(200, "InternalError"), 1)
    }]);
    let body = noise(SIZE);
    let receipt = fixture.upload("ok-error.bin", &body).await.expect("stored");
    assert!(fixture.stored("ok-error.bin").as_deref() == Some(&body[..]));
    assert_eq!(receipt.attempts, 2);
}

#[tokio::test]
async fn a_failed_upload_leaves_nothing() {
    let fixture = fixture().await;
    fixture.lab.set_faults(vec![
        Rule { method: Some("PUT".into()), skip: 2, ..Rule::always(status(403, "AccessDenied")) },
        Rule { method: Some("DELETE".into()), ..Rule::times(status(500, "InternalError"), 1) },
    ]);
    let error = fixture.upload("denied.bin", &noise(SIZE)).await.expect_err("denied");
    assert_eq!((error.code.as_ref(), error.attempts), ("AccessDenied", 1));
    assert_eq!(fixture.stored("denied.bin"), None);
    assert_eq!(fixture.open_uploads(), 0);
}

#[tokio::test]
async fn a_damaged_part_is_sent_again_and_then_given_up() {
    let fixture = fixture().await;
    fixture.lab.set_faults(vec![Rule { method: Some("PUT".into()), ..Rule::times(Fault::BadEtag, 1) }]);
    let body = noise(SIZE);
    assert_eq!(fixture.upload("once.bin", &body).await.expect("stored").attempts, 2);
    fixture.lab.set_faults(vec![Rule { method: Some("PUT".into()), ..Rule::always(Fault::BadEtag) }]);
    let error = fixture.upload("always.bin", &body).await.expect_err("damaged");
    assert_eq!(error.code, code::INTEGRITY);
    assert_eq!((fixture.stored("always.bin"), fixture.open_uploads()), (None, 0));
}

/// Where it does not give them back, and where it will not have them.
#[tokio::test]
async fn a_storage_without_checksums_of_parts_is_asked_for_none_later() {
    let to_a_part = Rule { method: Some("PUT".into()), ..Rule::times(Fault::NoChecksum, 1) };
    for rule in [to_a_part, Rule::times(status(501, "NotImplemented"), 1)] {
        let (fixture, fault) = (fixture().await, rule.fault.clone());
        fixture.lab.set_faults(vec![rule]);
        let body = noise(SIZE);
        for key in ["a.bin", "b.bin"] {
            let receipt = fixture.upload(key, &body).await.expect("stored");
            assert_eq!((receipt.attempts, receipt.parts), (1, 4), "{fault:?}");
            assert!(fixture.stored(key).as_ref() == Some(&body), "{fault:?}: whole");
        }
        fixture.lab.set_faults(vec![Rule { method: Some("PUT".into()), ..Rule::times(Fault::BadEtag, 1) }]);
        let receipt = fixture.upload("c.bin", &body).await.expect("stored");
        assert_eq!(receipt.attempts, 2, "{fault:?}: seen by the ETag");
    }
}

#[tokio::test]
async fn an_aborted_upload_leaves_nothing() {
    let fixture = fixture().await;
    fixture.lab.set_faults(vec![Rule {
        method: Some("PUT".into()),
        skip: 2,
        ..Rule::always(Fault::Hang { for_ms: None })
    }]);
    let call = fixture.call();
    let upload = fixture.storage.upload(to("aborted.bin"), noise(SIZE).into(), call.clone());
    let abort = async {
        while requests(&fixture, "PUT").len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(fixture.open_uploads(), 1);
        call.cancel.as_ref().expect("support gives one").cancel();
    };
    let (outcome, ()) = tokio::join!(upload, abort);
    assert_eq!(outcome.expect_err("aborted").code, code::ABORTED);
    removed(&fixture).await;
    assert_eq!(fixture.stored("aborted.bin"), None);
}

/// The storage has begun it, and nobody was reported.
#[tokio::test]
async fn an_upload_whose_beginning_was_not_waited_for_is_removed() {
    let late = || vec![Rule { method: Some("POST".into()), ..Rule::times(Fault::Delay { ms: 400 }, 1) }];
    let fixture = fixture().await;
    fixture.lab.set_faults(late());
    let call = fixture.call();
    let upload = fixture.storage.upload(to("aborted.bin"), noise(SIZE).into(), call.clone());
    let abort = async {
        while fixture.open_uploads() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        call.cancel.as_ref().expect("support gives one").cancel();
    };
    let (outcome, ()) = tokio::join!(upload, abort);
    assert_eq!(outcome.expect_err("aborted").code, code::ABORTED);
    removed(&fixture).await;
}

#[tokio::test]
async fn progress_ends_at_the_whole() {
    let fixture = fixture().await;
    let received: Arc<Mutex<Vec<(u64, u64)>>> = Arc::default();
    let keep = Arc::clone(&received);
    let progress = ProgressSink(Arc::new(move |it: Progress| keep.lock().expect("mine").push((it.sent, it.total))));
    let call = Call { progress: Some(progress), ..fixture.call() };
    fixture.storage.upload(to("progress.bin"), noise(SIZE).into(), call).await.expect("stored");
    let received = received.lock().expect("mine");
    assert!(received.iter().all(|&(sent, total)| sent <= total && total == SIZE as u64));
    assert_eq!(received.iter().map(|&(sent, _)| sent).max(), Some(SIZE as u64));
}

#[tokio::test]
async fn a_stream_of_any_length_is_stored_whole_under_faults() {
    for (size, declared) in [(0, true), (1, false), (6 * MIB, false), (6 * MIB + 1, false), (SIZE, true), (SIZE, false)]
    {
        let fixture = fixture().await;
        fixture.lab.set_faults(vec![Rule {
            method: Some("PUT".into()),
            ..Rule::times(Fault::Reset { after_bytes: None }, 2)
        }]);
        let body = noise(size);
        let receipt = push(&fixture, &body, declared.then_some(size as u64), true).await.expect("stored");
        assert_eq!(receipt.size, size as u64);
        assert_eq!(receipt.parts > 1, size > 6 * MIB);
        assert!(fixture.stored("stream.bin").as_deref() == Some(&body[..]), "{size}");
    }
}

#[tokio::test]
async fn a_stream_that_fails_or_lies_about_its_length_stores_nothing() {
    let long = SIZE as u64;
    for (declared, finish, expected) in [
        (None, false, code::SOURCE_FAILED),
        (Some(long + 1), true, code::SOURCE_LENGTH),
        (Some(long - 1), true, code::SOURCE_LENGTH),
    ] {
        let fixture = fixture().await;
        let error = push(&fixture, &noise(SIZE), declared, finish).await.expect_err("a broken source");
        assert_eq!(error.code, expected);
        assert_eq!((fixture.stored("stream.bin"), fixture.open_uploads()), (None, 0));
    }
    let fixture = fixture().await;
    let error = push(&fixture, b"short", Some(6), true).await.expect_err("a short source");
    assert_eq!(error.code, code::SOURCE_LENGTH);
    assert_eq!(fixture.actions(), [""; 0]);
}

#[tokio::test]
async fn a_part_that_stalls_is_sent_again_and_a_slow_one_is_not() {
    let fixture = Fixture::with(|lab, config| {
        config.endpoint = Some(lab.proxy_url());
        config.stall_timeout_ms = Some(300.0);
        config.retry.as_mut().expect("quick").timeout = Some(30_000.0);
    })
    .await;
    let put = |fault, times| Rule { method: Some("PUT".into()), ..Rule::times(fault, times) };
    fixture.lab.set_faults(vec![put(Fault::StopReading { after_bytes: None }, 1)]);
    let body = noise(12 * MIB);
    let receipt = fixture.upload("stalled.bin", &body).await.expect("stored");
    assert!(fixture.stored("stalled.bin").as_deref() == Some(&body[..]));
    assert_eq!((receipt.attempts, fixture.recorder.codes()), (2, vec!["ETIMEDOUT".to_owned()]));

    // Twelve times as long as a stall, but never without a byte for that long.
    fixture.lab.set_faults(vec![put(Fault::Slow { bytes_per_second: 3 * MIB as u64 }, 1)]);
    let receipt = fixture.upload("slow.bin", &body).await.expect("stored");
    assert_eq!(receipt.attempts, 1);
}
