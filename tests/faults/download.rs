//! `downloadAndUpload` against sources that fail, lie or point inwards.

use std::collections::BTreeMap;

use crate::support::{Fixture, noise};
use reliable_r2::error::Category;
use reliable_r2::storage::SourceOptions;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A source that gives its scripted answers, one for each connection, the last one for ever.
struct Source {
    url: String,
    seen: std::sync::Arc<std::sync::Mutex<Vec<String>>>,
}

impl Source {
    async fn script(answers: Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let heard = std::sync::Arc::clone(&seen);
        tokio::spawn(async move {
            let mut count = 0_usize;
            while let Ok((mut socket, _)) = listener.accept().await {
                let answer = answers[count.min(answers.len() - 1)].clone();
                count += 1;
                let mut request = vec![0; 8192];
                let read = socket.read(&mut request).await.unwrap_or(0);
                heard.lock().unwrap().push(String::from_utf8_lossy(&request[..read]).into_owned());
                let _ = socket.write_all(&answer).await;
                let _ = socket.shutdown().await;
            }
        });
        Self { url, seen }
    }

    fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// Opened by the caller, as a test must.
    fn options(&self, path: &str) -> SourceOptions {
        SourceOptions {
            url: format!("{}{path}", self.url),
            allowed_hosts: Some(vec!["127.0.0.1".into()]),
            ..SourceOptions::default()
        }
    }
}

