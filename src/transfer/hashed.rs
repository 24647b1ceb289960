//! The SHA-256 of what is stored, taken as it goes by.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::task::spawn_blocking;

use crate::error::{Error, Result};
use crate::source::chunks::Chunks;
use crate::store::digest::hex;

/// Below this, handing the work to another thread costs more than the work.
const INLINE_BYTES: usize = 256 * 1024;

#[derive(Debug)]
pub struct Hashed<C> {
    source: C,
    hasher: Sha256,
    /// Set when the source has come to its end.
    digest: Arc<OnceLock<String>>,
}

impl<C: Chunks> Hashed<C> {
    pub fn new(source: C) -> (Self, Arc<OnceLock<String>>) {
        let digest = Arc::default();
        (Self { source, hasher: Sha256::new(), digest: Arc::clone(&digest) }, digest)
    }
}

impl<C: Chunks> Chunks for Hashed<C> {
    fn length(&self) -> Option<u64> {
        self.source.length()
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        let piece = self.source.next().await?;
        match &piece {
            None => {
                let _ = self.digest.set(hex(&self.hasher.clone().finalize()));
            }
            Some(piece) if piece.len() <= INLINE_BYTES => self.hasher.update(piece),
            Some(piece) => {
                let (mut hasher, piece) = (self.hasher.clone(), piece.clone());
                let hashed = spawn_blocking(move || {
                    hasher.update(&piece);
                    hasher
                });
                self.hasher =
                    hashed.await.map_err(|error| Error::internal("the body could not be hashed").caused_by(error))?;
            }
        }
        Ok(piece)
    }
}
