//! What the server and the SDK say of failures, in our words.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::RequestId;
use aws_sdk_s3::primitives::ByteStreamError;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_xml::decode::{Document, try_data};
use http::{HeaderMap, StatusCode};
use url::Url;

use super::s3_http::{BoxError, TransportError};
use crate::error::{Category, Error, Failure, Result, Retryability, code, printable};
use crate::net::{fault, headers};
use crate::resilience::classify::{self, Verdict};
use crate::resilience::retry_after;

/// R2 takes one write a second to a key and answers the second with 429.
const SAME_KEY_INTERVAL: Duration = Duration::from_secs(1);

/// The server that an error came from.
#[derive(Debug, Clone)]
pub struct Origin {
    host: String,
    is_r2: bool,
}

impl Origin {
    pub fn of(endpoint: &Url) -> Self {
        let host = endpoint.host_str().unwrap_or_default().to_owned();
        let is_r2 = host.ends_with(".r2.cloudflarestorage.com");
        Self { host, is_r2 }
    }

    /// Fills in what every error of this server has.
    pub(super) fn mark(&self, failure: &mut Failure, maybe_sent: bool) {
        failure.host = Some(self.host.clone());
        failure.unsettled = maybe_sent && failure.status.is_none_or(is_not_the_stores);
        if maybe_sent && self.is_r2 {
            failure.min_wait = failure.min_wait.max(SAME_KEY_INTERVAL);
        }
        if failure.status == Some(429) {
            failure.min_wait = failure.min_wait.max(SAME_KEY_INTERVAL);
        }
    }
}

/// Answers of what stands before the store, which may have done its work: of a gateway that waited in vain, of Cloudflare's
/// edge, and a success without what the store says with it.
const fn is_not_the_stores(status: u16) -> bool {
    matches!(status, 200..=299 | 502 | 504 | 520..=529)
}

pub(super) fn describe<E>(error: SdkError<E, HttpResponse>, origin: &Origin) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match error {
        SdkError::DispatchFailure(_) => {
            // Unpacked, so that the causes begin with ours and not with the SDK's wrappings.
            let unpacked = error.into_source().ok().and_then(|source| source.downcast::<ConnectorError>().ok());
            match unpacked.and_then(|connector| connector.into_source().downcast::<TransportError>().ok()) {
                Some(transport) => describe_transport(*transport, origin),
                None => Error::internal("the request could not be sent"),
            }
        }
        SdkError::ResponseError(_) if has_broken_off(&error) => match error.into_source() {
            Ok(source) => describe_broken_answer(source, origin),
            Err(error) => describe_sdk_answer(&error, origin),
        },
        SdkError::ServiceError(_) | SdkError::ResponseError(_) => describe_sdk_answer(&error, origin),
        // Ours is around the SDK, which has none of its own; whoever set one, it is a timeout.
        SdkError::TimeoutError(_) => Error::timeout("no answer", Duration::ZERO).caused_by(error),
        _ => Error::internal("the request could not be built").caused_by(error),
    }
}

/// Whether an answer was that of a success as far as it came.
fn has_broken_off<E>(error: &SdkError<E, HttpResponse>) -> bool {
    error.raw_response().is_some_and(|answer| answer.status().is_success() && answer.body().bytes().is_none())
}

pub(super) fn describe_transport(transport: TransportError, origin: &Origin) -> Error {
    let verdict = classify::by_node_code(transport.code).unwrap_or(Verdict::retry(Category::Network));
    let error = Error::new(transport.code, verdict.category, verdict.retryability, transport.detail)
        .with(|failure| origin.mark(failure, transport.maybe_sent));
    match transport.source {
        Some(source) => error.caused_by(source),
        None => error,
    }
}

/// A body that broke off.
pub(super) fn describe_body(error: ByteStreamError, origin: &Origin) -> Error {
    let (code, detail) = match fault::name(&error) {
        Some(fault) => (fault.code, fault.detail),
        None => ("ECONNRESET", "the connection broke while the object was read".to_owned()),
    };
    let verdict = classify::by_node_code(code).unwrap_or(Verdict::retry(Category::Network));
    Error::new(code, verdict.category, verdict.retryability, detail)
        .with(|failure| origin.mark(failure, false))
        .caused_by(error)
}

/// What an answer says of a failure, whoever read it.
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    /// S3's.
    pub(super) code: Option<&'a str>,
    pub(super) message: Option<&'a str>,
    pub(super) request_id: Option<&'a str>,
    /// Whether its body was there to be read: that of a HEAD is not, another may have broken off.
    pub(super) has_body: bool,
    pub(super) header: &'a dyn Fn(&str) -> Option<&'a str>,
}

