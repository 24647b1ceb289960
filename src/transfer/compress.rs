//! Compressing before storing, for what compresses well: browsers decompress it by its `Content-Encoding`.

use std::io::{self, Write as _};
use std::mem::take;

use bytes::Bytes;
use flate2::write::GzEncoder;
use tokio::task::spawn_blocking;

use super::media_type::MediaType;
use crate::error::{Error, Result};
use crate::source::chunks::Chunks;

/// What a caller asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Whatever is not compressed already.
    Always(Encoding),
    /// What is known to compress well, as gzip, which every client of HTTP can decompress.
    Auto,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Gzip,
    Brotli,
}

/// Less than this is as long compressed as it is plain.
const LEAST_BYTES: usize = 1024;

impl Compression {
    pub const NAMES: &[&str] = &["gzip", "br", "auto"];

    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "gzip" => Some(Self::Always(Encoding::Gzip)),
            "br" => Some(Self::Always(Encoding::Brotli)),
            "auto" => Some(Self::Auto),
            _ => None,
        }
    }

    /// What to do with an object of this type that begins with `head`, up to [`Self::HEAD_BYTES`] of it.
    pub fn choose(self, content_type: &str, head: &[u8]) -> Option<Encoding> {
        let kind = Kind::of(content_type);
        match self {
            _ if head.len() < LEAST_BYTES => None,
            Self::Always(encoding) if kind != Kind::Compressed => Some(encoding),
            Self::Auto if kind == Kind::Packable => Some(Encoding::Gzip),
            _ => None,
        }
    }

    pub const HEAD_BYTES: usize = 4096;
}

impl Encoding {
    /// For `Content-Encoding`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Brotli => "br",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Packable,
    /// Pictures, films, archives: compressing them again costs time and gains nothing.
    Compressed,
    Unknown,
}

impl Kind {
    fn of(content_type: &str) -> Self {
        let Some(parsed) = MediaType::parse(content_type) else { return Self::Unknown };
        let essence = parsed.essence();
        let Some((kind, subtype)) = essence.split_once('/') else { return Self::Unknown };
        match (kind, subtype) {
            ("text", _) | ("image", "bmp" | "vnd.microsoft.icon" | "x-icon") => Self::Packable,
            _ if matches!(parsed.suffix().as_deref(), Some("xml" | "json")) => Self::Packable,
            (
                "application",
                "json" | "xml" | "javascript" | "ecmascript" | "wasm" | "manifest" | "x-ndjson" | "rtf"
                | "vnd.ms-fontobject",
            )
            | ("font", "ttf" | "otf") => Self::Packable,
            ("audio", "wav" | "x-wav" | "aiff") => Self::Unknown,
            ("image" | "video" | "audio" | "font", _)
            | (
                "application",
                "zip" | "gzip" | "x-gzip" | "zstd" | "x-bzip2" | "x-xz" | "x-7z-compressed" | "vnd.rar" | "pdf"
                | "x-rar-compressed",
            ) => Self::Compressed,
            _ => Self::Unknown,
        }
    }
}

/// What is gathered before another thread packs it.
const BATCH_BYTES: usize = 256 * 1024;

/// The source's bytes, compressed. How many there will be is not known.
#[derive(Debug)]
pub struct Compressed<C> {
    source: C,
    /// None once all is compressed.
    encoder: Option<Encoder>,
}

impl<C: Chunks> Compressed<C> {
    pub fn new(source: C, encoding: Encoding) -> Self {
        Self { source, encoder: Some(Encoder::new(encoding)) }
    }
}

