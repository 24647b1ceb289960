//! Errors that are not ours: what `retryWithBackoff` catches from the caller's own function. Read as a
//! chain of facts, since `fetch` hides the socket's error in `cause`.

use std::time::{Duration, SystemTime};

use super::classify::{Verdict, by_node_code, by_s3_code, by_status};
use super::retry_after;
use crate::error::{Category, Error, Retryability};

/// One link of an error's cause chain, as far as it could be read.
#[derive(Debug, Clone, Default)]
pub struct ErrorFacts {
    pub name: Option<String>,
    pub code: Option<String>,
    pub message: Option<String>,
    pub status: Option<u16>,
    pub retry_after: Option<String>,
}

/// What node, undici and the browsers say of a failed `fetch`, word for word; such an error carries no
/// code when its cause was dropped on the way. This is the one place where a message is read.
const FETCH_FAILED: &[&str] = &[
    "fetch failed",
    "Failed to fetch",
    "socket hang up",
    "Client network socket disconnected before secure TLS connection was established",
    "terminated",
];

/// Judges a chain (outermost first). The innermost fact that has a name wins: it is nearest to the cause.
/// An error of which nothing is known is not retried.
pub fn read(chain: &[ErrorFacts], timed_out: bool) -> Error {
    let code = chain.iter().rev().find_map(|facts| facts.code.clone());
    let verdict = if timed_out { Some(Verdict::retry(Category::Timeout)) } else { judge(chain) };
    let verdict = verdict.unwrap_or(Verdict::stop(Category::Internal));
    let status = chain.iter().find_map(|facts| facts.status);
    let wait = chain.iter().find_map(|facts| facts.retry_after.as_deref());
    let fallback = if timed_out { "ETIMEDOUT" } else { "UNKNOWN" };
    let detail = chain.first().and_then(|facts| facts.message.clone()).unwrap_or_default();
    Error::new(code.unwrap_or_else(|| fallback.to_owned()), verdict.category, verdict.retryability, detail).with(
        |failure| {
            failure.status = status;
            failure.retry_after = wait.and_then(|value| retry_after::parse(value, None, SystemTime::now()));
            if verdict.category == Category::Throttled {
                failure.min_wait = Duration::from_secs(1);
            }
        },
    )
}

fn judge(chain: &[ErrorFacts]) -> Option<Verdict> {
    // An abort is the caller's will, wherever in the chain it stands.
    if chain.iter().any(|facts| facts.name.as_deref() == Some("AbortError")) {
        return Some(Verdict::stop(Category::Aborted));
    }
    let innermost = |f: fn(&ErrorFacts) -> Option<Verdict>| chain.iter().rev().find_map(f);
    innermost(|facts| facts.code.as_deref().and_then(|code| by_node_code(code).or_else(|| by_s3_code(code))))
        .or_else(|| innermost(|facts| facts.name.as_deref().and_then(by_name)))
        .or_else(|| innermost(|facts| facts.status.map(by_status)))
        .or_else(|| {
            innermost(|facts| {
                let message = facts.message.as_deref()?;
                FETCH_FAILED.contains(&message).then_some(Verdict::retry(Category::Network))
            })
        })
}

/// S3 clients put the code of the response into the error's name.
fn by_name(name: &str) -> Option<Verdict> {
    match name {
        "TimeoutError" => Some(Verdict::retry(Category::Timeout)),
        _ => by_s3_code(name),
    }
}

/// Whether [`read`] found that another try may help.
pub fn is_retryable(error: &Error) -> bool {
    error.retryability != Retryability::Permanent
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(name: &str, code: &str, message: &str) -> ErrorFacts {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        ErrorFacts { name: some(name), code: some(code), message: some(message), ..ErrorFacts::default() }
    }

    #[test]
    fn finds_the_socket_error_behind_fetch_failed() {
        let chain = [facts("TypeError", "", "fetch failed"), facts("Error", "ECONNRESET", "read ECONNRESET")];
        let error = read(&chain, false);
        assert_eq!((error.code.as_ref(), error.category), ("ECONNRESET", Category::Network));
        assert!(is_retryable(&error));
    }

    #[test]
    fn fetch_failed_alone_is_retried_but_not_what_merely_mentions_it() {
        assert!(is_retryable(&read(&[facts("TypeError", "", "fetch failed")], false)));
        assert!(!is_retryable(&read(&[facts("Error", "", "my fetch failed validation")], false)));
    }

    #[test]
    fn a_bad_certificate_behind_fetch_failed_is_final() {
        let chain = [facts("TypeError", "", "fetch failed"), facts("Error", "CERT_HAS_EXPIRED", "")];
        assert!(!is_retryable(&read(&chain, false)));
    }

    #[test]
    fn unknown_errors_aborts_and_bugs_are_final() {
        for chain in
            [vec![], vec![facts("TypeError", "", "x is not a function")], vec![facts("AbortError", "ABORT_ERR", "")]]
        {
            assert!(!is_retryable(&read(&chain, false)), "{chain:?}");
        }
    }

    #[test]
    fn statuses_and_retry_after_count() {
        let mut link = facts("HttpError", "", "nope");
        link.status = Some(429);
        link.retry_after = Some("2".into());
        let error = read(&[link], false);
        assert_eq!(error.retry_after, Some(Duration::from_secs(2)));
        assert_eq!(error.min_wait, Duration::from_secs(1));
    }

    #[test]
    fn a_timed_out_attempt_is_retried_whatever_it_threw() {
        assert!(is_retryable(&read(&[facts("AbortError", "", "aborted")], true)));
    }
}
