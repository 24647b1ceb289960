//! The verbs that carry the bytes, PutObject and UploadPart, without the AWS SDK: of a small upload its machinery
//! would take more time than everything else together. They send what the SDK would (a test compares), over the
//! same connections, and fail with the same errors.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_TYPE, DATE, ETAG,
    EXPIRES, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH, USER_AGENT,
};
use http::{Method, Request, Response, Uri};
use http_body_util::{BodyExt as _, Limited};
use percent_encoding::utf8_percent_encode;
use url::Url;

use super::digest::Payload;
use super::multipart::{StoredPart, UploadPart};
use super::objects::ObjectRef;
use super::s3::{S3Settings, if_match, if_none_match, unquoted};
use super::s3_body::UploadBody;
use super::s3_error::{Origin, describe_broken_answer, describe_transport, incomplete, read_answer};
use super::s3_http::Transport;
use super::s3_pool::AnswerBody;
use super::s3_proof::{self, CHECKSUM, Evidence, Proof};
use super::s3_sign::{QUERY, Signer, Target, UNSIGNED_PAYLOAD};
use super::types::{ObjectHeaders, ProgressSink, PutObject, PutOutcome};
use crate::error::{Error, Result};
use crate::net::headers::text;

/// More of an answer is not read: an error's XML is a few hundred bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

type Headers = Vec<(HeaderName, HeaderValue)>;

#[derive(Debug)]
pub(super) struct DataVerbs {
    transport: Transport,
    signer: Signer,
    origin: Origin,
    is_tls: bool,
    puts: Proof,
    parts: Proof,
    clock: ServerClock,
}

/// One request of them.
struct Draft<'a> {
    path: String,
    query: String,
    headers: Headers,
    body: &'a Payload,
    verify_etag: bool,
    proof: &'a Proof,
    progress: Option<&'a ProgressSink>,
}

impl DataVerbs {
    pub(super) fn new(settings: &S3Settings, transport: Transport, origin: Origin) -> Result<Self> {
        let (access_key, secret_key) = (settings.access_key.clone(), settings.secret_key.clone());
        let signer = Signer::new(access_key, secret_key, settings.session_token.as_ref(), settings.region.clone());
        Ok(Self {
            transport,
            signer: signer.map_err(unbuildable)?,
            origin,
            is_tls: settings.endpoint.scheme() == "https",
            puts: Proof::default(),
            parts: Proof::default(),
            clock: ServerClock::default(),
        })
    }

    pub(super) async fn put_object(&self, request: &PutObject) -> Result<PutOutcome> {
        let draft = || {
            Ok(Draft {
                path: request.key.path_in(&request.bucket),
                query: "x-id=PutObject".to_owned(),
                headers: headers_of(request)?,
                body: &request.body,
                verify_etag: request.verify_etag,
                proof: &self.puts,
                progress: request.progress.as_ref(),
            })
        };
        let with_checksum = request.verify_etag && self.puts.may_be_a_checksum();
        let sent = self.puts.unless_refused(with_checksum, |with_checksum| self.send(draft(), with_checksum));
        let outcome = sent.await?;
        // A 200 without an ETag is not S3's (a captive portal, a proxy's page): nothing says that it was stored.
        if outcome.etag.is_none() { Err(incomplete("an ETag", &self.origin)) } else { Ok(outcome) }
    }

