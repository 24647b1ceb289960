//! Requests to one endpoint: signed, sent over the pool, and their responses read within bounds.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, DATE, HeaderName, HeaderValue, USER_AGENT};
use http::response::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::connection_pool::PooledBody;
use super::error::{Origin, describe_broken_response, describe_transport, foreign, read_response};
use super::request_body::UploadBody;
use super::response::{Foreign, S3Operation, check_absence, check_empty, check_head};
use super::settings::{S3Settings, unbuildable};
use super::sign::{Signer, Target};
use super::transport::Transport;
use super::xml::Element;
use crate::error::{Error, Result, code, printable};
use crate::net::codings;
use crate::net::headers::text;
use crate::net::limits::{LimitExceeded, MAX_LIST_BODY_BYTES, MAX_SMALL_BODY_BYTES};
use crate::store::digest::hex_sha256;

/// A signature with a time further from the server's may be refused for it.
const MOST_SKEW: Duration = Duration::from_secs(4 * 60);

pub(super) type Headers = Vec<(HeaderName, HeaderValue)>;

#[derive(Debug)]
pub(super) struct SignedClient {
    pub(super) transport: Transport,
    pub(super) signer: Signer,
    pub(super) origin: Origin,
}

/// A request, to be signed.
#[derive(Debug, Clone)]
pub(super) struct Outgoing<'a> {
    pub(super) method: Method,
    /// Escaped; it is sent as it is signed.
    pub(super) path: &'a str,
    /// Escaped, in the order of the names; see [`super::sign::query_of`].
    pub(super) query: &'a str,
    pub(super) headers: Headers,
    /// Not signed, since proxies change it on the way.
    pub(super) accept_encoding: Option<&'static str>,
}

impl<'a> Outgoing<'a> {
    pub(super) fn new(method: Method, path: &'a str, query: &'a str) -> Self {
        Self { method, path, query, headers: Headers::new(), accept_encoding: None }
    }
}

impl SignedClient {
    pub(super) fn new(settings: &S3Settings, transport: Transport, origin: Origin) -> Result<Self> {
        let (access_key, secret_key) = (settings.access_key.clone(), settings.secret_key.clone());
        let signer = Signer::new(access_key, secret_key, settings.session_token.as_ref(), settings.region.clone());
        Ok(Self { transport, signer: signer.map_err(unbuildable)?, origin })
    }

