//! How an endpoint is configured.

use std::time::Duration;

use url::Url;

use super::defaults;
use super::endpoint::{self, Endpoint};
use super::environment::Environment;
use super::missing;
use crate::error::{Error, Result};
use crate::secret::Secret;
use crate::store::{BucketName, ObjectKey, S3Settings};

/// As a caller writes it; everything may be absent.
#[derive(Debug, Clone, Default)]
pub struct TargetOptions {
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
            account_id: None,
            jurisdiction: None,
            region: either(&self.region, &base.region),
            access_key: key(&self.access_key, &base.access_key),
            secret_key: key(&self.secret_key, &base.secret_key),
            session_token: key(&self.session_token, &base.session_token),
            bucket: either(&self.bucket, &base.bucket),
            domain: either(&self.domain, &base.domain),
        }
    }

    /// With the endpoint of an R2 account as a URL.
    pub(super) fn with_account_endpoint(&self) -> Result<Self> {
        let Self { endpoint, account_id, jurisdiction, .. } = self;
        let endpoint = endpoint::given_as(endpoint.as_ref(), account_id.as_ref(), jurisdiction.as_ref())?;
        Ok(Self { endpoint, account_id: None, jurisdiction: None, ..self.clone() })
    }

    /// With the bucket that is written into its endpoint, where it names none.
    pub(super) fn with_written_bucket(&self, allow_http: bool) -> Result<Self> {
        let written = self.endpoint.as_deref().map(|text| endpoint::parse(text, allow_http)).transpose()?;
        let written = written.and_then(|endpoint| endpoint.bucket).map(|bucket| bucket.as_str().to_owned());
        Ok(Self { bucket: self.bucket.clone().or(written), ..self.clone() })
    }

    pub(super) fn resolve(&self, environment: &Environment, common: Common) -> Result<TargetConfig> {
        let endpoint = given(&self.endpoint, &environment.storage_endpoint);
        let endpoint = endpoint.map(|text| endpoint::parse(&text, common.allow_http)).transpose();
        let endpoint = endpoint.map_err(of_variable(self.endpoint.is_none(), "STORAGE_ENDPOINT"))?;
        let access_key = given(&self.access_key, &environment.storage_access_key);
        let secret_key = given(&self.secret_key, &environment.storage_secret_key);
        let bucket = bucket(self.bucket.as_ref(), environment, endpoint.as_ref())?;
        let missing = [
            endpoint.is_none().then_some(missing::ENDPOINT),
            access_key.is_none().then_some(missing::ACCESS_KEY),
            secret_key.is_none().then_some(missing::SECRET_KEY),
            bucket.is_none().then_some(missing::BUCKET),
        ];
        let missing: Vec<_> = missing.into_iter().flatten().collect();
        let (Some(endpoint), Some(access_key), Some(secret_key), Some(bucket)) =
            (endpoint, access_key, secret_key, bucket)
        else {
            return Err(missing::error(&missing, &environment.names));
        };
        check_credential("accessKey", &access_key)
            .map_err(of_variable(self.access_key.is_none(), "STORAGE_ACCESS_KEY"))?;
        check_credential("secretKey", &secret_key)
            .map_err(of_variable(self.secret_key.is_none(), "STORAGE_SECRET_KEY"))?;
        if let Some(token) = &self.session_token {
            check_credential("sessionToken", token)?;
        }
        Ok(TargetConfig {
            bucket,
            domain: domain(self.domain.as_deref().or(environment.storage_domain.as_deref()))
                .map_err(of_variable(self.domain.is_none(), "STORAGE_DOMAIN"))?,
            write_spacing: if endpoint.is_r2() { defaults::R2_WRITE_SPACING } else { Duration::ZERO },
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

    /// # Errors
    /// `ERR_INVALID_KEY` for a key that no URL can hold.
    pub fn addresses(&self, bucket: &BucketName, key: &ObjectKey) -> Result<Addresses> {
        let path = key.url_path()?;
        let below = |base: &Url, folder: &str| {
            let base = base.as_str();
            [base.strip_suffix('/').unwrap_or(base), folder, "/", &path].concat()
        };
        let location = below(&self.s3.endpoint, &bucket.path());
        let url = self.domain.as_ref().map_or_else(|| location.clone(), |domain| below(domain, ""));
        Ok(Addresses { location, url })
    }
}

/// An object's addresses, at an endpoint and for everybody.
#[derive(Debug, PartialEq, Eq)]
pub struct Addresses {
    pub location: String,
    /// Under the public domain where one is set, else the same.
    pub url: String,
}

/// An empty variable is an unset one: that is how `.env` files leave things out.
fn given<T: Clone + Blank>(option: &Option<T>, variable: &Option<T>) -> Option<T> {
    option.as_ref().or_else(|| variable.as_ref().filter(|value| !value.is_blank())).cloned()
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

fn bucket(
    given: Option<&String>,
    environment: &Environment,
    endpoint: Option<&Endpoint>,
) -> Result<Option<BucketName>> {
    let named = given.or(environment.storage_bucket.as_ref().filter(|name| !name.is_blank()));
    let named = named.map(|name| BucketName::parse(name)).transpose();
    let named = named.map_err(of_variable(given.is_none(), "STORAGE_BUCKET"))?;
    match (named, endpoint.and_then(|endpoint| endpoint.bucket.clone())) {
        (Some(named), Some(inside)) if named != inside => Err(Error::invalid_option(
            "endpoint",
            "without a bucket, or with the same one as the option bucket (STORAGE_BUCKET)",
        )),
        (named, inside) => Ok(named.or(inside)),
    }
}

fn region(given: Option<&str>) -> Result<String> {
    match given.map(str::trim) {
        None | Some("") => Ok(defaults::REGION.to_owned()),
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
