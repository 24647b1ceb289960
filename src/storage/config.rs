//! Configuration: what callers give, what the environment adds, and every default. Deeper code takes only
//! the resolved form.

use std::time::Duration;

use url::Url;

use super::endpoint::{self, Endpoint};
use super::limits::{self, RetryOptions};
use crate::error::{Error, Operation, Result, code};
use crate::resilience::{Preset, RetryPolicy};
use crate::secret::Secret;
use crate::source::GuardPolicy;
use crate::store::{BucketName, S3Settings};
use crate::transfer::multipart::MultipartOptions;
use crate::transfer::plan;

/// The only home of the defaults.
pub mod default {
    use super::{Duration, MultipartOptions, Preset};

    pub const RETRY: Preset = Preset::FileUpload;
    pub const REGION: &str = "auto";
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
    /// Without a byte moving.
    pub const STALL_TIMEOUT: Duration = Duration::from_secs(10);
    pub const VERIFY_ETAG: bool = true;
    /// 100 MiB.
    pub const MAX_BYTES: u64 = 100 * 1024 * 1024;
    /// Uploads in flight at once in `uploadFiles`.
    pub const CONCURRENCY: u32 = 4;
    /// Objects up to 16 MiB in one request, larger ones in parts of 8 MiB, four at a time: R2 has answered
    /// more than that with 500 now and then.
    pub const MULTIPART: MultipartOptions =
        MultipartOptions { threshold: 16 * 1024 * 1024, part_bytes: 8 * 1024 * 1024, concurrency: 4 };
}

const MAX_CONCURRENCY: u32 = 256;
const MAX_PART_CONCURRENCY: u32 = 16;

/// As a caller writes it; everything may be absent.
#[derive(Debug, Clone, Default)]
pub struct StorageConfig {
    pub endpoint: Option<String>,
    pub region: Option<String>,
    pub access_key: Option<Secret<String>>,
    pub secret_key: Option<Secret<String>>,
    pub session_token: Option<Secret<String>>,
    pub bucket: Option<String>,
    pub domain: Option<String>,
    pub allow_http: Option<bool>,
    pub ca_certificates: Vec<String>,
    pub retry: Option<RetryOptions>,
    pub verify_etag: Option<bool>,
    pub connect_timeout_ms: Option<f64>,
    pub stall_timeout_ms: Option<f64>,
    pub allow_private_networks: Option<bool>,
    pub allowed_hosts: Vec<String>,
    pub max_bytes: Option<f64>,
    pub concurrency: Option<f64>,
    pub multipart_threshold_bytes: Option<f64>,
    pub part_size_bytes: Option<f64>,
    pub part_concurrency: Option<f64>,
}

/// What fills in for absent options: the variables that such apps already have.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    pub storage_endpoint: Option<String>,
    pub storage_region: Option<String>,
    pub storage_access_key: Option<Secret<String>>,
    pub storage_secret_key: Option<Secret<String>>,
    pub storage_bucket: Option<String>,
    pub storage_domain: Option<String>,
    /// The text of the file that `NODE_EXTRA_CA_CERTS` names.
    pub extra_ca_certificates: Option<String>,
}

/// Complete and checked.
#[derive(Debug, Clone)]
pub struct ResolvedConfig {
    pub s3: S3Settings,
    pub bucket: BucketName,
    pub domain: Option<Url>,
    pub ca_certificates: Vec<String>,
    pub retry: RetryPolicy,
    pub verify_etag: bool,
    pub stall_timeout: Duration,
    pub guard: GuardPolicy,
    pub max_bytes: u64,
    pub concurrency: u32,
    pub multipart: MultipartOptions,
}

impl StorageConfig {
    /// Fills in from the environment, and says what is still missing.
    ///
    /// # Errors
    /// `ERR_MISSING_OPTION` naming the first missing option and its variable; `ERR_INVALID_OPTION` for a
    /// value that is wrong, wherever it came from.
    pub fn resolve(&self, environment: &Environment) -> Result<ResolvedConfig> {
        self.resolve_inner(environment).map_err(for_new_storage)
    }

