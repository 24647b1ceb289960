//! Which request meets which fault: exactly as often as asked, or by chance that a seed repeats.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::certificate::CertificateKind;
use crate::mix;

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
    /// The request is read and gets no response (or its connection reset after `for_ms`).
    Hang { for_ms: Option<u64> },
    /// The request is read and gets an S3 error.
    Status {
        status: u16,
        code: String,
        message: Option<String>,
        retry_after: Option<String>,
        date: Option<String>,
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
    /// A response before the body was read, then the end.
    EarlyStatus { status: u16, code: String, message: Option<String> },
    /// The body is read at this rate, then the request continues.
    Slow { bytes_per_second: u64 },
    /// The request continues; its response comes late.
    Delay { ms: u64 },
    /// The request continues, and the connection is reset instead of the response.
    DropResponse,
    /// The request is read and gets what is no HTTP.
    Garbage,
    /// The request continues; this much of its response's head (half of it, if absent), then the end.
    PartialHead { after_bytes: Option<u64> },
    /// The response's ETag is another, and its checksum.
    BadEtag,
    /// The response gives no checksum back, as one of a server that does not know it.
    NoChecksum,
    /// Half of the response's body, then the end.
    Truncate,
    /// Half of the response's body, then nothing, until the client gives up.
    StallResponse,
    /// This much of the body is read (half of it, if absent), then nothing, until the client gives up.
    StopReading { after_bytes: Option<u64> },
    /// The request is read and gets these bytes, whatever they are.
    Raw { response: Vec<Piece>, bytes_per_second: Option<u64>, end: Option<RawEnd> },
    /// So many interim responses (103), then the request continues.
    Interim { count: u64 },
    /// The request continues; its response comes at this rate, byte by byte.
    Drip { bytes_per_second: u64 },
    /// The request continues; its response comes in segments of one byte.
    Slice,
    /// The request continues with one bit of its body turned.
    Flip,
    /// The body is read and thrown away; the response is that of a success, with the right ETag.
    Pretend,
    /// The request is read and reaches the server only this much later, whether or not the client still waits; it is
    /// never gets a response.
    Late { ms: u64 },
    /// The request continues; this much later its connection is closed.
    CloseIdle { ms: u64 },
    /// The request continues; then bytes come that nobody asked for.
    Stray,
    /// 429, unless this much has passed since the last request for the key that this rule let through.
    KeyLimit { interval_ms: u64 },
    /// 429, if more requests than these are under way.
    Crowd { most: u64 },
    /// The TLS port responds to the client's hello with a part of its own, then this.
    TlsStop { end: RawEnd },
    /// The TLS port responds to the client's hello with a fatal alert of this number.
    TlsAlert { description: u8 },
    /// The TLS port has another certificate.
    TlsCertificate { kind: CertificateKind },
    /// One bit of what the TLS port gets is turned, this far in.
    TlsFlip { after_bytes: u64 },
    /// One of the faults of [`mix`], by their weights.
    Mix,
}

/// Bytes, so many times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Piece {
    #[serde(default)]
    pub text: Option<String>,
    #[serde(default)]
    pub base64: Option<String>,
    #[serde(default)]
    pub times: Option<u64>,
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RawEnd {
    /// It does not: the next request may come.
    Keep,
    /// An orderly end.
    Close,
    /// The socket's end, without TLS's.
    Fin,
    Reset,
    /// Nothing more, until the client gives up.
    Hold,
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
            Self::Garbage => "garbage",
            Self::PartialHead { .. } => "partialHead",
            Self::BadEtag => "badEtag",
            Self::NoChecksum => "noChecksum",
            Self::Truncate => "truncate",
            Self::StallResponse => "stallResponse",
            Self::StopReading { .. } => "stopReading",
            Self::Raw { .. } => "raw",
            Self::Interim { .. } => "interim",
            Self::Drip { .. } => "drip",
            Self::Slice => "slice",
            Self::Flip => "flip",
            Self::Pretend => "pretend",
            Self::Late { .. } => "late",
            Self::CloseIdle { .. } => "closeIdle",
            Self::Stray => "stray",
            Self::KeyLimit { .. } => "keyLimit",
            Self::Crowd { .. } => "crowd",
            Self::TlsStop { .. } => "tlsStop",
            Self::TlsAlert { .. } => "tlsAlert",
            Self::TlsCertificate { .. } => "tlsCertificate",
            Self::TlsFlip { .. } => "tlsFlip",
            Self::Mix => "mix",
        }
    }

    pub(crate) const fn at_connection(&self) -> bool {
        matches!(self, Self::Refuse | Self::Down | Self::TlsCut) || self.of_tls()
    }

    /// Whether only connections of the TLS port meet it.
    const fn of_tls(&self) -> bool {
        matches!(
            self,
            Self::TlsStop { .. } | Self::TlsAlert { .. } | Self::TlsCertificate { .. } | Self::TlsFlip { .. }
        )
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
    /// How likely a matching request meets it, from 0 to 1; always if absent.
    #[serde(default)]
    pub chance: Option<f64>,
    /// What chance is drawn from. The draw for a request is made of this, its method, its key and how many requests
    /// with both came before: the same seed gives the same faults, in whatever order requests for different keys come.
    #[serde(default)]
    pub seed: u64,
}

