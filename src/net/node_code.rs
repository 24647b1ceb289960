//! Raw faults of sockets, TLS and HTTP, called by the names that Node gives them. Naming only: whether a
//! fault is worth another try is decided in `resilience::classify`.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError, Error as TlsError};

use super::dns::DnsError;
use super::limits::{LimitExceeded, MAX_RESPONSE_HEAD_BYTES, MAX_RESPONSE_HEADERS};

/// A fault found in an error's chain of causes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Node's code where Node has one.
    pub code: &'static str,
    /// What happened, lower case, no host, no URL.
    pub detail: String,
}

impl Fault {
    fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

/// Finds the most specific fault in `error` and its causes: a TLS verdict before a socket error, a socket
/// error before HTTP's own words.
pub fn name(error: &(dyn Error + 'static)) -> Option<Fault> {
    let chain = chain(error);
    let find = |f: fn(&(dyn Error + 'static)) -> Option<Fault>| chain.iter().copied().find_map(f);
    find(from_limit)
        .or_else(|| find(from_dns))
        .or_else(|| find(from_tls))
        .or_else(|| find(from_io))
        .or_else(|| find(from_http))
}

/// The causes, outermost first. An `io::Error` that wraps another hides it from `source()`, so it is
/// opened by hand.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    let mut found: Vec<&'a (dyn Error + 'static)> = Vec::new();
    let mut next = Some(error);
    while let Some(current) = next.filter(|_| found.len() < 16) {
        found.push(current);
        let wrapped = current.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match wrapped {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => current.source(),
        };
    }
    found
}

fn from_limit(error: &(dyn Error + 'static)) -> Option<Fault> {
    let exceeded = error.downcast_ref::<LimitExceeded>()?;
    Some(Fault::new("ERR_PROTOCOL", format!("{exceeded}; is this server the one that is meant?")))
}

fn from_dns(error: &(dyn Error + 'static)) -> Option<Fault> {
    let dns = error.downcast_ref::<DnsError>()?;
    Some(Fault::new(dns.code, "the host name could not be resolved"))
}

fn from_tls(error: &(dyn Error + 'static)) -> Option<Fault> {
    use CertificateError as Cert;
    Some(match error.downcast_ref::<TlsError>()? {
        TlsError::InvalidCertificate(cert) => match cert {
            Cert::Expired | Cert::ExpiredContext { .. } => {
                Fault::new("CERT_HAS_EXPIRED", "the server's certificate has expired")
            }
            Cert::NotValidYet | Cert::NotValidYetContext { .. } => Fault::new(
                "CERT_NOT_YET_VALID",
                "the server's certificate is not valid yet; is this machine's clock right?",
            ),
            Cert::NotValidForName | Cert::NotValidForNameContext { .. } => {
                Fault::new("ERR_TLS_CERT_ALTNAME_INVALID", "the server's certificate is for another host name")
            }
            Cert::UnknownIssuer => Fault::new(
                "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
                "the server's certificate is signed by an authority that is not trusted here \
                 (caCertificates or NODE_EXTRA_CA_CERTS adds one)",
            ),
            _ => Fault::new("ERR_TLS_CERT_INVALID", "the server's certificate is not valid"),
        },
        // R2 responds a host with an unknown account id by this alert, so it is no passing fault.
        TlsError::AlertReceived(
            AlertDescription::HandshakeFailure | AlertDescription::UnrecognisedName | AlertDescription::ProtocolVersion,
        ) => Fault::new(
            "EPROTO",
            "the server refused the TLS handshake; is the endpoint's host name (the account id) right?",
        ),
        TlsError::InvalidMessage(_) | TlsError::PeerIncompatible(_) => {
            Fault::new("EPROTO", "the server does not speak TLS as expected; is the endpoint's port right?")
        }
        _ => Fault::new("ECONNRESET", "the TLS connection broke"),
    })
}

fn from_io(error: &(dyn Error + 'static)) -> Option<Fault> {
    use io::ErrorKind as Kind;
    let io = error.downcast_ref::<io::Error>()?;
    Some(match io.kind() {
        Kind::ConnectionRefused => Fault::new("ECONNREFUSED", "connection refused"),
        Kind::ConnectionReset => Fault::new("ECONNRESET", "connection reset by the server"),
        Kind::ConnectionAborted => Fault::new("ECONNABORTED", "connection aborted"),
        Kind::BrokenPipe | Kind::NotConnected | Kind::WriteZero => {
            Fault::new("EPIPE", "the server closed the connection while it was written to")
        }
        Kind::TimedOut => Fault::new("ETIMEDOUT", "timeout: the connection timed out"),
        Kind::HostUnreachable => Fault::new("EHOSTUNREACH", "the host cannot be reached"),
        Kind::NetworkUnreachable => Fault::new("ENETUNREACH", "the network cannot be reached"),
        Kind::AddrNotAvailable => Fault::new("EADDRNOTAVAIL", "no free local port"),
        Kind::PermissionDenied => Fault::new("EACCES", "this machine forbids the connection"),
        Kind::UnexpectedEof => Fault::new("ECONNRESET", "the server closed the connection early"),
        _ => match io.raw_os_error() {
            Some(EMFILE) => Fault::new("EMFILE", "too many open files in this process"),
            Some(ENFILE) => Fault::new("ENFILE", "too many open files on this machine"),
            _ => return None,
        },
    })
}

fn from_http(error: &(dyn Error + 'static)) -> Option<Fault> {
    let http = error.downcast_ref::<hyper::Error>()?;
    if http.is_incomplete_message() || http.is_body_write_aborted() || http.is_closed() || http.is_canceled() {
        return Some(Fault::new("ECONNRESET", "the connection ended before the response was complete"));
    }
    if http.is_parse() {
        // hyper distinguishes the two only for servers.
        let detail = format!(
            "the response is not HTTP, or its head exceeds the limit of {MAX_RESPONSE_HEADERS} headers and \
             {MAX_RESPONSE_HEAD_BYTES} bytes; is this server the one that is meant?"
        );
        return Some(Fault::new("ERR_PROTOCOL", detail));
    }
    http.is_timeout().then(|| Fault::new("ETIMEDOUT", "timeout: no response in time"))
}

// The same on every platform that has them (Linux, macOS, the BSDs).
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;

#[cfg(test)]
mod tests {
    use super::*;

    fn code_of(error: io::Error) -> Option<&'static str> {
        name(&error).map(|fault| fault.code)
    }

    #[test]
    fn names_socket_errors_as_node_does() {
        assert_eq!(code_of(io::ErrorKind::ConnectionReset.into()), Some("ECONNRESET"));
        assert_eq!(code_of(io::ErrorKind::BrokenPipe.into()), Some("EPIPE"));
        assert_eq!(code_of(io::Error::from_raw_os_error(EMFILE)), Some("EMFILE"));
        assert_eq!(code_of(io::Error::other("odd")), None);
    }

    #[test]
    fn finds_a_tls_verdict_inside_an_io_error() {
        let tls = TlsError::InvalidCertificate(CertificateError::Expired);
        assert_eq!(code_of(io::Error::new(io::ErrorKind::InvalidData, tls)), Some("CERT_HAS_EXPIRED"));
    }

    #[test]
    fn a_tls_handshake_that_ends_early_is_a_reset() {
        assert_eq!(code_of(io::ErrorKind::UnexpectedEof.into()), Some("ECONNRESET"));
    }
}
