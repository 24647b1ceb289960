//! The baseline behind the N-API boundary: what is left of an upload from Node.js when nothing is done but to copy the body, to send
//! a ready-made request, and to settle a promise.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use napi::bindgen_prelude::{AsyncBlock, AsyncBlockBuilder};
use napi::{Env, Error, Result};
use napi_derive::napi;
use reliable_r2_rig::bare::{Failure, Peer, Sender};

#[napi]
pub struct Baseline {
    peer: Arc<Peer>,
    /// Connections that nobody uses now.
    idle: Arc<Mutex<Vec<Sender>>>,
}

#[napi]
impl Baseline {
    #[napi(constructor)]
    pub fn new(url: String, authority_path: String) -> Result<Self> {
        let peer = Peer::new(&url, Some(&authority_path)).map_err(to_js)?;
        Ok(Self { peer: Arc::new(peer), idle: Arc::default() })
    }

    #[napi(ts_return_type = "Promise<void>")]
    pub fn put(&self, env: &Env, body: &[u8]) -> Result<AsyncBlock<()>> {
        let (peer, idle, body) = (Arc::clone(&self.peer), Arc::clone(&self.idle), Bytes::copy_from_slice(body));
        AsyncBlockBuilder::new(async move {
            let kept = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut sender = match kept {
                Some(sender) => sender,
                None => peer.connect().await.map_err(to_js)?,
            };
            peer.put(&mut sender, body).await.map_err(to_js)?;
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
            Ok(())
        })
        .build(env)
    }
}

fn to_js(failure: Failure) -> Error {
    Error::from_reason(failure.to_string())
}
