//! Configuration: what callers give, and what the environment and the defaults add. Deeper code takes only the resolved
//! form.

use std::time::Duration;

use super::defaults;
use super::endpoint_config::{Common, TargetConfig, TargetOptions};
use super::environment::Environment;
use super::hosts;
use super::limits::{self, RetryOptions};
use super::profile::{self, Profile};
use crate::error::{Error, Operation, Result, code};
use crate::net::root_certs::Trust;
use crate::resilience::RetryPolicy;
use crate::secret::Secret;
use crate::source::GuardPolicy;
use crate::transfer::multipart::MultipartOptions;
use crate::transfer::plan;

const MAX_ENDPOINTS: usize = 8;
const MAX_CONNECTIONS: u32 = 10_000;
const MAX_PART_CONCURRENCY: u32 = 16;

/// As a caller writes it; everything may be absent.
#[derive(Debug, Clone, Default)]
pub struct StorageConfig {
    pub endpoint: Option<String>,
    /// Of an R2 account, instead of `endpoint`.
    pub account_id: Option<String>,
    pub jurisdiction: Option<String>,
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
    pub allow_http: Option<bool>,
    pub ca_certificates: Vec<String>,
    pub retry: Option<RetryOptions>,
    pub verify_integrity: Option<bool>,
    pub connect_timeout_ms: Option<f64>,
    pub stall_timeout_ms: Option<f64>,
    pub idle_timeout_ms: Option<f64>,
    pub allow_private_networks: Option<bool>,
    pub allowed_hosts: Vec<String>,
    pub max_download_bytes: Option<f64>,
    pub upload_concurrency: Option<f64>,
    pub max_connections: Option<f64>,
    pub multipart_threshold_bytes: Option<f64>,
    pub part_size_bytes: Option<f64>,
    pub part_concurrency: Option<f64>,
}

/// Complete and checked.
#[derive(Debug, Clone)]
pub struct ResolvedConfig {
    /// At least one; the first is the primary.
    pub targets: Vec<TargetConfig>,
    pub connect_timeout: Duration,
    pub max_connections: usize,
    pub trust: Trust,
    pub retry: RetryPolicy,
    pub verify_integrity: bool,
    pub stall_timeout: Duration,
    pub idle_timeout: Duration,
    pub guard: GuardPolicy,
    pub max_download_bytes: u64,
    pub upload_concurrency: u32,
    pub multipart: MultipartOptions,
}

