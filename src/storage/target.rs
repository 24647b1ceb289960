//! An endpoint that objects may go to, with all that belongs to it.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::config::{Environment, ResolvedConfig, default};
use super::endpoint::{self, Endpoint};
use crate::error::{Error, Result, code};
use crate::net::trust::Trust;
use crate::secret::Secret;
use crate::store::resilient::EndpointOptions;
use crate::store::{BucketName, ResilientStore, S3Settings, S3Store};

/// As a caller writes it; everything may be absent.
#[derive(Debug, Clone, Default)]
pub struct TargetOptions {
    pub endpoint: Option<String>,
    pub region: Option<String>,
    pub access_key: Option<Secret<String>>,
    pub secret_key: Option<Secret<String>>,
    pub session_token: Option<Secret<String>>,
    pub bucket: Option<String>,
    pub domain: Option<String>,
}

/// Complete and checked.
#[derive(Debug, Clone)]
pub struct TargetConfig {
    pub s3: S3Settings,
    pub bucket: BucketName,
    pub domain: Option<Url>,
    /// Between two writes to a key: R2 takes one a second.
    pub write_spacing: Duration,
}

/// An endpoint and the way to it.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) config: TargetConfig,
    pub(super) store: Arc<ResilientStore>,
}

impl Target {
    pub(super) fn new(config: TargetConfig, trust: Trust, common: &ResolvedConfig) -> Result<Self> {
        let options = EndpointOptions {
            name: config.origin(),
            write_spacing: config.write_spacing,
            max_connections: NonZeroUsize::new(common.max_connections),
            hedging: common.hedging,
        };
        Ok(Self { store: Arc::new(ResilientStore::new(S3Store::new(&config.s3, trust)?, options)), config })
    }
}

/// What all endpoints of a storage have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Common {
    pub(super) allow_http: bool,
    pub(super) connect_timeout: Duration,
    pub(super) stall_timeout: Duration,
}

impl TargetOptions {
    /// What is absent is taken from `base`, and then from the environment.
    pub(super) fn or(&self, base: &Self) -> Self {
        let own_keys = self.access_key.is_some() || self.secret_key.is_some();
        let either = |own: &Option<String>, base: &Option<String>| own.clone().or_else(|| base.clone());
        let key =
            |own: &Option<Secret<String>>, base: &Option<Secret<String>>| if own_keys { own } else { base }.clone();
        Self {
            endpoint: either(&self.endpoint, &base.endpoint),
            region: either(&self.region, &base.region),
            access_key: key(&self.access_key, &base.access_key),
            secret_key: key(&self.secret_key, &base.secret_key),
            session_token: key(&self.session_token, &base.session_token),
            bucket: either(&self.bucket, &base.bucket),
            domain: either(&self.domain, &base.domain),
        }
    }

    /// With the bucket that is written into its endpoint, where it names none.
    pub(super) fn with_written_bucket(&self, allow_http: bool) -> Result<Self> {
        let written = self.endpoint.as_deref().map(|text| endpoint::parse(text, allow_http)).transpose()?;
        let written = written.and_then(|endpoint| endpoint.bucket).map(|bucket| bucket.as_str().to_owned());
        Ok(Self { bucket: self.bucket.clone().or(written), ..self.clone() })
    }

    pub(super) fn resolve(&self, environment: &Environment, common: Common) -> Result<TargetConfig> {
        let endpoint = required(&self.endpoint, &environment.storage_endpoint, "endpoint", "STORAGE_ENDPOINT")?;
        let endpoint = endpoint::parse(&endpoint, common.allow_http)
            .map_err(of_variable(self.endpoint.is_none(), "STORAGE_ENDPOINT"))?;
        let access_key =
            required(&self.access_key, &environment.storage_access_key, "accessKey", "STORAGE_ACCESS_KEY")?;
        let secret_key =
            required(&self.secret_key, &environment.storage_secret_key, "secretKey", "STORAGE_SECRET_KEY")?;
        check_credential("accessKey", &access_key)
            .map_err(of_variable(self.access_key.is_none(), "STORAGE_ACCESS_KEY"))?;
        check_credential("secretKey", &secret_key)
            .map_err(of_variable(self.secret_key.is_none(), "STORAGE_SECRET_KEY"))?;
        if let Some(token) = &self.session_token {
            check_credential("sessionToken", token)?;
        }
        Ok(TargetConfig {
            bucket: bucket(self.bucket.as_ref(), environment, &endpoint)?,
            domain: domain(self.domain.as_deref().or(environment.storage_domain.as_deref()))
                .map_err(of_variable(self.domain.is_none(), "STORAGE_DOMAIN"))?,
            write_spacing: if endpoint.is_r2() { default::R2_WRITE_SPACING } else { Duration::ZERO },
            s3: S3Settings {
                endpoint: endpoint.url,
                region: region(self.region.as_deref().or(environment.storage_region.as_deref()))
                    .map_err(of_variable(self.region.is_none(), "STORAGE_REGION"))?,
                access_key,
                secret_key,
                session_token: self.session_token.clone(),
                connect_timeout: common.connect_timeout,
                stall_timeout: common.stall_timeout,
            },
        })
    }
}

impl TargetConfig {
    /// Scheme, host and port.
    pub fn origin(&self) -> String {
        self.s3.endpoint.as_str().trim_end_matches('/').to_owned()
    }

    /// An object's address at the endpoint.
    pub fn location(&self, bucket: &str, key: &str) -> String {
        join(&self.s3.endpoint, &[bucket], key)
    }

    /// An object's address under the public domain, where one is set.
    pub fn public_url(&self, key: &str) -> Option<String> {
        self.domain.as_ref().map(|domain| join(domain, &[], key))
    }

    pub(super) fn addresses(&self, bucket: &str, key: &str) -> Addresses {
        let location = self.location(bucket, key);
        Addresses { url: self.public_url(key).unwrap_or_else(|| location.clone()), location }
    }
}

/// An object's addresses, of an endpoint and for everybody.
pub(super) struct Addresses {
    pub(super) location: String,
    /// Under the public domain where one is set, else the same.
    pub(super) url: String,
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

/// Says of a value that is wrong which variable it came from, where no option was given.
fn of_variable(it_is: bool, variable: &str) -> impl FnOnce(Error) -> Error {
    move |error| {
        if it_is { error.with(|failure| failure.detail.push_str(&format!(" (from {variable})"))) } else { error }
    }
}

fn bucket(given: Option<&String>, environment: &Environment, endpoint: &Endpoint) -> Result<BucketName> {
    let named = given.or(environment.storage_bucket.as_ref().filter(|name| !name.is_blank()));
    let named = named.map(|name| BucketName::parse(name)).transpose();
    let named = named.map_err(of_variable(given.is_none(), "STORAGE_BUCKET"))?;
    match (named, endpoint.bucket.clone()) {
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
    let url = Some(full).filter(|full| full.len() <= 2048).and_then(|full| Url::parse(&full).ok()).filter(|url| {
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
