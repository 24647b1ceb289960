//! The one error of the crate: what failed, how it is called, and whether trying again can help.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

pub type Result<T, E = Error> = std::result::Result<T, E>;
type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// Codes of failures that neither Node nor S3 has a name for. Everything else keeps the name that people
/// already know (`ECONNRESET`, `SlowDown`, ...).
pub mod code {
    pub const ABORTED: &str = "ERR_ABORTED";
    pub const BLOCKED_URL: &str = "ERR_BLOCKED_URL";
    pub const CIRCUIT_OPEN: &str = "ERR_CIRCUIT_OPEN";
    pub const CLOSED: &str = "ERR_CLOSED";
    pub const INTEGRITY: &str = "ERR_INTEGRITY";
    pub const INTERNAL: &str = "ERR_INTERNAL";
    pub const INVALID_BODY: &str = "ERR_INVALID_BODY";
    pub const INVALID_KEY: &str = "ERR_INVALID_KEY";
    pub const INVALID_METADATA: &str = "ERR_INVALID_METADATA";
    pub const INVALID_OPTION: &str = "ERR_INVALID_OPTION";
    pub const INVALID_URL: &str = "ERR_INVALID_URL";
    pub const MISSING_OPTION: &str = "ERR_MISSING_OPTION";
    pub const PROTOCOL: &str = "ERR_PROTOCOL";
    pub const REDIRECT: &str = "ERR_REDIRECT";
    pub const SOURCE_CHANGED: &str = "ERR_SOURCE_CHANGED";
    pub const SOURCE_EMPTY: &str = "ERR_SOURCE_EMPTY";
    pub const SOURCE_ENCODING: &str = "ERR_SOURCE_ENCODING";
    pub const SOURCE_FAILED: &str = "ERR_SOURCE_FAILED";
    pub const SOURCE_LENGTH: &str = "ERR_SOURCE_LENGTH";
    pub const SOURCE_STATUS: &str = "ERR_SOURCE_STATUS";
    pub const TOO_LARGE: &str = "ERR_TOO_LARGE";
    pub const TOO_SMALL: &str = "ERR_TOO_SMALL";
    pub const UNSUPPORTED: &str = "ERR_UNSUPPORTED";

    pub const ALL: &[&str] = &[
        ABORTED,
        BLOCKED_URL,
        CIRCUIT_OPEN,
        CLOSED,
        INTEGRITY,
        INTERNAL,
        INVALID_BODY,
        INVALID_KEY,
        INVALID_METADATA,
        INVALID_OPTION,
        INVALID_URL,
        MISSING_OPTION,
        PROTOCOL,
        REDIRECT,
        SOURCE_CHANGED,
        SOURCE_EMPTY,
        SOURCE_ENCODING,
        SOURCE_FAILED,
        SOURCE_LENGTH,
        SOURCE_STATUS,
        TOO_LARGE,
        TOO_SMALL,
        UNSUPPORTED,
    ];
}

/// What kind of thing went wrong; decides the JavaScript class and the message for the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Category {
    Network,
    Timeout,
    Throttled,
    Auth,
    Input,
    Source,
    Service,
    Aborted,
    Internal,
}

impl Category {
    pub const ALL: &[Self] = &[
        Self::Network,
        Self::Timeout,
        Self::Throttled,
        Self::Auth,
        Self::Input,
        Self::Source,
        Self::Service,
        Self::Aborted,
        Self::Internal,
    ];

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|category| category.as_str() == name)
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Timeout => "timeout",
            Self::Throttled => "throttled",
            Self::Auth => "auth",
            Self::Input => "input",
            Self::Source => "source",
            Self::Service => "service",
            Self::Aborted => "aborted",
            Self::Internal => "internal",
        }
    }
}

