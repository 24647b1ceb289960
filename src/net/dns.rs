//! Name resolution by the system (`getaddrinfo`), for names that the operator has chosen: endpoints, and hosts that are
//! allowed by name. It says why it failed, in Node's words. Names from outside are resolved by [`super::public_dns`].
//!
//! `getaddrinfo` blocks its thread and cannot be cancelled, so it has threads of its own: a bounded number for each
//! [`SystemResolver`], none of them shared with digests or files (ADR 0021).

use std::collections::HashMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use super::limits::{DNS_TIMEOUT, MAX_SYSTEM_LOOKUPS};

/// Why a name gave no address. Without the name: that of a redirect is the source's text, and an error has its host.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{code}: the host name could not be resolved")]
pub struct DnsError {
    /// `ENOTFOUND` (the name does not exist) or `EAI_AGAIN` (the resolver did not know at this time).
    pub code: &'static str,
}

impl DnsError {
    pub(super) const NOT_FOUND: Self = Self { code: "ENOTFOUND" };
    pub(super) const TRY_AGAIN: Self = Self { code: "EAI_AGAIN" };
}

pub type Addresses = Arc<[SocketAddr]>;
type Outcome = Result<Addresses, DnsError>;

/// The address that an IP literal is, in brackets or not.
pub(super) fn literal(host: &str) -> Option<Addresses> {
    let ip = bare(host).parse::<IpAddr>().ok()?;
    Some(Arc::new([SocketAddr::new(ip, 0)]))
}

fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

/// Lookups that are under way, by name: those of one name at one time are one.
#[derive(Debug, Default)]
pub(super) struct Lookups(Mutex<HashMap<String, WeakShared<BoxFuture<'static, Outcome>>>>);

impl Lookups {
    /// Joins the lookup of `host` that is under way, or starts `lookup`.
    pub(super) fn join<F>(&self, host: &str, lookup: impl FnOnce() -> F) -> Shared<BoxFuture<'static, Outcome>>
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let mut under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = under_way.get(host).and_then(WeakShared::upgrade)
            && shared.peek().is_none()
        {
            return shared;
        }
        // What has ended, or was abandoned, goes: the map has as many names as lookups are under way.
        under_way.retain(|_, lookup| lookup.upgrade().is_some_and(|shared| shared.peek().is_none()));
        let shared = lookup().boxed().shared();
        if let Some(weak) = shared.downgrade() {
            under_way.insert(host.to_owned(), weak);
        }
        shared
    }
}

/// Asks the system. A name is asked for afresh once no lookup of it is under way: a retry after a failure must see a
/// changed response.
#[derive(Debug)]
pub struct SystemResolver {
    lookups: Lookups,
    threads: Arc<Semaphore>,
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self { lookups: Lookups::default(), threads: Arc::new(Semaphore::new(MAX_SYSTEM_LOOKUPS)) }
    }
}

impl SystemResolver {
    /// # Errors
    /// [`DnsError`] when the name has no address, or when the system does not say so within [`DNS_TIMEOUT`].
    pub async fn lookup(&self, host: &str) -> Outcome {
        if let Some(address) = literal(host) {
            return Ok(address);
        }
        let threads = Arc::clone(&self.threads);
        let name = host.to_owned();
        let lookup = self.lookups.join(host, move || on_own_thread(name, threads, getaddrinfo));
        timeout(DNS_TIMEOUT, lookup).await.unwrap_or(Err(DnsError::TRY_AGAIN))
    }
}

/// Runs a lookup that blocks. Whoever waits for it may leave; the thread counts until the lookup ends.
async fn on_own_thread(
    host: String,
    threads: Arc<Semaphore>,
    lookup: impl FnOnce(&str) -> Outcome + Send + 'static,
) -> Outcome {
    let Ok(permit) = threads.acquire_owned().await else { return Err(DnsError::TRY_AGAIN) };
    let (sender, receiver) = oneshot::channel();
    let thread = thread::Builder::new().name("r2-dns".to_owned()).stack_size(256 * 1024).spawn(move || {
        let outcome = lookup(&host);
        drop(permit);
        let _ = sender.send(outcome);
    });
    if thread.is_err() {
        return Err(DnsError::TRY_AGAIN);
    }
    receiver.await.unwrap_or(Err(DnsError::TRY_AGAIN))
}

