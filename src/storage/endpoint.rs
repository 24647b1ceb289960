//! Parses endpoints. R2 responds to a mistyped host with a bare TLS alert, so mistakes are found here.

use std::net::IpAddr;

use url::{Host, Url};

use super::limits;
use crate::error::{Error, Result};
use crate::store::BucketName;

const R2_DOMAIN: &str = "r2.cloudflarestorage.com";
const JURISDICTIONS: &[&str] = &["eu", "fedramp", "us"];

/// An endpoint with a bucket that was written into it, if one was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Scheme, host and port; no path.
    pub url: Url,
    pub bucket: Option<BucketName>,
}

impl Endpoint {
    pub fn is_r2(&self) -> bool {
        self.url.host_str().is_some_and(|host| host.ends_with(&format!(".{R2_DOMAIN}")))
    }
}

/// The endpoint as it is given, or that of an R2 account.
///
/// # Errors
/// `ERR_INVALID_OPTION`.
pub fn given_as(
    endpoint: Option<&String>,
    account_id: Option<&String>,
    jurisdiction: Option<&String>,
) -> Result<Option<String>> {
    let blank = |text: &&String| !text.trim().is_empty();
    let (account_id, jurisdiction) = (account_id.filter(blank), jurisdiction.filter(blank));
    match (endpoint, account_id, jurisdiction.map(|name| name.trim())) {
        (_, None, None) => Ok(endpoint.cloned()),
        (Some(_), Some(_), _) => {
            Err(Error::invalid_option("accountId", "absent where endpoint is given: give one of them"))
        }
        (_, None, Some(_)) => {
            Err(Error::invalid_option("jurisdiction", "absent without accountId; or write it into endpoint"))
        }
        (None, Some(id), _) if !is_account_id(id.trim()) => {
            Err(Error::invalid_option("accountId", "32 hexadecimal digits (Cloudflare dashboard, R2, Account details)"))
        }
        (None, Some(id), None) => Ok(Some(format!("https://{}.{R2_DOMAIN}", id.trim()))),
        (None, Some(id), Some(name)) if JURISDICTIONS.contains(&name) => {
            Ok(Some(format!("https://{}.{name}.{R2_DOMAIN}", id.trim())))
        }
        (None, Some(_), Some(_)) => Err(Error::invalid_option("jurisdiction", limits::one_of(JURISDICTIONS))),
    }
}

/// # Errors
/// `ERR_INVALID_OPTION` naming `endpoint`, with what it should look like. Never echoes the value: a
/// password may stand in it.
pub fn parse(text: &str, allow_http: bool) -> Result<Endpoint> {
    let wrong = |why: &str| Error::invalid_option("endpoint", why);
    if text.contains(['<', '>', '{', '}', '$']) {
        // Copied from documentation, or a template that nothing has filled in.
        return Err(wrong(
            "a URL in which every placeholder is replaced: the account id is 32 hexadecimal digits \
             (Cloudflare dashboard, R2, Account details)",
        ));
    }
    if text.len() > 2048 || text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\') {
        return Err(wrong("a URL without spaces, at most 2048 characters long"));
    }
    if is_account_id(text) {
        return Err(wrong("https://<account id>.r2.cloudflarestorage.com, not the account id alone"));
    }
    let mut url = Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "https" | "http") && text.contains("://"))
        .ok_or_else(|| wrong("a URL such as https://<account id>.r2.cloudflarestorage.com"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("without user name and password; give accessKey and secretKey instead"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("without a query or fragment"));
    }
    if url.port() == Some(0) || url.host_str().is_none_or(str::is_empty) {
        return Err(wrong("a URL with a host and a port other than 0"));
    }
    if url.scheme() == "http" && !allow_http && !is_loopback(&url) {
        return Err(wrong("https; http sends the pictures in the clear and needs allowHttp: true"));
    }
    let in_path = bucket_in_path(&url)?;
    url.set_path("");
    let in_host = bucket_in_r2_host(&mut url)?;
    match (in_path, in_host) {
        (Some(_), Some(_)) => Err(wrong("with the bucket in its host or in its path, not both")),
        (path, host) => Ok(Endpoint { url, bucket: path.or(host) }),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        None => false,
    }
}

/// Dashboards show the endpoint with the bucket behind it, so people paste it so.
fn bucket_in_path(url: &Url) -> Result<Option<BucketName>> {
    let segments: Vec<&str> = url.path().split('/').filter(|segment| !segment.is_empty()).collect();
    match segments.as_slice() {
        [] => Ok(None),
        [bucket] => BucketName::parse(bucket).map(Some).map_err(|_| {
            Error::invalid_option("endpoint", "without a path, or with the bucket's name as its whole path")
        }),
        _ => Err(Error::invalid_option("endpoint", "without a path; folders belong into key, the bucket into bucket")),
    }
}

