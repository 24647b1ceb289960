//! Name resolution for names that come from outside: of the URLs that `downloadAndUpload` fetches. Their name servers may
//! be anybody's, and may not respond. It asks over sockets, without a thread that could be kept waiting, so that any
//! number of such names takes nothing from other calls (ADR 0021).

use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use futures_util::FutureExt as _;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::LookupIpStrategy;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::dns::{Addresses, DnsError, Lookups, SystemResolver, literal};
use super::limits::{DNS_TIMEOUT, MAX_PUBLIC_LOOKUPS};

/// Where the name servers are named, and what reports that they have changed.
const CONFIGURATION: &str = "/etc/resolv.conf";

/// Asks the name servers of this machine, and what the file of hosts has.
pub struct PublicResolver {
    lookups: Lookups,
    permits: Arc<Semaphore>,
    configured: Mutex<Option<Configured>>,
    /// Where the name servers cannot be read: the system knows them.
    fallback: Arc<SystemResolver>,
}

#[derive(Clone)]
struct Configured {
    /// None where the system has no name servers that can be read.
    resolver: Option<TokioResolver>,
    changed: Option<SystemTime>,
}

impl std::fmt::Debug for PublicResolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PublicResolver").field("lookups", &self.lookups).finish_non_exhaustive()
    }
}

impl PublicResolver {
    pub fn new(fallback: Arc<SystemResolver>) -> Self {
        Self {
            lookups: Lookups::default(),
            permits: Arc::new(Semaphore::new(MAX_PUBLIC_LOOKUPS)),
            configured: Mutex::default(),
            fallback,
        }
    }

    /// # Errors
    /// [`DnsError`] when the name has no address, or when no name server says so within [`DNS_TIMEOUT`].
    pub async fn lookup(&self, host: &str) -> Result<Addresses, DnsError> {
        if let Some(address) = literal(host) {
            return Ok(address);
        }
        let Some(resolver) = self.resolver() else { return self.fallback.lookup(host).await };
        let (permits, name) = (Arc::clone(&self.permits), host.to_owned());
        let lookup = self.lookups.join(host, move || {
            async move {
                let Ok(_permit) = permits.try_acquire() else { return Err(DnsError::TRY_AGAIN) };
                let asked = timeout(DNS_TIMEOUT, resolver.lookup_ip(name.as_str())).await;
                match asked {
                    Ok(Ok(found)) => {
                        let mut addresses: Vec<_> = found.iter().map(|ip| SocketAddr::new(ip, 0)).collect();
                        // IPv6 without a route is more common than the opposite; the connector tries the others soon.
                        addresses.sort_by_key(SocketAddr::is_ipv6);
                        if addresses.is_empty() { Err(DnsError::NOT_FOUND) } else { Ok(addresses.into()) }
                    }
                    Ok(Err(error)) if error.is_nx_domain() || error.is_no_records_found() => Err(DnsError::NOT_FOUND),
                    Ok(Err(_)) | Err(_) => Err(DnsError::TRY_AGAIN),
                }
            }
            .boxed()
        });
        lookup.await
    }

    /// With the name servers as they are now.
    fn resolver(&self) -> Option<TokioResolver> {
        let changed = fs::metadata(CONFIGURATION).and_then(|it| it.modified()).ok();
        let mut configured = self.configured.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(it) = configured.as_ref().filter(|it| it.changed == changed) {
            return it.resolver.clone();
        }
        let resolver = configure();
        *configured = Some(Configured { resolver: resolver.clone(), changed });
        resolver
    }
}

fn configure() -> Option<TokioResolver> {
    let mut builder = TokioResolver::builder_tokio().ok()?;
    let options = builder.options_mut();
    // A retry after a failure must see a changed response.
    options.cache_size = 0;
    options.max_active_requests = MAX_PUBLIC_LOOKUPS;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    builder.build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn literals_and_localhost_need_no_name_server() {
        let resolver = PublicResolver::new(Arc::default());
        for host in ["127.0.0.1", "[::1]", "localhost"] {
            let found = resolver.lookup(host).await.expect("an address");
            assert!(found.iter().all(|address| address.ip().is_loopback()), "{host}");
        }
    }
}
