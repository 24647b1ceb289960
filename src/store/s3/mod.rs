//! R2, and every other server that speaks S3: its operations, signed (`s3_sign`) and sent over one pool of connections
//! (`s3_client`).

mod client;
mod connection_pool;
mod connector;
pub mod error;
mod integrity;
mod multipart;
mod object_info;
mod objects;
mod put;
mod request_body;
mod response;
mod sdk;
mod settings;
mod sign;
mod transport;
mod transport_error;
mod xml;

pub use settings::S3Settings;

use std::sync::Arc;

use http::StatusCode;
use url::Url;

use self::client::SignedClient;
use self::connector::Connector;
use self::error::{Origin, foreign};
use self::put::{DataOperations, Sent};
use self::response::{Foreign, S3Operation};
use self::settings::host_of;
use self::transport::Transport;
use crate::error::{Error, Result};
use crate::net::root_certs::Trust;
use crate::store::ObjectStore;
use crate::store::clock::TimeRange;
use crate::store::multipart::{
    CreateMultipart, ListUploads, MultipartUpload, PartPage, StoredPart, UploadPage, UploadPart,
};
use crate::store::objects::{
    GetRequest, ListPage, ListRequest, ObjectInfo, ObjectRef, PresignRequest, Presigned, StoredObject,
};
use crate::store::types::{ObjectVersion, PutObject, PutOutcome, WriteCondition};

#[derive(Debug)]
pub struct S3Store {
    client: Arc<SignedClient>,
    sdk: aws_sdk_s3::Client,
    data: DataOperations,
    endpoint: Url,
}

impl S3Store {
    /// # Errors
    /// Settings that no request can be made of.
    pub fn new(settings: &S3Settings, trust: Trust) -> Result<Self> {
        let endpoint = http::Uri::try_from(settings.endpoint.as_str())
            .map_err(|error| Error::internal("the endpoint is no URI").caused_by(error))?;
        let connector = Connector::new(endpoint, trust, settings.connect_timeout);
        let transport = Transport::new(connector, host_of(&settings.endpoint)?, settings.stall_timeout);
        let client = Arc::new(SignedClient::new(settings, transport, settings.origin())?);
        let data = DataOperations::new(Arc::clone(&client), settings.endpoint.scheme() == "https");
        let sdk = sdk::client(settings, Arc::clone(&client));
        Ok(Self { client, sdk, data, endpoint: settings.endpoint.clone() })
    }

    fn origin(&self) -> &Origin {
        &self.client.origin
    }

    /// How often a connection that could not be made was tried again, within attempts.
    pub fn reconnects(&self) -> u64 {
        self.client.transport.reconnects()
    }

    /// How it is proven that an object's bytes have arrived, and a part's: by `checksum`, `md5` or `signature`; none before
    /// a response has shown it.
    pub fn proofs(&self) -> [Option<&'static str>; 2] {
        self.data.proofs()
    }

    /// Keeps no connection from here on, and closes those that are kept.
    pub fn close(&self) {
        self.client.transport.close();
    }
}

/// Successes without proof. Something else than the storage can send one with any ETag; it cannot know what the storage
/// holds.
impl S3Store {
    async fn confirm_object(&self, request: &PutObject, sent: &Sent) -> Result<()> {
        let object = ObjectRef { bucket: request.bucket.clone(), key: request.key.clone() };
        let is_stored = match self.head(&object).await {
            Ok(there) => match &request.headers.write {
                Some(write) => there.is_of(write),
                None => there.etag.as_ref() == Some(&sent.etag) && there.size == request.body.bytes().len() as u64,
            },
            Err(error) if error.status == Some(404) => false,
            Err(error) => return Err(error.with(|failure| failure.unsettled = true)),
        };
        self.confirmed(S3Operation::PutObject, sent, is_stored)
    }

    async fn confirm_part(&self, request: &UploadPart, sent: &Sent) -> Result<()> {
        let before = request.number.checked_sub(1).filter(|&number| number > 0).map(|number| number.to_string());
        let page = self.parts(&request.upload, before.as_deref()).await?;
        let is_stored = page.parts.iter().any(|listed| {
            let StoredPart { number, etag } = &listed.part;
            *number == request.number && *etag == sent.etag && listed.size == request.body.bytes().len() as u64
        });
        self.confirmed(S3Operation::UploadPart, sent, is_stored)
    }

    fn confirmed(&self, operation: S3Operation, sent: &Sent, is_stored: bool) -> Result<()> {
        if is_stored {
            self.data.confirm(operation, sent);
            return Ok(());
        }
        let why = "it has neither the checksum nor the MD5 of what was sent, and the storage does not hold that";
        Err(foreign(Foreign(why.to_owned()), StatusCode::OK, self.origin()))
    }
}

impl ObjectStore for S3Store {
    async fn put_object(&self, request: &PutObject) -> Result<PutOutcome> {
        let sent = self.data.put_object(request).await?;
        if !sent.is_proven {
            // Boxed: it is rare and large, and every upload's future would contain it.
            Box::pin(self.confirm_object(request, &sent)).await?;
        }
        Ok(PutOutcome { etag: Some(sent.etag), request_id: sent.request_id, confirmed_by_head: false })
    }

    async fn create_multipart(&self, request: &CreateMultipart) -> Result<MultipartUpload> {
        self.create(request).await
    }

    async fn upload_part(&self, request: &UploadPart) -> Result<StoredPart> {
        let sent = self.data.upload_part(request).await?;
        if !sent.is_proven {
            Box::pin(self.confirm_part(request, &sent)).await?;
        }
        Ok(StoredPart { number: request.number, etag: sent.etag })
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
        self.delete(object, &ObjectVersion::default()).await
    }

    async fn delete_version(&self, object: &ObjectRef, version: &ObjectVersion) -> Result<()> {
        self.delete(object, version).await
    }

    async fn list_objects(&self, request: &ListRequest) -> Result<ListPage> {
        self.list(request).await
    }

    fn server_time(&self) -> Option<TimeRange> {
        self.client.transport.clock().now()
    }

    async fn presign(&self, request: &PresignRequest) -> Result<Presigned> {
        self.presigned(request)
    }
}