fn describe_sdk_answer<E>(error: &SdkError<E, HttpResponse>, origin: &Origin) -> Error
where
    E: ProvideErrorMetadata,
{
    let metadata = error.as_service_error().map(ProvideErrorMetadata::meta);
    let response = error.raw_response();
    let answer = Answer {
        status: response.map_or(0, |response| response.status().as_u16()),
        code: metadata.and_then(|meta| meta.code()),
        message: metadata.and_then(|meta| meta.message()),
        request_id: metadata.and_then(RequestId::request_id),
        has_body: response.and_then(|it| it.body().bytes()).is_some_and(|body| !body.is_empty()),
        header: &|name| response.and_then(|response| response.headers().get(name)),
    };
    describe_answer(&answer, origin)
}

/// An answer came: by its code where it has one that is known, else by its status. Its body may be HTML
/// from the edge, or nothing.
pub(super) fn describe_answer(answer: &Answer<'_>, origin: &Origin) -> Error {
    let &Answer { status, code, message, request_id, has_body, header } = answer;
    let s3_code = code.map(str::trim).filter(|code| is_name(code));
    let verdict = if (200..300).contains(&status) && s3_code.is_none() {
        // A 200 that is not S3's (a captive portal, a proxy's page): nothing says that it was stored.
        Verdict { category: Category::Service, retryability: Retryability::Once }
    } else if status == 400 && s3_code.is_none() && !has_body {
        // Some of R2's 400s pass (`IncompleteBody`), and what would tell them from the others is missing.
        Verdict::retry(Category::Service)
    } else {
        s3_code.and_then(classify::by_s3_code).unwrap_or_else(|| classify::by_status(status))
    };
    let name = match s3_code {
        Some(code) => code.to_owned(),
        None if (200..300).contains(&status) => code::PROTOCOL.to_owned(),
        None => format!("HTTP_{status}"),
    };
    // Programs look for this word in messages of timeouts, whoever's they are.
    let prefix = if verdict.category == Category::Timeout { "timeout: " } else { "" };
    let detail = match message {
        Some(message) => format!("{prefix}the storage answered {status}: {}", printable(&redact(message), 300)),
        None => format!("{prefix}the storage answered with status {status}"),
    };
    let retry_after =
        header("retry-after").and_then(|value| retry_after::parse(value, header("date"), SystemTime::now()));
    // R2 sends no x-amz-request-id; the edge's ray is what its support asks for.
    let request_id = request_id.or_else(|| header("cf-ray")).map(|id| printable(id, 100));
    Error::new(name, verdict.category, verdict.retryability, detail).with(|failure| {
        failure.status = Some(status);
        failure.request_id = request_id;
        failure.retry_after = retry_after;
        origin.mark(failure, true);
    })
}

/// An answer that is no success: its S3 error if it has one.
///
/// `body` is absent where it broke off.
pub fn read_answer(status: StatusCode, fields: &HeaderMap, body: Option<&[u8]>, origin: &Origin) -> Error {
    let header = |name: &str| headers::text(fields, name);
    let (code, message) = body.and_then(code_and_message).unwrap_or_default();
    let answer = Answer {
        status: status.as_u16(),
        code: code.as_deref(),
        message: message.as_deref(),
        request_id: header("x-amz-request-id"),
        has_body: body.is_some_and(|body| !body.is_empty()),
        header: &header,
    };
    describe_answer(&answer, origin)
}

/// Of S3's XML; the edge's HTML and everything else has none.
fn code_and_message(body: &[u8]) -> Option<(Option<String>, Option<String>)> {
    let mut document = Document::try_from(body).ok()?;
    let mut root = document.root_element().ok()?;
    let (mut code, mut message) = (None, None);
    while let Some(mut tag) = root.next_tag() {
        match tag.start_el().local() {
            "Code" => code = Some(try_data(&mut tag).ok()?.into_owned()),
            "Message" => message = Some(try_data(&mut tag).ok()?.into_owned()),
            _ => {}
        }
    }
    Some((code, message))
}

/// A success whose answer did not come to its end.
pub(super) fn describe_broken_answer(error: BoxError, origin: &Origin) -> Error {
    let (code, detail) = match fault::name(&*error) {
        Some(fault) => (fault.code, fault.detail),
        None => ("ECONNRESET", "the connection broke while the answer was read".to_owned()),
    };
    let verdict = classify::by_node_code(code).unwrap_or(Verdict::retry(Category::Network));
    Error::new(code, verdict.category, verdict.retryability, detail)
        .with(|failure| origin.mark(failure, true))
        .caused_by(error)
}