/// Whether the same request, sent again, may succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retryability {
    Permanent,
    /// One more try, after the usual wait (R2's `BadDigest`: the bytes may have been harmed on the way).
    Once,
    /// One more try at once: the failure itself fixed its cause (clock skew, now measured).
    OnceNow,
    Transient,
}

/// What the caller asked for. Names are those of the JavaScript API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    UploadFile,
    DownloadAndUpload,
    Download,
    Head,
    Delete,
    List,
    AbortIncompleteUploads,
    Reconcile,
    Presign,
    NewStorage,
    RetryWithBackoff,
}

impl Operation {
    /// In the order of their discriminants.
    pub const ALL: &[Self] = &[
        Self::UploadFile,
        Self::DownloadAndUpload,
        Self::Download,
        Self::Head,
        Self::Delete,
        Self::List,
        Self::AbortIncompleteUploads,
        Self::Reconcile,
        Self::Presign,
        Self::NewStorage,
        Self::RetryWithBackoff,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UploadFile => "uploadFile",
            Self::DownloadAndUpload => "downloadAndUpload",
            Self::Download => "download",
            Self::Head => "head",
            Self::Delete => "delete",
            Self::List => "list",
            Self::AbortIncompleteUploads => "abortIncompleteUploads",
            Self::Reconcile => "reconcile",
            Self::Presign => "presign",
            Self::NewStorage => "newStorage",
            Self::RetryWithBackoff => "retryWithBackoff",
        }
    }
}

const NOT_SET_UP: &str =
    "Files cannot be stored here, since the storage is not set up. Please contact the operator of this site.";
const UNREACHABLE: &str = "The server cannot reach its storage. Please contact the operator of this site.";

/// A sentence that may be shown to the person in front of the page: what they can do, and whose turn it is.
///
/// Their own connection is never blamed: these failures are between the server and the storage or the source.
pub fn user_message(category: Category, code: &str) -> &'static str {
    match code {
        code::MISSING_OPTION | "NoSuchBucket" | "InvalidBucketName" => NOT_SET_UP,
        code::TOO_LARGE | "EntityTooLarge" | "HTTP_413" => {
            "The file is too large. Please try again with a smaller one."
        }
        code::TOO_SMALL => "The file is empty, or too small to be what was asked for. Please choose another one.",
        "NotFound" | "NoSuchKey" => "The file does not exist, or no longer.",
        "PreconditionFailed" => "The file was not stored, since there is another one in its place.",
        code::INVALID_KEY | "InvalidObjectName" | "KeyTooLongError" => {
            "The name of the file cannot be used. Please choose another one."
        }
        code::INVALID_URL | code::BLOCKED_URL => "The address of the file cannot be used. Please give another one.",
        code::SOURCE_EMPTY => "The file is empty. Please choose another one.",
        code::SOURCE_LENGTH | code::SOURCE_FAILED => "The file did not arrive complete. Please send it again.",
        code::CLOSED => "The server is restarting. Please try again in a moment.",
        _ => match category {
            Category::Network => {
                "There is a connection problem between the server and its storage. Please try again in a moment."
            }
            Category::Timeout => "The storage timed out. Please try again, if need be with a smaller file.",
            Category::Throttled => "The storage is busy at the moment. Please wait a moment and try again.",
            Category::Auth => "The storage refused access. Please contact the operator of this site.",
            Category::Input => "The file was not accepted. Please check it, or choose another one.",
            Category::Source => "The file could not be fetched from its source. Please try again.",
            Category::Service => "The storage service reported a problem. Please try again later.",
            Category::Aborted => "The upload was cancelled.",
            Category::Internal => "Something unexpected went wrong. Please try again.",
        },
    }
}

/// Boxed so that a `Result` on the hot path stays two words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(Box<Failure>);

