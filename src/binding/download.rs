//! A stored object that JavaScript reads piece by piece.

use std::sync::{Arc, Mutex, PoisonError};

use napi::bindgen_prelude::{AsyncBlock, AsyncBlockBuilder, Buffer, Either3, Null};
use napi::{Env, Result};
use napi_derive::napi;
use tokio::sync::Mutex as AsyncMutex;
use tokio_util::sync::CancellationToken;

use super::failure::NativeFailure;
use super::objects::NativeObjectInfo;
use super::runtime::Lane;
use crate::source::channel::Channel;
use crate::source::chunks::Chunks as _;
use crate::storage::download::Downloading;
use crate::storage::objects::Found;

#[napi]
pub struct NativeDownload {
    attempts: u32,
    info: Mutex<Option<NativeObjectInfo>>,
    bytes: Arc<AsyncMutex<Channel>>,
    /// Once the reader has gone.
    cancelled: CancellationToken,
}

impl From<Found<Downloading>> for NativeDownload {
    fn from(found: Found<Downloading>) -> Self {
        let Found { bucket, value: Downloading { info, bytes }, attempts, elapsed } = found;
        let info = Found { bucket, value: info, attempts, elapsed }.into();
        let (bytes, cancelled) = (Arc::new(AsyncMutex::new(bytes)), CancellationToken::new());
        Self { attempts, info: Mutex::new(Some(info)), bytes, cancelled }
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
        let (bytes, cancelled) = (Arc::clone(&self.bytes), self.cancelled.clone());
        AsyncBlockBuilder::new(async move {
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
        // Without an owner of its other end, the transfer ends. A piece that is waited for lets go of it by the above.
        let bytes = Arc::clone(&self.bytes);
        let _ = Lane::Large.spawn(Box::pin(async move { bytes.lock().await.close() }));
    }
}
