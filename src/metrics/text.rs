//! The metrics in the OpenMetrics text format, 1.0 (`application/openmetrics-text; version=1.0.0; charset=utf-8`), which
//! Prometheus scrapes.

use std::fmt::Write as _;

use super::{OperationStats, Stats};

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

/// Counters since the storage was made. Labels are few and bounded: no keys, no hosts.
pub fn render(operations: &[OperationStats]) -> String {
    let mut text = String::new();
    let name = "reliable_r2_calls";
    family(&mut text, name, "counter", "Calls that ended, by how.", operations, |text, operation, stats| {
        for (outcome, count) in
            [("succeeded", stats.succeeded), ("failed", stats.failed), ("called_off", stats.called_off)]
        {
            sample(text, "reliable_r2_calls_total", &format!("{operation},outcome=\"{outcome}\""), count);
        }
    });
    let (name, help) = ("reliable_r2_retries", "Attempts that failed and were followed by another, by code.");
    family(&mut text, name, "counter", help, operations, |text, operation, stats| {
        for (code, count) in &stats.retries {
            sample(text, "reliable_r2_retries_total", &format!("{operation},code=\"{}\"", escaped(code)), *count);
        }
    });
    let (name, help) = ("reliable_r2_stored_bytes", "Bytes of the objects that calls stored.");
    family(&mut text, name, "counter", help, operations, |text, operation, stats| {
        sample(text, "reliable_r2_stored_bytes_total", operation, stats.bytes);
    });
    let (name, help) = ("reliable_r2_call_duration_seconds", "How long calls took, waits included.");
    family(&mut text, name, "histogram", help, operations, |text, operation, stats| {
        let mut above = stats.elapsed.micros.iter().peekable();
        let mut count = 0;
        for &(bound, le) in BUCKETS {
            while let Some(bucket) = above.next_if(|bucket| bucket.end() <= bound) {
                count += bucket.count();
            }
            sample(text, "reliable_r2_call_duration_seconds_bucket", &format!("{operation},le=\"{le}\""), count);
        }
        count += above.map(|bucket| bucket.count()).sum::<u64>();
        sample(text, "reliable_r2_call_duration_seconds_bucket", &format!("{operation},le=\"+Inf\""), count);
        sample(text, "reliable_r2_call_duration_seconds_count", operation, count);
        sample(text, "reliable_r2_call_duration_seconds_sum", operation, stats.elapsed.sum.as_secs_f64());
    });
    text.push_str("# EOF\n");
    text
}

/// A family of which there is nothing to tell is left out.
fn family(
    text: &mut String,
    name: &str,
    kind: &str,
    help: &str,
    operations: &[OperationStats],
    samples: impl Fn(&mut String, &str, &Stats),
) {
    let mut told = String::new();
    for OperationStats { operation, total, .. } in operations {
        samples(&mut told, &format!("operation=\"{}\"", operation.as_str()), total);
    }
    if told.is_empty() {
        return;
    }
    let _ = writeln!(text, "# TYPE {name} {kind}");
    let _ = writeln!(text, "# HELP {name} {help}");
    text.push_str(&told);
}

fn sample(text: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) {
    let _ = writeln!(text, "{name}{{{labels}}} {value}");
}

/// A label's value. Codes come from servers, too.
fn escaped(value: &str) -> String {
    let visible = value.chars().filter(|c| !c.is_control());
    visible.collect::<String>().replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use openmetrics_parser::openmetrics::parse_openmetrics;

    use super::*;
    use crate::error::Operation;
    use crate::metrics::{Ended, Metrics};

    #[tokio::test]
    async fn a_parser_of_others_reads_it() {
        let metrics = Metrics::default();
        let parse = |text: &str| parse_openmetrics(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        // Valid by the standard, though not to this parser.
        assert_eq!(render(&metrics.snapshot()), "# EOF\n");
        for ms in [1, 7, 70, 700, 7_000, 700_000] {
            metrics.ended(Operation::UploadFile, Ended::Succeeded, Duration::from_millis(ms), 1000);
        }
        metrics.ended(Operation::UploadFile, Ended::Failed, Duration::from_millis(3), 0);
        metrics.retried(Operation::UploadFile, "ECONNRESET");
        metrics.retried(Operation::UploadFile, "odd \"code\"\\\n");
        let text = render(&metrics.snapshot());
        let parsed = parse(&text);
        assert_eq!(parsed.families.len(), 4, "{text}");
        for line in [
            "reliable_r2_calls_total{operation=\"uploadFile\",outcome=\"succeeded\"} 6",
            "reliable_r2_retries_total{operation=\"uploadFile\",code=\"ECONNRESET\"} 1",
            "reliable_r2_stored_bytes_total{operation=\"uploadFile\"} 6000",
            "reliable_r2_call_duration_seconds_bucket{operation=\"uploadFile\",le=\"0.005\"} 2",
            "reliable_r2_call_duration_seconds_bucket{operation=\"uploadFile\",le=\"1.0\"} 5",
            "reliable_r2_call_duration_seconds_bucket{operation=\"uploadFile\",le=\"300.0\"} 6",
            "reliable_r2_call_duration_seconds_bucket{operation=\"uploadFile\",le=\"+Inf\"} 7",
            "reliable_r2_call_duration_seconds_count{operation=\"uploadFile\"} 7",
            "reliable_r2_call_duration_seconds_sum{operation=\"uploadFile\"} 707.781",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}\nis not in\n{text}");
        }
    }
}