fn getaddrinfo(host: &str) -> Outcome {
    use dns_lookup::LookupErrorKind::{NoData, NoName};
    let hints = dns_lookup::AddrInfoHints {
        socktype: dns_lookup::SockType::Stream.into(),
        ..dns_lookup::AddrInfoHints::default()
    };
    match dns_lookup::getaddrinfo(Some(bare(host)), None, Some(hints)) {
        Ok(found) => {
            let addresses: Addresses = found.flatten().map(|info| info.sockaddr).collect();
            if addresses.is_empty() { Err(DnsError::NOT_FOUND) } else { Ok(addresses) }
        }
        Err(error) if matches!(error.kind(), NoName | NoData) => Err(DnsError::NOT_FOUND),
        Err(_) => Err(DnsError::TRY_AGAIN),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use futures_util::future::join_all;

    use super::*;

    fn loopback(_: &str) -> Outcome {
        literal("127.0.0.1").ok_or(DnsError::NOT_FOUND)
    }

    #[tokio::test]
    async fn literals_are_their_own_address() {
        let found = SystemResolver::default().lookup("[::1]").await.expect("a literal");
        assert_eq!(found[0].ip(), "::1".parse::<IpAddr>().expect("an address"));
        assert!(SystemResolver::default().lookup("127.0.0.1").await.is_ok());
    }

    #[tokio::test]
    async fn localhost_is_known() {
        let found = SystemResolver::default().lookup("localhost").await;
        assert!(found.is_ok_and(|found| found.iter().all(|address| address.ip().is_loopback())));
    }

    #[tokio::test]
    async fn lookups_of_one_name_at_one_time_are_one_and_later_ones_are_new() {
        let lookups = Lookups::default();
        let threads = Arc::new(Semaphore::new(1));
        let count = Arc::new(AtomicUsize::new(0));
        let join = || {
            let (threads, count) = (Arc::clone(&threads), Arc::clone(&count));
            lookups.join("a.example", move || {
                on_own_thread("a.example".to_owned(), threads, move |host| {
                    count.fetch_add(1, Ordering::SeqCst);
                    loopback(host)
                })
            })
        };
        assert!(join_all((0..100).map(|_| join())).await.iter().all(Result::is_ok));
        assert_eq!(count.load(Ordering::SeqCst), 1);
        join().await.expect("again");
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_lookup_that_hangs_keeps_its_thread_and_no_other() {
        let threads = Arc::new(Semaphore::new(2));
        let (release, hangs) = mpsc::channel::<()>();
        let stuck = tokio::spawn(on_own_thread("a".to_owned(), Arc::clone(&threads), move |host| {
            let _ = hangs.recv();
            loopback(host)
        }));
        while threads.available_permits() == 2 {
            tokio::task::yield_now().await;
        }
        // Whoever waited has left; the thread is still there, and another lookup passes it.
        stuck.abort();
        assert!(stuck.await.is_err());
        assert_eq!(threads.available_permits(), 1);
        assert!(on_own_thread("b".to_owned(), Arc::clone(&threads), loopback).await.is_ok());
        drop(release);
        while threads.available_permits() < 2 {
            tokio::task::yield_now().await;
        }
    }

    #[test]
    fn names_that_were_looked_up_are_forgotten() {
        let lookups = Lookups::default();
        for n in 0..100 {
            let host = format!("{n}.example");
            drop(lookups.join(&host, || async { loopback("") }));
        }
        assert!(lookups.0.lock().expect("no panic").len() <= 1);
    }
}
