//! A source that must have so many bytes, or nothing is stored of it.

use bytes::Bytes;

use super::chunks::Chunks;
use crate::error::{Error, Result, code};

#[derive(Debug)]
pub struct AtLeast<C> {
    source: C,
    /// Bytes that must still come.
    missing: u64,
    least: u64,
}

impl<C: Chunks> AtLeast<C> {
    /// # Errors
    /// `ERR_TOO_SMALL` where the source's length says already that it has fewer than `least` bytes.
    pub fn new(source: C, least: u64) -> Result<Self> {
        if source.length().is_some_and(|length| length < least) {
            return Err(too_small(least));
        }
        Ok(Self { source, missing: least, least })
    }
}

impl<C: Chunks> Chunks for AtLeast<C> {
    fn length(&self) -> Option<u64> {
        self.source.length()
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        let piece = self.source.next().await?;
        match &piece {
            Some(piece) => self.missing = self.missing.saturating_sub(piece.len() as u64),
            None if self.missing > 0 => return Err(too_small(self.least)),
            None => {}
        }
        Ok(piece)
    }
}

/// A body of fewer than `minBytes`.
pub fn too_small(min_bytes: u64) -> Error {
    let detail = if min_bytes == 1 {
        "body is empty".to_owned()
    } else {
        format!("body has fewer than minBytes ({min_bytes} bytes)")
    };
    Error::invalid(code::TOO_SMALL, "minBytes", detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::channel::channel;
    use crate::source::chunks::Memory;

    #[tokio::test]
    async fn a_source_with_fewer_bytes_fails_at_once_or_at_its_end() {
        let known = AtLeast::new(Memory::new(Bytes::from_static(b"ab")), 3);
        assert_eq!(known.expect_err("short").code, code::TOO_SMALL);
        for (least, expected) in [(0, None), (3, None), (4, Some(code::TOO_SMALL))] {
            let (pusher, source) = channel(None);
            assert!(pusher.try_push(Bytes::from_static(b"ab")) && pusher.try_push(Bytes::from_static(b"c")));
            pusher.finish().await;
            let mut source = AtLeast::new(source, least).expect("its length is not known");
            let failed = loop {
                match source.next().await {
                    Ok(Some(_)) => {}
                    Ok(None) => break None,
                    Err(error) => break Some(error.code.clone()),
                }
            };
            assert_eq!(failed.as_deref(), expected);
        }
    }
}