impl<C: Chunks> Chunks for Compressed<C> {
    fn length(&self) -> Option<u64> {
        None
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        while let Some(mut encoder) = self.encoder.take() {
            let (mut batch, mut gathered, mut ended) = (Vec::new(), 0, false);
            while gathered < BATCH_BYTES && !ended {
                match self.source.next().await? {
                    Some(piece) => {
                        gathered += piece.len();
                        batch.push(piece);
                    }
                    None => ended = true,
                }
            }
            let work = spawn_blocking(move || {
                for piece in &batch {
                    encoder.write(piece)?;
                }
                if ended { Ok((encoder.finish()?, None)) } else { Ok((encoder.take(), Some(encoder))) }
            });
            let compressed: io::Result<(Vec<u8>, Option<Encoder>)> = match work.await {
                Ok(compressed) => compressed,
                Err(error) => return Err(Error::internal("compression failed").caused_by(error)),
            };
            let (compressed, encoder) =
                compressed.map_err(|error| Error::internal("compression failed").caused_by(error))?;
            self.encoder = encoder;
            if !compressed.is_empty() {
                return Ok(Some(compressed.into()));
            }
        }
        Ok(None)
    }
}

/// The same bytes give the same compressed ones, always: a resumed upload compares them.
enum Encoder {
    Gzip(Box<GzEncoder<Vec<u8>>>),
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Encoder")
    }
}

impl Encoder {
    fn new(encoding: Encoding) -> Self {
        // Five of eleven: what servers take for bodies that are compressed once and sent often is slower than any
        // line from here to R2.
        const BROTLI_QUALITY: u32 = 5;
        const BROTLI_WINDOW: u32 = 22;
        match encoding {
            Encoding::Gzip => Self::Gzip(Box::new(GzEncoder::new(Vec::new(), flate2::Compression::default()))),
            Encoding::Brotli => Self::Brotli(Box::new(brotli::CompressorWriter::new(
                Vec::new(),
                64 * 1024,
                BROTLI_QUALITY,
                BROTLI_WINDOW,
            ))),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.write_all(bytes),
            Self::Brotli(encoder) => encoder.write_all(bytes),
        }
    }

    /// What is compressed so far.
    fn take(&mut self) -> Vec<u8> {
        match self {
            Self::Gzip(encoder) => take(encoder.get_mut()),
            Self::Brotli(encoder) => take(encoder.get_mut()),
        }
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip(encoder) => encoder.finish(),
            Self::Brotli(encoder) => Ok(encoder.into_inner()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;
    use crate::source::chunks::{Blocks, Memory};

    #[test]
    fn what_is_compressed_already_stays_as_it_is() {
        let head = [b'a'; LEAST_BYTES];
        let always = Compression::Always(Encoding::Brotli);
        for compressed in ["image/png", "image/webp", "video/mp4", "application/zip", "font/woff2", "application/pdf"] {
            assert_eq!(
                (always.choose(compressed, &head), Compression::Auto.choose(compressed, &head)),
                (None, None),
                "{compressed}"
            );
        }
        for packable in ["text/plain; charset=utf-8", "image/svg+xml", "application/json", "application/ld+json"] {
            assert_eq!(always.choose(packable, &head), Some(Encoding::Brotli), "{packable}");
            assert_eq!(Compression::Auto.choose(packable, &head), Some(Encoding::Gzip), "{packable}");
            assert_eq!(always.choose(packable, &head[1..]), None, "too short to gain");
        }
        assert_eq!(always.choose("application/octet-stream", &head), Some(Encoding::Brotli));
        assert_eq!(Compression::Auto.choose("application/octet-stream", &head), None);
    }

    #[tokio::test]
    async fn decompression_restores_the_bytes() {
        let text = Bytes::from("All work and no play. ".repeat(50_000));
        for encoding in [Encoding::Gzip, Encoding::Brotli] {
            let pieces = Blocks::new(Memory::new(text.clone()));
            let mut bytes = Vec::new();
            let mut compressed = Compressed::new(pieces, encoding);
            while let Some(piece) = compressed.next().await.expect("compressed") {
                bytes.extend_from_slice(&piece);
            }
            assert!(bytes.len() < text.len() / 20, "{} bytes", bytes.len());
            let mut plain = Vec::new();
            match encoding {
                Encoding::Gzip => flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut plain).expect("gzip"),
                Encoding::Brotli => {
                    brotli::Decompressor::new(&bytes[..], 4096).read_to_end(&mut plain).expect("brotli")
                }
            };
            assert!(plain == text);
        }
    }
}
