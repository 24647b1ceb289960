//! A URL that the guard lets pass names a public host and nothing else, whoever reads it.

use std::net::IpAddr;

use reliable_r2::source::url_guard::{self, GuardPolicy};
use url::Url;

pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(url) = url_guard::parse(text) else { return };
    judge(&url);
    // The others have been refused: nobody joins them with anything.
    if !matches!(url.scheme(), "http" | "https") {
        return;
    }
    // What is sent, logged and joined with a Location is what was judged.
    let again = Url::parse(url.as_str()).expect("what was serialized can be read");
    assert_eq!(again, url, "one URL, whoever reads it");
    for location in ["/x", "//127.0.0.1/", "https://169.254.169.254/", "?q", "..", "\\\\[::1]\\"] {
        if let Ok(next) = url.join(location) {
            judge(&next);
        }
    }
}

fn judge(url: &Url) {
    let closed = url_guard::check(url, &GuardPolicy::default());
    let open = url_guard::check(url, &GuardPolicy { allow_private_networks: true, ..GuardPolicy::default() });
    // What is wrong with the URL itself is said; of where it leads, nothing.
    let says_where = matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
    if let Some(error) = closed.as_ref().err().filter(|_| says_where) {
        assert_eq!(error.to_string(), url_guard::blocked().to_string(), "one message, whatever the host");
    }
    if let Ok(host) = &open {
        assert!(matches!(url.scheme(), "http" | "https"), "{url}");
        assert!(url.username().is_empty() && url.password().is_none(), "{url}");
        assert!(url.port() != Some(0) && !host.is_empty(), "{url}");
    }
    let Ok(host) = closed else { return };
    assert_eq!(open.as_ref().ok(), Some(&host), "what is opened is not closed");
    assert_eq!((url.scheme(), url.port()), ("https", None), "{url}");
    assert!(!is_numeric(&host), "an address in disguise: {url}");
    let sound = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
    assert!(host.bytes().all(sound) && host.contains('.') && host.len() <= 253, "{url}");
    let last = host.rsplit('.').next().unwrap_or_default();
    assert!(!matches!(last, "localhost" | "local" | "internal" | "lan" | "svc" | "corp" | "home"), "{url}");
}

/// Whether anybody takes it for an address: the standard library, or the C library, which knows octal, hexadecimal and
/// shortened forms. Asks no name server.
fn is_numeric(host: &str) -> bool {
    const AI_NUMERICHOST: i32 = 4;
    let hints = dns_lookup::AddrInfoHints { flags: AI_NUMERICHOST, ..dns_lookup::AddrInfoHints::default() };
    host.parse::<IpAddr>().is_ok() || dns_lookup::getaddrinfo(Some(host), None, Some(hints)).is_ok()
}
