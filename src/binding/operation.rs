//! A handle on one call, so that JavaScript's `AbortSignal` can end it. (napi's own signal type ignores one
//! that has already fired and takes the caller's `onabort` away.)

use napi_derive::napi;
use tokio_util::sync::CancellationToken;

#[napi]
pub struct NativeOperation {
    pub(super) id: u32,
    pub(super) cancel: CancellationToken,
}

#[napi]
impl NativeOperation {
    /// `id` comes back in the events of this call.
    #[napi(constructor, catch_unwind)]
    pub fn new(id: u32) -> Self {
        Self { id, cancel: CancellationToken::new() }
    }

    #[napi(getter, catch_unwind)]
    pub fn id(&self) -> u32 {
        self.id
    }

    #[napi(catch_unwind)]
    pub fn abort(&self) {
        self.cancel.cancel();
    }
}