    pub(super) async fn upload_part(&self, request: &UploadPart) -> Result<StoredPart> {
        let ObjectRef { bucket, key } = &request.upload.object;
        let upload_id = utf8_percent_encode(&request.upload.upload_id, QUERY);
        let draft = || {
            Ok(Draft {
                path: key.path_in(bucket),
                query: format!("partNumber={}&uploadId={upload_id}&x-id=UploadPart", request.number),
                headers: vec![(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))],
                body: &request.body,
                verify_etag: request.verify_etag,
                proof: &self.parts,
                progress: request.progress.as_ref(),
            })
        };
        let with_checksum = request.upload.has_checksums;
        let sent = self.parts.unless_refused(with_checksum, |with_checksum| self.send(draft(), with_checksum));
        let outcome = sent.await?;
        let etag = outcome.etag.ok_or_else(|| incomplete("an ETag", &self.origin))?;
        Ok(StoredPart { number: request.number, etag })
    }

    /// How it is proven that objects and parts have arrived.
    pub(super) fn proofs(&self) -> [Option<&'static str>; 2] {
        [self.puts.name(), self.parts.name()]
    }

    pub(super) const fn proof_of_parts(&self) -> &Proof {
        &self.parts
    }

    async fn send(&self, draft: Result<Draft<'_>>, with_checksum: bool) -> Result<PutOutcome> {
        let Draft { path, query, mut headers, body, verify_etag, proof, progress } = draft?;
        let checksum = if with_checksum { Some(body.crc64nvme().text().await) } else { None };
        let expected = if verify_etag { proof.expected(with_checksum) } else { None };
        if expected == Some(Evidence::Md5) {
            // Begun before the body goes out, to be there when the answer is.
            body.md5();
        }
        let payload = if self.is_tls && expected.is_some() { UNSIGNED_PAYLOAD } else { body.sha256().text().await };
        let bytes = body.bytes();
        headers.push((CONTENT_LENGTH, HeaderValue::from(bytes.len())));
        if let Some(checksum) = checksum {
            headers.push((CHECKSUM.clone(), HeaderValue::from_str(checksum).map_err(unbuildable)?));
        }
        let target = Target { method: "PUT", path: &path, query: &query, payload };
        let signed = self.signer.sign(target, headers, self.transport.host(), self.clock.now());
        let mut headers = signed.map_err(unbuildable)?;
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("reliable-r2/", env!("CARGO_PKG_VERSION"))));
        let uri = Uri::try_from([&*path, "?", &query].concat()).map_err(unbuildable)?;
        let mut request = Request::new(UploadBody::new(bytes.clone(), progress.cloned()));
        *request.method_mut() = Method::PUT;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;

        let answer = self.transport.send(request).await.map_err(|error| describe_transport(error, &self.origin))?;
        let verified = answer.headers().get(&CHECKSUM).filter(|_| checksum.is_some()).cloned();
        let outcome = self.outcome_of(answer).await?;
        // One without an ETag is not the store's, and tells nothing of its habits.
        if let Some(etag) = outcome.etag.as_deref().filter(|_| verify_etag) {
            proof.saw(checksum.map(|_| verified.is_some()), etag);
            match checksum.zip(verified) {
                Some((sent, verified)) => s3_proof::verify_checksum(verified.as_bytes(), sent, &self.origin)?,
                None => s3_proof::verify_etag(etag, body, &self.origin).await?,
            }
        }
        Ok(outcome)
    }

    async fn outcome_of(&self, answer: Response<AnswerBody>) -> Result<PutOutcome> {
        let (head, body) = answer.into_parts();
        // To its end, so that the connection can be used again.
        let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
        if head.status.is_success() {
            body.map_err(|error| describe_broken_answer(error, &self.origin))?;
            let request_id = text(&head.headers, "x-amz-request-id").map(str::to_owned);
            return Ok(PutOutcome {
                etag: text(&head.headers, ETAG).map(unquoted),
                request_id,
                settled_by_head: false,
            });
        }
        // An error that broke off is still that error.
        let body = body.map(http_body_util::Collected::to_bytes).ok();
        let error = read_answer(head.status, &head.headers, body.as_deref(), &self.origin);
        if matches!(&*error.code, "RequestTimeTooSkewed" | "RequestInTheFuture") {
            self.clock.learn(text(&head.headers, DATE));
        }
        Err(error)
    }
}

fn unbuildable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::internal("the request could not be built").caused_by(error)
}

