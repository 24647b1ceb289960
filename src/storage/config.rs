//! Configuration: what callers give, what the environment adds, and every default. Deeper code takes only
//! the resolved form.

use std::time::Duration;

use super::limits::{self, RetryOptions};
use super::profile::{self, Profile};
use super::target::{Common, TargetConfig, TargetOptions};
use crate::error::{Error, Operation, Result, code};
use crate::net::trust::Trust;
use crate::resilience::{Preset, RetryPolicy};
use crate::secret::Secret;
use crate::source::GuardPolicy;
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
    pub const HEDGING: bool = false;
    /// Far more than a disk or a network needs to be busy, far fewer than the descriptors of a process.
    pub const MAX_CONNECTIONS: usize = 256;
    /// R2 takes one write a second to a key and answers more with 429.
    pub const R2_WRITE_SPACING: Duration = Duration::from_secs(1);
    /// 100 MiB.
    pub const MAX_BYTES: u64 = 100 * 1024 * 1024;
    /// Uploads in flight at once in `uploadFiles`.
    pub const CONCURRENCY: u32 = 4;
    /// Objects up to 16 MiB in one request, larger ones in parts of 8 MiB, four at a time: R2 has answered
    /// more than that with 500 now and then.
    pub const MULTIPART: MultipartOptions =
        MultipartOptions { threshold: 16 * 1024 * 1024, part_bytes: 8 * 1024 * 1024, concurrency: 4 };
}