    /// Checks what is given and lets the rest be: `next build` imports every route, and its environment
    /// has no secrets.
    ///
    /// # Errors
    /// `ERR_INVALID_OPTION`.
    pub fn check(&self) -> Result<()> {
        let stand_in = || Some(Secret::new("-".to_owned()));
        let environment = Environment {
            storage_endpoint: Some("https://localhost".into()),
            storage_access_key: stand_in(),
            storage_secret_key: stand_in(),
            storage_bucket: Some("stand-in".into()),
            ..Environment::default()
        };
        // A bucket in the endpoint that contradicts the given one is found here; one that contradicts the
        // stand-in is not a contradiction.
        let mut given = self.clone();
        if given.bucket.is_none() {
            given.bucket = self.endpoint()?.and_then(|endpoint| endpoint.bucket).map(|b| b.as_str().to_owned());
        }
        given.resolve(&environment).map(drop)
    }

    fn endpoint(&self) -> Result<Option<Endpoint>> {
        let allow_http = self.allow_http.unwrap_or(false);
        self.endpoint.as_deref().map(|text| endpoint::parse(text, allow_http)).transpose().map_err(for_new_storage)
    }

    fn multipart(&self) -> Result<MultipartOptions> {
        let default = default::MULTIPART;
        let size = |name, given: Option<f64>, default| {
            given.map_or(Ok(default), |value| {
                limits::bytes_within(name, value, plan::MIN_PART_BYTES, plan::MAX_PART_BYTES)
            })
        };
        Ok(MultipartOptions {
            threshold: size("multipartThresholdBytes", self.multipart_threshold_bytes, default.threshold)?,
            part_bytes: size("partSizeBytes", self.part_size_bytes, default.part_bytes)?,
            concurrency: match self.part_concurrency {
                Some(count) => limits::count("partConcurrency", count, MAX_PART_CONCURRENCY)? as usize,
                None => default.concurrency,
            },
        })
    }

    fn resolve_inner(&self, environment: &Environment) -> Result<ResolvedConfig> {
        let endpoint = required(&self.endpoint, &environment.storage_endpoint, "endpoint", "STORAGE_ENDPOINT")?;
        let endpoint = endpoint::parse(&endpoint, self.allow_http.unwrap_or(false))?;
        let access_key =
            required(&self.access_key, &environment.storage_access_key, "accessKey", "STORAGE_ACCESS_KEY")?;
        let secret_key =
            required(&self.secret_key, &environment.storage_secret_key, "secretKey", "STORAGE_SECRET_KEY")?;
        check_credential("accessKey", &access_key)?;
        check_credential("secretKey", &secret_key)?;
        if let Some(token) = &self.session_token {
            check_credential("sessionToken", token)?;
        }
        let base = default::RETRY.policy();
        let duration =
            |name, given: Option<f64>, default| given.map_or(Ok(default), |ms| limits::milliseconds(name, ms, 1));
        let stall_timeout = duration("stallTimeoutMs", self.stall_timeout_ms, default::STALL_TIMEOUT)?;
        Ok(ResolvedConfig {
            bucket: bucket(self, environment, &endpoint)?,
            s3: S3Settings {
                endpoint: endpoint.url,
                region: region(self.region.as_deref().or(environment.storage_region.as_deref()))?,
                access_key,
                secret_key,
                session_token: self.session_token.clone(),
                connect_timeout: duration("connectTimeoutMs", self.connect_timeout_ms, default::CONNECT_TIMEOUT)?,
                stall_timeout,
            },
            stall_timeout,
            domain: domain(self.domain.as_deref().or(environment.storage_domain.as_deref()))?,
            ca_certificates: self.ca_certificates.iter().chain(&environment.extra_ca_certificates).cloned().collect(),
            retry: match &self.retry {
                Some(options) => options.resolve("retry", &base)?,
                None => base,
            },
            verify_etag: self.verify_etag.unwrap_or(default::VERIFY_ETAG),
            guard: GuardPolicy {
                allow_private_networks: self.allow_private_networks.unwrap_or(false),
                allowed_hosts: check_hosts("allowedHosts", self.allowed_hosts.clone())?,
            },
            max_bytes: match self.max_bytes {
                Some(bytes) => limits::bytes("maxBytes", bytes)?,
                None => default::MAX_BYTES,
            },
            multipart: self.multipart()?,
            concurrency: match self.concurrency {
                Some(count) => limits::count("concurrency", count, MAX_CONCURRENCY)?,
                None => default::CONCURRENCY,
            },
        })
    }
}

