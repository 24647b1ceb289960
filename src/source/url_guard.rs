//! Which URLs may be fetched. A URL from outside must not become a way into the network that the server
//! stands in (server-side request forgery); OWASP's SSRF cheat sheet has the background.
//!
//! Three gates, and a URL passes all of them at every hop of a redirect: the text, the parsed URL, and
//! every address that the name resolves to. IP literals are judged here, since HTTP clients do not ask
//! the resolver about them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use crate::error::{Error, Result, code};

pub const MAX_URL_BYTES: usize = 8 * 1024;

/// What a caller opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GuardPolicy {
    /// Lets everything through that is http or https.
    pub allow_private_networks: bool,
    /// Hosts that are let through wherever they point: exact names, or `*.suffix`.
    pub allowed_hosts: Vec<String>,
}

impl GuardPolicy {
    /// Whether the caller vouches for this host.
    pub fn opens(&self, host: &str) -> bool {
        self.allow_private_networks
            || self.allowed_hosts.iter().any(|allowed| match allowed.strip_prefix("*.") {
                Some(suffix) => host.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.')),
                None => allowed == host,
            })
    }
}

/// Reads a URL that a caller gave.
///
/// # Errors
/// `ERR_INVALID_URL` when it is none.
pub fn parse(text: &str) -> Result<Url> {
    let invalid = |why: &str| Error::invalid(code::INVALID_URL, "url", format!("url {why}"));
    if text.len() > MAX_URL_BYTES {
        return Err(invalid("is longer than 8 KiB"));
    }
    // Parsers forgive these, each in its own way, which is how two of them come to see different hosts.
    if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
        return Err(invalid("holds a space, a control character or a backslash"));
    }
    let mut url = Url::parse(text).map_err(|_| invalid("is not an absolute URL"))?;
    if matches!(url.scheme(), "http" | "https") {
        // The standard takes any number of slashes before the host, none among them; others do not.
        let after_scheme = text.get(url.scheme().len()..).and_then(|rest| rest.strip_prefix("://"));
        let before_query = after_scheme.and_then(|rest| rest.split(['?', '#']).next()).unwrap_or_default();
        let (authority, path) = before_query.split_once('/').unwrap_or((before_query, ""));
        if authority.is_empty() {
            return Err(invalid("has no host"));
        }
        // What other scripts are mapped to differs from one version of Unicode to the next.
        if !authority.is_ascii() || authority.contains('%') {
            return Err(invalid("has a host that is not in ASCII; pass new URL(url)"));
        }
        // Ours does not leave a segment that looks like a drive by "..", as it must not in URLs of files.
        if path.split('/').any(is_drive) && path.split('/').any(is_parent) {
            return Err(invalid("has a path that is read in more than one way; pass new URL(url)"));
        }
    }
    url.set_fragment(None);
    Ok(url)
}

fn is_drive(segment: &str) -> bool {
    matches!(segment.as_bytes(), [letter, b':' | b'|'] if letter.is_ascii_alphabetic())
}

fn is_parent(segment: &str) -> bool {
    matches!(segment.to_ascii_lowercase().as_str(), ".." | ".%2e" | "%2e." | "%2e%2e")
}

