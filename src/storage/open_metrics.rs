//! The metrics in the OpenMetrics text format, 1.0 (`application/openmetrics-text; version=1.0.0; charset=utf-8`), which
//! Prometheus scrapes.

use std::fmt::{Display, Write as _};

use super::Storage;
use super::status::EndpointStatus;
use crate::metrics::{Distribution, OperationStats, Outcome, Stats};
use crate::phase::Phase;
use crate::resilience::circuit_breaker::BreakerState;

/// Upper bounds in microseconds: from a small object in the same building to a large one on a bad day.
const BUCKETS: &[(u64, &str)] = &[
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1.0"),
    (2_500_000, "2.5"),
    (5_000_000, "5.0"),
    (10_000_000, "10.0"),
    (30_000_000, "30.0"),
    (60_000_000, "60.0"),
    (120_000_000, "120.0"),
    (300_000_000, "300.0"),
];

const BREAKER_STATES: &[BreakerState] = &[BreakerState::Closed, BreakerState::Open, BreakerState::HalfOpen];

impl Storage {
    /// All metrics, for Prometheus to scrape.
    pub fn metrics_text(&self) -> String {
        render(&self.metrics.snapshot(), &self.endpoints())
    }
}

/// Counters since the storage was made, and the endpoints as they are. Labels are few and bounded: of names that others
/// can make up there are codes only, and those are counted up to a number.
fn render(operations: &[OperationStats], endpoints: &[EndpointStatus]) -> String {
    let mut text = String::new();
    calls(&mut text, operations);
    durations(&mut text, operations);
    endpoint_gauges(&mut text, endpoints);
    text.push_str("# EOF\n");
    text
}

fn calls(text: &mut String, operations: &[OperationStats]) {
    let each = |stats: &Stats| {
        [
            (Outcome::Succeeded, stats.succeeded),
            (Outcome::Failed, stats.failed),
            (Outcome::Rejected, stats.rejected),
            (Outcome::Aborted, stats.aborted),
        ]
        .map(|(outcome, count)| (label("outcome", outcome.as_str()), count))
    };
    let family = counter("reliable_r2_calls", "Calls that ended, by how.");
    family.write(text, of(operations, |stats| each(stats).into()));
    let family = counter("reliable_r2_attempts", "Attempts that calls made, those of each part where there are parts.");
    family.write(text, of(operations, |stats| vec![(String::new(), stats.attempts)]));
    let by_code = |(code, count): (&String, &u64)| (label("code", code), *count);
    let family = counter("reliable_r2_retries", "Attempts that failed and were followed by another, by code.");
    family.write(text, of(operations, |stats| stats.retries.iter().map(by_code).collect()));
    let family = counter("reliable_r2_failures", "Calls that failed, by code.");
    family.write(text, of(operations, |stats| stats.failures.iter().map(by_code).collect()));
    let family = counter("reliable_r2_stored_bytes", "Bytes of the objects that calls stored.");
    family.write(text, of(operations, |stats| vec![(String::new(), stats.bytes)]));
}

fn durations(text: &mut String, operations: &[OperationStats]) {
    let labels = |stats: &OperationStats| label("operation", stats.operation.as_str());
    let family = histogram("reliable_r2_call_duration_seconds", "How long calls took, waits included.");
    family.distributions(text, operations.iter().map(|stats| (labels(stats), &stats.total.elapsed)));
    let help = "How long each attempt, each wait after a failed one, and each wait for permission to begin took.";
    let phases = operations.iter().flat_map(|stats| {
        Phase::ALL.iter().map(move |&phase| {
            let labels = format!("{},{}", labels(stats), label("phase", phase.as_str()));
            (labels, &stats.total.phases[phase as usize])
        })
    });
    histogram("reliable_r2_phase_duration_seconds", help).distributions(text, phases);
}

