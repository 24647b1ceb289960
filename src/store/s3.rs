//! R2 by way of the AWS SDK, which signs and speaks S3 here and decides nothing: its retries are off, its
//! checksums only where S3 requires them (R2 refuses two at once), its bodies in memory and signed (R2
//! answers 501 to chunk-signed ones).

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, ConfigBag, Intercept, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    RuntimeComponents, StalledStreamProtectionConfig,
};
use aws_sdk_s3::operation::RequestId;
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_runtime_api::box_error::BoxError;
use url::Url;

use super::ObjectStore;
use super::digest::{BodyDigest, is_md5};
use super::multipart::{CreateMultipart, ListUploads, MultipartUpload, PartPage, StoredPart, UploadPage, UploadPart};
use super::objects::{
    GetRequest, ListPage, ListRequest, ObjectInfo, ObjectRef, PresignRequest, Presigned, StoredObject,
};
use super::s3_error::{Origin, describe};
use super::s3_http::Transport;
use super::types::{ProgressSink, PutObject, PutOutcome, WriteCondition};
use crate::error::{Category, Error, Result, Retryability, code};
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
    pub(super) origin: Origin,
}

impl S3Store {
    pub fn new(settings: &S3Settings, tls: rustls::ClientConfig) -> Self {
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
            .http_client(Transport::new(tls, settings.connect_timeout, settings.stall_timeout))
            .build();
        Self { client: Client::from_conf(config), origin: Origin::of(&settings.endpoint) }
    }
}

impl ObjectStore for S3Store {
    async fn put_object(&self, request: &PutObject) -> Result<PutOutcome> {
        let digest = request.verify_etag.then(|| BodyDigest::of(request.body.clone()));
        let call = self
            .client
            .put_object()
            .bucket(request.bucket.as_str())
            .key(request.key.as_str())
            .body(ByteStream::from(request.body.clone()))
            .set_if_none_match(if_none_match(request.condition.as_ref()))
            .set_if_match(if_match(request.condition.as_ref()));
        let call = with_headers!(call, &request.headers);
        // Boxed: the SDK's futures are large and deep, and every caller's would contain them.
        let sent = match request.progress.clone() {
            None => Box::pin(call.send()).await,
            Some(sink) => Box::pin(call.customize().interceptor(AttachProgress(sink)).send()).await,
        };
        let answer = sent.map_err(|error| describe(error, &self.origin))?;
        let outcome =
            PutOutcome { etag: answer.e_tag().map(unquoted), request_id: answer.request_id().map(str::to_owned) };
        if let (Some(digest), Some(etag)) = (digest, &outcome.etag) {
            verify(etag, &digest.hex().await, &self.origin)?;
        }
        Ok(outcome)
    }

    async fn create_multipart(&self, request: &CreateMultipart) -> Result<MultipartUpload> {
        self.create(request).await
    }

    async fn upload_part(&self, request: &UploadPart) -> Result<StoredPart> {
        self.part(request).await
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
    etag.trim_matches('"').to_owned()
}

/// Compares the ETag, where it is an MD5, with that of what was sent.
pub(super) fn verify(etag: &str, expected: &str, origin: &Origin) -> Result<()> {
    if !is_md5(etag) || etag.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    let detail = "the storage holds other bytes than were sent (its ETag is not their MD5)";
    Err(Error::new(code::INTEGRITY, Category::Service, Retryability::Once, detail)
        .with(|failure| origin.mark(failure, true)))
}

/// Hands the progress sink to the transport, past the SDK, which has no place for one. After signing, so
/// that the signature is of the body as it is.
#[derive(Debug)]
pub(super) struct AttachProgress(pub(super) ProgressSink);

impl Intercept for AttachProgress {
    fn name(&self) -> &'static str {
        "AttachProgress"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        context.request_mut().add_extension(self.0.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::digest::hex_md5;

    fn origin() -> Origin {
        Origin::of(&Url::parse("https://localhost:9000").expect("a URL"))
    }

    #[test]
    fn an_etag_that_is_an_md5_must_match() {
        let hello = hex_md5(b"hello");
        assert_eq!(hello, "5d41402abc4b2a76b9719d911017c592");
        assert!(verify(&hello.to_uppercase(), &hello, &origin()).is_ok());
        assert!(verify(&hex_md5(b"other"), &hello, &origin()).is_err());
        assert!(verify("abc-2", &hello, &origin()).is_ok());
    }
}
