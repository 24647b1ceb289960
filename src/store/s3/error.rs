//! What the server says of failures, in our words.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode};
use url::Url;

use super::response::Foreign;
use super::transport_error::{BoxError, TransportError};
use super::xml::Element;
use crate::error::{Category, Error, Failure, Result, Retryability, code, printable};
use crate::net::{headers, node_code};
use crate::resilience::classify::{self, Verdict};
use crate::resilience::retry_after;
use crate::secret::Redactor;

/// R2 takes one write a second to a key and responds to the second with 429.
const SAME_KEY_INTERVAL: Duration = Duration::from_secs(1);

/// The server that an error came from.
#[derive(Debug, Clone)]
pub struct Origin {
    host: String,
    is_r2: bool,
    redactor: Arc<Redactor>,
}

impl Origin {
    pub fn of(endpoint: &Url) -> Self {
        let host = endpoint.host_str().unwrap_or_default().to_owned();
        let is_r2 = host.ends_with(".r2.cloudflarestorage.com");
        Self { host, is_r2, redactor: Arc::default() }
    }

    /// With secrets that no text of this server may show.
    #[must_use]
    pub fn hiding<'a>(self, secrets: impl IntoIterator<Item = &'a str>) -> Self {
        Self { redactor: Arc::new(Redactor::new(secrets)), ..self }
    }

    /// A text of the server, on one line and without secrets.
    pub(super) fn text(&self, text: &str, max: usize) -> String {
        printable(&self.redactor.clean(text), max)
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

/// Responses of what stands before the store, which may have done its work: of a gateway that waited in vain, of Cloudflare's
/// edge, and a success without what the store says with it.
const fn is_not_the_stores(status: u16) -> bool {
    matches!(status, 200..=299 | 502 | 504 | 520..=529)
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
pub(super) fn describe_body(error: hyper::Error, origin: &Origin) -> Error {
    let (code, detail) = match node_code::name(&error) {
        Some(fault) => (fault.code, fault.detail),
        None => ("ECONNRESET", "the connection broke while the object was read".to_owned()),
    };
    let verdict = classify::by_node_code(code).unwrap_or(Verdict::retry(Category::Network));
    Error::new(code, verdict.category, verdict.retryability, detail)
        .with(|failure| origin.mark(failure, false))
        .caused_by(error)
}

/// What a response says of a failure, whoever read it.
pub(super) struct ErrorResponse<'a> {
    pub(super) status: u16,
    /// S3's.
    pub(super) code: Option<&'a str>,
    pub(super) message: Option<&'a str>,
    pub(super) request_id: Option<&'a str>,
    /// Whether its body was there to be read: that of a HEAD is not, another may have broken off.
    pub(super) has_body: bool,
    pub(super) header: &'a dyn Fn(&str) -> Option<&'a str>,
}

/// A response came: by its code where it has one that is known, else by its status. Its body may be HTML
/// from the edge, or nothing.
pub(super) fn describe_response(reply: &ErrorResponse<'_>, origin: &Origin) -> Error {
    let &ErrorResponse { status, code, message, request_id, has_body, header } = reply;
    let s3_code = code.map(str::trim).filter(|code| is_name(code) && origin.text(code, 64) == **code);
    let verdict = if (200..300).contains(&status) && s3_code.is_none() {
        // A 200 that is not S3's (a captive portal, a proxy's page): nothing says that it was stored.
        Verdict { category: Category::Service, retryability: Retryability::Once }
    } else if status == 400 && s3_code.is_none() && !has_body {
        // Some of R2's 400s pass (`IncompleteBody`), and what would distinguish them from the others is missing.
        Verdict::retry(Category::Service)
    } else {
        s3_code.and_then(classify::by_s3_code).unwrap_or_else(|| classify::by_status(status))
    };
    let name = match s3_code {
        Some(code) => code.to_owned(),
        None if (200..300).contains(&status) => code::PROTOCOL.to_owned(),
        None => format!("HTTP_{status}"),
    };
    // Programs search for this word in messages of timeouts, whoever's they are.
    let prefix = if verdict.category == Category::Timeout { "timeout: " } else { "" };
    let detail = match message {
        Some(message) => format!("{prefix}the storage responded {status}: {}", origin.text(message, 300)),
        None => format!("{prefix}the storage responded with status {status}"),
    };
    let retry_after =
        header("retry-after").and_then(|value| retry_after::parse(value, header("date"), SystemTime::now()));
    // R2 sends no x-amz-request-id; the edge's ray is what its support asks for.
    let request_id = request_id.or_else(|| header("cf-ray")).map(|id| origin.text(id, 100));
    Error::new(name, verdict.category, verdict.retryability, detail).with(|failure| {
        failure.status = Some(status);
        failure.request_id = request_id;
        failure.retry_after = retry_after;
        origin.mark(failure, true);
    })
}

/// A response that is no success: its S3 error if it has one.
///
/// `body` is absent where it broke off.
pub fn read_response(status: StatusCode, fields: &HeaderMap, body: Option<&[u8]>, origin: &Origin) -> Error {
    let header = |name: &str| headers::text(fields, name);
    let (code, message) = body.and_then(code_and_message).unwrap_or_default();
    let reply = ErrorResponse {
        status: status.as_u16(),
        code: code.as_deref(),
        message: message.as_deref(),
        request_id: header("x-amz-request-id"),
        has_body: body.is_some_and(|body| !body.is_empty()),
        header: &header,
    };
    describe_response(&reply, origin)
}

/// Of S3's XML; the edge's HTML and everything else has none.
fn code_and_message(body: &[u8]) -> Option<(Option<String>, Option<String>)> {
    let error = Element::parse(body).ok()?;
    Some((error.text_of("Code").map(str::to_owned), error.text_of("Message").map(str::to_owned)))
}

/// A success whose response did not come to its end.
pub(super) fn describe_broken_response(error: BoxError, origin: &Origin) -> Error {
    let (code, detail) = match node_code::name(&*error) {
        Some(fault) => (fault.code, fault.detail),
        None => ("ECONNRESET", "the connection broke while the response was read".to_owned()),
    };
    let verdict = classify::by_node_code(code).unwrap_or(Verdict::retry(Category::Network));
    Error::new(code, verdict.category, verdict.retryability, detail)
        .with(|failure| origin.mark(failure, true))
        .caused_by(error)
}

/// A response that is not the storage's: a captive portal's, a proxy's, another service's.
pub(super) fn foreign(Foreign(why): Foreign, status: StatusCode, origin: &Origin) -> Error {
    let detail = origin.text(&format!("not a response from the storage service: {why}"), 300);
    Error::new(code::PROTOCOL, Category::Service, Retryability::Transient, detail).with(|failure| {
        // Of something else's refusal the status says nothing about the object.
        failure.status = Some(status.as_u16()).filter(|_| status.is_success());
        origin.mark(failure, true);
    })
}

/// A response without what it is there for.
pub(super) fn incomplete(what: &str, origin: &Origin) -> Error {
    let detail = format!("the storage's response lacks {what}");
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

/// Whether it can be a code. People compare codes and count by them: there is no empty one, nor one of free text, nor
/// one that is a property of every JavaScript object (`__proto__`).
fn is_name(code: &str) -> bool {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=64).contains(&code.len()) && code.bytes().all(sound) && code.starts_with(|c: char| c.is_ascii_alphabetic())
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
            read_response(StatusCode::BAD_GATEWAY, &HeaderMap::new(), Some(xml.as_bytes()), &origin).code.to_string()
        };
        assert_eq!(code(" BadDigest\n"), "BadDigest");
        for nothing in ["", " ", "Bad Gateway", "a&#10;b", "é", &"x".repeat(65)] {
            assert_eq!(code(nothing), "HTTP_502", "{nothing:?}");
        }
    }
}