/// `[bucket.]<account id>[.<jurisdiction>].r2.cloudflarestorage.com`. The bucket is taken out of the host.
fn bucket_in_r2_host(url: &mut Url) -> Result<Option<BucketName>> {
    let Some(host) = url.host_str().map(str::to_owned) else { return Ok(None) };
    let wrong = |why: &str| Error::invalid_option("endpoint", why);
    if host.ends_with(".r2.dev") {
        return Err(wrong(
            "the S3 endpoint (https://<account id>.r2.cloudflarestorage.com); an r2.dev address can only be read \
             from and belongs into domain",
        ));
    }
    let Some(labels) = host.strip_suffix(R2_DOMAIN) else { return Ok(None) };
    if url.scheme() != "https" {
        return Err(wrong("https for an R2 host"));
    }
    let account = "https://<account id>.r2.cloudflarestorage.com, the account id being 32 hexadecimal digits \
                   (Cloudflare dashboard, R2, Account details)";
    let mut labels: Vec<&str> = labels.split('.').filter(|label| !label.is_empty()).collect();
    let jurisdiction = labels.pop_if(|label| !is_account_id(label));
    if jurisdiction.is_some_and(|name| !JURISDICTIONS.contains(&name)) {
        return Err(wrong(account));
    }
    match labels.as_slice() {
        [id] if is_account_id(id) => Ok(None),
        [bucket, id] if is_account_id(id) => {
            let bucket = BucketName::parse(bucket)?;
            let rest = jurisdiction.map(|name| format!("{name}.")).unwrap_or_default();
            url.set_host(Some(&format!("{id}.{rest}{R2_DOMAIN}"))).map_err(|_| wrong(account))?;
            Ok(Some(bucket))
        }
        _ => Err(wrong(account)),
    }
}

fn is_account_id(label: &str) -> bool {
    label.len() == 32 && label.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    fn read(text: &str) -> Option<(String, Option<String>)> {
        let endpoint = parse(text, false).ok()?;
        let url = endpoint.url.as_str().trim_end_matches('/').to_owned();
        Some((url, endpoint.bucket.map(|bucket| bucket.as_str().to_owned())))
    }

    #[test]
    fn r2_hosts_with_their_jurisdictions() {
        for middle in ["", "eu.", "fedramp.", "us."] {
            let url = format!("https://{ID}.{middle}{R2_DOMAIN}");
            assert_eq!(read(&url), Some((url.clone(), None)));
            let in_path = format!("{url}/pictures");
            assert_eq!(read(&in_path), Some((url.clone(), Some("pictures".into()))));
            let in_host = format!("https://pictures.{ID}.{middle}{R2_DOMAIN}/");
            assert_eq!(read(&in_host), Some((url, Some("pictures".into()))));
        }
    }

    #[test]
    fn mistakes_are_refused_with_advice() {
        let mistakes = [
            "",
            "r2.cloudflarestorage.com",
            "https://abc.r2.cloudflarestorage.com",
            "https://r2.cloudflarestorage.com",
            &format!("https://{ID}.asia.{R2_DOMAIN}"),
            &format!("https://a.b.{ID}.{R2_DOMAIN}"),
            &format!("http://{ID}.{R2_DOMAIN}"),
            &format!("https://{ID}.{R2_DOMAIN}/a/b"),
            &format!("https://a-b.{ID}.{R2_DOMAIN}/c-d"),
            "https://pub-x.r2.dev",
            "http://example.com",
            "ftp://h",
            "h:9000",
            "//h",
            "https://",
            "https://u:pw@h",
            "https://h?x=1",
            "https://h#f",
            "https://h:0",
            "https://h h",
        ];
        for text in mistakes {
            let error = parse(text, false).expect_err(text);
            assert_eq!(
                error.option.as_deref(),
                Some(if error.detail.starts_with("bucket") { "bucket" } else { "endpoint" })
            );
            assert!(!error.to_string().contains("pw@"), "{error}");
        }
    }

    #[test]
    fn a_placeholder_in_the_endpoint_is_named_as_one() {
        for host in ["<account id>", "<ACCOUNT_ID>", "{account_id}", "${CLOUDFLARE_ACCOUNT_ID}", "$ACCOUNT_ID"] {
            let error = parse(&format!("https://{host}.{R2_DOMAIN}"), false).expect_err(host);
            assert!(error.detail.contains("placeholder"), "{host}: {error}");
        }
    }

    #[test]
    fn http_is_for_this_machine_or_by_wish() {
        for text in ["http://localhost:9000", "http://127.0.0.1:9000", "http://[::1]:9000", "http://s3.localhost"] {
            assert!(read(text).is_some(), "{text}");
        }
        assert!(parse("http://minio.example:9000", true).is_ok());
    }
}
