//! A stored object's bytes, in order and as they were stored.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use md5::{Digest as _, Md5};

use crate::error::{Category, Error, Result, Retryability, code};
use crate::source::chunks::Chunks;
use crate::source::resume::{Opened, Reopen, changed};
use crate::store::digest::{hex, is_md5};
use crate::store::objects::{GetRequest, ObjectInfo, ObjectRef};
use crate::store::{ObjectStore, ResilientStore};

/// A stored object, or a range of it, to be opened as often as it takes.
#[derive(Debug)]
pub struct ObjectDownload<'a, S> {
    pub store: &'a Arc<ResilientStore<S>>,
    pub object: ObjectRef,
    /// The first byte.
    pub first: u64,
    /// The last one, where it is not the object's.
    pub last: Option<u64>,
}

impl<S: ObjectStore> Reopen for ObjectDownload<'_, S> {
    type Body = ObjectBody;
    type Facts = ObjectInfo;

    /// The version is the ETag.
    async fn open(&self, at: u64, version: Option<&str>) -> Result<Opened<ObjectBody, ObjectInfo>> {
        let first = self.first + at;
        let request = GetRequest {
            object: self.object.clone(),
            range: (first > 0 || self.last.is_some()).then_some((first, self.last)),
            if_match: version.map(str::to_owned),
        };
        let stored = match self.store.open_object(&request).await {
            Err(error) if version.is_some() && matches!(error.status, Some(404 | 412 | 416)) => return Err(changed()),
            other => other?,
        };
        let at = stored.at.checked_sub(self.first).ok_or_else(|| {
            let detail = "the storage ignored the range that was asked for";
            Error::new(code::PROTOCOL, Category::Service, Retryability::Permanent, detail)
        })?;
        let info = stored.info;
        let length = || {
            let end = self.last.map_or(info.size, |last| info.size.min(last.saturating_add(1)));
            end.saturating_sub(self.first)
        };
        Ok(Opened {
            body: ObjectBody(stored.bytes),
            at,
            length: stored.is_whole_known.then(length),
            version: info.etag.clone(),
            facts: info,
        })
    }
}

/// The body of one response.
pub struct ObjectBody(Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>);

impl fmt::Debug for ObjectBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ObjectBody")
    }
}

impl Chunks for ObjectBody {
    fn length(&self) -> Option<u64> {
        None
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        self.0.next().await.transpose()
    }
}

/// Ends in an error where the bytes are not those of the ETag.
#[derive(Debug)]
pub struct Verified<C> {
    inner: C,
    expected: Option<(String, Md5)>,
}

impl<C: Chunks> Verified<C> {
    /// Of a whole object. An ETag that is no MD5 says nothing of the bytes.
    pub fn by_etag(inner: C, etag: Option<&str>) -> Self {
        Self { inner, expected: etag.filter(|etag| is_md5(etag)).map(|etag| (etag.to_ascii_lowercase(), Md5::new())) }
    }
}

impl<C> Verified<C> {
    pub const fn inner(&self) -> &C {
        &self.inner
    }

    pub const fn inner_mut(&mut self) -> &mut C {
        &mut self.inner
    }
}

impl<C: Chunks> Chunks for Verified<C> {
    fn length(&self) -> Option<u64> {
        self.inner.length()
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        let piece = self.inner.next().await?;
        match &piece {
            Some(piece) => {
                if let Some((_, md5)) = &mut self.expected {
                    md5.update(piece);
                }
            }
            None => {
                if self.expected.take().is_some_and(|(expected, md5)| hex(&md5.finalize()) != expected) {
                    let detail = "the bytes that were read are not those that were stored (their MD5 is not the ETag)";
                    return Err(Error::new(code::INTEGRITY, Category::Service, Retryability::Permanent, detail));
                }
            }
        }
        Ok(piece)
    }
}