impl Rule {
    /// For every request, for ever.
    pub fn always(fault: Fault) -> Self {
        Self { fault, times: None, skip: 0, method: None, key_contains: None, chance: None, seed: 0 }
    }

    /// For the first `times` requests.
    pub fn times(fault: Fault, times: u64) -> Self {
        Self { times: Some(times), ..Self::always(fault) }
    }

    /// For as many requests as `chance` says, for ever.
    pub fn by_chance(fault: Fault, chance: f64, seed: u64) -> Self {
        Self { chance: Some(chance), seed, ..Self::always(fault) }
    }

    fn matches(&self, method: &str, key: &str) -> bool {
        self.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && self.key_contains.as_deref().is_none_or(|part| key.contains(part))
    }

    /// Counts one matching request that chance has chosen, and whether it is to meet the fault.
    fn strike(&mut self) -> bool {
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        match &mut self.times {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }
}

/// What meets a fault.
#[derive(Clone, Copy)]
enum Target<'a> {
    Connection { tls: bool },
    Request { method: &'a str, key: &'a str },
}

/// A rule in force.
#[derive(Debug)]
struct Armed {
    rule: Rule,
    /// Draws so far, by what they were for.
    drawn: HashMap<String, u64>,
}

impl Armed {
    fn new(rule: Rule) -> Self {
        Self { rule, drawn: HashMap::new() }
    }

    /// The fault that the target meets by this rule, if any.
    fn strike(&mut self, target: Target<'_>) -> Option<Fault> {
        let (matches, name) = match target {
            Target::Connection { .. } => (true, String::new()),
            Target::Request { method, key } => (self.rule.matches(method, key), format!("{method} {key}")),
        };
        let possible = match (&self.rule.fault, target) {
            (Fault::Mix, Target::Connection { tls }) => tls,
            (fault, Target::Connection { tls }) if fault.of_tls() => tls,
            (fault, Target::Connection { .. }) => fault.at_connection(),
            (fault, Target::Request { .. }) => !fault.at_connection(),
        };
        if !matches || !possible {
            return None;
        }
        let mut draw = (self.rule.chance.is_some() || self.rule.fault == Fault::Mix).then(|| self.draw(name));
        if let (Some(chance), Some(draw)) = (self.rule.chance, &mut draw)
            && draw.unit() >= chance
        {
            return None;
        }
        let fault = match (&self.rule.fault, target, &mut draw) {
            (Fault::Mix, Target::Connection { .. }, Some(draw)) => mix::of_connection(draw)?,
            (Fault::Mix, Target::Request { .. }, Some(draw)) => mix::of_request(draw),
            (fault, ..) => fault.clone(),
        };
        self.rule.strike().then_some(fault)
    }

    fn draw(&mut self, name: String) -> Draw {
        let mut state = hash(self.rule.seed, name.as_bytes());
        let nth = self.drawn.entry(name).or_default();
        *nth += 1;
        state = hash(state, &nth.to_le_bytes());
        Draw { state }
    }
}

