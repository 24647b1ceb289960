//! The test server over real sockets: what each fault looks like from outside.

use std::io::ErrorKind;

use std::sync::Arc;
use std::time::Duration;

use reliable_r2_lab::certificate::Certificate;
use reliable_r2_lab::{Fault, LocalR2, Options, Rule, State, proxy};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const GET: &[u8] = b"GET /pictures/cat HTTP/1.1\r\nhost: localhost\r\n\r\n";

struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("local-r2-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn start(folder: &Folder) -> LocalR2 {
    LocalR2::start(Options::in_folder(&folder.0)).await.expect("a lab")
}

async fn connect(url: &str) -> TcpStream {
    TcpStream::connect(url.split_once("//").expect("a URL").1).await.expect("a connection")
}

/// Sends one request and reads to the end of its response's head.
async fn ask(stream: &mut TcpStream, request: &[u8]) -> std::io::Result<String> {
    stream.write_all(request).await?;
    let mut response = Vec::new();
    while !response.windows(4).any(|four| four == b"\r\n\r\n") {
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece).await?;
        if read == 0 {
            break;
        }
        response.extend_from_slice(&piece[..read]);
    }
    Ok(String::from_utf8_lossy(&response).into_owned())
}

#[tokio::test]
async fn unsigned_requests_are_refused_but_on_the_public_port() {
    let folder = Folder::new("public");
    let lab = start(&folder).await;
    std::fs::write(folder.0.join("pictures/cat"), b"meow").expect("an object");
    assert!(ask(&mut connect(&lab.proxy_url()).await, GET).await.expect("a response").starts_with("HTTP/1.1 403"));
    let public = connect(&lab.public_url()).await;
    assert!(ask(&mut { public }, GET).await.expect("a response").starts_with("HTTP/1.1 200"));
    let put = b"PUT /pictures/dog HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n";
    assert!(ask(&mut connect(&lab.public_url()).await, put).await.expect("a response").starts_with("HTTP/1.1 403"));
    assert!(!folder.0.join("pictures/dog").exists());
}

#[tokio::test]
async fn a_reset_is_a_reset_and_a_fin_is_an_orderly_end() {
    let folder = Folder::new("reset");
    let lab = start(&folder).await;
    lab.set_faults(vec![
        Rule::times(Fault::Reset { after_bytes: None }, 1),
        Rule::times(Fault::Fin { after_bytes: None }, 1),
    ]);
    let reset = ask(&mut connect(&lab.proxy_url()).await, GET).await.expect_err("a reset");
    assert_eq!(reset.kind(), ErrorKind::ConnectionReset);
    assert_eq!(ask(&mut connect(&lab.proxy_url()).await, GET).await.expect("an end"), "");
    let actions: Vec<String> = lab.events().into_iter().map(|event| event.action).collect();
    assert_eq!(actions, ["reset", "fin"]);
}

