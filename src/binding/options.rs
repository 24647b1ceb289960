//! Options as they cross the N-API boundary: all optional, no defaults, no judgement. The core judges.

use std::collections::{BTreeMap, HashMap};

use napi_derive::napi;

use crate::secret::Secret;
use crate::storage::{
    Environment, HeaderOptions, ObjectOptions, RetryOptions, SourceOptions, StorageConfig, TargetOptions,
};
use crate::store::identity::WriteIdentity;
use crate::transfer::checkpoint::Checkpoint;

#[napi(object, object_to_js = false)]
pub struct NativeRetryOptions {
    pub preset: Option<String>,
    pub max_attempts: Option<f64>,
    pub initial_delay_ms: Option<f64>,
    pub max_delay_ms: Option<f64>,
    pub timeout: Option<f64>,
    pub timeout_growth: Option<f64>,
    pub deadline_ms: Option<f64>,
    pub jitter: Option<String>,
}

impl From<NativeRetryOptions> for RetryOptions {
    fn from(options: NativeRetryOptions) -> Self {
        Self {
            preset: options.preset,
            max_attempts: options.max_attempts,
            initial_delay_ms: options.initial_delay_ms,
            max_delay_ms: options.max_delay_ms,
            timeout: options.timeout,
            timeout_growth: options.timeout_growth,
            deadline_ms: options.deadline_ms,
            jitter: options.jitter,
        }
    }
}

/// An item of `endpoints`.
#[napi(object, object_to_js = false)]
pub struct NativeEndpointOptions {
    pub endpoint: Option<String>,
    pub account_id: Option<String>,
    pub jurisdiction: Option<String>,
    pub region: Option<String>,
    pub access_key: Option<String>,
    pub secret_key: Option<String>,
    pub session_token: Option<String>,
    pub bucket: Option<String>,
    pub domain: Option<String>,
}

impl From<NativeEndpointOptions> for TargetOptions {
    fn from(options: NativeEndpointOptions) -> Self {
        Self {
            endpoint: options.endpoint,
            account_id: options.account_id,
            jurisdiction: options.jurisdiction,
            region: options.region,
            access_key: options.access_key.map(Secret::new),
            secret_key: options.secret_key.map(Secret::new),
            session_token: options.session_token.map(Secret::new),
            bucket: options.bucket,
            domain: options.domain,
        }
    }
}

#[napi(object, object_to_js = false)]
pub struct NativeStorageOptions {
    pub endpoint: Option<String>,
    pub account_id: Option<String>,
    pub jurisdiction: Option<String>,
    pub region: Option<String>,
    pub access_key: Option<String>,
    pub secret_key: Option<String>,
    pub session_token: Option<String>,
    pub bucket: Option<String>,
    pub domain: Option<String>,
    pub endpoints: Option<Vec<NativeEndpointOptions>>,
    pub profile: Option<String>,
    pub max_duration_ms: Option<f64>,
    pub allow_http: Option<bool>,
    pub ca_certificates: Option<Vec<String>>,
    pub retry: Option<NativeRetryOptions>,
    pub verify_integrity: Option<bool>,
    pub connect_timeout_ms: Option<f64>,
    pub stall_timeout_ms: Option<f64>,
    pub idle_timeout_ms: Option<f64>,
    pub allow_private_networks: Option<bool>,
    pub allowed_hosts: Option<Vec<String>>,
    pub max_download_bytes: Option<f64>,
    pub upload_concurrency: Option<f64>,
    pub max_connections: Option<f64>,
    pub multipart_threshold_bytes: Option<f64>,
    pub part_size_bytes: Option<f64>,
    pub part_concurrency: Option<f64>,
}

impl From<NativeStorageOptions> for StorageConfig {
    fn from(options: NativeStorageOptions) -> Self {
        Self {
            endpoint: options.endpoint,
            account_id: options.account_id,
            jurisdiction: options.jurisdiction,
            region: options.region,
            access_key: options.access_key.map(Secret::new),
            secret_key: options.secret_key.map(Secret::new),
            session_token: options.session_token.map(Secret::new),
            bucket: options.bucket,
            domain: options.domain,
            endpoints: options.endpoints.map(|endpoints| endpoints.into_iter().map(Into::into).collect()),
            profile: options.profile,
            max_duration_ms: options.max_duration_ms,
            allow_http: options.allow_http,
            ca_certificates: options.ca_certificates.unwrap_or_default(),
            retry: options.retry.map(Into::into),
            verify_integrity: options.verify_integrity,
            connect_timeout_ms: options.connect_timeout_ms,
            stall_timeout_ms: options.stall_timeout_ms,
            idle_timeout_ms: options.idle_timeout_ms,
            allow_private_networks: options.allow_private_networks,
            allowed_hosts: options.allowed_hosts.unwrap_or_default(),
            max_download_bytes: options.max_download_bytes,
            upload_concurrency: options.upload_concurrency,
            max_connections: options.max_connections,
            multipart_threshold_bytes: options.multipart_threshold_bytes,
            part_size_bytes: options.part_size_bytes,
            part_concurrency: options.part_concurrency,
        }
    }
}

/// The variables that fill in for absent options, read by JavaScript: `process.env` is what Next.js has
/// put its `.env` files into.
#[napi(object, object_to_js = false)]
pub struct NativeEnvironment {
    pub storage_endpoint: Option<String>,
    pub storage_region: Option<String>,
    pub storage_access_key: Option<String>,
    pub storage_secret_key: Option<String>,
    pub storage_bucket: Option<String>,
    pub storage_domain: Option<String>,
    /// The text of the file that `NODE_EXTRA_CA_CERTS` names.
    pub extra_ca_certificates: Option<String>,
    /// The names of all variables that have a value.
    pub names: Option<Vec<String>>,
}