impl ResolvedConfig {
    /// An object's address at the endpoint.
    pub fn location(&self, bucket: &str, key: &str) -> String {
        join(&self.s3.endpoint, &[bucket], key)
    }

    /// An object's address under the public domain, where one is set.
    pub fn public_url(&self, key: &str) -> Option<String> {
        self.domain.as_ref().map(|domain| join(domain, &[], key))
    }
}

fn join(base: &Url, folders: &[&str], key: &str) -> String {
    // Nearly every key; what is left is for the URL's own rules.
    if key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._/".contains(&byte)) {
        let base = base.as_str();
        let base = base.strip_suffix('/').unwrap_or(base);
        return [&[base], folders, &[key]].concat().join("/");
    }
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(folders).extend(key.split('/'));
    }
    url.into()
}

/// An empty variable is an unset one: that is how `.env` files leave things out.
fn required<T: Clone + Blank>(option: &Option<T>, variable: &Option<T>, name: &str, variable_name: &str) -> Result<T> {
    option.as_ref().or_else(|| variable.as_ref().filter(|value| !value.is_blank())).cloned().ok_or_else(|| {
        let detail = format!("{name} is missing: give the option {name} or set {variable_name}");
        Error::invalid(code::MISSING_OPTION, name, detail)
    })
}

trait Blank {
    fn is_blank(&self) -> bool;
}

impl Blank for String {
    fn is_blank(&self) -> bool {
        self.trim().is_empty()
    }
}

impl Blank for Secret<String> {
    fn is_blank(&self) -> bool {
        self.expose().is_blank()
    }
}

fn bucket(config: &StorageConfig, environment: &Environment, endpoint: &Endpoint) -> Result<BucketName> {
    let named = config.bucket.as_ref().or(environment.storage_bucket.as_ref().filter(|name| !name.is_blank()));
    match (named.map(|name| BucketName::parse(name)).transpose()?, endpoint.bucket.clone()) {
        (Some(named), Some(inside)) if named != inside => Err(Error::invalid_option(
            "endpoint",
            "without a bucket, or with the same one as the option bucket (STORAGE_BUCKET)",
        )),
        (Some(bucket), _) | (None, Some(bucket)) => Ok(bucket),
        (None, None) => {
            required(&None::<String>, &None, "bucket", "STORAGE_BUCKET").and_then(|name| BucketName::parse(&name))
        }
    }
}

fn region(given: Option<&str>) -> Result<String> {
    match given.map(str::trim) {
        None | Some("") => Ok(default::REGION.to_owned()),
        Some(region) if region.len() <= 64 && region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') => {
            Ok(region.to_owned())
        }
        Some(_) => Err(Error::invalid_option("region", "letters, digits and hyphens; R2's is auto")),
    }
}