fn endpoint_gauges(text: &mut String, endpoints: &[EndpointStatus]) {
    let labels = |it: &EndpointStatus| {
        let role = if it.is_primary { "primary" } else { "failover" };
        [label("endpoint", &it.endpoint), label("bucket", &it.bucket), label("role", role)].join(",")
    };
    let states = endpoints.iter().flat_map(|it| {
        BREAKER_STATES.iter().map(move |&state| {
            let name = match state {
                BreakerState::Closed => "closed",
                BreakerState::Open => "open",
                BreakerState::HalfOpen => "half_open",
            };
            (format!("{},{}", labels(it), label("state", name)), u8::from(state == it.gate.breaker))
        })
    });
    gauge("reliable_r2_breaker_state", "1 for the state that the circuit breaker is in.").write(text, states);
    let each = |value: fn(&EndpointStatus) -> u64| endpoints.iter().map(move |it| (labels(it), value(it)));
    counter("reliable_r2_breaker_opened", "How often the circuit breaker opened.")
        .write(text, each(|it| it.gate.opened));
    gauge("reliable_r2_in_flight", "Requests that are under way.").write(text, each(|it| it.gate.in_flight.into()));
    gauge("reliable_r2_queued", "Requests that wait for permission to begin.")
        .write(text, each(|it| it.gate.queued.into()));
    let help = "Connections that could not be made and were tried again within an attempt.";
    counter("reliable_r2_reconnects", help).write(text, each(|it| it.reconnects));
    let paced =
        |value: fn((f64, f64)) -> f64| endpoints.iter().filter_map(move |it| Some((labels(it), value(it.gate.pace?))));
    let family = gauge("reliable_r2_pacing_requests_per_second", "The rate that pacing allows, while it limits.");
    family.write(text, paced(|(rate, _)| rate));
    let family = gauge("reliable_r2_pacing_concurrency", "Requests in flight that pacing allows, while it limits.");
    family.write(text, paced(|(_, concurrency)| concurrency.floor()));
}

/// The samples of each operation, with its label before their own.
fn of<'a, V: 'a>(
    operations: &'a [OperationStats],
    samples: impl Fn(&'a Stats) -> Vec<(String, V)> + 'a,
) -> impl Iterator<Item = (String, V)> + 'a {
    operations.iter().flat_map(move |OperationStats { operation, total, .. }| {
        let first = label("operation", operation.as_str());
        samples(total).into_iter().map(move |(more, value)| {
            let comma = if more.is_empty() { "" } else { "," };
            (format!("{first}{comma}{more}"), value)
        })
    })
}

/// What belongs under one name.
struct Family {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
}

const fn counter(name: &'static str, help: &'static str) -> Family {
    Family { name, kind: "counter", help }
}

const fn gauge(name: &'static str, help: &'static str) -> Family {
    Family { name, kind: "gauge", help }
}

const fn histogram(name: &'static str, help: &'static str) -> Family {
    Family { name, kind: "histogram", help }
}

impl Family {
    /// A family of which there is nothing to report is left out.
    fn write<V: Display>(&self, text: &mut String, samples: impl Iterator<Item = (String, V)>) {
        let total = if self.kind == "counter" { "_total" } else { "" };
        let mut samples = samples.peekable();
        if samples.peek().is_some() {
            self.head(text);
        }
        for (labels, value) in samples {
            let _ = writeln!(text, "{}{total}{{{labels}}} {value}", self.name);
        }
    }

    /// One that counted nothing is left out: mostly nothing waits.
    fn distributions<'a>(&self, text: &mut String, all: impl Iterator<Item = (String, &'a Distribution)>) {
        let mut counted = all.filter(|(_, it)| it.latency().is_some()).peekable();
        if counted.peek().is_some() {
            self.head(text);
        }
        for (labels, distribution) in counted {
            let name = self.name;
            let mut above = distribution.micros.iter().peekable();
            let mut count = 0;
            for &(bound, le) in BUCKETS {
                while let Some(bucket) = above.next_if(|bucket| bucket.end() <= bound) {
                    count += bucket.count();
                }
                let _ = writeln!(text, "{name}_bucket{{{labels},le=\"{le}\"}} {count}");
            }
            count += above.map(|bucket| bucket.count()).sum::<u64>();
            let _ = writeln!(text, "{name}_bucket{{{labels},le=\"+Inf\"}} {count}");
            let _ = writeln!(text, "{name}_count{{{labels}}} {count}");
            let _ = writeln!(text, "{name}_sum{{{labels}}} {}", distribution.sum.as_secs_f64());
        }
    }

    fn head(&self, text: &mut String) {
        let _ = writeln!(text, "# TYPE {} {}", self.name, self.kind);
        let _ = writeln!(text, "# HELP {} {}", self.name, self.help);
    }
}