/// FNV-1a, begun with a seed.
fn hash(seed: u64, bytes: &[u8]) -> u64 {
    let step = |state: u64, byte: &u8| (state ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    bytes.iter().fold(step(0xcbf2_9ce4_8422_2325 ^ seed, &0), step)
}

/// Numbers that look random and are always the same: SplitMix64.
#[derive(Debug)]
pub(crate) struct Draw {
    state: u64,
}

impl Draw {
    /// Uniform in `[0, 1)`.
    pub(crate) fn unit(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        // 53 bits are what an f64 holds.
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// The rules in force. The first that matches and has times left acts.
#[derive(Debug, Default)]
pub struct FaultPlan {
    rules: Mutex<Vec<Armed>>,
    idle_must_close: Notify,
}

impl FaultPlan {
    /// Replaces all rules. Connections that a client keeps for later are closed if there is now a fault that
    /// only new connections meet: else it would not be met.
    pub fn set(&self, rules: Vec<Rule>) {
        let at_connection = rules.iter().any(|rule| rule.fault.at_connection());
        *self.lock() = rules.into_iter().map(Armed::new).collect();
        if at_connection {
            self.idle_must_close.notify_waiters();
        }
    }

    /// Resolves when connections without a request are to be closed.
    pub async fn idle_must_close(&self) {
        self.idle_must_close.notified().await;
    }

    pub fn rules(&self) -> Vec<Rule> {
        self.lock().iter().map(|armed| armed.rule.clone()).collect()
    }

    pub fn for_connection(&self, tls: bool) -> Option<Fault> {
        self.strike(Target::Connection { tls })
    }

    pub fn for_request(&self, method: &str, key: &str) -> Option<Fault> {
        self.strike(Target::Request { method, key })
    }

    fn strike(&self, target: Target<'_>) -> Option<Fault> {
        self.lock().iter_mut().find_map(|armed| armed.strike(target))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Armed>> {
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
        assert_eq!(plan.for_connection(false), Some(Fault::Down));
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

    /// Four standard deviations of a count of `of` draws.
    fn expect_about(count: usize, chance: f64, of: u32, what: &str) {
        let expected = chance * f64::from(of);
        let slack = 4.0 * (expected * (1.0 - chance)).sqrt();
        let count = f64::from(u32::try_from(count).expect("few"));
        assert!((count - expected).abs() <= slack, "{what}: {count} instead of {expected} ± {slack}");
    }

    fn struck(plan: &FaultPlan, keys: impl Iterator<Item = u32>) -> BTreeMap<u32, String> {
        keys.filter_map(|key| Some((key, plan.for_request("PUT", &format!("{key}.png"))?.name().to_owned()))).collect()
    }

    #[test]
    fn chance_is_as_frequent_as_asked() {
        for (seed, chance) in [(1, 0.05), (2, 0.2), (3, 0.5), (4, 1.0), (5, 0.0)] {
            let plan = FaultPlan::default();
            plan.set(vec![Rule::by_chance(Fault::Garbage, chance, seed)]);
            expect_about(struck(&plan, 0..10_000).len(), chance, 10_000, "other keys");
            let again = (0..10_000).filter(|_| plan.for_request("PUT", "the same").is_some()).count();
            expect_about(again, chance, 10_000, "the same key again");
        }
    }

    #[test]
    fn a_seed_gives_the_same_faults_in_whatever_order_the_keys_come() {
        let with = |seed, keys: Box<dyn Iterator<Item = u32>>| {
            let plan = FaultPlan::default();
            plan.set(vec![Rule::by_chance(Fault::Mix, 0.3, seed)]);
            struck(&plan, keys)
        };
        let first = with(7, Box::new(0..1000));
        assert!(!first.is_empty());
        assert_eq!(first, with(7, Box::new((0..1000).rev())));
        assert_ne!(first, with(8, Box::new(0..1000)));
    }

    #[test]
    fn what_chance_passes_by_meets_the_next_rule_and_is_not_counted() {
        let plan = FaultPlan::default();
        let rare = Rule { times: Some(3), ..Rule::by_chance(Fault::Garbage, 0.1, 1) };
        plan.set(vec![rare, Rule::always(Fault::BadEtag)]);
        let names = struck(&plan, 0..1000);
        assert_eq!(names.len(), 1000);
        assert_eq!(names.values().filter(|name| *name == "garbage").count(), 3);
    }

    #[test]
    fn a_mix_has_its_weights_and_cuts_tls_only_where_there_is_some() {
        let plan = FaultPlan::default();
        plan.set(vec![Rule::by_chance(Fault::Mix, 1.0, 1)]);
        let names = struck(&plan, 0..20_000);
        for (name, weight) in [("reset", 22.5), ("fin", 7.5), ("status", 35.0), ("hang", 5.0), ("garbage", 2.5)] {
            let count = names.values().filter(|struck| *struck == name).count();
            expect_about(count, weight / 95.0, 20_000, name);
        }
        assert_eq!(plan.for_connection(false), None);
        let cut =
            (0..20_000).filter_map(|_| plan.for_connection(true)).inspect(|fault| assert_eq!(*fault, Fault::TlsCut));
        expect_about(cut.count(), 0.05, 20_000, "tlsCut");
    }

    #[test]
    fn chance_is_readable_json() {
        let rule: Rule = serde_json::from_str(r#"{"fault":"mix","chance":0.2,"seed":7}"#).expect("a rule");
        assert_eq!(rule, Rule::by_chance(Fault::Mix, 0.2, 7));
    }
}
