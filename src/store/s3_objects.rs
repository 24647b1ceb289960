//! The verbs about objects that are stored already, by way of the AWS SDK.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use aws_sdk_s3::primitives::DateTime;
use futures_util::{StreamExt as _, stream};

use super::objects::{
    GetRequest, ListPage, ListRequest, ListedObject, ObjectInfo, ObjectRef, PresignMethod, PresignRequest, Presigned,
    StoredObject,
};
use super::s3::{S3Store, unquoted};
use super::s3_as_stored::{AsStored, may_be_unpacked};
use super::s3_error::{describe, describe_body, incomplete, next_page};
use crate::error::{Error, Result};
use crate::net::content_range;
use crate::secret::Secret;

/// HEAD and GET say the same of an object, in types that have nothing in common.
macro_rules! info_of {
    ($answer:expr, $size:expr) => {
        ObjectInfo {
            size: $size,
            etag: $answer.e_tag().map(unquoted),
            content_type: $answer.content_type().map(str::to_owned),
            content_disposition: $answer.content_disposition().map(str::to_owned),
            content_encoding: $answer.content_encoding().map(str::to_owned),
            content_language: $answer.content_language().map(str::to_owned),
            cache_control: $answer.cache_control().map(str::to_owned),
            storage_class: $answer.storage_class().map(|class| class.as_str().to_owned()),
            expires: $answer.expires_string().map(str::to_owned),
            last_modified: $answer.last_modified().and_then(time_of),
            metadata: $answer.metadata().cloned().unwrap_or_default().into_iter().collect(),
        }
    };
}

impl S3Store {
    pub(super) async fn head(&self, object: &ObjectRef) -> Result<ObjectInfo> {
        let call = || self.client.head_object().bucket(object.bucket.as_str()).key(object.key.as_str());
        let mut answer = Box::pin(call().send()).await;
        if answer.as_ref().is_ok_and(|it| may_be_unpacked(it.content_length(), it.e_tag())) {
            answer = Box::pin(call().customize().interceptor(AsStored).send()).await;
        }
        let answer = answer.map_err(|error| not_found(describe(error, &self.origin)))?;
        Ok(info_of!(answer, size_of(answer.content_length())))
    }

    pub(super) async fn get(&self, request: &GetRequest) -> Result<StoredObject> {
        let range = request.range.map(|(first, last)| {
            let last = last.map(|last| last.to_string()).unwrap_or_default();
            format!("bytes={first}-{last}")
        });
        let call = || {
            self.client
                .get_object()
                .bucket(request.object.bucket.as_str())
                .key(request.object.key.as_str())
                .set_range(range.clone())
                .set_if_match(request.if_match.as_ref().map(|etag| format!("\"{etag}\"")))
        };
        let mut answer = Box::pin(call().send()).await;
        if answer.as_ref().is_ok_and(|it| may_be_unpacked(it.content_length(), it.e_tag())) {
            answer = Box::pin(call().customize().interceptor(AsStored).send()).await;
        }
        let answer = answer.map_err(|error| not_found(describe(error, &self.origin)))?;
        let length = answer.content_length().and_then(|length| u64::try_from(length).ok());
        // An answer without one is the whole.
        let range = match answer.content_range() {
            Some(text) => {
                Some(content_range::parse(text).ok_or_else(|| incomplete("a sound Content-Range", &self.origin))?)
            }
            None => None,
        };
        let at = range.map_or(0, |range| range.first);
        let size = range.and_then(|range| range.complete);
        let whole = size.or(length.filter(|_| range.is_none()));
        let mut info = info_of!(answer, whole.unwrap_or_default());
        if may_be_unpacked(answer.content_length(), answer.e_tag()) {
            // It is of the bytes that are stored, and these may be others.
            info.etag = None;
        }
        let origin = self.origin.clone();
        let pieces = stream::unfold(answer.body, |mut body| async move {
            let piece = body.next().await?;
            Some((piece, body))
        });
        let bytes = Box::pin(pieces.map(move |piece| piece.map_err(|error| describe_body(error, &origin))));
        Ok(StoredObject { info, at, is_whole_known: whole.is_some(), bytes })
    }

    pub(super) async fn delete(&self, object: &ObjectRef) -> Result<()> {
        let call = self.client.delete_object().bucket(object.bucket.as_str()).key(object.key.as_str());
        Box::pin(call.send()).await.map_err(|error| describe(error, &self.origin))?;
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
        let answer = Box::pin(call.send()).await.map_err(|error| describe(error, &self.origin))?;
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
            continuation: next_page(answer.is_truncated(), continuation, &self.origin)?,
        })
    }

    /// Signs a URL. Sends nothing.
    pub(super) async fn presigned(&self, request: &PresignRequest) -> Result<Presigned> {
        // A signature has whole seconds; the time that is told has to be the one that the server goes by.
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = UNIX_EPOCH + Duration::from_secs(since_epoch.as_secs());
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

/// An answer to HEAD has no body that could say so, and GET's says it in another word.
fn not_found(error: Error) -> Error {
    if error.status == Some(404) && error.code != "NoSuchBucket" {
        error.with(|failure| failure.code = "NotFound".into())
    } else {
        error
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
