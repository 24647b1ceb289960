//! A file of this machine, read as it is sent.

use std::path::Path;

use bytes::{Bytes, BytesMut};
use tokio::fs::{File, metadata};
use tokio::io::AsyncReadExt as _;

use super::chunks::Chunks;
use crate::error::{Category, Error, Result, Retryability, code, printable};

/// Read at once: enough that the way to the thread that reads does not count.
const PIECE_BYTES: usize = 512 * 1024;

#[derive(Debug)]
pub struct FileSource {
    file: File,
    length: u64,
    read: u64,
}

impl FileSource {
    /// Its length now is the length that it must have at its end.
    ///
    /// # Errors
    /// `ERR_INVALID_BODY` for what is no file, cannot be opened, or has another length than `declared`.
    pub async fn open(path: &Path, declared: Option<u64>) -> Result<Self> {
        let name = printable(&path.to_string_lossy(), 300);
        let invalid = |why: String| {
            Error::invalid(code::INVALID_BODY, "body", format!("body is a file that cannot be sent: {why}: {name}"))
        };
        let unusable = |error: std::io::Error| invalid(error.to_string()).caused_by(error);
        // Asked before it is opened: to open a pipe would wait for whoever writes to it.
        if !metadata(path).await.map_err(unusable)?.is_file() {
            return Err(invalid("it is not a file".to_owned()));
        }
        let file = File::open(path).await.map_err(unusable)?;
        let length = file.metadata().await.map_err(unusable)?.len();
        match declared {
            Some(declared) if declared != length => {
                Err(invalid(format!("it has {length} bytes, not the {declared} of contentLength")))
            }
            _ => Ok(Self { file, length, read: 0 }),
        }
    }

    fn changed(&self, what: &str) -> Error {
        let detail = format!("the file had {} bytes when it was opened, and has {what} now", self.length);
        Error::new(code::SOURCE_LENGTH, Category::Source, Retryability::Permanent, detail)
    }
}

impl Chunks for FileSource {
    fn length(&self) -> Option<u64> {
        Some(self.length)
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        // And a byte more: a file that has grown is known by it.
        let rest = usize::try_from(self.length.saturating_sub(self.read)).unwrap_or(usize::MAX).saturating_add(1);
        let mut piece = BytesMut::with_capacity(rest.min(PIECE_BYTES));
        let failed = |error: std::io::Error| {
            let detail = format!("the file could not be read to its end: {}", error.kind());
            Error::new(code::SOURCE_FAILED, Category::Source, Retryability::Permanent, detail).caused_by(error)
        };
        let read = self.file.read_buf(&mut piece).await.map_err(failed)?;
        self.read += read as u64;
        if self.read > self.length {
            return Err(self.changed("more"));
        }
        if read == 0 && self.read < self.length {
            return Err(self.changed("fewer"));
        }
        Ok((read > 0).then(|| piece.freeze()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[tokio::test]
    async fn a_file_that_changes_on_the_way_is_no_source() {
        let path = std::env::temp_dir().join(format!("reliable-r2-file-{}", std::process::id()));
        let read = async |change: &dyn Fn()| {
            std::fs::write(&path, vec![7; 3 * PIECE_BYTES]).expect("written");
            let mut file = FileSource::open(&path, None).await.expect("opened");
            file.next().await.expect("a piece");
            change();
            loop {
                match file.next().await {
                    Ok(Some(_)) => {}
                    Ok(None) => return None,
                    Err(error) => return Some(error.code.to_string()),
                }
            }
        };
        assert_eq!(read(&|| {}).await, None);
        let grow = || {
            let mut file = std::fs::OpenOptions::new().append(true).open(&path).expect("opened");
            file.write_all(b"more").expect("written");
        };
        assert_eq!(read(&grow).await.as_deref(), Some(code::SOURCE_LENGTH));
        let cut = || {
            let file = std::fs::OpenOptions::new().write(true).open(&path).expect("opened");
            file.set_len(PIECE_BYTES as u64 + 5).expect("cut");
        };
        assert_eq!(read(&cut).await.as_deref(), Some(code::SOURCE_LENGTH));
        std::fs::remove_file(&path).expect("removed");
        assert_eq!(FileSource::open(&path, None).await.expect_err("gone").code, code::INVALID_BODY);
        assert_eq!(FileSource::open(&std::env::temp_dir(), None).await.expect_err("a folder").code, code::INVALID_BODY);
    }
}
