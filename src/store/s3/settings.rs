//! Where the store is, and what its requests are made of.

use std::time::Duration;

use http::HeaderValue;
use url::Url;

use super::error::Origin;
use crate::error::{Error, Result};
use crate::secret::Secret;
use crate::store::etag;
use crate::store::types::{ObjectVersion, WriteCondition};

/// Where the store is and how to prove who we are; already checked.
#[derive(Debug, Clone)]
pub struct S3Settings {
    pub endpoint: Url,
    pub region: String,
    pub access_key: Secret<String>,
    pub secret_key: Secret<String>,
    pub session_token: Option<Secret<String>>,
    pub connect_timeout: Duration,
    /// Without a byte of a request's body moving.
    pub stall_timeout: Duration,
}

impl S3Settings {
    pub(super) fn origin(&self) -> Origin {
        const SHORTEST_ID: usize = 16;
        // The access key's id is no secret, and yet nobody's business; short ones are words of test servers.
        let id = Some(self.access_key.expose().as_str()).filter(|id| id.len() >= SHORTEST_ID);
        let token = self.session_token.as_ref().map(|token| token.expose().as_str());
        Origin::of(&self.endpoint).hiding([self.secret_key.expose().as_str()].into_iter().chain(token).chain(id))
    }
}

pub(super) fn unbuildable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::internal("the request could not be built").caused_by(error)
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

pub(super) fn if_none_match(condition: Option<&WriteCondition>) -> Option<String> {
    matches!(condition, Some(WriteCondition::Absent)).then(|| "*".to_owned())
}

pub(super) fn if_match(condition: Option<&WriteCondition>) -> Option<String> {
    match condition {
        Some(WriteCondition::Etag(etag) | WriteCondition::Version(ObjectVersion { etag: Some(etag), .. })) => {
            Some(format!("\"{etag}\""))
        }
        _ => None,
    }
}

/// The value of `If-Unmodified-Since`.
pub(super) fn if_unmodified_since(condition: Option<&WriteCondition>) -> Option<String> {
    match condition {
        Some(WriteCondition::Version(version)) => version.last_modified.map(httpdate::fmt_http_date),
        _ => None,
    }
}

/// An ETag as people write it.
pub(super) fn unquoted(etag: &str) -> String {
    etag::opaque(etag).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

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
