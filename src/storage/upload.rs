//! The calls that store bytes at hand, and what every call that stores has in common.

use bytes::Bytes;

use super::{Call, ObjectOptions, Prepared, Storage};
use crate::error::{Operation, Result};
use crate::source::chunks::{Blocks, Chunks, Memory};
use crate::store::PutObject;
use crate::store::multipart::CreateMultipart;
use crate::transfer::Receipt;
use crate::transfer::content_type::{self, Author};
use crate::transfer::multipart::Multipart;
use crate::transfer::single::{self, Stored};

impl Storage {
    /// Stores bytes that are in memory.
    ///
    /// # Errors
    /// Bad input before anything is sent; else the last attempt's.
    pub async fn upload(&self, options: ObjectOptions, body: Bytes, call: Call) -> Result<Receipt> {
        let prepared = self.prepare(options, Operation::UploadFile)?;
        self.until_called_off(&prepared, &call, self.put(&prepared, body, Author::Caller, &call)).await
    }

    /// Stores bytes that come as they come. Up to `multipartThresholdBytes` they are held for one request,
    /// beyond that they are sent in parts; every attempt has its bytes.
    ///
    /// # Errors
    /// Bad input before anything is sent; the source's; else the last attempt's.
    pub async fn upload_chunks(&self, options: ObjectOptions, source: impl Chunks, call: Call) -> Result<Receipt> {
        let prepared = self.prepare(options, Operation::UploadFile)?;
        let work = Box::pin(self.put_chunks(&prepared, source, Author::Caller, &call));
        let work = self.within_deadline(&prepared, work);
        self.until_called_off(&prepared, &call, work).await
    }

    pub(super) async fn put_chunks(
        &self,
        prepared: &Prepared,
        source: impl Chunks,
        author: Author<'_>,
        call: &Call,
    ) -> Result<Receipt> {
        let mut blocks = Blocks::new(source);
        let threshold = usize::try_from(self.config.multipart.threshold).unwrap_or(usize::MAX - 1);
        let head = blocks.next(threshold + 1).await?.unwrap_or_default();
        if head.len() <= threshold {
            return self.put(prepared, head, author, call).await;
        }
        blocks.unread(head.clone());
        self.put_in_parts(prepared, head, blocks, author, call).await
    }

    async fn put(&self, prepared: &Prepared, body: Bytes, author: Author<'_>, call: &Call) -> Result<Receipt> {
        if body.len() as u64 > self.config.multipart.threshold {
            return self.put_in_parts(prepared, body.clone(), Blocks::new(Memory::new(body)), author, call).await;
        }
        let headers =
            prepared.headers.complete(|given| content_type::choose(given, author, &body, prepared.key.as_str()));
        let request = PutObject {
            bucket: prepared.bucket.clone(),
            key: prepared.key.clone(),
            body,
            headers,
            condition: prepared.condition.clone(),
            verify_etag: prepared.verify_etag,
            progress: call.progress.clone(),
        };
        let context = prepared.context(call.observer.as_ref());
        let stored = single::upload(&self.store, &request, context).await?;
        Ok(self.receipt(prepared, request.headers.content_type, stored))
    }

    /// `head` is how the bytes begin.
    async fn put_in_parts(
        &self,
        prepared: &Prepared,
        head: Bytes,
        source: Blocks<impl Chunks>,
        author: Author<'_>,
        call: &Call,
    ) -> Result<Receipt> {
        let headers =
            prepared.headers.complete(|given| content_type::choose(given, author, &head, prepared.key.as_str()));
        let request = CreateMultipart { object: prepared.object(), headers };
        let multipart = Multipart {
            store: &self.store,
            context: prepared.context(call.observer.as_ref()),
            options: self.config.multipart,
            verify_etag: prepared.verify_etag,
            condition: prepared.condition.clone(),
            progress: call.progress.clone(),
        };
        // Boxed: the state of parts in flight would make every small upload's larger.
        let stored = Box::pin(multipart.upload(&request, source)).await?;
        Ok(self.receipt(prepared, request.headers.content_type, stored))
    }

    fn receipt(&self, prepared: &Prepared, content_type: String, stored: Stored) -> Receipt {
        let key = prepared.key.as_str();
        let location = self.config.location(prepared.bucket.as_str(), key);
        Receipt {
            url: self.config.public_url(key).unwrap_or_else(|| location.clone()),
            location,
            bucket: prepared.bucket.as_str().to_owned(),
            key: key.to_owned(),
            filename: prepared.key.filename().to_owned(),
            etag: stored.outcome.etag,
            size: stored.size,
            content_type,
            attempts: stored.attempts,
            parts: stored.parts,
            elapsed: prepared.started.elapsed(),
            request_id: stored.outcome.request_id,
        }
    }
}
