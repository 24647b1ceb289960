//! Name resolution that says why it failed, in Node's words.

use std::net::{IpAddr, SocketAddr};

/// Why a name gave no address.
#[derive(Debug, thiserror::Error)]
#[error("{code}: could not resolve the host name {host}")]
pub struct DnsError {
    /// `ENOTFOUND` (the name does not exist) or `EAI_AGAIN` (the resolver did not know at this time).
    pub code: &'static str,
    pub host: String,
}

/// Asks the system's resolver, afresh at every call: a retry after a failure must see a changed answer.
///
/// # Errors
/// [`DnsError`] when the name has no address or the resolver does not answer.
pub async fn lookup(host: &str) -> Result<Vec<SocketAddr>, DnsError> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, 0)]);
    }
    let name = bare.to_owned();
    let fail = |code| DnsError { code, host: bare.to_owned() };
    // getaddrinfo blocks and cannot be cancelled; on its own thread it holds up nobody.
    let answer = tokio::task::spawn_blocking(move || {
        let hints = dns_lookup::AddrInfoHints {
            socktype: dns_lookup::SockType::Stream.into(),
            ..dns_lookup::AddrInfoHints::default()
        };
        dns_lookup::getaddrinfo(Some(&name), None, Some(hints))
            .map(|found| found.flatten().map(|info| info.sockaddr).collect::<Vec<_>>())
            .map_err(|error| error.kind())
    })
    .await
    .map_err(|_| fail("EAI_AGAIN"))?;
    match answer {
        Ok(addresses) if addresses.is_empty() => Err(fail("ENOTFOUND")),
        Ok(addresses) => Ok(addresses),
        Err(dns_lookup::LookupErrorKind::NoName | dns_lookup::LookupErrorKind::NoData) => Err(fail("ENOTFOUND")),
        Err(_) => Err(fail("EAI_AGAIN")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn literals_are_their_own_address() {
        let found = lookup("[::1]").await.expect("a literal");
        assert_eq!(found[0].ip(), "::1".parse::<IpAddr>().expect("an address"));
        assert!(lookup("127.0.0.1").await.is_ok());
    }

    #[tokio::test]
    async fn localhost_is_known() {
        assert!(lookup("localhost").await.is_ok_and(|a| a.iter().all(|a| a.ip().is_loopback())));
    }
}
