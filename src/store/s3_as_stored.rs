//! Objects that were stored packed (`Content-Encoding`), as they are. Cloudflare unpacks them for who does not say that it
//! can do so itself: without their length, under a weak ETag.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// Whether an answer may be of other bytes than those that are stored.
pub(super) fn may_be_unpacked(length: Option<i64>, etag: Option<&str>) -> bool {
    length.is_none() || etag.is_some_and(|etag| etag.trim_start().starts_with("W/"))
}

/// Asks for the stored bytes. Behind the signature, since proxies change this header on the way.
#[derive(Debug)]
pub(super) struct AsStored;

#[dyn_dispatch_hint]
impl Intercept for AsStored {
    fn name(&self) -> &'static str {
        "AsStored"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        context.request_mut().headers_mut().insert("accept-encoding", "gzip, br, zstd, deflate");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_length_or_under_a_weak_etag_it_may_be_something_else() {
        assert!(!may_be_unpacked(Some(0), None));
        assert!(!may_be_unpacked(Some(5), Some("\"abc\"")));
        assert!(may_be_unpacked(None, Some("\"abc\"")));
        assert!(may_be_unpacked(Some(5), Some("W/\"abc\"")));
    }
}