const MAX_ENDPOINTS: usize = 8;
const MAX_CONCURRENCY: u32 = 256;
const MAX_CONNECTIONS: u32 = 10_000;
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
    /// Instead of `endpoint`: the primary, and where objects go when it fails.
    pub endpoints: Option<Vec<TargetOptions>>,
    pub profile: Option<String>,
    pub max_duration_ms: Option<f64>,
    pub hedging: Option<bool>,
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
    pub max_connections: Option<f64>,
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
    /// At least one; the first is the primary.
    pub targets: Vec<TargetConfig>,
    pub connect_timeout: Duration,
    pub max_connections: usize,
    pub hedging: bool,
    pub trust: Trust,
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
        // A bucket in an endpoint that contradicts the given one is found here; one that contradicts the
        // stand-in is not a contradiction.
        let allow_http = self.allow_http.unwrap_or(false);
        let mut given = self.clone();
        match &mut given.endpoints {
            None => given.bucket = self.own_target().with_written_bucket(allow_http).map_err(for_new_storage)?.bucket,
            Some(endpoints) => {
                for (index, item) in endpoints.iter_mut().enumerate() {
                    item.endpoint.get_or_insert_with(|| format!("https://stand-in-{index}.invalid"));
                }
            }
        }
        given.resolve(&environment).map(drop)
    }

    /// The endpoint that the options themselves describe, or what the items of `endpoints` have in common.
    fn own_target(&self) -> TargetOptions {
        TargetOptions {
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            access_key: self.access_key.clone(),
            secret_key: self.secret_key.clone(),
            session_token: self.session_token.clone(),
            bucket: self.bucket.clone(),
            domain: self.domain.clone(),
        }
    }

    fn targets(&self, environment: &Environment, common: Common) -> Result<Vec<TargetConfig>> {
        let own = self.own_target();
        let Some(endpoints) = &self.endpoints else { return Ok(vec![own.resolve(environment, common)?]) };
        if self.endpoint.is_some() {
            return Err(Error::invalid_option(
                "endpoint",
                "absent where endpoints is given: its first item is the primary",
            ));
        }
        if !(1..=MAX_ENDPOINTS).contains(&endpoints.len()) {
            return Err(Error::invalid_option(
                "endpoints",
                format_args!("a list of 1 to {MAX_ENDPOINTS} endpoints, the primary first"),
            ));
        }
        let mut targets: Vec<TargetConfig> = Vec::new();
        for (index, options) in endpoints.iter().enumerate() {
            let within = |error: Error| at_endpoint(index, error);
            if options.endpoint.is_none() {
                return Err(within(Error::invalid(code::MISSING_OPTION, "endpoint", "endpoint is missing")));
            }
            // The bucket that is written into an endpoint is its own, whatever the others'.
            let complete = options.with_written_bucket(common.allow_http).map(|options| options.or(&own));
            let target = complete.and_then(|options| options.resolve(environment, common)).map_err(within)?;
            // The public domain shows the primary's bucket, and no other.
            let domain = target.domain.clone().filter(|_| index == 0 || options.domain.is_some());
            let target = TargetConfig { domain, ..target };
            if targets.iter().any(|other| other.s3.endpoint == target.s3.endpoint && other.bucket == target.bucket) {
                return Err(within(Error::invalid_option(
                    "endpoint",
                    "another endpoint or another bucket than the others",
                )));
            }
            targets.push(target);
        }
        Ok(targets)
    }

    fn trust(&self, environment: &Environment) -> Result<Trust> {
        let trust = Trust::with(&self.ca_certificates)
            .map_err(|error| Error::invalid_option("caCertificates", format_args!("PEM certificates, but {error}")))?;
        // What cannot be used of the variable's file, Node has warned of at its start, and goes on with the rest; so do we.
        let extra = environment.extra_ca_certificates.as_deref().map(Trust::of_what_is_sound);
        Ok(trust.and(extra.unwrap_or_default()))
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
        let base = match &self.profile {
            Some(name) => Profile::parse(name, self.max_duration_ms)?.retry(),
            None if self.max_duration_ms.is_some() => return Err(profile::only_serverless()),
            None => default::RETRY.policy(),
        };
        let duration =
            |name, given: Option<f64>, default| given.map_or(Ok(default), |ms| limits::milliseconds(name, ms, 1));
        let stall_timeout = duration("stallTimeoutMs", self.stall_timeout_ms, default::STALL_TIMEOUT)?;
        let common = Common {
            allow_http: self.allow_http.unwrap_or(false),
            connect_timeout: duration("connectTimeoutMs", self.connect_timeout_ms, default::CONNECT_TIMEOUT)?,
            stall_timeout,
        };
        Ok(ResolvedConfig {
            targets: self.targets(environment, common)?,
            connect_timeout: common.connect_timeout,
            stall_timeout,
            max_connections: match self.max_connections {
                Some(count) => limits::count("maxConnections", count, MAX_CONNECTIONS)? as usize,
                None => default::MAX_CONNECTIONS,
            },
            hedging: self.hedging.unwrap_or(default::HEDGING),
            trust: self.trust(environment)?,
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

fn at_endpoint(index: usize, error: Error) -> Error {
    error.with(|failure| {
        let path = format!("endpoints[{index}]");
        failure.option = failure.option.as_ref().map(|option| format!("{path}.{option}"));
        failure.detail = format!("{path}: {}", failure.detail);
    })
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
        let primary = &config.targets[0];
        assert_eq!(primary.s3.region, "auto");
        assert_eq!(config.retry, Preset::FileUpload.policy());
        assert_eq!(primary.location("pictures", "a b/c.png"), "https://localhost:9000/pictures/a%20b/c.png");
        assert_eq!(primary.location("pictures", "a/c.png"), "https://localhost:9000/pictures/a/c.png");
        assert_eq!(primary.public_url("a/c.png").as_deref(), Some("https://images.example.com/a/c.png"));
        assert_eq!(primary.public_url("a/b c.png").as_deref(), Some("https://images.example.com/a/b%20c.png"));
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
    fn what_is_wrong_of_the_environment_is_named_with_its_variable() {
        let keys = Secret::new("two words".to_owned());
        for (wrong, option, variable) in [
            (Environment { storage_secret_key: Some(keys), ..environment() }, "secretKey", "STORAGE_SECRET_KEY"),
            (Environment { storage_bucket: Some("UPPER".into()), ..environment() }, "bucket", "STORAGE_BUCKET"),
            (Environment { storage_endpoint: Some("ftp://x".into()), ..environment() }, "endpoint", "STORAGE_ENDPOINT"),
            (Environment { storage_domain: Some("ftp://x".into()), ..environment() }, "domain", "STORAGE_DOMAIN"),
            (Environment { storage_region: Some("a b".into()), ..environment() }, "region", "STORAGE_REGION"),
        ] {
            let error = StorageConfig::default().resolve(&wrong).expect_err(option);
            assert_eq!(error.option.as_deref(), Some(option));
            assert!(error.detail.ends_with(&format!(" (from {variable})")), "{error}");
        }
        let own = StorageConfig { region: Some("a b".into()), ..StorageConfig::default() };
        assert!(!own.resolve(&environment()).expect_err("a blank").detail.contains("STORAGE_REGION"));
    }

    #[test]
    fn certificates_are_checked_where_they_are_given_and_unusable_ones_of_the_environment_ignored() {
        let wrong = StorageConfig { ca_certificates: vec!["nope".into()], ..StorageConfig::default() };
        assert_eq!(wrong.check().expect_err("none in it").option.as_deref(), Some("caCertificates"));
        let empty = Environment { extra_ca_certificates: Some("nope".into()), ..environment() };
        assert!(StorageConfig::default().resolve(&empty).is_ok());
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

    fn at(endpoint: &str) -> TargetOptions {
        TargetOptions { endpoint: Some(endpoint.into()), ..TargetOptions::default() }
    }

    fn with_endpoints(endpoints: Vec<TargetOptions>) -> StorageConfig {
        StorageConfig { endpoints: Some(endpoints), ..StorageConfig::default() }
    }

    #[test]
    fn endpoints_take_what_they_lack_from_the_rest() {
        let other = TargetOptions {
            access_key: Some(Secret::new("OTHER".into())),
            secret_key: Some(Secret::new("CANARYOTHER".into())),
            bucket: Some("spare".into()),
            ..at("https://spare.example:9000")
        };
        let config = with_endpoints(vec![at("https://localhost:9001"), other]);
        assert!(config.check().is_ok());
        let targets = config.resolve(&environment()).expect("complete").targets;
        let facts: Vec<_> = targets
            .iter()
            .map(|target| {
                (
                    target.origin(),
                    target.bucket.as_str(),
                    target.s3.access_key.expose().as_str(),
                    target.domain.is_some(),
                )
            })
            .collect();
        assert_eq!(
            facts,
            [
                ("https://localhost:9001".to_owned(), "pictures", "AK", true),
                ("https://spare.example:9000".to_owned(), "spare", "OTHER", false),
            ]
        );
    }

    #[test]
    fn mistakes_in_endpoints_are_named_with_their_place() {
        let keyless = TargetOptions { access_key: Some(Secret::new("OTHER".into())), ..at("https://spare.example") };
        let mistakes = [
            (vec![], "endpoints"),
            (vec![at("https://localhost:9001"); 9], "endpoints"),
            (vec![at("https://localhost:9001"); 2], "endpoints[1].endpoint"),
            (vec![at("https://localhost:9001"), at("http://example.com")], "endpoints[1].endpoint"),
        ];
        for (endpoints, option) in mistakes {
            let config = with_endpoints(endpoints);
            assert_eq!(config.check().expect_err(option).option.as_deref(), Some(option));
        }
        let nowhere = with_endpoints(vec![at("https://localhost:9001"), TargetOptions::default()]);
        assert!(nowhere.check().is_ok(), "it may be set where it runs");
        let error = nowhere.resolve(&environment()).expect_err("nowhere to go");
        let missing = (code::MISSING_OPTION, Some("endpoints[1].endpoint"));
        assert_eq!((error.code.as_ref(), error.option.as_deref()), missing);
        let blank = Environment { storage_secret_key: None, ..environment() };
        let error = with_endpoints(vec![keyless]).resolve(&blank).expect_err("half of the keys");
        assert_eq!(error.option.as_deref(), Some("endpoints[0].secretKey"));
        let both = StorageConfig {
            endpoint: Some("https://a.example".into()),
            ..with_endpoints(vec![at("https://b.example")])
        };
        assert_eq!(both.check().expect_err("both").option.as_deref(), Some("endpoint"));
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