#[derive(Debug, thiserror::Error)]
pub struct Failure {
    pub code: Cow<'static, str>,
    pub category: Category,
    pub retryability: Retryability,
    /// What happened, without the code: lower case, no trailing dot, no secret, no URL query.
    pub detail: String,
    pub status: Option<u16>,
    pub request_id: Option<String>,
    pub host: Option<String>,
    /// The option that is wrong, as the caller wrote it (`retry.maxAttempts`).
    pub option: Option<String>,
    /// How long the server asked to be left alone.
    pub retry_after: Option<Duration>,
    /// The least wait before the next attempt, whatever the policy says.
    pub min_wait: Duration,
    /// Whether what was asked for may have happened all the same: the request left, and no response that says so came back.
    pub unsettled: bool,
    /// Whether it is trouble of where the bytes come from: no endpoint is to blame, and none can help.
    pub of_source: bool,
    pub operation: Option<Operation>,
    pub key: Option<String>,
    pub attempts: u32,
    pub elapsed: Duration,
    #[source]
    pub source: Option<Source>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(operation) = self.operation {
            f.write_str(operation.as_str())?;
            if let Some(key) = &self.key {
                write!(f, " of \"{}\"", printable(key, 120))?;
            }
            f.write_str(" failed")?;
            if self.attempts > 0 {
                let plural = if self.attempts == 1 { "" } else { "s" };
                write!(f, " after {} attempt{plural} in {} ms", self.attempts, self.elapsed.as_millis())?;
            }
            f.write_str(": ")?;
        }
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl Failure {
    /// See [`user_message`].
    pub fn user_message(&self) -> &'static str {
        match self.category {
            // The configuration is the operator's.
            Category::Input if self.operation == Some(Operation::NewStorage) => NOT_SET_UP,
            // A certificate that is not trusted, a refused handshake: the next request will fail as well.
            Category::Network | Category::Timeout if self.of_source => user_message(Category::Source, &self.code),
            Category::Network if self.retryability == Retryability::Permanent => UNREACHABLE,
            category => user_message(category, &self.code),
        }
    }
}

impl Error {
    pub fn new(
        code: impl Into<Cow<'static, str>>,
        category: Category,
        retryability: Retryability,
        detail: impl Into<String>,
    ) -> Self {
        Self(Box::new(Failure {
            code: code.into(),
            category,
            retryability,
            detail: detail.into(),
            status: None,
            request_id: None,
            host: None,
            option: None,
            retry_after: None,
            min_wait: Duration::ZERO,
            unsettled: false,
            of_source: false,
            operation: None,
            key: None,
            attempts: 0,
            elapsed: Duration::ZERO,
            source: None,
        }))
    }

    /// An option that is wrong: `name` as the caller wrote it, `allowed` says what would be right.
    pub fn invalid_option(name: impl Into<String>, allowed: impl fmt::Display) -> Self {
        let name = name.into();
        Self::invalid(code::INVALID_OPTION, name.clone(), format!("{name} must be {allowed}"))
    }

    /// Bad input of any other kind (`code` is one of [`code`]'s).
    pub fn invalid(code: &'static str, option: impl Into<String>, detail: impl Into<String>) -> Self {
        let mut error = Self::new(code, Category::Input, Retryability::Permanent, detail);
        error.0.option = Some(option.into());
        error
    }

    /// An attempt that did not end in time. The message always holds the word "timeout".
    pub fn timeout(what: &str, limit: Duration) -> Self {
        Self::new(
            "ETIMEDOUT",
            Category::Timeout,
            Retryability::Transient,
            format!("timeout: {what} within {} ms", limit.as_millis()),
        )
    }

    /// An endpoint that has not responded for a while is not asked; `retry_after` until it may be again.
    pub fn circuit_open(endpoint: &str, retry_after: Duration) -> Self {
        let detail = format!(
            "the circuit breaker of {endpoint} is open; the next probe is sent in {} ms",
            retry_after.as_millis()
        );
        Self::new(code::CIRCUIT_OPEN, Category::Network, Retryability::Transient, detail)
            .with(|failure| failure.retry_after = Some(retry_after))
    }