fn label(name: &str, value: &str) -> String {
    // Codes come from servers, too.
    let visible = value.chars().filter(|c| !c.is_control());
    let escaped = visible.collect::<String>().replace('\\', "\\\\").replace('"', "\\\"");
    format!("{name}=\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use openmetrics_parser::openmetrics::parse_openmetrics;

    use super::*;
    use crate::error::Operation;
    use crate::metrics::Metrics;
    use crate::resilience::admission::GateSnapshot;

    #[tokio::test]
    async fn an_independent_parser_reads_the_text() {
        let metrics = Metrics::default();
        let parse = |text: &str| parse_openmetrics(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        // Valid by the standard, though not to this parser.
        assert_eq!(render(&metrics.snapshot(), &[]), "# EOF\n");
        for ms in [1, 7, 70, 700, 7_000, 700_000] {
            metrics.ended(Operation::UploadFile, Outcome::Succeeded, Duration::from_millis(ms), 1000);
        }
        metrics.ended(Operation::UploadFile, Outcome::Failed, Duration::from_millis(3), 0);
        metrics.failed(Operation::UploadFile, "AccessDenied");
        metrics.retried(Operation::UploadFile, "ECONNRESET");
        metrics.retried(Operation::UploadFile, "odd \"code\"\\\n");
        metrics.passed(Operation::UploadFile, Phase::Attempt, Duration::from_millis(3));
        metrics.passed(Operation::UploadFile, Phase::Wait, Duration::from_secs(2));
        let gate = GateSnapshot {
            breaker: BreakerState::HalfOpen,
            retry_after: None,
            opened: 2,
            pace: Some((12.5, 3.7)),
            in_flight: 3,
            queued: 4,
        };
        let primary = EndpointStatus {
            endpoint: "https://r2.example".to_owned(),
            bucket: "pictures".to_owned(),
            is_primary: true,
            gate: gate.clone(),
            reconnects: 6,
            proofs: [None, None],
        };
        let copies = EndpointStatus {
            bucket: "copies".to_owned(),
            is_primary: false,
            gate: GateSnapshot { breaker: BreakerState::Closed, pace: None, ..gate },
            ..primary.clone()
        };
        let text = render(&metrics.snapshot(), &[primary, copies]);
        let parsed = parse(&text);
        assert_eq!(parsed.families.len(), 14, "{text}");
        let labels = "endpoint=\"https://r2.example\",bucket=\"pictures\",role=\"primary\"";
        for line in [
            "reliable_r2_calls_total{operation=\"uploadFile\",outcome=\"succeeded\"} 6",
            "reliable_r2_attempts_total{operation=\"uploadFile\"} 1",
            "reliable_r2_retries_total{operation=\"uploadFile\",code=\"ECONNRESET\"} 1",
            "reliable_r2_retries_total{operation=\"uploadFile\",code=\"odd \\\"code\\\"\\\\\"} 1",
            "reliable_r2_failures_total{operation=\"uploadFile\",code=\"AccessDenied\"} 1",
            "reliable_r2_stored_bytes_total{operation=\"uploadFile\"} 6000",
            "reliable_r2_call_duration_seconds_bucket{operation=\"uploadFile\",le=\"0.005\"} 2",
            "reliable_r2_call_duration_seconds_bucket{operation=\"uploadFile\",le=\"1.0\"} 5",
            "reliable_r2_call_duration_seconds_bucket{operation=\"uploadFile\",le=\"300.0\"} 6",
            "reliable_r2_call_duration_seconds_bucket{operation=\"uploadFile\",le=\"+Inf\"} 7",
            "reliable_r2_call_duration_seconds_count{operation=\"uploadFile\"} 7",
            "reliable_r2_call_duration_seconds_sum{operation=\"uploadFile\"} 707.781",
            "reliable_r2_phase_duration_seconds_sum{operation=\"uploadFile\",phase=\"wait\"} 2",
            &format!("reliable_r2_breaker_state{{{labels},state=\"closed\"}} 0"),
            &format!("reliable_r2_breaker_state{{{labels},state=\"half_open\"}} 1"),
            &format!("reliable_r2_breaker_opened_total{{{labels}}} 2"),
            &format!("reliable_r2_in_flight{{{labels}}} 3"),
            &format!("reliable_r2_queued{{{labels}}} 4"),
            &format!("reliable_r2_reconnects_total{{{labels}}} 6"),
            &format!("reliable_r2_pacing_requests_per_second{{{labels}}} 12.5"),
            &format!("reliable_r2_pacing_concurrency{{{labels}}} 3"),
        ] {
            assert!(text.lines().any(|it| it == line), "{line}\nis not in\n{text}");
        }
        assert!(!text.contains("phase=\"queue\""), "{text}");
        assert_eq!(text.matches("reliable_r2_pacing_concurrency{").count(), 1, "only while it limits\n{text}");
    }
}
