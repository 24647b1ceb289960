//! A store that tries again. The order of the policies is visible here and nowhere else:
//! `deadline( retry( attempt timeout( request )))`, all by [`retry::run`].

use super::multipart::{ListUploads, ListedPart, MultipartUpload, StoredPart, UploadPage, UploadPart};
use super::objects::{ListPage, ListRequest, ObjectInfo, ObjectRef};
use super::types::{PutObject, PutOutcome};
use super::{ObjectStore, S3Store};
use crate::error::{Error, Result};
use crate::resilience::retry::{self, RetryContext};

#[derive(Debug)]
pub struct ResilientStore<S = S3Store> {
    inner: S,
}

impl<S: ObjectStore> ResilientStore<S> {
    pub const fn new(inner: S) -> Self {
        Self { inner }
    }

    pub const fn inner(&self) -> &S {
        &self.inner
    }

    /// Stores an object, with the number of attempts it took.
    ///
    /// # Errors
    /// The last attempt's, or the first that no other attempt can mend.
    pub async fn put_object(&self, request: &PutObject, context: RetryContext<'_>) -> Result<(PutOutcome, u32)> {
        retry::run(context, async |attempt| match self.inner.put_object(request).await {
            // Boxed: it is rare and large, and every upload's future would contain it.
            Err(error) if attempt.number > 1 && error.status == Some(412) => Box::pin(self.settle(request, error)).await,
            other => other,
        })
        .await
    }

    /// A condition that failed after an answer was lost may have failed because of ourselves: the object that
    /// is there now is the one that we sent.
    async fn settle(&self, request: &PutObject, error: Error) -> Result<PutOutcome> {
        let object = ObjectRef { bucket: request.bucket.clone(), key: request.key.clone() };
        let there = self.inner.head_object(&object).await?;
        if there.etag.as_deref() == Some(request.body.md5().hex().await) {
            Ok(PutOutcome { etag: there.etag, request_id: None })
        } else {
            Err(error)
        }
    }

    /// # Errors
    /// As of [`Self::put_object`].
    pub async fn upload_part(&self, request: &UploadPart, context: RetryContext<'_>) -> Result<(StoredPart, u32)> {
        retry::run(context, |_| self.inner.upload_part(request)).await
    }

    /// # Errors
    /// As of [`Self::put_object`].
    pub async fn head_object(&self, object: &ObjectRef, context: RetryContext<'_>) -> Result<(ObjectInfo, u32)> {
        retry::run(context, |_| self.inner.head_object(object)).await
    }

    /// # Errors
    /// As of [`Self::put_object`].
    pub async fn delete_object(&self, object: &ObjectRef, context: RetryContext<'_>) -> Result<((), u32)> {
        retry::run(context, |_| self.inner.delete_object(object)).await
    }

    /// # Errors
    /// As of [`Self::put_object`].
    pub async fn list_objects(&self, request: &ListRequest, context: RetryContext<'_>) -> Result<(ListPage, u32)> {
        retry::run(context, |_| self.inner.list_objects(request)).await
    }

    /// All parts that an upload has.
    ///
    /// # Errors
    /// As of [`Self::put_object`]; `NoSuchUpload`.
    pub async fn list_parts(&self, upload: &MultipartUpload, context: RetryContext<'_>) -> Result<Vec<ListedPart>> {
        let mut parts = Vec::new();
        let mut continuation: Option<String> = None;
        loop {
            let page = |_| self.inner.list_parts(upload, continuation.as_deref());
            let (page, _) = retry::run(context, page).await?;
            parts.extend(page.parts);
            continuation = page.continuation;
            if continuation.is_none() {
                return Ok(parts);
            }
        }
    }

    /// # Errors
    /// As of [`Self::put_object`].
    pub async fn list_uploads(&self, request: &ListUploads, context: RetryContext<'_>) -> Result<(UploadPage, u32)> {
        retry::run(context, |_| self.inner.list_uploads(request)).await
    }

    /// # Errors
    /// As of [`Self::put_object`].
    pub async fn abort_multipart(&self, upload: &MultipartUpload, context: RetryContext<'_>) -> Result<((), u32)> {
        retry::run(context, |_| self.inner.abort_multipart(upload)).await
    }
}
