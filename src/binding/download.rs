//! A stored object that JavaScript reads piece by piece.

use std::sync::{Arc, Mutex, PoisonError};

use napi::bindgen_prelude::{AsyncBlock, AsyncBlockBuilder, Buffer, Either3, Null};
use napi::{Env, Result};
use napi_derive::napi;
use tokio::sync::Mutex as AsyncMutex;
use tokio_util::sync::CancellationToken;

use super::failure::NativeFailure;
use super::object_info::NativeObjectInfo;
use crate::source::channel::Channel;
use crate::source::chunks::Chunks as _;
use crate::storage::download::Downloading;
use crate::storage::objects::Found;

#[napi]
pub struct NativeDownload {
    attempts: u32,
    info: Mutex<Option<NativeObjectInfo>>,
    /// None once the reader has gone.
    bytes: Mutex<Option<Arc<AsyncMutex<Channel>>>>,
    /// Ends a wait for a piece, which holds the bytes, too.
    cancelled: CancellationToken,
}

impl From<Found<Downloading>> for NativeDownload {
    fn from(found: Found<Downloading>) -> Self {
        let Found { endpoint, failed_over, bucket, value: Downloading { info, bytes }, attempts, elapsed } = found;
        let info = Found { endpoint, failed_over, bucket, value: info, attempts, elapsed }.into();
        let bytes = Mutex::new(Some(Arc::new(AsyncMutex::new(bytes))));
        Self { attempts, info: Mutex::new(Some(info)), bytes, cancelled: CancellationToken::new() }
    }
}

#[napi]
impl NativeDownload {
    #[napi(getter, catch_unwind)]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// What is known of the object; given once.
    #[napi(catch_unwind)]
    pub fn take_info(&self) -> Option<NativeObjectInfo> {
        self.info.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The next piece; null at the end.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeFailure | Buffer | null>")]
    pub fn next(&self, env: &Env) -> Result<AsyncBlock<Either3<NativeFailure, Buffer, Null>>> {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let cancelled = self.cancelled.clone();
        AsyncBlockBuilder::new(async move {
            let Some(bytes) = bytes else { return Ok(Either3::C(Null)) };
            let next = cancelled.run_until_cancelled_owned(async { bytes.lock().await.next().await }).await;
            Ok(match next {
                Some(Ok(Some(piece))) => Either3::B(Vec::from(piece).into()),
                Some(Ok(None)) | None => Either3::C(Null),
                Some(Err(error)) => Either3::A(error.into()),
            })
        })
        .build(env)
    }

    /// Nobody reads on: ends the transfer.
    #[napi(catch_unwind)]
    pub fn cancel(&self) {
        self.cancelled.cancel();
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