impl StorageConfig {
    /// Fills in from the environment, and says what is still missing.
    ///
    /// # Errors
    /// `ERR_MISSING_OPTION` naming all missing options and their variables; `ERR_INVALID_OPTION` for a
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
            None => {
                given.bucket = self
                    .own_target()
                    .and_then(|target| target.with_written_bucket(allow_http))
                    .map_err(for_new_storage)?
                    .bucket
            }
            Some(endpoints) => {
                for (index, item) in endpoints.iter_mut().enumerate() {
                    if item.account_id.is_none() {
                        item.endpoint.get_or_insert_with(|| format!("https://stand-in-{index}.invalid"));
                    }
                }
            }
        }
        given.resolve(&environment).map(drop)
    }

    /// The endpoint that the options themselves describe, or what the items of `endpoints` have in common.
    fn own_target(&self) -> Result<TargetOptions> {
        let target = TargetOptions {
            endpoint: self.endpoint.clone(),
            account_id: self.account_id.clone(),
            jurisdiction: self.jurisdiction.clone(),
            region: self.region.clone(),
            access_key: self.access_key.clone(),
            secret_key: self.secret_key.clone(),
            session_token: self.session_token.clone(),
            bucket: self.bucket.clone(),
            domain: self.domain.clone(),
        };
        target.with_account_endpoint()
    }

    fn targets(&self, environment: &Environment, common: Common) -> Result<Vec<TargetConfig>> {
        let own = self.own_target()?;
        let Some(endpoints) = &self.endpoints else { return Ok(vec![own.resolve(environment, common)?]) };
        if own.endpoint.is_some() {
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
            let options = &options.with_account_endpoint().map_err(within)?;
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
        // What cannot be used of the variable's file, Node has warned of at its start, and continues with the rest; so do we.
        let extra = environment.extra_ca_certificates.as_deref().map(Trust::of_what_is_sound);
        Ok(trust.and(extra.unwrap_or_default()))
    }

    fn multipart(&self) -> Result<MultipartOptions> {
        let default = defaults::MULTIPART;
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
            None => defaults::RETRY.policy(),
        };
        let duration =
            |name, given: Option<f64>, default| given.map_or(Ok(default), |ms| limits::milliseconds(name, ms, 1));
        let stall_timeout = duration("stallTimeoutMs", self.stall_timeout_ms, defaults::STALL_TIMEOUT)?;
        let common = Common {
            allow_http: self.allow_http.unwrap_or(false),
            connect_timeout: duration("connectTimeoutMs", self.connect_timeout_ms, defaults::CONNECT_TIMEOUT)?,
            stall_timeout,
        };
        Ok(ResolvedConfig {
            targets: self.targets(environment, common)?,
            connect_timeout: common.connect_timeout,
            stall_timeout,
            idle_timeout: duration("idleTimeoutMs", self.idle_timeout_ms, defaults::IDLE_TIMEOUT)?,
            max_connections: match self.max_connections {
                Some(count) => limits::count("maxConnections", count, MAX_CONNECTIONS)? as usize,
                None => defaults::MAX_CONNECTIONS,
            },
            trust: self.trust(environment)?,
            retry: match &self.retry {
                Some(options) => options.resolve("retry", &base)?,
                None => base,
            },
            verify_integrity: self.verify_integrity.unwrap_or(defaults::VERIFY_INTEGRITY),
            guard: GuardPolicy {
                allow_private_networks: self.allow_private_networks.unwrap_or(false),
                allowed_hosts: hosts::check("allowedHosts", self.allowed_hosts.clone())?,
            },
            max_download_bytes: match self.max_download_bytes {
                Some(bytes) => limits::bytes("maxDownloadBytes", bytes)?,
                None => defaults::MAX_DOWNLOAD_BYTES,
            },
            multipart: self.multipart()?,
            upload_concurrency: match self.upload_concurrency {
                Some(count) => limits::concurrency("uploadConcurrency", count)?,
                None => defaults::UPLOAD_CONCURRENCY,
            },
        })
    }
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
    use crate::resilience::Preset;
    use crate::store::ObjectKey;

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
        let addresses = |key| {
            let key = ObjectKey::existing(key).expect(key);
            primary.addresses(&primary.bucket, &key).map(|addresses| (addresses.location, addresses.url))
        };
        for (key, path) in [("a/c.png", "a/c.png"), ("a b/c.png", "a%20b/c.png"), ("/a/../b", "/a%2F..%2Fb")] {
            let location = format!("https://localhost:9000/pictures/{path}");
            assert_eq!(addresses(key).expect(key), (location, format!("https://images.example.com/{path}")));
        }
        assert!(addresses("..").is_err());
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
    fn all_that_is_missing_is_named_at_once() {
        let names = vec!["R2_BUCKET".to_owned(), "CLOUDFLARE_ACCOUNT_ID".to_owned()];
        let nothing = Environment { names, ..Environment::default() };
        let error = StorageConfig::default().resolve(&nothing).expect_err("nothing there");
        for name in ["STORAGE_ENDPOINT", "STORAGE_ACCESS_KEY", "STORAGE_SECRET_KEY", "STORAGE_BUCKET", "R2_BUCKET"] {
            assert!(error.detail.contains(name), "{error}");
        }
        assert!(error.detail.contains("https://<value of CLOUDFLARE_ACCOUNT_ID>.r2.cloudflarestorage.com"), "{error}");
        let inside =
            Environment { storage_endpoint: Some("https://localhost:9000/pictures".into()), ..Environment::default() };
        let error = StorageConfig::default().resolve(&inside).expect_err("no keys");
        assert!(!error.detail.contains("STORAGE_BUCKET"), "the endpoint names it: {error}");
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
        let wrong = StorageConfig { upload_concurrency: Some(0.0), ..StorageConfig::default() };
        assert_eq!(wrong.check().expect_err("wrong").option.as_deref(), Some("uploadConcurrency"));
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
            assert!(hosts::check("allowedHosts", vec![good.into()]).is_ok(), "{good}");
        }
        for bad in ["", "https://x", "a/b", "h:80", "*", "*."] {
            assert!(hosts::check("allowedHosts", vec![bad.into()]).is_err(), "{bad}");
        }
    }
}
