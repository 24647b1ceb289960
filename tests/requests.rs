//! What the operations send is what the AWS SDK would send.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Region, RequestChecksumCalculation, ResponseChecksumValidation};
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{EncodingType, StorageClass};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use reliable_r2::net::root_certs::Trust;
use reliable_r2::secret::Secret;
use reliable_r2::store::identity::{self, WriteIdentity};
use reliable_r2::store::multipart::{ListUploads, MultipartUpload, UploadPart};
use reliable_r2::store::objects::{GetRequest, ListRequest, ObjectRef};
use reliable_r2::store::{
    BucketName, HeaderValues, ObjectHeader, ObjectHeaders, ObjectKey, ObjectStore as _, PutObject, S3Settings, S3Store,
    WriteCondition,
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
    // The SDK names some operations in the query, as no server asks for, and leaves the sign out where a value is empty.
    let named = |pair: &&str| !pair.is_empty() && !pair.starts_with("x-id=");
    let pairs = query.split('&').filter(named);
    let mut query: Vec<_> =
        pairs.map(|pair| if pair.contains('=') { pair.to_owned() } else { format!("{pair}=") }).collect();
    query.sort();
    let mut headers: BTreeMap<_, _> = headers.map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    for name in ["authorization", "x-amz-date"] {
        assert!(headers.contains_key(name), "{name}");
    }
    headers.retain(|name, _| !OWN.contains(&name.as_str()));
    // A bucket has one with or without a slash.
    let path = if path == "/pictures/" { "/pictures" } else { path };
    Sent { method: method.to_owned(), path: path.to_owned(), query, headers, body: body.to_vec() }
}

/// Responses every request with success and keeps the last.
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
            let length = headers.iter().find(|(name, _)| name == "content-length");
            let length: usize = length.map_or(0, |length| length.1.parse().expect("a number"));
            if read.len() < end + 4 + length {
                continue;
            }
            let (method, target) = (first.next().expect("a method"), first.next().expect("a target"));
            let request = sent(method, target, headers.into_iter(), &read[end + 4..end + 4 + length]);
            // As R2: else none would be sent from now on.
            let checksum = request.headers.get("x-amz-checksum-crc64nvme").map_or("", String::as_str);
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
        let mut response = HttpResponse::new(StatusCode::try_from(200).expect("a status"), SdkBody::empty());
        response.headers_mut().insert("etag", "\"x\"");
        HttpConnectorFuture::ready(Ok(response))
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
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .http_client(given.clone())
            .build();
        Self { ours: S3Store::new(&settings, tls).expect("a store"), received, sdk: Client::from_conf(config), given }
    }

    async fn put(&self, request: &PutObject) {
        self.ours.put_object(request).await.expect("stored");
        let headers = &request.headers;
        let metadata = identity::with_entry(&headers.metadata, headers.write.as_ref());
        let metadata = (!metadata.is_empty()).then(|| metadata.into_iter().collect());
        let (if_none_match, if_match) = match &request.condition {
            None => (None, None),
            Some(WriteCondition::Absent) => (Some("*".to_owned()), None),
            Some(WriteCondition::Etag(etag)) => (None, Some(format!("\"{etag}\""))),
            Some(WriteCondition::Version(_)) => unreachable!("the SDK does not know If-Unmodified-Since"),
        };
        let value = |header| headers.values.get(&header).cloned();
        self.sdk
            .put_object()
            .bucket(request.bucket.as_str())
            .key(request.key.as_str())
            .body(ByteStream::from(request.body.bytes().clone()))
            .content_type(&headers.content_type)
            .set_content_disposition(value(ObjectHeader::ContentDisposition))
            .set_cache_control(value(ObjectHeader::CacheControl))
            .set_content_encoding(value(ObjectHeader::ContentEncoding))
            .set_content_language(value(ObjectHeader::ContentLanguage))
            .set_expires(
                value(ObjectHeader::Expires)
                    .map(|date| DateTime::from(httpdate::parse_http_date(&date).expect("a date"))),
            )
            .set_storage_class(value(ObjectHeader::StorageClass).as_deref().map(StorageClass::from))
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
        verify_integrity: true,
        progress: None,
    }
}

