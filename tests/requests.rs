//! What the hot verbs send is what the AWS SDK would send.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Region, RequestChecksumCalculation};
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::StorageClass;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use reliable_r2::net::trust::Trust;
use reliable_r2::secret::Secret;
use reliable_r2::store::multipart::{MultipartUpload, UploadPart};
use reliable_r2::store::objects::ObjectRef;
use reliable_r2::store::{
    BucketName, ObjectHeaders, ObjectKey, ObjectStore as _, PutObject, S3Settings, S3Store, WriteCondition,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use url::Url;

/// A request, but for what differs each time and what names its sender.
#[derive(Debug, PartialEq, Eq)]
struct Sent {
    method: String,
    path: String,
    query: Vec<String>,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

const OWN: &[&str] =
    &["authorization", "x-amz-date", "user-agent", "x-amz-user-agent", "amz-sdk-invocation-id", "amz-sdk-request"];

fn sent(method: &str, target: &str, headers: impl Iterator<Item = (String, String)>, body: &[u8]) -> Sent {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut query: Vec<_> = query.split('&').map(str::to_owned).collect();
    query.sort();
    let mut headers: BTreeMap<_, _> = headers.map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    for name in ["authorization", "x-amz-date"] {
        assert!(headers.contains_key(name), "{name}");
    }
    headers.retain(|name, _| !OWN.contains(&name.as_str()));
    Sent { method: method.to_owned(), path: path.to_owned(), query, headers, body: body.to_vec() }
}

/// Answers every request with success and keeps the last.
#[derive(Debug, Clone, Default)]
struct Capture(Arc<Mutex<Option<Sent>>>);

impl Capture {
    fn take(&self) -> Sent {
        self.0.lock().expect("no panic elsewhere").take().expect("a request")
    }

    async fn serve(self, listener: TcpListener) {
        let (mut socket, _) = listener.accept().await.expect("a connection");
        let (mut read, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
        loop {
            let count = socket.read(&mut buffer).await.expect("bytes");
            if count == 0 {
                return;
            }
            read.extend_from_slice(&buffer[..count]);
            let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            let head = String::from_utf8(read[..end].to_vec()).expect("text");
            let mut lines = head.split("\r\n");
            let mut first = lines.next().expect("a request line").split(' ');
            let headers: Vec<(String, String)> = lines
                .map(|line| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned())))
                .map(|header| header.expect("a header"))
                .collect();
            let length = headers.iter().find(|(name, _)| name == "content-length").expect("a length");
            let length: usize = length.1.parse().expect("a number");
            if read.len() < end + 4 + length {
                continue;
            }
            let (method, target) = (first.next().expect("a method"), first.next().expect("a target"));
            let request = sent(method, target, headers.into_iter(), &read[end + 4..end + 4 + length]);
            // As R2: else none would be sent from now on.
            let checksum = &request.headers["x-amz-checksum-crc64nvme"];
            let fields = format!("etag: \"x\"\r\nx-amz-checksum-crc64nvme: {checksum}\r\ncontent-length: 0");
            *self.0.lock().expect("no panic elsewhere") = Some(request);
            read.clear();
            socket.write_all(format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n").as_bytes()).await.expect("written");
        }
    }
}

impl HttpConnector for Capture {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let uri: http::Uri = request.uri().parse().expect("a URI");
        let headers = request.headers().iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let host = ("host".to_owned(), uri.authority().expect("a host").to_string());
        let target = uri.path_and_query().expect("a path").as_str();
        let body = request.body().bytes().expect("in memory");
        *self.0.lock().expect("no panic elsewhere") = Some(sent(request.method(), target, headers.chain([host]), body));
        let mut answer = HttpResponse::new(StatusCode::try_from(200).expect("a status"), SdkBody::empty());
        answer.headers_mut().insert("etag", "\"x\"");
        HttpConnectorFuture::ready(Ok(answer))
    }
}

impl HttpClient for Capture {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

struct Both {
    ours: S3Store,
    received: Capture,
    sdk: Client,
    given: Capture,
}

impl Both {
    async fn start(session_token: Option<&str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let received = Capture::default();
        tokio::spawn(received.clone().serve(listener));
        let settings = S3Settings {
            endpoint: Url::parse(&endpoint).expect("a URL"),
            region: "auto".into(),
            access_key: Secret::new("local".into()),
            secret_key: Secret::new("local-secret".into()),
            session_token: session_token.map(|token| Secret::new(token.to_owned())),
            connect_timeout: Duration::from_secs(5),
            stall_timeout: Duration::from_secs(5),
        };
        let tls = Trust::default();
        let given = Capture::default();
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .endpoint_url(&endpoint)
            .region(Region::new("auto"))
            .credentials_provider(Credentials::new(
                "local",
                "local-secret",
                session_token.map(str::to_owned),
                None,
                "test",
            ))
            .force_path_style(true)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .http_client(given.clone())
            .build();
        Self { ours: S3Store::new(&settings, tls).expect("a store"), received, sdk: Client::from_conf(config), given }
    }

    async fn put(&self, request: &PutObject) {
        self.ours.put_object(request).await.expect("stored");
        let headers = &request.headers;
        let metadata = (!headers.metadata.is_empty()).then(|| headers.metadata.clone().into_iter().collect());
        let (if_none_match, if_match) = match &request.condition {
            None => (None, None),
            Some(WriteCondition::Absent) => (Some("*".to_owned()), None),
            Some(WriteCondition::Etag(etag)) => (None, Some(format!("\"{etag}\""))),
        };
        self.sdk
            .put_object()
            .bucket(request.bucket.as_str())
            .key(request.key.as_str())
            .body(ByteStream::from(request.body.bytes().clone()))
            .content_type(&headers.content_type)
            .set_content_disposition(headers.content_disposition.clone())
            .set_cache_control(headers.cache_control.clone())
            .set_content_encoding(headers.content_encoding.clone())
            .set_content_language(headers.content_language.clone())
            .set_expires(headers.expires.map(DateTime::from))
            .set_storage_class(headers.storage_class.as_deref().map(StorageClass::from))
            .set_metadata(metadata)
            .checksum_crc64_nvme(request.body.crc64nvme().text().await)
            .set_if_none_match(if_none_match)
            .set_if_match(if_match)
            .send()
            .await
            .expect("captured");
        assert_eq!(self.received.take(), self.given.take(), "{request:?}");
    }
}

fn put(key: &str, body: impl Into<Bytes>) -> PutObject {
    PutObject {
        bucket: BucketName::parse("pictures").expect("a bucket"),
        key: ObjectKey::parse(key).expect("a key"),
        body: body.into().into(),
        headers: ObjectHeaders { content_type: "image/png".into(), ..ObjectHeaders::default() },
        condition: None,
        verify_etag: true,
        progress: None,
    }
}

#[tokio::test]
async fn keys_of_every_kind() {
    let both = Both::start(None).await;
    for key in [
        "a.png",
        "drawings/2026/picture 1.png",
        "%2e%2e/x",
        "a+b&c=d?e#f",
        "é/€/😀/…",
        "!*'()~-_.",
        "[a]{b}|c^d`\"<>",
        "a:b@c,d;e$f",
    ] {
        both.put(&put(key, "hello")).await;
    }
}

#[tokio::test]
async fn bodies_of_every_size() {
    let both = Both::start(None).await;
    for size in [0, 1, 1024, 65_536, 65_537, 300_000] {
        both.put(&put("a.bin", vec![7; size])).await;
    }
}

#[tokio::test]
async fn every_header_condition_and_credential() {
    let metadata = [("prompt", "=?UTF-8?B?w5xiZXJyYXNjaHVuZw==?="), ("a-b", "x y"), ("z.z_", "1;2")];
    let headers = ObjectHeaders {
        content_type: "text/plain; charset=utf-8".into(),
        content_disposition: Some("attachment; filename=\"a  b.png\"".into()),
        cache_control: Some("public, max-age=31536000, immutable".into()),
        content_encoding: Some("gzip".into()),
        content_language: Some("de, en".into()),
        storage_class: Some("STANDARD_IA".into()),
        expires: Some(UNIX_EPOCH + Duration::from_secs(4_000_000_000)),
        metadata: metadata.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
    };
    for token in [None, Some("session+token/=")] {
        let both = Both::start(token).await;
        for condition in [None, Some(WriteCondition::Absent), Some(WriteCondition::Etag("abc".into()))] {
            both.put(&PutObject { headers: headers.clone(), condition, ..put("a.png", "hello") }).await;
        }
    }
}

#[tokio::test]
async fn parts() {
    let both = Both::start(None).await;
    for (number, upload_id, size) in [(1, "abc", 5), (9999, "a+b/c=d é~", 100_000)] {
        let object = ObjectRef {
            bucket: BucketName::parse("pictures").expect("a bucket"),
            key: ObjectKey::parse("a b/ü.bin").expect("a key"),
        };
        let body = Bytes::from(vec![7; size]);
        let upload = MultipartUpload { object, upload_id: upload_id.to_owned(), has_checksums: true };
        let part = UploadPart { upload, number, body: body.clone().into(), verify_etag: true, progress: None };
        both.ours.upload_part(&part).await.expect("stored");
        both.sdk
            .upload_part()
            .bucket("pictures")
            .key("a b/ü.bin")
            .upload_id(upload_id)
            .part_number(i32::try_from(number).expect("small"))
            .checksum_crc64_nvme(part.body.crc64nvme().text().await)
            .body(ByteStream::from(body))
            .send()
            .await
            .expect("captured");
        assert_eq!(both.received.take(), both.given.take());
    }
}
