//! Whatever a server responds, there is an error with a name, of one line, without what must not be shown.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode};
use reliable_r2::error::Retryability;
use reliable_r2::store::s3::error::{Origin, read_response};
use url::Url;

/// Two bytes of status, then `Retry-After`, `Date` and an id, one a line, then the body.
pub fn check(data: &[u8]) {
    let Some((status, rest)) = data.split_at_checked(2) else { return };
    let status = StatusCode::from_u16(100 + u16::from_be_bytes([status[0], status[1]]) % 900).expect("a status");
    let mut fields = rest.splitn(4, |&byte| byte == b'\n');
    let mut headers = HeaderMap::new();
    for name in ["retry-after", "date", "x-amz-request-id"] {
        if let Some(Ok(value)) = fields.next().map(HeaderValue::from_bytes) {
            headers.insert(name, value);
        }
    }
    let body = fields.next().unwrap_or_default();
    let r2 = "https://0123456789abcdef0123456789abcdef.r2.cloudflarestorage.com";
    for endpoint in ["http://127.0.0.1:9000", r2] {
        let origin = Origin::of(&Url::parse(endpoint).expect("a URL"));
        let error = read_response(status, &headers, Some(body), &origin);
        let message = error.to_string();
        assert!(!error.code.is_empty() && error.code.trim() == error.code, "no name: {:?}", error.code);
        assert!(!message.contains(char::is_control), "more than one line: {message:?}");
        assert!(message.len() < 2000, "too long: {}", message.len());
        for secret in ["StringToSign", "Signature=", "Credential=", "AWSAccessKeyId"] {
            assert!(!message.contains(secret), "{message}");
        }
        assert_eq!(error.status, Some(status.as_u16()));
        assert!(
            error.request_id.as_deref().is_none_or(|id| !id.contains(char::is_control) && id.chars().count() <= 101)
        );
        assert!(error.retry_after.is_none_or(|wait| !wait.is_zero() && wait <= Duration::from_secs(86_400)));
        if status == StatusCode::TOO_MANY_REQUESTS || endpoint == r2 {
            assert!(error.min_wait >= Duration::from_secs(1), "R2 takes one write a second to a key");
        }
        if body.is_empty() && status.is_success() {
            assert_ne!(error.retryability, Retryability::Transient, "a 200 that is not S3's is asked for once more");
        }
    }
}
