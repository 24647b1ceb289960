//! `downloadAndUpload` against sources that fail, lie or point inwards.

use std::collections::BTreeMap;

use crate::support::{Fixture, noise};
use reliable_r2::error::Category;
use reliable_r2::storage::SourceOptions;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A source that gives its scripted responses, one for each connection, the last one for ever.
struct Source {
    url: String,
    seen: std::sync::Arc<std::sync::Mutex<Vec<String>>>,
}

impl Source {
    async fn script(responses: Vec<Vec<u8>>) -> Self {
        Self::responding(move |count, _| responses[count.min(responses.len() - 1)].clone()).await
    }

    /// Is given how many requests there were before, and this one.
    async fn responding(respond: impl Fn(usize, &str) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let received = std::sync::Arc::clone(&seen);
        tokio::spawn(async move {
            let mut count = 0_usize;
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut request = vec![0; 8192];
                let read = socket.read(&mut request).await.unwrap_or(0);
                let request = String::from_utf8_lossy(&request[..read]).into_owned();
                let response = respond(count, &request);
                count += 1;
                received.lock().unwrap().push(request);
                tokio::spawn(async move {
                    let _ = socket.write_all(&response).await;
                    let _ = socket.shutdown().await;
                });
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

/// The range that a request asks for, if it may have it of this version.
fn asked(request: &str, version: &str) -> Option<usize> {
    let header = |name: &str| request.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let from = header("range: bytes=")?.strip_suffix('-')?.parse().ok()?;
    (header("if-range:") == Some(version)).then_some(from)
}

/// A server of `body` that can ranges, and sends at most `most` bytes before it closes.
fn ranged(request: &str, version: &str, body: &[u8], most: usize) -> Vec<u8> {
    let from = asked(request, version).unwrap_or(0);
    let rest = &body[from..];
    let status = if from > 0 { "206 Partial Content" } else { "200 OK" };
    let range = format!("bytes {from}-{}/{}", body.len() - 1, body.len());
    let range = if from > 0 { format!("Content-Range: {range}\r\n") } else { String::new() };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nETag: {version}\r\n{range}", rest.len());
    with_head(&head, &rest[..rest.len().min(most)])
}

fn ok(body: &[u8]) -> Vec<u8> {
    with_head(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n", body.len()), body)
}

fn with_head(head: &str, body: &[u8]) -> Vec<u8> {
    [format!("{head}\r\n").as_bytes(), body].concat()
}

fn response(head: &str) -> Vec<u8> {
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
        response("HTTP/1.1 503 x"),
        response("HTTP/1.1 408 x"),
        with_head("HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n", &body[..20_000]),
        with_head("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", &[b"5\r\n", &body[..5], b"\r\n"].concat()),
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
async fn what_another_attempt_cannot_fix_is_tried_once() {
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
        let source = Source::script(vec![response(head)]).await;
        let error = fixture.download_and_upload(source.options("/a"), "a").await.expect_err(head);
        assert_eq!((error.code.as_ref(), error.attempts), (code, 1), "{head}");
        assert_eq!(source.requests().len(), 1, "{head}");
        assert_eq!(fixture.stored("a"), None);
    }
}

/// Else people are reported that the storage is busy, and uploads go to another endpoint.
#[tokio::test]
async fn trouble_of_the_source_is_called_so() {
    for head in ["HTTP/1.1 500 x", "HTTP/1.1 503 x", "HTTP/1.1 429 x", "HTTP/1.1 408 x"] {
        let fixture = Fixture::plain().await;
        let source = Source::responding(move |_, _| response(head)).await;
        let error = fixture.download_and_upload(source.options("/a"), "a").await.expect_err(head);
        assert_eq!(
            (error.code.as_ref(), error.category, error.attempts),
            ("ERR_SOURCE_STATUS", Category::Source, 4),
            "{head}"
        );
    }
}

#[tokio::test]
async fn redirects_are_followed_five_times() {
    let fixture = Fixture::plain().await;
    let hop = response("HTTP/1.1 302 x\r\nLocation: /next");
    let source =
        Source::script(vec![hop.clone(), hop.clone(), hop.clone(), hop.clone(), hop.clone(), ok(b"done")]).await;
    fixture.download_and_upload(source.options("/a"), "a").await.expect("the sixth response");
    assert_eq!(fixture.stored("a"), Some(b"done".to_vec()));

    let source = Source::script(vec![hop]).await;
    let error = fixture.download_and_upload(source.options("/a"), "b").await.expect_err("a loop");
    assert_eq!((error.code.as_ref(), source.requests().len()), ("ERR_REDIRECT", 6));
}

#[tokio::test]
async fn the_callers_headers_stay_with_the_callers_host() {
    let fixture = Fixture::plain().await;
    let other = Source::script(vec![ok(b"x")]).await;
    let first = Source::script(vec![response(&format!("HTTP/1.1 302 x\r\nLocation: {}/b", other.url))]).await;
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

const MIB: usize = 1024 * 1024;

/// Of a size that is stored in parts.
async fn in_parts() -> Fixture {
    Fixture::with(|lab, config| {
        config.endpoint = Some(lab.proxy_url());
        config.part_size_bytes = Some(5.0 * 1024.0 * 1024.0);
        config.multipart_threshold_bytes = Some(6.0 * 1024.0 * 1024.0);
        config.stall_timeout_ms = Some(300.0);
    })
    .await
}

#[tokio::test]
async fn a_broken_download_continues_where_it_broke_off() {
    let fixture = in_parts().await;
    let body = noise(17 * MIB);
    let served = body.clone();
    // Each connection gives 2 MiB: nine of them, and more than four failures, but it is moving.
    let source = Source::responding(move |_, request| ranged(request, "\"v1\"", &served, 2 * MIB)).await;
    let receipt = fixture.download_and_upload(source.options("/a"), "a").await.expect("stored");
    assert!(fixture.stored("a").as_deref() == Some(&body[..]));
    assert_eq!((receipt.size, receipt.parts), (17 * MIB as u64, 4));
    let requests = source.requests();
    assert_eq!(requests.len(), 9);
    for (count, request) in requests.iter().enumerate() {
        assert_eq!(asked(request, "\"v1\"").unwrap_or(0), count * 2 * MIB);
    }
}

#[tokio::test]
async fn a_source_without_ranges_is_read_again_and_compared() {
    for version in ["", "ETag: W/\"weak\"\r\n", "ETag: \"strong\"\r\n"] {
        let fixture = in_parts().await;
        let body = noise(17 * MIB);
        let served = body.clone();
        let source = Source::responding(move |count, _| {
            let most = if count == 0 { 8 * MIB + 77 } else { served.len() };
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{version}", served.len());
            with_head(&head, &served[..most])
        })
        .await;
        fixture.download_and_upload(source.options("/a"), "a").await.expect("stored");
        assert!(fixture.stored("a").as_deref() == Some(&body[..]), "{version}");
        assert_eq!(source.requests().len(), 2, "{version}");
    }
}

#[tokio::test]
async fn two_versions_are_never_mixed() {
    let (old, new) = (noise(17 * MIB), noise(17 * MIB + 1)[1..].to_vec());
    for versions in [["\"v1\"", "\"v2\""], ["W/\"v1\"", "W/\"v2\""]] {
        let fixture = in_parts().await;
        let (before, after) = (old.clone(), new.clone());
        let source = Source::responding(move |count, request| match count {
            0 => ranged(request, versions[0], &before, 8 * MIB),
            _ => ranged(request, versions[1], &after, usize::MAX),
        })
        .await;
        fixture.download_and_upload(source.options("/a"), "a").await.expect("the new version");
        assert!(fixture.stored("a").as_deref() == Some(&new[..]), "{versions:?}");
        // Begun, found to be another, begun again.
        assert_eq!((source.requests().len(), fixture.open_uploads()), (3, 0), "{versions:?}");
    }
    let fixture = in_parts().await;
    let (before, after) = (old, new);
    let source = Source::responding(move |count, request| {
        let (version, body) = if count % 2 == 0 { ("\"v1\"", &before) } else { ("\"v2\"", &after) };
        ranged(request, version, body, 8 * MIB)
    })
    .await;
    let error = fixture.download_and_upload(source.options("/a"), "a").await.expect_err("it never stands still");
    assert_eq!(error.code, "ERR_SOURCE_CHANGED");
    assert_eq!((fixture.stored("a"), fixture.open_uploads()), (None, 0));
}

#[tokio::test]
async fn a_source_that_stalls_is_asked_for_the_rest() {
    let fixture = in_parts().await;
    let body = noise(3 * MIB);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/a", listener.local_addr().expect("bound"));
    let served = body.clone();
    let server = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = vec![0; 8192];
            let read = socket.read(&mut request).await.unwrap_or(0);
            let response = ranged(&String::from_utf8_lossy(&request[..read]), "\"v1\"", &served, MIB);
            let _ = socket.write_all(&response).await;
            held.push(socket);
        }
    });
    let options = SourceOptions { url, allowed_hosts: Some(vec!["127.0.0.1".into()]), ..SourceOptions::default() };
    fixture.download_and_upload(options, "a").await.expect("stored");
    assert!(fixture.stored("a").as_deref() == Some(&body[..]));
    assert_eq!(fixture.recorder.codes(), ["ETIMEDOUT", "ETIMEDOUT"]);
    server.abort();
}
