//! Which failures another try can fix. By status, by S3 code and by Node code; never by a message.
//!
//! Sources: R2's error table (developers.cloudflare.com/r2/api/error-codes), RFC 9110 for the statuses,
//! Cloudflare's 52x pages for the edge.

use crate::error::{Category, Retryability};

/// What a failure's name shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    pub category: Category,
    pub retryability: Retryability,
}

impl Verdict {
    pub const fn retry(category: Category) -> Self {
        Self { category, retryability: Retryability::Transient }
    }

    pub const fn stop(category: Category) -> Self {
        Self { category, retryability: Retryability::Permanent }
    }
}

/// By HTTP status alone; used where no code is known or the code is unknown.
pub const fn by_status(status: u16) -> Verdict {
    match status {
        401 | 403 => Verdict::stop(Category::Auth),
        408 => Verdict::retry(Category::Timeout),
        429 => Verdict::retry(Category::Throttled),
        // 499: a client hang-up that the edge reports; 501 and 505 will be the same tomorrow.
        499 => Verdict::retry(Category::Network),
        501 | 505 => Verdict::stop(Category::Service),
        500..=599 => Verdict::retry(Category::Service),
        _ => Verdict::stop(Category::Service),
    }
}

/// By the code in an S3 error body. `None` for an unknown one.
pub fn by_s3_code(code: &str) -> Option<Verdict> {
    use Category::{Auth, Input, Network, Service, Throttled, Timeout};
    Some(match code {
        "InternalError" | "ServiceUnavailable" | "OperationAborted" | "ConditionalRequestConflict" => {
            Verdict::retry(Service)
        }
        "SlowDown"
        | "TooManyRequests"
        | "TooManyRequestsException"
        | "Throttling"
        | "ThrottlingException"
        | "RequestLimitExceeded"
        | "TooMuchConcurrency" => Verdict::retry(Throttled),
        "RequestTimeout" => Verdict::retry(Timeout),
        // R2's retryable 400s: the body did not arrive whole, which is the line's fault.
        "IncompleteBody" | "ClientDisconnect" => Verdict::retry(Network),
        // The attempt is signed afresh, so its date is fresh too.
        "ExpiredRequest" => Verdict::retry(Service),
        "BadDigest" | "XAmzContentSHA256Mismatch" => Verdict { category: Service, retryability: Retryability::Once },
        // The SDK has learnt the server's clock from this response and signs the next attempt by it.
        "RequestTimeTooSkewed" | "RequestInTheFuture" => {
            Verdict { category: Auth, retryability: Retryability::OnceNow }
        }
        "AccessDenied"
        | "Unauthorized"
        | "SignatureDoesNotMatch"
        | "InvalidAccessKeyId"
        | "NotEntitled"
        | "ObjectLockedByBucketPolicy" => Verdict::stop(Auth),
        "NoSuchBucket" | "InvalidBucketName" | "InvalidObjectName" | "KeyTooLongError" | "EntityTooLarge"
        | "MetadataTooLarge" | "InvalidDigest" | "InvalidArgument" | "InvalidRequest" => Verdict::stop(Input),
        _ => return None,
    })
}