impl From<NativeEnvironment> for Environment {
    fn from(environment: NativeEnvironment) -> Self {
        Self {
            storage_endpoint: environment.storage_endpoint,
            storage_region: environment.storage_region,
            storage_access_key: environment.storage_access_key.map(Secret::new),
            storage_secret_key: environment.storage_secret_key.map(Secret::new),
            storage_bucket: environment.storage_bucket,
            storage_domain: environment.storage_domain,
            extra_ca_certificates: environment.extra_ca_certificates,
            names: environment.names.unwrap_or_default(),
        }
    }
}

/// Of an upload, but for `key` and `contentType`. Each property that is asked for costs the JavaScript thread time, so
/// what most uploads have comes by itself, and these only where there are any.
#[napi(object, object_to_js = false)]
#[derive(Default)]
pub struct NativeUploadOptions {
    /// The type that the body came with.
    pub declared_type: Option<String>,
    /// Its `Content-Encoding`.
    pub declared_encoding: Option<String>,
    pub bucket: Option<String>,
    /// By the names of their options; see `object_headers`.
    pub header_values: Option<HashMap<String, String>>,
    pub headers: Option<HashMap<String, String>>,
    pub metadata: Option<HashMap<String, String>>,
    pub retry: Option<NativeRetryOptions>,
    pub verify_integrity: Option<bool>,
    pub if_none_match: Option<String>,
    pub if_match: Option<String>,
    pub compress: Option<String>,
    pub min_bytes: Option<f64>,
    pub sha256: Option<bool>,
    /// Whether a `checkpoint` event is wanted, and what fails is to stay.
    pub checkpoint: Option<bool>,
    /// What the `checkpoint` event of an earlier process said.
    pub resume: Option<NativeCheckpoint>,
    /// Whether progress events are wanted.
    pub progress: Option<bool>,
}

impl NativeUploadOptions {
    pub(super) fn of(self, key: String, content_type: Option<String>) -> ObjectOptions {
        let options = self;
        ObjectOptions {
            key,
            bucket: options.bucket,
            headers: HeaderOptions {
                content_type,
                declared_encoding: options.declared_encoding,
                declared_type: options.declared_type,
                values: sorted(options.header_values),
                headers: sorted(options.headers),
                metadata: sorted(options.metadata),
            },
            retry: options.retry.map(Into::into),
            verify_integrity: options.verify_integrity,
            if_none_match: options.if_none_match,
            if_match: options.if_match,
            compress: options.compress,
            min_bytes: options.min_bytes,
            sha256: options.sha256.unwrap_or(false),
            resume: options.resume.map(Into::into),
        }
    }
}

/// What is needed to resume an upload in parts.
#[napi(object)]
pub struct NativeCheckpoint {
    pub upload_id: String,
    pub has_checksums: bool,
    pub part_bytes: f64,
    pub total_bytes: Option<f64>,
    pub fingerprint: String,
    pub write: Option<String>,
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sizes of ours, below 2^53; others fit nothing"
)]
impl From<NativeCheckpoint> for Checkpoint {
    fn from(checkpoint: NativeCheckpoint) -> Self {
        Self {
            upload_id: checkpoint.upload_id,
            has_checksums: checkpoint.has_checksums,
            part_bytes: checkpoint.part_bytes as u64,
            total: checkpoint.total_bytes.map(|total| total as u64),
            fingerprint: checkpoint.fingerprint,
            write: checkpoint.write.as_deref().and_then(WriteIdentity::parse),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "objects end at 5 TiB, far below 2^53")]
impl From<&Checkpoint> for NativeCheckpoint {
    fn from(checkpoint: &Checkpoint) -> Self {
        Self {
            upload_id: checkpoint.upload_id.clone(),
            has_checksums: checkpoint.has_checksums,
            part_bytes: checkpoint.part_bytes as f64,
            total_bytes: checkpoint.total.map(|total| total as f64),
            fingerprint: checkpoint.fingerprint.clone(),
            write: checkpoint.write.as_ref().map(ToString::to_string),
        }
    }
}

#[napi(object, object_to_js = false)]
pub struct NativeFile {
    pub path: String,
    /// Its length, as the caller says; another is an error.
    pub length: Option<f64>,
    /// The length that it may have at most.
    pub max_bytes: Option<f64>,
}

#[napi(object, object_to_js = false)]
pub struct NativeSourceOptions {
    pub url: String,
    pub source_headers: Option<HashMap<String, String>>,
    pub max_bytes: Option<f64>,
    pub allow_private_networks: Option<bool>,
    pub allowed_hosts: Option<Vec<String>>,
}

impl From<NativeSourceOptions> for SourceOptions {
    fn from(options: NativeSourceOptions) -> Self {
        Self {
            url: options.url,
            headers: sorted(options.source_headers),
            max_bytes: options.max_bytes,
            allow_private_networks: options.allow_private_networks,
            allowed_hosts: options.allowed_hosts,
        }
    }
}

/// In a fixed order, so that the same call is the same request.
fn sorted(map: Option<HashMap<String, String>>) -> BTreeMap<String, String> {
    map.unwrap_or_default().into_iter().collect()
}
