//! How a call ended. The one place that decides what counts as a failure: metrics, events, logs, alerts, the dashboard
//! and the list of recent failures ask here.

use crate::error::{Category, Operation, code};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Succeeded,
    Failed,
    /// The caller got what they asked about: that the object is not there, that their condition does not hold, that
    /// their input is wrong. Nobody has to be called.
    Rejected,
    /// Ended by the caller's signal or by `close`.
    Aborted,
}

impl Outcome {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Aborted => "aborted",
        }
    }

    /// The outcome of a call that ended with an error of this category, code and HTTP status.
    pub fn of_error(operation: Operation, category: Category, error_code: &str, status: Option<u16>) -> Self {
        let is_read = matches!(operation, Operation::Head | Operation::Download);
        match category {
            Category::Aborted => Self::Aborted,
            // Nothing works until somebody sets it.
            Category::Input if error_code == code::MISSING_OPTION => Self::Failed,
            Category::Input => Self::Rejected,
            _ if status == Some(412) => Self::Rejected,
            // Not NoSuchBucket, which is a mistake in the configuration.
            _ if is_read && matches!(error_code, "NotFound" | "NoSuchKey") => Self::Rejected,
            _ => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcome_of_an_error_follows_the_table() {
        use Category::{Aborted, Auth, Input, Internal, Network, Service, Source, Throttled, Timeout};
        let table = [
            (Operation::UploadFile, Network, "ECONNRESET", None, Outcome::Failed),
            (Operation::UploadFile, Timeout, "ETIMEDOUT", None, Outcome::Failed),
            (Operation::UploadFile, Throttled, "SlowDown", Some(503), Outcome::Failed),
            (Operation::UploadFile, Auth, "AccessDenied", Some(403), Outcome::Failed),
            (Operation::UploadFile, Internal, "ERR_INTERNAL", None, Outcome::Failed),
            (Operation::UploadFile, Service, "NoSuchBucket", Some(404), Outcome::Failed),
            (Operation::UploadFile, Service, "PreconditionFailed", Some(412), Outcome::Rejected),
            (Operation::Download, Service, "PreconditionFailed", Some(412), Outcome::Rejected),
            (Operation::Head, Service, "NotFound", Some(404), Outcome::Rejected),
            (Operation::Download, Service, "NoSuchKey", Some(404), Outcome::Rejected),
            (Operation::Download, Service, "NoSuchBucket", Some(404), Outcome::Failed),
            (Operation::DownloadAndUpload, Source, "ERR_SOURCE_STATUS", Some(404), Outcome::Failed),
            (Operation::UploadFile, Input, code::INVALID_KEY, None, Outcome::Rejected),
            (Operation::UploadFile, Input, code::TOO_LARGE, None, Outcome::Rejected),
            (Operation::UploadFile, Input, code::MISSING_OPTION, None, Outcome::Failed),
            (Operation::UploadFile, Aborted, "ERR_CLOSED", None, Outcome::Aborted),
        ];
        for (operation, category, error_code, status, outcome) in table {
            assert_eq!(
                Outcome::of_error(operation, category, error_code, status),
                outcome,
                "{operation:?} {error_code}"
            );
        }
    }
}