/// By the code of a Node error or of one of ours. `None` for an unknown one.
pub fn by_node_code(code: &str) -> Option<Verdict> {
    use Category::{Input, Network, Timeout};
    Some(match code {
        "ECONNRESET"
        | "ENOTFOUND"
        | "ECONNREFUSED"
        | "EPIPE"
        | "EAI_AGAIN"
        | "ECONNABORTED"
        | "EHOSTUNREACH"
        | "ENETUNREACH"
        | "ENETDOWN"
        | "EADDRNOTAVAIL"
        | "EMFILE"
        | "ENFILE"
        | "UND_ERR_SOCKET"
        | "ERR_PROTOCOL"
        | "ERR_STREAM_PREMATURE_CLOSE" => Verdict::retry(Network),
        "ETIMEDOUT"
        | "ESOCKETTIMEDOUT"
        | "UND_ERR_CONNECT_TIMEOUT"
        | "UND_ERR_HEADERS_TIMEOUT"
        | "UND_ERR_BODY_TIMEOUT" => Verdict::retry(Timeout),
        "EPROTO"
        | "EACCES"
        | "EPERM"
        | "CERT_HAS_EXPIRED"
        | "CERT_NOT_YET_VALID"
        | "ERR_TLS_CERT_INVALID"
        | "ERR_TLS_CERT_ALTNAME_INVALID"
        | "UNABLE_TO_VERIFY_LEAF_SIGNATURE"
        | "UNABLE_TO_GET_ISSUER_CERT"
        | "UNABLE_TO_GET_ISSUER_CERT_LOCALLY"
        | "SELF_SIGNED_CERT_IN_CHAIN"
        | "DEPTH_ZERO_SELF_SIGNED_CERT"
        | "CERT_REVOKED"
        | "CERT_UNTRUSTED" => Verdict::stop(Network),
        "ERR_INVALID_ARG_TYPE" | "ERR_INVALID_ARG_VALUE" | "ERR_INVALID_URL" => Verdict::stop(Input),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retries(verdict: Verdict) -> bool {
        verdict.retryability != Retryability::Permanent
    }

    #[test]
    fn statuses() {
        let retried = [408, 429, 500, 502, 503, 504, 507, 509, 520, 521, 522, 523, 524, 525, 526, 527, 530];
        assert!(retried.into_iter().all(|status| retries(by_status(status))));
        let stopped = [400, 401, 403, 404, 405, 409, 411, 412, 413, 416, 418, 451, 501, 301, 307];
        assert!(!stopped.into_iter().any(|status| retries(by_status(status))));
    }

    #[test]
    fn every_code_that_the_contract_names_is_retried() {
        for code in ["ECONNRESET", "ETIMEDOUT", "ENOTFOUND", "ECONNREFUSED", "EPIPE", "EAI_AGAIN"] {
            assert!(by_node_code(code).is_some_and(retries), "{code}");
        }
        for code in ["IncompleteBody", "ClientDisconnect", "BadDigest", "ExpiredRequest", "RequestTimeout"] {
            assert!(by_s3_code(code).is_some_and(retries), "{code}");
        }
    }

    #[test]
    fn bad_certificates_and_refusals_are_not() {
        for code in ["CERT_HAS_EXPIRED", "ERR_TLS_CERT_ALTNAME_INVALID", "UNABLE_TO_VERIFY_LEAF_SIGNATURE"] {
            assert!(by_node_code(code).is_some_and(|v| !retries(v)), "{code}");
        }
        for code in ["AccessDenied", "SignatureDoesNotMatch", "NoSuchBucket", "InvalidArgument"] {
            assert!(by_s3_code(code).is_some_and(|v| !retries(v)), "{code}");
        }
    }

    #[test]
    fn each_kind_has_its_category() {
        use Category::{Auth, Input, Network, Service, Throttled, Timeout};
        use Retryability::{Once, OnceNow, Permanent, Transient};
        let is = |found: Option<Verdict>| found.map(|Verdict { category, retryability }| (category, retryability));
        for (status, category, retryability) in [
            (401, Auth, Permanent),
            (403, Auth, Permanent),
            (408, Timeout, Transient),
            (429, Throttled, Transient),
            (499, Network, Transient),
            (501, Service, Permanent),
            (505, Service, Permanent),
            (500, Service, Transient),
            (599, Service, Transient),
            (404, Service, Permanent),
            (600, Service, Permanent),
        ] {
            assert_eq!(is(Some(by_status(status))), Some((category, retryability)), "{status}");
        }
        for (code, category, retryability) in [
            ("InternalError", Service, Transient),
            ("SlowDown", Throttled, Transient),
            ("TooManyRequests", Throttled, Transient),
            ("RequestTimeout", Timeout, Transient),
            ("IncompleteBody", Network, Transient),
            ("ExpiredRequest", Service, Transient),
            ("BadDigest", Service, Once),
            ("RequestTimeTooSkewed", Auth, OnceNow),
            ("AccessDenied", Auth, Permanent),
            ("NoSuchBucket", Input, Permanent),
        ] {
            assert_eq!(is(by_s3_code(code)), Some((category, retryability)), "{code}");
        }
        for (code, category, retryability) in [
            ("ECONNRESET", Network, Transient),
            ("ETIMEDOUT", Timeout, Transient),
            ("CERT_HAS_EXPIRED", Network, Permanent),
            ("ERR_INVALID_URL", Input, Permanent),
        ] {
            assert_eq!(is(by_node_code(code)), Some((category, retryability)), "{code}");
        }
    }

    #[test]
    fn unknown_codes_have_no_verdict() {
        assert_eq!(by_s3_code("Whatever"), None);
        assert_eq!(by_node_code("EWHATEVER"), None);
    }
}