fn domain(given: Option<&str>) -> Result<Option<Url>> {
    let Some(text) = given.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    // People write the bare host as often as the URL.
    let full = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let url = Url::parse(&full).ok().filter(|url| {
        matches!(url.scheme(), "https" | "http")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    url.map(Some).ok_or_else(|| Error::invalid_option("domain", "a URL such as https://images.example.com"))
}

fn check_credential(name: &str, value: &Secret<String>) -> Result<()> {
    let text = value.expose();
    if !text.is_empty() && text.len() <= 4096 && text.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(())
    } else {
        Err(Error::invalid_option(name, "printable ASCII characters without spaces or line breaks"))
    }
}

/// Host names or IP addresses; `*.suffix` for all names below one.
///
/// # Errors
/// `ERR_INVALID_OPTION` naming the item.
pub fn check_hosts(name: &str, hosts: Vec<String>) -> Result<Vec<String>> {
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

fn for_new_storage(error: Error) -> Error {
    error.with(|failure| failure.operation = Some(Operation::NewStorage))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        Environment {
            storage_endpoint: Some("https://localhost:9000".into()),
            storage_access_key: Some(Secret::new("AK".into())),
            storage_secret_key: Some(Secret::new("CANARYSECRET".into())),
            storage_bucket: Some("pictures".into()),
            storage_domain: Some("images.example.com/".into()),
            ..Environment::default()
        }
    }

    #[test]
    fn the_environment_is_enough() {
        let config = StorageConfig::default().resolve(&environment()).expect("complete");
        assert_eq!(config.s3.region, "auto");
        assert_eq!(config.retry, Preset::FileUpload.policy());
        assert_eq!(config.location("pictures", "a b/c.png"), "https://localhost:9000/pictures/a%20b/c.png");
        assert_eq!(config.public_url("a/c.png").as_deref(), Some("https://images.example.com/a/c.png"));
        assert_eq!(config.public_url("a/b c.png").as_deref(), Some("https://images.example.com/a/b%20c.png"));
        assert_eq!(config.location("pictures", "a/c.png"), "https://localhost:9000/pictures/a/c.png");
        assert!(!format!("{config:?}").contains("CANARYSECRET"));
    }

    #[test]
    fn what_is_missing_is_named_with_its_variable() {
        let error = StorageConfig::default().resolve(&Environment::default()).expect_err("nothing there");
        assert_eq!((error.code.as_ref(), error.option.as_deref()), (code::MISSING_OPTION, Some("endpoint")));
        assert!(error.detail.contains("STORAGE_ENDPOINT"));
        for (name, blank) in [
            ("bucket", Environment { storage_bucket: Some(String::new()), ..environment() }),
            ("secretKey", Environment { storage_secret_key: None, ..environment() }),
        ] {
            let error = StorageConfig::default().resolve(&blank).expect_err(name);
            assert_eq!(error.option.as_deref(), Some(name));
        }
    }

    #[test]
    fn a_check_lets_missing_things_be_and_finds_wrong_ones() {
        assert!(StorageConfig::default().check().is_ok());
        let id = "0123456789abcdef0123456789abcdef";
        let pasted = StorageConfig {
            endpoint: Some(format!("https://{id}.r2.cloudflarestorage.com/pictures")),
            ..StorageConfig::default()
        };
        assert!(pasted.check().is_ok());
        let contradiction = StorageConfig { bucket: Some("other".into()), ..pasted };
        assert!(contradiction.check().is_err());
        let wrong = StorageConfig { concurrency: Some(0.0), ..StorageConfig::default() };
        assert_eq!(wrong.check().expect_err("wrong").option.as_deref(), Some("concurrency"));
    }

    #[test]
    fn credentials_are_checked_and_never_shown() {
        for bad in ["", "CANARY SECRET", "CANARY\n"] {
            let config = StorageConfig { secret_key: Some(Secret::new(bad.into())), ..StorageConfig::default() };
            let error = config.resolve(&environment()).expect_err("bad");
            assert_eq!(error.option.as_deref(), Some("secretKey"));
            assert!(!format!("{error} {error:?}").contains("CANARY"));
        }
    }

    #[test]
    fn hosts_are_names_not_urls() {
        for good in ["cdn.example.com", "*.example.com", "127.0.0.1", "[::1]", "LOCALHOST"] {
            assert!(check_hosts("allowedHosts", vec![good.into()]).is_ok(), "{good}");
        }
        for bad in ["", "https://x", "a/b", "h:80", "*", "*."] {
            assert!(check_hosts("allowedHosts", vec![bad.into()]).is_err(), "{bad}");
        }
    }
}