/// An answer without what it is there for.
pub(super) fn incomplete(what: &str, origin: &Origin) -> Error {
    let detail = format!("the storage's answer lacks {what}");
    Error::new(code::PROTOCOL, Category::Service, Retryability::Transient, detail)
        .with(|failure| origin.mark(failure, true))
}

/// Where the next page begins, if there is one. A page that says so and not where would end a list before its end.
pub(super) fn next_page<T>(is_truncated: Option<bool>, next: Option<T>, origin: &Origin) -> Result<Option<T>> {
    match next {
        _ if is_truncated != Some(true) => Ok(None),
        Some(next) => Ok(Some(next)),
        None => Err(incomplete("where its next page begins", origin)),
    }
}

/// Whether it can be a code. People compare codes and count by them: there is no empty one, nor one of free text.
fn is_name(code: &str) -> bool {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=64).contains(&code.len()) && code.bytes().all(sound)
}

/// Some servers echo the string to sign or the access key into their message; nothing after such a word is
/// shown.
fn redact(message: &str) -> String {
    const TELLTALES: &[&str] = &["AWSAccessKeyId", "StringToSign", "Signature=", "Credential=", "X-Amz-"];
    match TELLTALES.iter().filter_map(|word| message.find(word)).min() {
        Some(at) => format!("{}…", &message[..at]),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_is_not_the_last_says_where_the_next_one_is() {
        let origin = Origin::of(&Url::parse("https://localhost:9000").expect("a URL"));
        assert_eq!(next_page(Some(false), Some("x"), &origin).expect("the end"), None);
        assert_eq!(next_page(None, Some("x"), &origin).expect("the end"), None);
        assert_eq!(next_page(Some(true), Some("x"), &origin).expect("there is more"), Some("x"));
        assert_eq!(next_page::<()>(Some(true), None, &origin).expect_err("lost").code, code::PROTOCOL);
    }

    fn marked(endpoint: &str, status: Option<u16>, maybe_sent: bool) -> Duration {
        let origin = Origin::of(&Url::parse(endpoint).expect("a URL"));
        Error::internal("x")
            .with(|failure| {
                failure.status = status;
                origin.mark(failure, maybe_sent);
            })
            .min_wait
    }

    #[test]
    fn a_write_that_may_have_reached_r2_waits_a_second() {
        let r2 = "https://0123456789abcdef0123456789abcdef.r2.cloudflarestorage.com";
        let eu = "https://0123456789abcdef0123456789abcdef.eu.r2.cloudflarestorage.com";
        assert_eq!(marked(r2, None, true), SAME_KEY_INTERVAL);
        assert_eq!(marked(eu, Some(500), true), SAME_KEY_INTERVAL);
        assert_eq!(marked(r2, None, false), Duration::ZERO, "nothing was sent");
        assert_eq!(marked("https://localhost:9000", Some(500), true), Duration::ZERO);
        assert_eq!(marked("https://localhost:9000", Some(429), true), SAME_KEY_INTERVAL);
    }

    #[test]
    fn errors_are_read_from_s3_s_xml_and_from_nothing_else() {
        let xml = b"<?xml version=\"1.0\"?><Error><Code>SlowDown</Code><Message>a &amp; b</Message><X/></Error>";
        let both = (Some("SlowDown".to_owned()), Some("a & b".to_owned()));
        assert_eq!(code_and_message(xml), Some(both));
        assert_eq!(code_and_message(b"<html><body>502</body></html>").unwrap_or_default(), (None, None));
        for nothing in [&b""[..], b"Bad Gateway", b"<Error>"] {
            assert_eq!(code_and_message(nothing).unwrap_or_default(), (None, None));
        }
    }

    #[test]
    fn what_is_no_name_is_no_code() {
        let origin = Origin::of(&Url::parse("http://127.0.0.1:9000").expect("a URL"));
        let code = |code: &str| {
            let xml = format!("<Error><Code>{code}</Code><Message>x</Message></Error>");
            read_answer(StatusCode::BAD_GATEWAY, &HeaderMap::new(), Some(xml.as_bytes()), &origin).code.to_string()
        };
        assert_eq!(code(" BadDigest\n"), "BadDigest");
        for nothing in ["", " ", "Bad Gateway", "a&#10;b", "é", &"x".repeat(65)] {
            assert_eq!(code(nothing), "HTTP_502", "{nothing:?}");
        }
    }

    #[test]
    fn echoed_secrets_are_cut_off() {
        assert_eq!(redact("bad <StringToSign>abc"), "bad <…");
        assert_eq!(redact("fine"), "fine");
    }
}
