//! The verbs about objects that are stored already, by way of the AWS SDK.

use std::time::SystemTime;

use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use aws_sdk_s3::primitives::DateTime;

use super::objects::{
    ListPage, ListRequest, ListedObject, ObjectInfo, ObjectRef, PresignMethod, PresignRequest, Presigned,
};
use super::s3::{S3Store, unquoted};
use super::s3_error::describe;
use crate::error::{Error, Result};
use crate::secret::Secret;

impl S3Store {
    pub(super) async fn head(&self, object: &ObjectRef) -> Result<ObjectInfo> {
        let call = self.client.head_object().bucket(object.bucket.as_str()).key(object.key.as_str());
        let answer = call.send().await.map_err(|error| {
            let error = describe(error, &self.origin);
            // An answer to HEAD has no body that could say so.
            if error.status == Some(404) { error.with(|failure| failure.code = "NotFound".into()) } else { error }
        })?;
        Ok(ObjectInfo {
            size: size_of(answer.content_length()),
            etag: answer.e_tag().map(unquoted),
            content_type: answer.content_type().map(str::to_owned),
            content_disposition: answer.content_disposition().map(str::to_owned),
            content_encoding: answer.content_encoding().map(str::to_owned),
            cache_control: answer.cache_control().map(str::to_owned),
            last_modified: answer.last_modified().and_then(time_of),
            metadata: answer.metadata().cloned().unwrap_or_default().into_iter().collect(),
        })
    }

    pub(super) async fn delete(&self, object: &ObjectRef) -> Result<()> {
        let call = self.client.delete_object().bucket(object.bucket.as_str()).key(object.key.as_str());
        call.send().await.map_err(|error| describe(error, &self.origin))?;
        Ok(())
    }

    pub(super) async fn list(&self, request: &ListRequest) -> Result<ListPage> {
        let call = self
            .client
            .list_objects_v2()
            .bucket(request.bucket.as_str())
            .set_prefix((!request.prefix.is_empty()).then(|| request.prefix.clone()))
            .set_start_after(request.start_after.clone())
            .set_continuation_token(request.continuation.clone())
            .max_keys(i32::try_from(request.page_size).unwrap_or(i32::MAX));
        let answer = call.send().await.map_err(|error| describe(error, &self.origin))?;
        let objects = answer.contents().iter().filter_map(|object| {
            Some(ListedObject {
                key: object.key()?.to_owned(),
                size: size_of(object.size()),
                etag: object.e_tag().map(unquoted),
                last_modified: object.last_modified().and_then(time_of),
            })
        });
        let continuation = answer.next_continuation_token().map(str::to_owned);
        Ok(ListPage {
            objects: objects.collect(),
            continuation: continuation.filter(|_| answer.is_truncated() == Some(true)),
        })
    }

    /// Signs a URL. Sends nothing.
    pub(super) async fn presigned(&self, request: &PresignRequest) -> Result<Presigned> {
        let now = SystemTime::now();
        let config = PresigningConfig::builder().start_time(now).expires_in(request.expires_in).build();
        let config = config.map_err(|error| Error::internal("the URL could not be signed").caused_by(error))?;
        let (bucket, key) = (request.object.bucket.as_str(), request.object.key.as_str());
        let signed = match request.method {
            PresignMethod::Get => {
                let call = self.client.get_object().bucket(bucket).key(key);
                let call = call
                    .set_response_content_type(request.content_type.clone())
                    .set_response_content_disposition(request.content_disposition.clone());
                call.presigned(config).await.map_err(|error| describe(error, &self.origin))?
            }
            PresignMethod::Put => {
                let call = self.client.put_object().bucket(bucket).key(key);
                let call = call.set_content_type(request.content_type.clone());
                call.presigned(config).await.map_err(|error| describe(error, &self.origin))?
            }
        };
        Ok(Presigned {
            url: Secret::new(signed.uri().to_owned()),
            headers: headers_of(&signed),
            expires_at: now + request.expires_in,
        })
    }
}

fn headers_of(signed: &PresignedRequest) -> std::collections::BTreeMap<String, String> {
    // The host is in the URL; whoever sends the request sets it.
    let headers = signed.headers().filter(|(name, _)| !name.eq_ignore_ascii_case("host"));
    headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn size_of(length: Option<i64>) -> u64 {
    length.and_then(|length| u64::try_from(length).ok()).unwrap_or(0)
}

fn time_of(time: &DateTime) -> Option<SystemTime> {
    SystemTime::try_from(*time).ok()
}
