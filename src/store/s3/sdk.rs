//! The AWS SDK, for the operations that make an upload in parts: it writes and signs their requests and reads their
//! responses, and decides nothing. Its retries, timeouts and checksums are off. Requests go over this store's
//! connections, and only a response that [`SignedClient`] has accepted reaches the SDK: failures are ours.

use std::pin::Pin;
use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Region, RequestChecksumCalculation, ResponseChecksumValidation, SharedHttpClient,
    StalledStreamProtectionConfig,
};
use aws_sdk_s3::error::SdkError;
use aws_smithy_async::time::TimeSource;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::{Response as SmithyResponse, StatusCode};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::header::HOST;
use http::uri::PathAndQuery;
use http::{Request, Uri};

use super::client::{Headers, SignedClient};
use super::error::describe_transport;
use super::request_body::UploadBody;
use super::response::S3Operation;
use super::settings::S3Settings;
use crate::error::Error;

pub(super) fn client(settings: &S3Settings, connection: Arc<SignedClient>) -> Client {
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
        // R2 refuses two checksums at once.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        // There is one retry loop in the whole program, `resilience::retry`: the SDK's token bucket is empty after a
        // few faults, and it does not retry R2's 429.
        .retry_config(RetryConfig::disabled())
        // The attempt's timeout is around this store, the connection's in its transport.
        .timeout_config(TimeoutConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .time_source(ServerTime(Arc::clone(&connection)))
        .http_client(SharedHttpClient::new(Connection(connection)))
        .build();
    Client::from_conf(config)
}

/// The future of a call: large, rarely needed, and of a type too deep for the compiler.
pub(super) fn boxed<'a, T>(call: impl Future<Output = T> + Send + 'a) -> Pin<Box<dyn Future<Output = T> + Send + 'a>> {
    Box::pin(call)
}

/// What the connection says of a failure; the SDK itself only fails where it cannot write a request or read a response.
pub(super) fn describe<E>(error: SdkError<E>) -> Error
where
    E: std::error::Error + Send + Sync + 'static,
{
    if !matches!(error, SdkError::DispatchFailure(_)) {
        return Error::internal("the AWS SDK could not write the request or read the response").caused_by(error);
    }
    let source = error.into_source().ok().and_then(|source| source.downcast::<ConnectorError>().ok());
    match source.and_then(|connector| connector.into_source().downcast::<Error>().ok()) {
        Some(error) => *error,
        None => Error::internal("the request could not be sent"),
    }
}

/// Adds headers to a request before the SDK signs it.
pub(super) fn add_headers(request: &mut HttpRequest, headers: &Headers) {
    for (name, value) in headers {
        if let Ok(value) = value.to_str() {
            let _ = request.headers_mut().try_insert(name.as_str().to_owned(), value.to_owned());
        }
    }
}

/// The server's time, as far as it is known: it is what signatures are judged by.
#[derive(Debug)]
struct ServerTime(Arc<SignedClient>);

impl TimeSource for ServerTime {
    fn now(&self) -> std::time::SystemTime {
        self.0.transport.clock().signing_time()
    }
}

#[derive(Clone, Debug)]
struct Connection(Arc<SignedClient>);

impl Connection {
    /// Sends a request that the SDK has made and signed.
    async fn send(&self, request: HttpRequest) -> Result<SmithyResponse<SdkBody>, ConnectorError> {
        let failed = |error: Error| ConnectorError::other(error.into(), None);
        let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
        let (mut head, body) = request.into_parts();
        let path = head.uri.path_and_query().cloned();
        head.uri = Uri::from(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
        head.headers.insert(HOST, self.0.transport.host().clone());
        let operation = S3Operation::of(&head.method, head.uri.query().unwrap_or_default(), &[]);
        // Never a stream: of these operations, only Complete has a body, of XML.
        let bytes = body.bytes().map(Bytes::copy_from_slice).unwrap_or_default();
        let response = self.0.transport.send(Request::from_parts(head, UploadBody::new(bytes, None))).await;
        let response = response.map_err(|error| failed(describe_transport(error, &self.0.origin)))?;
        let response = self.0.checked(operation, response).await.map_err(failed)?;
        let root = match operation {
            S3Operation::CreateMultipartUpload => "InitiateMultipartUploadResult",
            S3Operation::CompleteMultipartUpload => "CompleteMultipartUploadResult",
            _ => "ListPartsResult",
        };
        let (headers, _, body) = self.0.xml_text(response, root).await.map_err(failed)?;
        let status = StatusCode::try_from(200).map_err(|error| ConnectorError::other(error.into(), None))?;
        let mut response = SmithyResponse::new(status, SdkBody::from(body));
        for (name, value) in &headers {
            // None that these operations read is anything but ASCII.
            if let Ok(text) = value.to_str() {
                let _ = response.headers_mut().try_append(name.as_str().to_owned(), text.to_owned());
            }
        }
        Ok(response)
    }
}

impl HttpConnector for Connection {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let connection = self.clone();
        HttpConnectorFuture::new(async move { connection.send(request).await })
    }
}

impl HttpClient for Connection {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