    pub fn internal(detail: impl Into<String>) -> Self {
        Self::new(code::INTERNAL, Category::Internal, Retryability::Permanent, detail)
    }

    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Failure)) -> Self {
        change(&mut self.0);
        self
    }

    #[must_use]
    pub fn caused_by(self, source: impl Into<Source>) -> Self {
        self.with(|failure| failure.source = Some(source.into()))
    }

    /// The messages of the causes, outermost first; bounded, since foreign chains may be long.
    pub fn causes(&self) -> Vec<String> {
        let mut causes = Vec::new();
        let mut next = std::error::Error::source(&*self.0);
        while let Some(cause) = next.filter(|_| causes.len() < 8) {
            let text = printable(&cause.to_string(), 300);
            // Wrappers repeat what they wrap; the reader wants each thing said once.
            if causes.last() != Some(&text) {
                causes.push(text);
            }
            next = cause.source();
        }
        causes
    }
}

impl std::ops::Deref for Error {
    type Target = Failure;

    fn deref(&self) -> &Failure {
        &self.0
    }
}

/// Foreign text made safe for one line of a log: control characters out, cut at `max` characters.
pub fn printable(text: &str, max: usize) -> String {
    let mut out: String = text.chars().take(max).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(max).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_operation_key_attempts_and_code() {
        let error =
            Error::new("ECONNRESET", Category::Network, Retryability::Transient, "connection reset").with(|f| {
                f.operation = Some(Operation::UploadFile);
                f.key = Some("a/b.png".into());
                f.attempts = 4;
                f.elapsed = Duration::from_millis(1200);
            });
        assert_eq!(
            error.to_string(),
            "uploadFile of \"a/b.png\" failed after 4 attempts in 1200 ms: ECONNRESET: connection reset"
        );
    }

    #[test]
    fn timeouts_say_timeout() {
        let error = Error::timeout("no response", Duration::from_secs(60));
        assert!(error.to_string().contains("timeout"));
        assert_eq!(error.category, Category::Timeout);
    }

    #[test]
    fn the_operator_is_named_for_what_only_the_operator_can_fix() {
        let of = user_message;
        let wrong =
            Error::invalid_option("secretKey", "printable").with(|it| it.operation = Some(Operation::NewStorage));
        assert!(wrong.user_message().contains("operator"));
        assert!(of(Category::Input, code::MISSING_OPTION).contains("operator"));
        assert!(of(Category::Service, "NoSuchBucket").contains("operator"));
        assert!(of(Category::Service, "EntityTooLarge").contains("too large"));
        assert!(of(Category::Service, "NotFound").contains("does not exist"));
        assert!(of(Category::Service, "PreconditionFailed").contains("another one"));
        assert!(of(Category::Network, "ECONNRESET").contains("between the server and its storage"));
        let untrusted = Error::new("CERT_HAS_EXPIRED", Category::Network, Retryability::Permanent, "expired");
        assert!(untrusted.user_message().contains("operator"));
    }

    #[test]
    fn no_user_message_blames_the_connection_of_the_visitor() {
        let codes = code::ALL.iter().chain(&["ECONNRESET", "ENOTFOUND", "EPROTO", "SlowDown", "NotFound", "HTTP_502"]);
        for (code, category) in codes.flat_map(|code| Category::ALL.iter().map(move |category| (code, *category))) {
            let message = user_message(category, code);
            for blame in ["your connection", "your network", "your internet", "are online"] {
                assert!(!message.to_lowercase().contains(blame), "{category:?} {code}: {message}");
            }
            assert!(message.ends_with('.'), "{message}");
        }
    }

    #[test]
    fn foreign_text_stays_on_one_line() {
        assert_eq!(printable("a\r\nb\u{1b}[31m", 20), "a  b [31m");
        assert_eq!(printable("abcdef", 3), "abc…");
    }
}