fn ok(body: &[u8]) -> Vec<u8> {
    with_head(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n", body.len()), body)
}

fn with_head(head: &str, body: &[u8]) -> Vec<u8> {
    [format!("{head}\r\n").as_bytes(), body].concat()
}

fn answer(head: &str) -> Vec<u8> {
    with_head(&format!("{head}\r\nContent-Length: 0\r\n"), b"")
}

#[tokio::test]
async fn a_url_is_stored_whole() {
    let fixture = Fixture::plain().await;
    let body = [b"\x89PNG\r\n\x1a\n".as_slice(), &noise(200_000)].concat();
    let source = Source::script(vec![ok(&body)]).await;
    let receipt = fixture.download_and_upload(source.options("/a?token=CANARY"), "got/a").await.expect("stored");
    assert_eq!(fixture.stored("got/a"), Some(body));
    assert_eq!((receipt.attempts, receipt.content_type.as_str()), (1, "image/png"));
}

#[tokio::test]
async fn passing_faults_of_the_source_are_survived() {
    let body = noise(50_000);
    let faults = [
        Vec::new(),
        answer("HTTP/1.1 503 x"),
        answer("HTTP/1.1 408 x"),
        with_head("HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n", &body[..20_000]),
        with_head("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", b"5\r\nhello\r\n"),
        b"HTTP/1.1 200 O".to_vec(),
    ];
    for fault in faults {
        let fixture = Fixture::plain().await;
        let source = Source::script(vec![fault.clone(), ok(&body)]).await;
        let case = String::from_utf8_lossy(&fault[..fault.len().min(60)]).into_owned();
        fixture.download_and_upload(source.options("/a"), "a").await.expect(&case);
        assert_eq!(fixture.stored("a").as_ref(), Some(&body), "{case}");
        assert_eq!(source.requests().len(), 2, "{case}");
    }
}

#[tokio::test]
async fn a_source_that_never_arrives_whole_stores_nothing() {
    let fixture = Fixture::plain().await;
    let short = with_head("HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n", &noise(100));
    let source = Source::script(vec![short]).await;
    let error = fixture.download_and_upload(source.options("/a?token=CANARY"), "a").await.expect_err("short");
    assert_eq!((error.attempts, error.category), (4, Category::Network));
    assert_eq!(fixture.stored("a"), None);
    assert!(fixture.actions().is_empty(), "the storage was not asked at all");
    assert!(!format!("{error} {error:?} {:?}", error.causes()).contains("CANARY"));
}

#[tokio::test]
async fn what_another_try_cannot_mend_is_tried_once() {
    for (head, code) in [
        ("HTTP/1.1 404 x", "ERR_SOURCE_STATUS"),
        ("HTTP/1.1 403 x", "ERR_SOURCE_STATUS"),
        ("HTTP/1.1 202 x", "ERR_SOURCE_STATUS"),
        ("HTTP/1.1 200 OK", "ERR_SOURCE_EMPTY"),
        ("HTTP/1.1 200 OK\r\nContent-Encoding: gzip", "ERR_SOURCE_ENCODING"),
        ("HTTP/1.1 302 x", "ERR_REDIRECT"),
        ("HTTP/1.1 302 x\r\nLocation: http://10.0.0.1/", "ERR_BLOCKED_URL"),
        ("HTTP/1.1 302 x\r\nLocation: http://localhost:1/", "ERR_BLOCKED_URL"),
        ("HTTP/1.1 302 x\r\nLocation: file:///etc/passwd", "ERR_BLOCKED_URL"),
        ("HTTP/1.1 302 x\r\nLocation: //169.254.169.254/", "ERR_BLOCKED_URL"),
    ] {
        let fixture = Fixture::plain().await;
        let source = Source::script(vec![answer(head)]).await;
        let error = fixture.download_and_upload(source.options("/a"), "a").await.expect_err(head);
        assert_eq!((error.code.as_ref(), error.attempts), (code, 1), "{head}");
        assert_eq!(source.requests().len(), 1, "{head}");
        assert_eq!(fixture.stored("a"), None);
    }
}

#[tokio::test]
async fn redirects_are_followed_five_times() {
    let fixture = Fixture::plain().await;
    let hop = answer("HTTP/1.1 302 x\r\nLocation: /next");
    let source =
        Source::script(vec![hop.clone(), hop.clone(), hop.clone(), hop.clone(), hop.clone(), ok(b"done")]).await;
    fixture.download_and_upload(source.options("/a"), "a").await.expect("the sixth answer");
    assert_eq!(fixture.stored("a"), Some(b"done".to_vec()));

    let source = Source::script(vec![hop]).await;
    let error = fixture.download_and_upload(source.options("/a"), "b").await.expect_err("a loop");
    assert_eq!((error.code.as_ref(), source.requests().len()), ("ERR_REDIRECT", 6));
}

#[tokio::test]
async fn the_callers_headers_stay_with_the_callers_host() {
    let fixture = Fixture::plain().await;
    let other = Source::script(vec![ok(b"x")]).await;
    let first = Source::script(vec![answer(&format!("HTTP/1.1 302 x\r\nLocation: {}/b", other.url))]).await;
    let headers = BTreeMap::from([("authorization".to_owned(), "Bearer CANARY".to_owned())]);
    let options = SourceOptions { headers, ..first.options("/a") };
    fixture.download_and_upload(options, "a").await.expect("stored");
    assert!(first.requests()[0].contains("Bearer CANARY"));
    assert!(!other.requests()[0].contains("CANARY"), "another port is another origin");
}

#[tokio::test]
async fn the_size_limit_holds_with_and_without_a_length() {
    let body = noise(5000);
    let unknown = with_head("HTTP/1.1 200 OK\r\n", &body);
    for reply in [ok(&body), unknown] {
        let fixture = Fixture::plain().await;
        let source = Source::script(vec![reply]).await;
        let limited = |bytes| SourceOptions { max_bytes: Some(bytes), ..source.options("/a") };
        let error = fixture.download_and_upload(limited(4999.0), "a").await.expect_err("too large");
        assert_eq!((error.code.as_ref(), error.option.as_deref()), ("ERR_TOO_LARGE", Some("maxBytes")));
        assert_eq!(fixture.stored("a"), None);
        fixture.download_and_upload(limited(5000.0), "a").await.expect("exactly the limit");
    }
}

#[tokio::test]
async fn inward_urls_are_refused_before_anything_is_sent() {
    let fixture = Fixture::plain().await;
    let source = Source::script(vec![ok(b"secret")]).await;
    for url in [source.url.clone(), source.url.replace("127.0.0.1", "localhost"), "https://localhost/".to_owned()] {
        let options = SourceOptions { url: url.clone(), ..SourceOptions::default() };
        let error = fixture.download_and_upload(options, "a").await.expect_err(&url);
        assert_eq!((error.code.as_ref(), error.category, error.attempts), ("ERR_BLOCKED_URL", Category::Input, 0));
    }
    assert!(source.requests().is_empty());
    assert!(fixture.actions().is_empty());
}

#[tokio::test]
async fn a_failing_storage_does_not_fetch_the_source_again() {
    let fixture = Fixture::plain().await;
    fixture.lab.set_faults(vec![reliable_r2_lab::Rule::times(reliable_r2_lab::Fault::DropResponse, 2)]);
    let source = Source::script(vec![ok(b"hello")]).await;
    let receipt = fixture.download_and_upload(source.options("/a"), "a").await.expect("stored");
    assert_eq!((receipt.attempts, source.requests().len()), (3, 1));
}
