//! The calls that store bytes at hand, and what every call that stores has in common.

use std::path::Path;
use std::sync::OnceLock;

use bytes::Bytes;

use super::endpoint_config::Addresses;
use super::failover::is_the_endpoints;
use super::{Call, FileLimits, ObjectOptions, Prepared, Storage, limits};
use crate::error::{Operation, Result};
use crate::source::chunks::{Blocks, Chunks, Memory};
use crate::source::file::FileSource;
use crate::source::idle::IdleLimited;
use crate::source::least::{AtLeast, too_small};
use crate::store::multipart::CreateMultipart;
use crate::store::{ObjectHeader, ObjectHeaders, ObjectStore, PutObject};
use crate::transfer::Receipt;
use crate::transfer::compress::{Compressed, Compression};
use crate::transfer::content_type::{self, Author};
use crate::transfer::hashed::Hashed;
use crate::transfer::multipart::Multipart;
use crate::transfer::single::{self, Stored};

/// Enough to know a file by.
const HEAD_BYTES: usize = Compression::HEAD_BYTES;

impl<S: ObjectStore + 'static> Storage<S> {
    /// Stores bytes that are in memory.
    ///
    /// # Errors
    /// Bad input before anything is sent; else the last attempt's.
    pub async fn upload(&self, options: ObjectOptions, body: Bytes, call: Call) -> Result<Receipt> {
        let (prepared, call) = self.begin(Operation::UploadFile, options, call)?;
        let places = self.places(&prepared);
        // Boxed: each function that it is handed through, and the runtime, would move all of its kilobytes.
        let put = |here| Box::pin(self.put_bytes(here, body.clone(), &call));
        let work = self.at_each(&places, &call, is_the_endpoints, put);
        self.run(prepared.running(), &call, |receipt| receipt.size, work).await
    }

    /// Stores bytes that come as they come. Up to `multipartThresholdBytes` they are held for one request,
    /// beyond that they are sent in parts; every attempt has its bytes.
    ///
    /// # Errors
    /// Bad input before anything is sent; the source's; else the last attempt's.
    pub async fn upload_chunks(&self, options: ObjectOptions, source: impl Chunks, call: Call) -> Result<Receipt> {
        let (prepared, call) = self.begin(Operation::UploadFile, options, call)?;
        let source = IdleLimited::new(source, self.config.idle_timeout);
        let work = Box::pin(self.put_once(&prepared, source, &call));
        let work = self.within_deadline(&prepared, work);
        self.run(prepared.running(), &call, |receipt| receipt.size, work).await
    }

    /// Stores a file. Its length when it is opened is the length that it must have at its end.
    ///
    /// # Errors
    /// Bad input before anything is sent, a file that cannot be opened included; the file's; else the last
    /// attempt's.
    pub async fn upload_path(
        &self,
        options: ObjectOptions,
        path: &Path,
        FileLimits { length, max_bytes }: FileLimits,
        call: Call,
    ) -> Result<Receipt> {
        let (prepared, call) = self.begin(Operation::UploadFile, options, call)?;
        let places = self.places(&prepared);
        let first = OnceLock::new();
        let work = self.at_each(&places, &call, is_the_endpoints, |here| {
            Box::pin(async {
                let declared = length.map(limits::content_length).transpose()?;
                let most = max_bytes.map(limits::max_bytes_of_body).transpose()?;
                let source = FileSource::open(path, declared, &first).await?;
                limits::file(source.length().unwrap_or_default(), most)?;
                self.put_chunks(here, source, Author::Caller, &call).await
            })
        });
        let work = self.within_deadline(&prepared, work);
        self.run(prepared.running(), &call, |receipt| receipt.size, work).await
    }

    async fn put_bytes(&self, prepared: &Prepared, body: Bytes, call: &Call) -> Result<Receipt> {
        if (body.len() as u64) < prepared.min_bytes {
            return Err(too_small(prepared.min_bytes));
        }
        if prepared.compression.is_some() || prepared.sha256 {
            return Box::pin(self.put_chunks(prepared, Memory::new(body), Author::Caller, call)).await;
        }
        let headers = prepared.headers(Author::Caller, &body);
        self.put(prepared, headers, body, call).await
    }

    /// Of a source that cannot be read again. What goes in one request is in memory, and can go elsewhere; what is
    /// sent in parts stays where it was begun.
    async fn put_once(&self, prepared: &Prepared, source: impl Chunks, call: &Call) -> Result<Receipt> {
        if self.targets.len() == 1 {
            return self.put_chunks(prepared, source, Author::Caller, call).await;
        }
        let mut source = Blocks::new(source);
        let threshold = usize::try_from(self.config.multipart.threshold).unwrap_or(usize::MAX - 1);
        let start = source.block(threshold + 1).await?.unwrap_or_default();
        if start.len() <= threshold {
            let places = self.places(prepared);
            let put = |here| Box::pin(self.put_chunks(here, Memory::new(start.clone()), Author::Caller, call));
            return self.at_each(&places, call, is_the_endpoints, put).await;
        }
        source.put_back(start);
        self.put_chunks(&self.one_place(prepared), source, Author::Caller, call).await
    }

    pub(super) async fn put_chunks(
        &self,
        prepared: &Prepared,
        source: impl Chunks,
        author: Author<'_>,
        call: &Call,
    ) -> Result<Receipt> {
        let mut source = Blocks::new(AtLeast::new(source, prepared.min_bytes)?);
        let head = source.peek(HEAD_BYTES).await?;
        let mut headers = prepared.headers(author, &head);
        let compressing = prepared.compression.and_then(|wanted| wanted.choose(&headers.content_type, &head));
        let Some(encoding) = compressing else { return self.put_hashed(prepared, headers, source, call).await };
        headers.values.insert(ObjectHeader::ContentEncoding, encoding.name().to_owned());
        self.put_hashed(prepared, headers, Compressed::new(source, encoding), call).await
    }

    async fn put_hashed(
        &self,
        prepared: &Prepared,
        headers: ObjectHeaders,
        source: impl Chunks,
        call: &Call,
    ) -> Result<Receipt> {
        if !prepared.sha256 {
            return self.put_blocks(prepared, headers, Blocks::new(source), call).await;
        }
        let (source, digest) = Hashed::new(source);
        let receipt = self.put_blocks(prepared, headers, Blocks::new(source), call).await?;
        Ok(Receipt { sha256: digest.get().cloned(), ..receipt })
    }

    /// In one request, or in parts if it turns out to be too large for that.
    async fn put_blocks(
        &self,
        prepared: &Prepared,
        headers: ObjectHeaders,
        mut source: Blocks<impl Chunks>,
        call: &Call,
    ) -> Result<Receipt> {
        let threshold = self.config.multipart.threshold;
        if source.length().is_some_and(|length| length > threshold) {
            return self.put_in_parts(prepared, headers, source, call).await;
        }
        let threshold = usize::try_from(threshold).unwrap_or(usize::MAX - 1);
        let start = source.block(threshold + 1).await?.unwrap_or_default();
        if start.len() <= threshold {
            return self.put(prepared, headers, start, call).await;
        }
        source.put_back(start);
        self.put_in_parts(prepared, headers, source, call).await
    }

    async fn put(&self, prepared: &Prepared, headers: ObjectHeaders, body: Bytes, call: &Call) -> Result<Receipt> {
        if body.len() as u64 > self.config.multipart.threshold {
            return self.put_in_parts(prepared, headers, Blocks::new(Memory::new(body)), call).await;
        }
        let request = PutObject {
            bucket: prepared.bucket.clone(),
            key: prepared.key.clone(),
            body: body.into(),
            headers,
            condition: prepared.condition.clone(),
            verify_integrity: prepared.verify_integrity,
            progress: call.progress.clone(),
        };
        let context = prepared.context(call.observer.as_ref());
        let stored = single::upload(self.store(prepared), &request, context).await?;
        self.receipt(prepared, request.headers, stored)
    }

    async fn put_in_parts(
        &self,
        prepared: &Prepared,
        headers: ObjectHeaders,
        source: Blocks<impl Chunks>,
        call: &Call,
    ) -> Result<Receipt> {
        let request = CreateMultipart { object: prepared.object(), headers };
        let multipart = Multipart {
            store: self.store(prepared),
            context: prepared.context(call.observer.as_ref()),
            options: self.config.multipart,
            verify_integrity: prepared.verify_integrity,
            condition: prepared.condition.clone(),
            progress: call.progress.clone(),
            resume: prepared.resume.clone(),
            checkpoint: call.checkpoint.clone(),
        };
        // Boxed: the state of parts in flight would make every small upload's larger.
        let stored = Box::pin(multipart.upload(&request, source)).await?;
        self.receipt(prepared, request.headers, stored)
    }

    fn receipt(&self, prepared: &Prepared, headers: ObjectHeaders, stored: Stored) -> Result<Receipt> {
        let key = prepared.key.as_str();
        let target = &self.targets[prepared.target].config;
        let Addresses { location, url } = target.addresses(&prepared.bucket, &prepared.key)?;
        Ok(Receipt {
            endpoint: target.origin(),
            failed_over: prepared.target > 0,
            url,
            location,
            bucket: prepared.bucket.as_str().to_owned(),
            key: key.to_owned(),
            filename: prepared.key.filename().to_owned(),
            etag: stored.outcome.etag,
            size: stored.size,
            content_type: headers.content_type,
            content_encoding: headers.values.get(&ObjectHeader::ContentEncoding).cloned(),
            sha256: None,
            attempts: stored.attempts,
            parts: stored.parts,
            resumed_parts: stored.resumed_parts,
            elapsed: prepared.started.elapsed(),
            request_id: stored.outcome.request_id,
            confirmed_by_head: stored.outcome.confirmed_by_head,
        })
    }
}

impl Prepared {
    /// With the type of an object that begins with `head`.
    fn headers(&self, author: Author<'_>, head: &[u8]) -> ObjectHeaders {
        let head = if self.headers.are_coded() { &[] } else { head };
        let author = match (author, self.headers.declared_type()) {
            (Author::Caller, Some(declared)) => Author::Sender { declared },
            _ => author,
        };
        self.headers.complete(|given| content_type::choose(given, author, head, self.key.as_str()))
    }
}