fn headers_of(request: &PutObject) -> Result<Headers> {
    let ObjectHeaders {
        content_type,
        content_disposition,
        cache_control,
        content_encoding,
        content_language,
        storage_class,
        expires,
        metadata,
    } = &request.headers;
    let mut headers = Vec::with_capacity(16 + metadata.len());
    let mut add = |name: HeaderName, value: &str| -> Result<()> {
        headers.push((name, HeaderValue::from_str(value).map_err(unbuildable)?));
        Ok(())
    };
    add(CONTENT_TYPE, content_type)?;
    let optional = [
        (CONTENT_DISPOSITION, content_disposition),
        (CACHE_CONTROL, cache_control),
        (CONTENT_ENCODING, content_encoding),
        (CONTENT_LANGUAGE, content_language),
        (HeaderName::from_static("x-amz-storage-class"), storage_class),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            add(name, value)?;
        }
    }
    if let Some(expires) = expires {
        add(EXPIRES, &httpdate::fmt_http_date(*expires))?;
    }
    if let Some(any) = if_none_match(request.condition.as_ref()) {
        add(IF_NONE_MATCH, &any)?;
    }
    if let Some(etag) = if_match(request.condition.as_ref()) {
        add(IF_MATCH, &etag)?;
    }
    for (name, value) in metadata {
        let name = HeaderName::try_from(format!("x-amz-meta-{name}")).map_err(unbuildable)?;
        add(name, value)?;
    }
    Ok(headers)
}

/// The server's time, as far as it has complained of ours.
#[derive(Debug, Default)]
struct ServerClock {
    ahead_seconds: AtomicI64,
}

impl ServerClock {
    fn now(&self) -> SystemTime {
        let now = SystemTime::now();
        let ahead = self.ahead_seconds.load(Ordering::Relaxed);
        let distance = Duration::from_secs(ahead.unsigned_abs());
        let corrected = if ahead < 0 { now.checked_sub(distance) } else { now.checked_add(distance) };
        corrected.unwrap_or(now)
    }

    fn learn(&self, date: Option<&str>) {
        let Some(theirs) = date.and_then(|date| httpdate::parse_http_date(date).ok()) else { return };
        let seconds = |time: SystemTime| {
            let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
        };
        self.ahead_seconds.store(seconds(theirs) - seconds(SystemTime::now()), Ordering::Relaxed);
    }
}

/// What the endpoint is called in requests; without the port that its scheme implies.
pub(super) fn host_of(endpoint: &Url) -> Result<HeaderValue> {
    let host = endpoint.host_str().unwrap_or_default();
    let value = match endpoint.port() {
        Some(port) => HeaderValue::try_from(format!("{host}:{port}")),
        None => HeaderValue::from_str(host),
    };
    value.map_err(unbuildable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_s_time_is_kept_until_it_tells_another() {
        let clock = ServerClock::default();
        let away = |clock: &ServerClock| {
            let (theirs, ours) = (clock.now(), SystemTime::now());
            theirs.duration_since(ours).map_or_else(|behind| -behind.duration().as_secs_f64(), |by| by.as_secs_f64())
        };
        let (hour, now) = (Duration::from_secs(3600), SystemTime::now());
        for (theirs, ahead) in [(now + hour, 3600.0), (now - 2 * hour, -7200.0), (now, 0.0_f64)] {
            clock.learn(Some(&httpdate::fmt_http_date(theirs)));
            assert!((away(&clock) - ahead).abs() < 5.0, "{ahead}");
        }
        clock.learn(Some("yesterday"));
        clock.learn(None);
        assert!(away(&clock).abs() < 5.0, "still");
    }

    #[test]
    fn hosts_have_a_port_only_where_it_is_needed() {
        for (endpoint, host) in [
            ("https://a.example", "a.example"),
            ("https://a.example:443", "a.example"),
            ("http://127.0.0.1:9000", "127.0.0.1:9000"),
            ("https://[::1]:9000", "[::1]:9000"),
        ] {
            assert_eq!(host_of(&Url::parse(endpoint).expect("a URL")).expect("a host"), host);
        }
    }
}