/// Judges a parsed URL before anything is resolved. Gives its host, lower case, without brackets.
///
/// # Errors
/// `ERR_BLOCKED_URL`. Of what is wrong with the URL itself it says so; of hosts it has one message whatever the reason: the
/// response must not show an untrusted sender what stands behind an address.
pub fn check(url: &Url, policy: &GuardPolicy) -> Result<String> {
    match url.scheme() {
        "http" | "https" => {}
        "data" => return Err(not_allowed("it holds its bytes itself; decode them and pass them to uploadFile")),
        _ => return Err(not_allowed("it must be an https URL")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(not_allowed("it must not hold a user name or a password; sourceHeaders can carry them"));
    }
    let host = match url.host() {
        Some(Host::Domain(name)) => name.strip_suffix('.').unwrap_or(name).to_owned(),
        Some(Host::Ipv4(ip)) => ip.to_string(),
        Some(Host::Ipv6(ip)) => ip.to_string(),
        None => return Err(blocked()),
    };
    // `https://./`: the root of all names is nobody's host.
    if host.is_empty() || url.port() == Some(0) {
        return Err(blocked());
    }
    if policy.opens(&host) {
        return Ok(host);
    }
    let public_name = matches!(url.host(), Some(Host::Domain(_))) && is_public_name(&host);
    if url.scheme() == "https" && url.port().is_none() && public_name { Ok(host) } else { Err(blocked()) }
}

/// Judges what a name resolved to: one forbidden address condemns the name.
pub fn check_addresses(addresses: impl IntoIterator<Item = IpAddr>) -> Result<()> {
    let mut any = false;
    for address in addresses {
        any = true;
        if !is_global(address) {
            return Err(blocked());
        }
    }
    if any { Ok(()) } else { Err(blocked()) }
}

pub fn blocked() -> Error {
    not_allowed(
        "it must be an https URL of a public host name on port 443 (the options allowedHosts and allowPrivateNetworks \
         open others)",
    )
}

fn not_allowed(why: &str) -> Error {
    Error::invalid(code::BLOCKED_URL, "url", format!("the url is not allowed: {why}"))
}

/// Names that only mean something inside a network.
fn is_public_name(host: &str) -> bool {
    const INSIDE: &[&str] = &[
        "localhost",
        "local",
        "internal",
        "intranet",
        "home.arpa",
        "lan",
        "corp",
        "home",
        "svc",
        "cluster.local",
        "test",
        "example",
        "invalid",
        "onion",
    ];
    let inside = INSIDE
        .iter()
        .any(|suffix| host.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')));
    let labels_are_sound = host.len() <= 253
        && host.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        });
    !inside && labels_are_sound && host.contains('.')
}

/// Whether an address is reached over the public internet (IANA's special-purpose registries).
pub fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => is_global_v4(ip),
        IpAddr::V6(ip) => is_global_v6(ip),
    }
}

fn is_global_v4(ip: Ipv4Addr) -> bool {
    const FORBIDDEN: &[([u8; 4], u32)] = &[
        ([0, 0, 0, 0], 8),
        ([10, 0, 0, 0], 8),
        ([100, 64, 0, 0], 10),
        ([127, 0, 0, 0], 8),
        ([169, 254, 0, 0], 16),
        ([172, 16, 0, 0], 12),
        ([192, 0, 0, 0], 24),
        ([192, 0, 2, 0], 24),
        ([192, 88, 99, 0], 24),
        ([192, 168, 0, 0], 16),
        ([198, 18, 0, 0], 15),
        ([198, 51, 100, 0], 24),
        ([203, 0, 113, 0], 24),
        ([224, 0, 0, 0], 4),
        ([240, 0, 0, 0], 4),
        // Looks public, is not: the platform service of Azure's virtual machines.
        ([168, 63, 129, 16], 32),
    ];
    let ip = u32::from(ip);
    !FORBIDDEN.iter().any(|&(net, bits)| (ip ^ u32::from(Ipv4Addr::from(net))) >> (32 - bits) == 0)
}

fn is_global_v6(ip: Ipv6Addr) -> bool {
    let segments = ip.segments();
    let [first, second, ..] = segments;
    // Only 2000::/3 is in public use. Within it: protocol assignments with Teredo and ORCHID
    // (2001::/23), documentation (2001:db8::/32, 3fff::/20) and 6to4 (2002::/16), which tunnels to any
    // IPv4 address. Everything that embeds an IPv4 address (::ffff:0:0/96, 64:ff9b::/96) is outside.
    first & 0xe000 == 0x2000
        && !(first == 0x2001 && second & 0xfe00 == 0)
        && !(first == 0x2001 && second == 0x0db8)
        && first != 0x2002
        && !(first == 0x3fff && second & 0xf000 == 0)
}

#[cfg(test)]
#[path = "url_guard_tests.rs"]
mod tests;
