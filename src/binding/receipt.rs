//! What an upload resolves to.

use serde::ser::{Serialize, SerializeTuple, Serializer};

use super::failure::milliseconds;
use crate::transfer::Receipt;

/// Values without their names, in the order of `lib/native/results.js`: to read the names of each would take JavaScript as long
/// as the values.
pub struct NativeReceipt(pub Receipt);

impl Serialize for NativeReceipt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Receipt {
            endpoint,
            failed_over,
            location,
            bucket,
            key,
            filename,
            url,
            etag,
            size,
            content_type,
            attempts,
            parts,
            resumed_parts,
            sha256,
            content_encoding,
            elapsed,
            request_id,
            confirmed_by_head,
        } = &self.0;
        let mut values = serializer.serialize_tuple(18)?;
        values.serialize_element(endpoint)?;
        values.serialize_element(failed_over)?;
        values.serialize_element(location)?;
        values.serialize_element(bucket)?;
        values.serialize_element(key)?;
        values.serialize_element(filename)?;
        values.serialize_element(size)?;
        values.serialize_element(content_type)?;
        values.serialize_element(attempts)?;
        values.serialize_element(parts)?;
        values.serialize_element(&milliseconds(*elapsed))?;
        values.serialize_element(&(url != location).then_some(url))?;
        values.serialize_element(etag)?;
        values.serialize_element(request_id)?;
        values.serialize_element(resumed_parts)?;
        values.serialize_element(sha256)?;
        values.serialize_element(content_encoding)?;
        values.serialize_element(&confirmed_by_head.then_some(true))?;
        values.end()
    }
}
