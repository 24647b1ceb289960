//! A body that JavaScript pushes piece by piece.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use napi::bindgen_prelude::{AsyncBlock, AsyncBlockBuilder, Either};
use napi::{Env, Result};
use napi_derive::napi;

use super::failure::{NativeFailure, outcome};
use crate::error;
use crate::source::channel::{Channel, Pusher, channel, too_large};
use crate::storage::limits;

/// `length` where it is known: other bytes than so many are an error, and so are more than `max_bytes`.
#[napi(catch_unwind)]
pub fn create_source(length: Option<f64>, max_bytes: Option<f64>) -> Either<NativeFailure, NativeSource> {
    let made = || -> error::Result<NativeSource> {
        let length = length.map(limits::content_length).transpose()?;
        let most = max_bytes.map(limits::max_bytes_of_body).transpose()?.unwrap_or(u64::MAX);
        if length.is_some_and(|length| length > most) {
            return Err(too_large(most));
        }
        let (pusher, channel) = channel(length);
        let channel = channel.of_at_most(most);
        Ok(NativeSource { pusher: Mutex::new(Some(pusher)), channel: Mutex::new(Some(channel)) })
    };
    outcome(made())
}

#[napi]
pub struct NativeSource {
    pusher: Mutex<Option<Pusher>>,
    channel: Mutex<Option<Channel>>,
}

#[napi]
impl NativeSource {
    /// Copies the piece. False if there is no capacity: wait for `ready` and push it again.
    #[napi(catch_unwind)]
    pub fn try_push(&self, piece: &[u8]) -> bool {
        self.pusher().is_some_and(|pusher| pusher.has_capacity() && pusher.try_push(Bytes::copy_from_slice(piece)))
    }

    /// Resolves when there is capacity, or to false once nobody reads.
    #[napi(catch_unwind, ts_return_type = "Promise<boolean>")]
    pub fn ready(&self, env: &Env) -> Result<AsyncBlock<bool>> {
        let pusher = self.pusher();
        AsyncBlockBuilder::new(async move {
            match pusher {
                Some(pusher) => Ok(pusher.ready().await),
                None => Ok(false),
            }
        })
        .build(env)
    }

    /// That was all.
    #[napi(catch_unwind, ts_return_type = "Promise<void>")]
    pub fn finish(&self, env: &Env) -> Result<AsyncBlock<()>> {
        let pusher = self.pusher();
        AsyncBlockBuilder::new(async move {
            if let Some(pusher) = pusher {
                pusher.finish().await;
            }
            Ok(())
        })
        .build(env)
    }

    /// There will be no more, and it was not all. After `finish` it changes nothing.
    #[napi(catch_unwind)]
    pub fn fail(&self) {
        self.pusher.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Where no upload took it, nobody would ever make capacity for a piece that waits.
        drop(self.take());
    }

    fn pusher(&self) -> Option<Pusher> {
        self.pusher.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// For the one upload that reads it.
    pub(super) fn take(&self) -> Option<Channel> {
        self.channel.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