/// Both requests, whatever becomes of them: what the servers here send is no response to them.
macro_rules! both_send {
    ($both:expr, $ours:expr, $sdk:expr) => {
        let (_, _) = ($ours.await, $sdk.send().await);
        assert_eq!($both.received.take(), $both.given.take());
    };
}

#[tokio::test]
async fn operations_on_stored_objects() {
    let both = Both::start(Some("session+token/=")).await;
    for key in ["a b/ü.png", "a+b&c=d?e#f", "/a//b/", "a/../b", "./x"] {
        let bucket = BucketName::parse("pictures").expect("a bucket");
        let object = ObjectRef { bucket: bucket.clone(), key: ObjectKey::existing(key).expect("a key") };
        let sdk = &both.sdk;
        both_send!(both, both.ours.head_object(&object), sdk.head_object().bucket("pictures").key(key));
        both_send!(both, both.ours.delete_object(&object), sdk.delete_object().bucket("pictures").key(key));
        let get = GetRequest { object, range: Some((5, Some(9))), if_match: Some("abc".into()) };
        let by_sdk = sdk.get_object().bucket("pictures").key(key).range("bytes=5-9").if_match("\"abc\"");
        both_send!(both, both.ours.get_object(&get), by_sdk);
        let list = ListRequest {
            bucket,
            prefix: key.into(),
            start_after: Some(key.into()),
            continuation: Some("a+b/=".into()),
            page_size: 7,
        };
        let by_sdk = sdk.list_objects_v2().bucket("pictures").prefix(key).start_after(key);
        let by_sdk = by_sdk.continuation_token("a+b/=").max_keys(7).encoding_type(EncodingType::Url);
        both_send!(both, both.ours.list_objects(&list), by_sdk);
    }
}

#[tokio::test]
async fn operations_on_uploads_in_parts() {
    let both = Both::start(None).await;
    let (sdk, key, id) = (&both.sdk, "a b/ü.bin", "a+b/c=d é~");
    let bucket = BucketName::parse("pictures").expect("a bucket");
    let object = ObjectRef { bucket: bucket.clone(), key: ObjectKey::parse(key).expect("a key") };
    let upload = MultipartUpload { object, upload_id: id.to_owned(), has_checksums: true };
    let parts = || sdk.list_parts().bucket("pictures").key(key).upload_id(id);
    both_send!(both, both.ours.list_parts(&upload, Some("7")), parts().part_number_marker("7"));
    both_send!(
        both,
        both.ours.abort_multipart(&upload),
        sdk.abort_multipart_upload().bucket("pictures").key(key).upload_id(id)
    );
    let list = ListUploads { bucket, prefix: key.into(), continuation: Some((key.into(), id.into())) };
    let by_sdk = sdk.list_multipart_uploads().bucket("pictures").prefix(key).key_marker(key).upload_id_marker(id);
    both_send!(both, both.ours.list_uploads(&list), by_sdk.encoding_type(EncodingType::Url));
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
        values: HeaderValues::from([
            (ObjectHeader::ContentDisposition, "attachment; filename=\"a  b.png\"".to_owned()),
            (ObjectHeader::CacheControl, "public, max-age=31536000, immutable".to_owned()),
            (ObjectHeader::ContentEncoding, "gzip".to_owned()),
            (ObjectHeader::ContentLanguage, "de, en".to_owned()),
            (ObjectHeader::StorageClass, "STANDARD_IA".to_owned()),
            (ObjectHeader::Expires, httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(4_000_000_000))),
        ]),
        metadata: metadata.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        write: WriteIdentity::parse("1;w=feed;n=7;e=5;p=a;b=19aff00;s=pending"),
    };
    assert!(headers.write.is_some());
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
        let part = UploadPart { upload, number, body: body.clone().into(), verify_integrity: true, progress: None };
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
