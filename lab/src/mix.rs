//! The standard mixed faults: what a bad day on the line to an object store is made of. Percents of all faults; tests
//! and tables that speak of "mixed faults at 20 %" mean that a fifth of the requests meet one of these.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::fault::{Draw, Fault};

/// In percent of all faults, with what shares it evenly.
struct Share {
    percent: f64,
    faults: Vec<Fault>,
}

/// At connections, of the TLS port only: the handshake is cut short.
const TLS_CUT_PERCENT: f64 = 5.0;

/// At requests: the other 95 %.
static SHARES: LazyLock<Vec<Share>> = LazyLock::new(|| {
    vec![
        // The connection ends before the response: at once, or after the whole request was read. Nothing is stored.
        share(15.0, [Fault::Reset { after_bytes: Some(0) }, Fault::Fin { after_bytes: Some(u64::MAX) }]),
        share(15.0, [Fault::Reset { after_bytes: None }]),
        share(
            25.0,
            [
                status(500, "InternalError"),
                status(502, "BadGateway"),
                status(503, "ServiceUnavailable"),
                status(504, "GatewayTimeout"),
            ],
        ),
        share(5.0, [throttled("0"), throttled("1")]),
        share(10.0, [Fault::DropResponse]),
        share(5.0, [Fault::Hang { for_ms: None }]),
        share(5.0, [Fault::StopReading { after_bytes: None }]),
        share(5.0, [Fault::EarlyStatus { status: 503, code: "ServiceUnavailable".to_owned(), message: None }]),
        share(5.0, [Fault::Garbage, Fault::PartialHead { after_bytes: None }]),
        share(5.0, [status(400, "IncompleteBody"), status(400, "ClientDisconnect")]),
    ]
});

fn share<const N: usize>(percent: f64, faults: [Fault; N]) -> Share {
    Share { percent, faults: faults.into() }
}

fn status(status: u16, code: &str) -> Fault {
    status_fault(status, code, None)
}

fn throttled(seconds: &str) -> Fault {
    status_fault(429, "TooManyRequests", Some(seconds.to_owned()))
}

fn status_fault(status: u16, code: &str, retry_after: Option<String>) -> Fault {
    let code = code.to_owned();
    Fault::Status { status, code, message: None, retry_after, date: None, headers: BTreeMap::new() }
}

/// A fault for a request.
pub(crate) fn of_request(draw: &mut Draw) -> Fault {
    let shares = &*SHARES;
    let whole: f64 = shares.iter().map(|share| share.percent).sum();
    let mut at = draw.unit() * whole;
    let chosen = shares.iter().find(|share| {
        at -= share.percent;
        at < 0.0
    });
    let faults = &chosen.unwrap_or(&shares[0]).faults;
    let index = (draw.unit() * faults.len() as f64) as usize;
    faults[index].clone()
}

/// A fault for a connection of the TLS port, or none.
pub(crate) fn of_connection(draw: &mut Draw) -> Option<Fault> {
    (draw.unit() * 100.0 < TLS_CUT_PERCENT).then_some(Fault::TlsCut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_are_the_whole() {
        let requests: f64 = SHARES.iter().map(|share| share.percent).sum();
        assert!((requests + TLS_CUT_PERCENT - 100.0).abs() < 1e-9, "{requests}");
        assert!(SHARES.iter().flat_map(|share| &share.faults).all(|fault| !fault.at_connection()));
    }
}
