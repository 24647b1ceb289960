//! Hosts that a caller allows by name.

use crate::error::{Error, Result};

/// Host names or IP addresses; `*.suffix` for all names below one.
///
/// # Errors
/// `ERR_INVALID_OPTION` naming the item.
pub(super) fn check(name: &str, hosts: Vec<String>) -> Result<Vec<String>> {
    hosts
        .into_iter()
        .enumerate()
        .map(|(index, host)| {
            let lower = host.to_ascii_lowercase();
            let bare = lower.strip_prefix("*.").unwrap_or(&lower).trim_matches(['[', ']']).to_owned();
            let sound = !bare.is_empty()
                && bare.len() <= 253
                && bare.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b':' | b'_'))
                && (!bare.contains(':') || bare.parse::<std::net::Ipv6Addr>().is_ok());
            if sound {
                Ok(if lower.starts_with("*.") { lower } else { bare })
            } else {
                let allowed = "a host name without scheme, port or path, or *.suffix";
                Err(Error::invalid_option(format!("{name}[{index}]"), allowed))
            }
        })
        .collect()
}
