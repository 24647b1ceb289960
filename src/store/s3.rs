//! R2. The verbs that carry bytes are ours (`s3_data`); for the others the AWS SDK signs and speaks S3 and decides
//! nothing: its retries are off, its checksums only where S3 requires them (R2 refuses two at once). Both go over
//! one pool of connections.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Region, RequestChecksumCalculation, ResponseChecksumValidation, StalledStreamProtectionConfig,
};
use url::Url;

use super::ObjectStore;
use super::etag;
use super::multipart::{CreateMultipart, ListUploads, MultipartUpload, PartPage, StoredPart, UploadPage, UploadPart};
use super::objects::{
    GetRequest, ListPage, ListRequest, ObjectInfo, ObjectRef, PresignRequest, Presigned, StoredObject,
};
use super::s3_connect::Connector;
use super::s3_data::{DataVerbs, host_of};
use super::s3_error::Origin;
use super::s3_http::Transport;
use super::types::{PutObject, PutOutcome, WriteCondition};
use crate::error::{Error, Result};
use crate::net::trust::Trust;
use crate::secret::Secret;

/// Where the store is and how to prove who we are; already checked.
#[derive(Debug, Clone)]
pub struct S3Settings {
    pub endpoint: Url,
    pub region: String,
    pub access_key: Secret<String>,
    pub secret_key: Secret<String>,
    pub session_token: Option<Secret<String>>,
    pub connect_timeout: Duration,
    /// Without a byte of a request's body moving.
    pub stall_timeout: Duration,
}

/// What is stored with an object, for requests whose types have nothing in common.
macro_rules! with_headers {
    ($call:expr, $headers:expr) => {{
        let headers: &$crate::store::ObjectHeaders = $headers;
        let metadata = || headers.metadata.clone().into_iter().collect();
        $call
            .content_type(&headers.content_type)
            .set_content_disposition(headers.content_disposition.clone())
            .set_cache_control(headers.cache_control.clone())
            .set_content_encoding(headers.content_encoding.clone())
            .set_content_language(headers.content_language.clone())
            .set_expires(headers.expires.map(aws_sdk_s3::primitives::DateTime::from))
            .set_storage_class(headers.storage_class.as_deref().map(aws_sdk_s3::types::StorageClass::from))
            .set_metadata((!headers.metadata.is_empty()).then(metadata))
    }};
}
pub(super) use with_headers;

#[derive(Debug)]
pub struct S3Store {
    pub(super) client: Client,
    pub(super) data: DataVerbs,
    transport: Transport,
    pub(super) origin: Origin,
}

impl S3Store {
    /// # Errors
    /// Settings that no request can be made of.
    pub fn new(settings: &S3Settings, trust: Trust) -> Result<Self> {
        let endpoint = http::Uri::try_from(settings.endpoint.as_str())
            .map_err(|error| Error::internal("the endpoint is no URI").caused_by(error))?;
        let connector = Connector::new(endpoint, trust, settings.connect_timeout);
        let transport = Transport::new(connector, host_of(&settings.endpoint)?, settings.stall_timeout);
        let origin = Origin::of(&settings.endpoint);
        let credentials = Credentials::new(
            settings.access_key.expose(),
            settings.secret_key.expose(),
            settings.session_token.as_ref().map(|token| token.expose().clone()),
            None,
            "reliable-r2",
        );
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .endpoint_url(settings.endpoint.as_str().trim_end_matches('/'))
            .region(Region::new(settings.region.clone()))
            .credentials_provider(credentials)
            .force_path_style(true)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            // One retry loop in the whole program, and it is ours (`resilience::retry`): the SDK's token
            // bucket runs dry under heavy faults, and it does not retry R2's 429.
            .retry_config(RetryConfig::disabled())
            // Bounded by the attempt's timeout around this store and the transport's own for connecting.
            .timeout_config(TimeoutConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .http_client(transport.clone())
            .build();
        let data = DataVerbs::new(settings, transport.clone(), origin.clone())?;
        Ok(Self { client: Client::from_conf(config), data, transport, origin })
    }

    /// How often a connection that could not be made was tried again, within attempts.
    pub fn reconnects(&self) -> u64 {
        self.transport.reconnects()
    }

    /// How it is proven that an object's bytes have arrived, and a part's: by `checksum`, `md5` or `signature`; none before
    /// an answer has shown it.
    pub fn proofs(&self) -> [Option<&'static str>; 2] {
        self.data.proofs()
    }

    /// Keeps no connection from here on, and closes those that are kept.
    pub fn close(&self) {
        self.transport.close();
    }
}

impl ObjectStore for S3Store {
    async fn put_object(&self, request: &PutObject) -> Result<PutOutcome> {
        self.data.put_object(request).await
    }

    async fn create_multipart(&self, request: &CreateMultipart) -> Result<MultipartUpload> {
        self.create(request).await
    }

    async fn upload_part(&self, request: &UploadPart) -> Result<StoredPart> {
        self.data.upload_part(request).await
    }

    async fn complete_multipart(
        &self,
        upload: &MultipartUpload,
        parts: &[StoredPart],
        condition: Option<&WriteCondition>,
    ) -> Result<PutOutcome> {
        self.complete(upload, parts, condition).await
    }

    async fn abort_multipart(&self, upload: &MultipartUpload) -> Result<()> {
        self.abort(upload).await
    }

    async fn list_parts(&self, upload: &MultipartUpload, continuation: Option<&str>) -> Result<PartPage> {
        self.parts(upload, continuation).await
    }

    async fn list_uploads(&self, request: &ListUploads) -> Result<UploadPage> {
        self.uploads(request).await
    }

    async fn head_object(&self, object: &ObjectRef) -> Result<ObjectInfo> {
        self.head(object).await
    }

    async fn get_object(&self, request: &GetRequest) -> Result<StoredObject> {
        self.get(request).await
    }

    async fn delete_object(&self, object: &ObjectRef) -> Result<()> {
        self.delete(object).await
    }

    async fn list_objects(&self, request: &ListRequest) -> Result<ListPage> {
        self.list(request).await
    }

    async fn presign(&self, request: &PresignRequest) -> Result<Presigned> {
        self.presigned(request).await
    }
}

pub(super) fn if_none_match(condition: Option<&WriteCondition>) -> Option<String> {
    matches!(condition, Some(WriteCondition::Absent)).then(|| "*".to_owned())
}

pub(super) fn if_match(condition: Option<&WriteCondition>) -> Option<String> {
    match condition {
        Some(WriteCondition::Etag(etag)) => Some(format!("\"{etag}\"")),
        _ => None,
    }
}

/// An ETag as people write it.
pub(super) fn unquoted(etag: &str) -> String {
    etag::opaque(etag).to_owned()
}