#[tokio::test]
async fn connections_kept_for_later_meet_an_outage() {
    let folder = Folder::new("outage");
    let lab = start(&folder).await;
    let mut kept = connect(&lab.proxy_url()).await;
    ask(&mut kept, GET).await.expect("a response");
    lab.set_faults(vec![Rule::always(Fault::Down)]);
    let mut rest = Vec::new();
    // The end of the connection, without a request on it.
    kept.read_to_end(&mut rest).await.expect("an end");
    let refused = ask(&mut connect(&lab.proxy_url()).await, GET).await.expect_err("a reset");
    assert_eq!(refused.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn the_control_port_takes_rules_and_shows_events() {
    let folder = Folder::new("control");
    let lab = start(&folder).await;
    let rules = r#"{"faults":[{"fault":"status","times":1,"status":503,"code":"SlowDown","retryAfter":"2"}]}"#;
    let put = format!("PUT /faults HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{rules}", rules.len());
    let mut control = connect(&lab.control_url()).await;
    assert!(ask(&mut control, put.as_bytes()).await.expect("a response").starts_with("HTTP/1.1 200"));
    let response = ask(&mut connect(&lab.proxy_url()).await, GET).await.expect("a response");
    assert!(response.starts_with("HTTP/1.1 503") && response.contains("retry-after: 2"), "{response}");
    let wrong = "PUT /faults HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}";
    let mut control = connect(&lab.control_url()).await;
    assert!(ask(&mut control, wrong.as_bytes()).await.expect("a response").starts_with("HTTP/1.1 400"));
    assert_eq!(lab.events().len(), 1);
}

#[tokio::test]
async fn garbage_is_no_http_and_a_partial_head_has_no_end() {
    let folder = Folder::new("garbage");
    let lab = start(&folder).await;
    lab.set_faults(vec![Rule::times(Fault::Garbage, 1), Rule::times(Fault::PartialHead { after_bytes: None }, 1)]);
    let garbage = ask(&mut connect(&lab.proxy_url()).await, GET).await.expect("bytes");
    assert!(!garbage.is_empty() && !garbage.starts_with("HTTP/"), "{garbage}");
    let head = ask(&mut connect(&lab.proxy_url()).await, GET).await.expect("bytes");
    assert!(head.starts_with("HTTP/1.1 ") && !head.contains("\r\n\r\n"), "{head}");
}

#[tokio::test]
async fn a_raw_response_comes_as_it_was_written() {
    let folder = Folder::new("raw");
    let lab = start(&folder).await;
    let rule = r#"{ "fault": "raw", "response": [{ "text": "HTTP/1.1 418 T" }, { "text": "e", "times": 2 }, { "base64": "DQoNCg==" }], "end": "close" }"#;
    lab.set_faults(vec![serde_json::from_str(rule).expect("a rule")]);
    let response = ask(&mut connect(&lab.proxy_url()).await, GET).await.expect("a response");
    assert_eq!(response, "HTTP/1.1 418 Tee\r\n\r\n");
}

#[tokio::test]
async fn a_limit_strikes_only_where_there_are_too_many() {
    let folder = Folder::new("limit");
    let lab = start(&folder).await;
    lab.set_faults(vec![Rule::always(Fault::KeyLimit { interval_ms: 60_000 })]);
    let first = ask(&mut connect(&lab.proxy_url()).await, GET).await.expect("a response");
    let second = ask(&mut connect(&lab.proxy_url()).await, GET).await.expect("a response");
    assert!(first.starts_with("HTTP/1.1 403") && second.starts_with("HTTP/1.1 429"), "{first} {second}");
    lab.set_faults(vec![Rule::always(Fault::Crowd { most: 1 })]);
    let alone = ask(&mut connect(&lab.proxy_url()).await, GET).await.expect("a response");
    assert!(alone.starts_with("HTTP/1.1 403"), "{alone}");
}

#[tokio::test]
async fn an_alert_is_all_that_tls_says() {
    let folder = Folder::new("alert");
    let lab = start(&folder).await;
    lab.set_faults(vec![Rule::always(Fault::TlsAlert { description: 40 })]);
    let mut stream = connect(&lab.tls_proxy_url().replace("localhost", "127.0.0.1")).await;
    stream.write_all(b"a hello of sorts").await.expect("sent");
    let mut alert = Vec::new();
    stream.read_to_end(&mut alert).await.expect("read");
    assert_eq!(alert, [21, 3, 3, 0, 2, 2, 40]);
}

#[tokio::test]
async fn faults_within_a_body_meet_the_smallest_bodies_too() {
    let folder = Folder::new("tiny");
    let lab = start(&folder).await;
    for body in ["", "x"] {
        for fault in [Fault::Reset { after_bytes: None }, Fault::Reset { after_bytes: Some(0) }] {
            lab.set_faults(vec![Rule::always(fault)]);
            let length = body.len();
            let put =
                format!("PUT /pictures/tiny HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n{body}");
            let reset = ask(&mut connect(&lab.proxy_url()).await, put.as_bytes()).await.expect_err("a reset");
            assert_eq!(reset.kind(), ErrorKind::ConnectionReset);
        }
    }
    assert!(!folder.0.join("pictures/tiny").exists());
}

#[tokio::test]
async fn mixed_faults_act_and_are_reported_by_name() {
    let folder = Folder::new("mix");
    let lab = start(&folder).await;
    std::fs::write(folder.0.join("pictures/cat"), b"meow").expect("an object");
    lab.set_faults(vec![Rule::by_chance(Fault::Mix, 1.0, 3)]);
    for _ in 0..20 {
        let mut stream = connect(&lab.proxy_url()).await;
        let asked = tokio::time::timeout(std::time::Duration::from_millis(300), ask(&mut stream, GET)).await;
        let Ok(Ok(response)) = asked else { continue };
        assert!(!response.starts_with("HTTP/1.1 200"), "{response}");
    }
    let actions: Vec<String> = lab.events().into_iter().map(|event| event.action).collect();
    assert!(actions.len() >= 10 && actions.iter().all(|action| action != "forward" && action != "mix"), "{actions:?}");
}

/// Rates at which the body alone would take hours.
#[tokio::test]
async fn a_request_ends_with_its_client_however_slowly_its_body_is_read() {
    let certificate = Certificate::for_localhost(&[]).expect("a certificate");
    let state = Arc::new(State::new(certificate));
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let server = silent.local_addr().expect("bound");
    let port = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", port.local_addr().expect("bound"));
    let proxy = tokio::spawn(proxy::run(port, None, server, Arc::clone(&state)));

    for fault in [None, Some(Fault::Slow { bytes_per_second: 10 }), Some(Fault::StopReading { after_bytes: Some(5) })] {
        state.plan.set(fault.clone().map(Rule::always).into_iter().collect());
        let before = state.events.last();
        let mut client = connect(&url).await;
        client.write_all(b"PUT /pictures/cat HTTP/1.1\r\ncontent-length: 400000\r\n\r\n").await.expect("sent");
        client.write_all(&[7; 100_000]).await.expect("sent");
        let forwards = !matches!(fault, Some(Fault::StopReading { .. }));
        let upstream = if forwards { Some(silent.accept().await.expect("a connection").0) } else { None };
        drop(client);
        let end = async {
            if let Some(mut upstream) = upstream {
                let mut read = Vec::new();
                let _ = upstream.read_to_end(&mut read).await;
            }
            while state.events.last() == before {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), end).await.unwrap_or_else(|_| panic!("{fault:?} continues"));
    }
    proxy.abort();
}