    /// Sends a body whose SHA-256 is `payload`, and gives the response, whatever its status.
    pub(super) async fn send(
        &self,
        outgoing: Outgoing<'_>,
        payload: &str,
        body: UploadBody,
    ) -> Result<Response<PooledBody>> {
        let Outgoing { method, path, query, headers, accept_encoding } = outgoing;
        let target = Target { method: method.as_str(), path, query, payload };
        let signed = self.signer.sign(target, headers, self.transport.host(), self.transport.clock().signing_time());
        let mut headers = signed.map_err(unbuildable)?;
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("reliable-r2/", env!("CARGO_PKG_VERSION"))));
        if let Some(codings) = accept_encoding {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(codings));
        }
        let separator = if query.is_empty() { "" } else { "?" };
        let uri = Uri::try_from([path, separator, query].concat()).map_err(unbuildable)?;
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        self.transport.send(request).await.map_err(|error| describe_transport(error, &self.origin))
    }

    /// Sends a body that is in memory anyway, or none, and gives the response if it is the storage's success.
    ///
    /// # Errors
    /// What the response says of a failure; `ERR_PROTOCOL` for one that is not the storage's; the network's.
    pub(super) async fn exchange(&self, mut outgoing: Outgoing<'_>, body: Bytes) -> Result<Response<PooledBody>> {
        if outgoing.method == Method::POST {
            outgoing.headers.push((CONTENT_LENGTH, HeaderValue::from(body.len())));
        }
        let payload = hex_sha256(&body);
        let operation = S3Operation::of(&outgoing.method, outgoing.query, &outgoing.headers);
        let again = (operation == S3Operation::HeadObject).then(|| outgoing.clone());
        let mut response = self.send(outgoing, &payload, UploadBody::new(body, None)).await?;
        if let Some(again) = again
            && self.may_be_about_the_time(&response)
        {
            self.transport.learn_time(response.extensions());
            drop(response);
            response = self.send(again, &payload, UploadBody::new(Bytes::new(), None)).await?;
        }
        self.checked(operation, response).await
    }

    /// The response to a HEAD has no body that could say so: a refusal, and a `Date` far from the time of the signature.
    fn may_be_about_the_time(&self, response: &Response<PooledBody>) -> bool {
        let date = text(response.headers(), DATE).and_then(|date| httpdate::parse_http_date(date).ok());
        let ours = self.transport.clock().signing_time();
        let is_off = date.is_some_and(|date| date + MOST_SKEW < ours || ours + MOST_SKEW < date);
        matches!(response.status(), StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST) && is_off
    }

    /// The response if it is the storage's success, else what it says of the failure.
    pub(super) async fn checked(
        &self,
        operation: S3Operation,
        response: Response<PooledBody>,
    ) -> Result<Response<PooledBody>> {
        if let Some(coding) = codings::transfer_coding(response.headers()) {
            let why = format!("its body has the transfer coding {}", printable(&coding, 60));
            return Err(foreign(Foreign(why), response.status(), &self.origin));
        }
        if response.status().is_success() {
            let was_sent = response.body().request_was_sent();
            let checked = check_head(operation, response.status(), response.headers(), was_sent);
            return match checked {
                Ok(()) => Ok(response),
                Err(why) => Err(foreign(why, response.status(), &self.origin)),
            };
        }
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_SMALL_BODY_BYTES).collect().await;
        // An error whose body broke off is still that error.
        let body = body.map(http_body_util::Collected::to_bytes).ok();
        Err(self.failure(operation, &head, body.as_deref()))
    }

    /// What a response that is no success says.
    fn failure(&self, operation: S3Operation, head: &Parts, body: Option<&[u8]>) -> Error {
        let error = read_response(head.status, &head.headers, body, &self.origin);
        if !error.code.starts_with("HTTP_") && error.code != code::PROTOCOL {
            // It has S3's XML. A complaint about the time shows the server's.
            self.transport.learn_time(&head.extensions);
        } else if let Err(why) = check_absence(operation, head.status, &head.headers, body) {
            return foreign(why, head.status, &self.origin);
        }
        error
    }

    /// Reads the body of a success that has none to its end, so that the connection can be used again.
    pub(super) async fn finish(&self, response: Response<PooledBody>) -> Result<HeaderMap> {
        let (head, body) = self.read(response, MAX_SMALL_BODY_BYTES).await?;
        check_empty(&body).map_err(|why| foreign(why, head.status, &self.origin))?;
        self.transport.learn_time(&head.extensions);
        Ok(head.headers)
    }

    async fn read(&self, response: Response<PooledBody>, max_bytes: usize) -> Result<(Parts, Bytes)> {
        let (head, body) = response.into_parts();
        match Limited::new(body, max_bytes).collect().await {
            Ok(body) => Ok((head, body.to_bytes())),
            Err(error) => {
                let error = if error.is::<LengthLimitError>() { LimitExceeded::body(max_bytes).into() } else { error };
                Err(describe_broken_response(error, &self.origin))
            }
        }
    }

    /// The XML of a success, whose root must have this name.
    pub(super) async fn xml(&self, response: Response<PooledBody>, root: &str) -> Result<(HeaderMap, Element)> {
        self.xml_text(response, root).await.map(|(headers, element, _)| (headers, element))
    }

    /// The same, and its text.
    pub(super) async fn xml_text(
        &self,
        response: Response<PooledBody>,
        root: &str,
    ) -> Result<(HeaderMap, Element, Bytes)> {
        let (head, body) = self.read(response, MAX_LIST_BODY_BYTES).await?;
        let is_not = || Foreign(format!("it is not a {root}"));
        match Element::parse(&body) {
            Ok(element) if element.name == root => {
                self.transport.learn_time(&head.extensions);
                Ok((head.headers, element, body))
            }
            // A success whose status was sent before the outcome was known.
            Ok(element) if element.name == "Error" => {
                Err(self.failure(S3Operation::CompleteMultipartUpload, &head, Some(&body)))
            }
            Ok(_) => Err(foreign(is_not(), head.status, &self.origin)),
            Err(error) => Err(foreign(is_not(), head.status, &self.origin).caused_by(error)),
        }
    }
}
