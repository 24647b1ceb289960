//! Which request meets which fault, exactly as often as asked.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

/// A fault and its parameters. Names are those of the control port's JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Fault {
    /// Every connection is reset as soon as it is made.
    Refuse,
    /// The same, under the name of an outage.
    Down,
    /// The TLS port closes after the client's first bytes; the plain port closes at once.
    TlsCut,
    /// The connection is reset after this much of the body (half of it, if absent).
    Reset { after_bytes: Option<u64> },
    /// The same with an orderly close.
    Fin { after_bytes: Option<u64> },
    /// The request is read and never answered (or its connection reset after `for_ms`).
    Hang { for_ms: Option<u64> },
    /// The request is read and answered with an S3 error.
    Status {
        status: u16,
        code: String,
        message: Option<String>,
        retry_after: Option<String>,
        date: Option<String>,
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
    /// Answered before the body was read, then closed.
    EarlyStatus { status: u16, code: String, message: Option<String> },
    /// The body is read at this rate, then the request goes on.
    Slow { bytes_per_second: u64 },
    /// The request goes on; its answer comes late.
    Delay { ms: u64 },
    /// The request goes on, and the connection is reset instead of the answer.
    DropResponse,
    /// The answer's ETag is another.
    BadEtag,
    /// Half of the answer's body, then the end.
    Truncate,
    /// Half of the answer's body, then nothing, until the client gives up.
    StallAnswer,
    /// This much of the body is read (half of it, if absent), then nothing, until the client gives up.
    StopReading { after_bytes: Option<u64> },
}

impl Fault {
    /// The name in rules and events.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Down => "down",
            Self::TlsCut => "tlsCut",
            Self::Reset { .. } => "reset",
            Self::Fin { .. } => "fin",
            Self::Hang { .. } => "hang",
            Self::Status { .. } => "status",
            Self::EarlyStatus { .. } => "earlyStatus",
            Self::Slow { .. } => "slow",
            Self::Delay { .. } => "delay",
            Self::DropResponse => "dropResponse",
            Self::BadEtag => "badEtag",
            Self::Truncate => "truncate",
            Self::StallAnswer => "stallAnswer",
            Self::StopReading { .. } => "stopReading",
        }
    }

    const fn at_connection(&self) -> bool {
        matches!(self, Self::Refuse | Self::Down | Self::TlsCut)
    }
}

/// A fault with the requests that meet it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    #[serde(flatten)]
    pub fault: Fault,
    /// How many meet it; for ever if absent.
    #[serde(default)]
    pub times: Option<u64>,
    /// How many matching ones pass first.
    #[serde(default)]
    pub skip: u64,
    #[serde(default)]
    pub method: Option<String>,
    #[serde(default)]
    pub key_contains: Option<String>,
}

impl Rule {
    /// For every request, for ever.
    pub fn always(fault: Fault) -> Self {
        Self { fault, times: None, skip: 0, method: None, key_contains: None }
    }

    /// For the first `times` requests.
    pub fn times(fault: Fault, times: u64) -> Self {
        Self { times: Some(times), ..Self::always(fault) }
    }

    fn matches(&self, method: &str, key: &str) -> bool {
        self.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && self.key_contains.as_deref().is_none_or(|part| key.contains(part))
    }

    /// Counts one matching request, and gives the fault if it is to meet it.
    fn strike(&mut self) -> Option<Fault> {
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        if let Some(left) = &mut self.times {
            *left = left.checked_sub(1)?;
        }
        Some(self.fault.clone())
    }
}

/// The rules in force. The first that matches and has times left acts.
#[derive(Debug, Default)]
pub struct FaultPlan {
    rules: Mutex<Vec<Rule>>,
    idle_must_close: Notify,
}

impl FaultPlan {
    /// Replaces all rules. Connections that a client keeps for later are closed if there is now a fault that
    /// only new connections meet: else it would not be met.
    pub fn set(&self, rules: Vec<Rule>) {
        let at_connection = rules.iter().any(|rule| rule.fault.at_connection());
        *self.lock() = rules;
        if at_connection {
            self.idle_must_close.notify_waiters();
        }
    }

    /// Resolves when connections without a request are to be closed.
    pub async fn idle_must_close(&self) {
        self.idle_must_close.notified().await;
    }

    pub fn rules(&self) -> Vec<Rule> {
        self.lock().clone()
    }

    pub fn for_connection(&self) -> Option<Fault> {
        self.lock().iter_mut().filter(|rule| rule.fault.at_connection()).find_map(Rule::strike)
    }

    pub fn for_request(&self, method: &str, key: &str) -> Option<Fault> {
        self.lock()
            .iter_mut()
            .filter(|rule| !rule.fault.at_connection() && rule.matches(method, key))
            .find_map(Rule::strike)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Rule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_acts_exactly_as_often_as_asked() {
        let plan = FaultPlan::default();
        plan.set(vec![Rule { skip: 1, ..Rule::times(Fault::DropResponse, 2) }]);
        let hits: Vec<bool> = (0..5).map(|_| plan.for_request("PUT", "a").is_some()).collect();
        assert_eq!(hits, [false, true, true, false, false]);
    }

    #[test]
    fn rules_choose_by_method_and_key() {
        let plan = FaultPlan::default();
        let rule =
            Rule { method: Some("put".into()), key_contains: Some("out/".into()), ..Rule::always(Fault::BadEtag) };
        plan.set(vec![rule, Rule::always(Fault::Down)]);
        assert!(plan.for_request("GET", "out/a").is_none());
        assert!(plan.for_request("PUT", "in/a").is_none());
        assert!(plan.for_request("PUT", "out/a").is_some());
        assert_eq!(plan.for_connection(), Some(Fault::Down));
    }

    #[test]
    fn rules_are_readable_json() {
        let rule: Rule = serde_json::from_str(
            r#"{"fault":"status","times":2,"status":503,"code":"SlowDown","retryAfter":"1","keyContains":"x"}"#,
        )
        .expect("a rule");
        assert_eq!((rule.fault.name(), rule.times, rule.key_contains.as_deref()), ("status", Some(2), Some("x")));
        assert!(serde_json::from_str::<Rule>(r#"{"fault":"nonsense"}"#).is_err());
    }
}
