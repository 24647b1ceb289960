//! An S3 server that takes everything and keeps nothing. By hand, and with one write for a response, since it shares the
//! machine with the client that is measured: what it does not cost is the client's.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use md5::{Digest as _, Md5};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::request::{BodyLength, Head, S3Operation, parse};

/// Read in one piece. Larger ones would fall out of the processor's cache.
const PIECE_BYTES: usize = 256 * 1024;

/// What the responses to uploads say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Etags {
    /// The MD5 of the body, as S3 has it: the client may compare it. A checksum is not known.
    Md5,
    /// Always the same one, in the form of an object in parts, which shows nothing of the bytes and costs nothing; and
    /// the checksum that came, as from R2, where it would have been verified.
    Fixed,
}

const FIXED_ETAG: &str = "00000000000000000000000000000000-1";

#[derive(Debug)]
pub struct Sink {
    etags: Etags,
    uploads: AtomicU64,
    /// MD5s of the parts of each upload by their numbers.
    parts: Mutex<HashMap<String, BTreeMap<u32, [u8; 16]>>>,
}

impl Sink {
    pub fn new(etags: Etags) -> Arc<Self> {
        Arc::new(Self { etags, uploads: AtomicU64::new(0), parts: Mutex::default() })
    }

    /// Serves a port until it is dropped.
    ///
    /// # Errors
    /// The listener's.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, tls: Option<TlsAcceptor>) -> io::Result<()> {
        loop {
            let (socket, _) = listener.accept().await?;
            socket.set_nodelay(true)?;
            let (sink, tls) = (Arc::clone(&self), tls.clone());
            tokio::spawn(async move {
                // How a connection ends is the client's affair.
                let _ = match tls {
                    None => sink.connection(socket).await,
                    Some(tls) => match tls.accept(socket).await {
                        Ok(stream) => sink.connection(stream).await,
                        Err(error) => Err(error),
                    },
                };
            });
        }
    }

    async fn connection<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> io::Result<()> {
        let mut reader = Reader { stream, buffer: vec![0; PIECE_BYTES], start: 0, end: 0 };
        while let Some(head) = reader.head().await? {
            if head.expects_continue {
                reader.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
            }
            let hashed =
                self.etags == Etags::Md5 && matches!(head.operation, S3Operation::Put | S3Operation::Part { .. });
            let mut md5 = hashed.then(Md5::new);
            reader
                .body(head.body, |piece| {
                    if let Some(md5) = &mut md5 {
                        md5.update(piece)
                    }
                })
                .await?;
            self.respond(&mut reader.stream, &head, md5.map(|md5| md5.finalize().into())).await?;
            if head.close {
                return reader.stream.shutdown().await;
            }
        }
        Ok(())
    }

    async fn respond<S: AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        head: &Head,
        md5: Option<[u8; 16]>,
    ) -> io::Result<()> {
        let response = match &head.operation {
            S3Operation::Put => stored(head, md5),
            S3Operation::Part { upload, number } => {
                if let Some(md5) = md5 {
                    self.parts().entry(upload.clone()).or_default().insert(*number, md5);
                }
                stored(head, md5)
            }
            S3Operation::CreateMultipart => {
                let id = self.uploads.fetch_add(1, Ordering::Relaxed) + 1;
                let (bucket, key) = names(&head.path);
                xml(
                    "InitiateMultipartUploadResult",
                    // Not a number alone: there are clients whose XML parser makes one of it, and then misses the text.
                    &format!("<Bucket>{bucket}</Bucket><Key>{key}</Key><UploadId>upload-{id}</UploadId>"),
                )
            }
            S3Operation::CompleteMultipart { upload } => {
                let (bucket, key) = names(&head.path);
                let etag = self.parts().remove(upload).map_or_else(|| FIXED_ETAG.to_owned(), |parts| of_parts(&parts));
                xml(
                    "CompleteMultipartUploadResult",
                    &format!(
                        "<Location>http://localhost{}</Location><Bucket>{bucket}</Bucket><Key>{key}</Key><ETag>\"{etag}\"</ETag>",
                        head.path
                    ),
                )
            }
            S3Operation::ListUploads => xml("ListMultipartUploadsResult", "<IsTruncated>false</IsTruncated>"),
            S3Operation::Get { bytes } => return give(stream, *bytes).await,
            S3Operation::Head | S3Operation::Other => "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned(),
        };
        stream.write_all(response.as_bytes()).await?;
        stream.flush().await
    }

    fn parts(&self) -> std::sync::MutexGuard<'_, HashMap<String, BTreeMap<u32, [u8; 16]>>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stored(head: &Head, md5: Option<[u8; 16]>) -> String {
    let etag = md5.map_or_else(|| FIXED_ETAG.to_owned(), |md5| hex(&md5));
    let checksum = match (&head.checksum, md5) {
        (Some(checksum), None) => format!("x-amz-checksum-crc64nvme: {checksum}\r\n"),
        _ => String::new(),
    };
    format!("HTTP/1.1 200 OK\r\netag: \"{etag}\"\r\n{checksum}content-length: 0\r\n\r\n")
}

fn xml(name: &str, inner: &str) -> String {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><{name} xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{inner}</{name}>"
    );
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/xml\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// Bucket and key of a path-style address, as they stand there.
fn names(path: &str) -> (&str, &str) {
    path.trim_start_matches('/').split_once('/').unwrap_or((path, ""))
}

/// The ETag of an object in parts: the MD5 of their MD5s, and how many they are.
fn of_parts(parts: &BTreeMap<u32, [u8; 16]>) -> String {
    let digest = parts.values().fold(Md5::new(), |digest, part| digest.chain_update(part));
    format!("{}-{}", hex(&digest.finalize()), parts.len())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn give<S: AsyncWrite + Unpin>(stream: &mut S, bytes: u64) -> io::Result<()> {
    let piece = b"reliable".repeat(PIECE_BYTES / 8);
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\netag: \"{FIXED_ETAG}\"\r\ncontent-length: {bytes}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    let mut left = bytes;
    while left > 0 {
        let now = left.min(PIECE_BYTES as u64);
        stream.write_all(&piece[..usize::try_from(now).unwrap_or(PIECE_BYTES)]).await?;
        left -= now;
    }
    stream.flush().await
}

/// A connection with what was read of it and not yet used: `buffer[start..end]`.
struct Reader<S> {
    stream: S,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl<S: AsyncRead + Unpin> Reader<S> {
    /// Reads more behind what is there. False at the connection's end.
    async fn fill(&mut self) -> io::Result<bool> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let read = self.stream.read(&mut self.buffer[self.end..]).await?;
        self.end += read;
        Ok(read > 0)
    }

    /// `None` where the client has closed instead.
    async fn head(&mut self) -> io::Result<Option<Head>> {
        loop {
            let found = parse(&self.buffer[self.start..self.end]);
            if let Some((head, length)) = found.map_err(|what| io::Error::new(io::ErrorKind::InvalidData, what))? {
                self.start += length;
                return Ok(Some(head));
            }
            if self.end - self.start == self.buffer.len() || !self.fill().await? {
                return Ok(None);
            }
        }
    }

    async fn body(&mut self, length: BodyLength, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        match length {
            BodyLength::Known(length) => self.take(length, &mut each).await,
            BodyLength::Chunked => loop {
                let size = self.chunk_size().await?;
                self.take(size, &mut each).await?;
                // The line break behind the chunk.
                self.take(2, |_| ()).await?;
                if size == 0 {
                    return Ok(());
                }
            },
        }
    }

    async fn take(&mut self, length: u64, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        let mut left = length;
        while left > 0 {
            if self.start == self.end && !self.fill().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let here = (self.end - self.start).min(usize::try_from(left).unwrap_or(usize::MAX));
            each(&self.buffer[self.start..self.start + here]);
            self.start += here;
            left -= here as u64;
        }
        Ok(())
    }

    async fn chunk_size(&mut self) -> io::Result<u64> {
        loop {
            let here = &self.buffer[self.start..self.end];
            match httparse::parse_chunk_size(here) {
                Ok(httparse::Status::Complete((length, size))) => {
                    self.start += length;
                    return Ok(size);
                }
                Ok(httparse::Status::Partial) if self.fill().await? => {}
                _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "bad chunk")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends `requests` in pieces of every size and gives the responses.
    async fn exchange(sink: &Arc<Sink>, requests: &str, piece: usize) -> String {
        let (mut client, server) = tokio::io::duplex(1024);
        let sink = Arc::clone(sink);
        let server = tokio::spawn(async move { sink.connection(server).await });
        for piece in requests.as_bytes().chunks(piece) {
            client.write_all(piece).await.expect("taken");
        }
        client.shutdown().await.expect("closed");
        let mut responses = String::new();
        client.read_to_string(&mut responses).await.expect("responses");
        server.await.expect("no panic").expect("an orderly end");
        responses
    }

    #[tokio::test]
    async fn a_body_has_its_md5_however_it_comes() {
        let known = "PUT /b/k HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello";
        let chunked = "PUT /b/k HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
        for piece in [1, 7, 1000] {
            let responses = exchange(&Sink::new(Etags::Md5), &[known, chunked, known].concat(), piece).await;
            assert_eq!(responses.matches("etag: \"5d41402abc4b2a76b9719d911017c592\"").count(), 3, "{responses}");
        }
        let responses = exchange(&Sink::new(Etags::Fixed), known, 1000).await;
        assert!(responses.contains(FIXED_ETAG), "{responses}");
    }

    #[tokio::test]
    async fn a_checksum_comes_back_where_there_is_no_md5() {
        let checksum = "x-amz-checksum-crc64nvme: rosUhgp5mIg=\r\n";
        let put = format!("PUT /b/k HTTP/1.1\r\n{checksum}content-length: 9\r\n\r\n123456789");
        assert!(exchange(&Sink::new(Etags::Fixed), &put, 1000).await.contains(checksum));
        assert!(!exchange(&Sink::new(Etags::Md5), &put, 1000).await.contains("checksum"));
    }

    #[tokio::test]
    async fn parts_become_an_object() {
        let sink = Sink::new(Etags::Md5);
        let begun = exchange(&sink, "POST /b/k?uploads HTTP/1.1\r\n\r\n", 1000).await;
        assert!(begun.contains("<UploadId>upload-1</UploadId>") && begun.contains("<Key>k</Key>"), "{begun}");
        let part = |number| {
            format!("PUT /b/k?partNumber={number}&uploadId=upload-1 HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello")
        };
        let complete = "POST /b/k?uploadId=upload-1 HTTP/1.1\r\ncontent-length: 4\r\n\r\n<x/>";
        let responses = exchange(&sink, &[part(2).as_str(), &part(1), complete].concat(), 1000).await;
        // The MD5 of twice the MD5 of hello.
        assert!(responses.contains("<ETag>\"616b22817b80eed9f65c3aa38cd29054-2\"</ETag>"), "{responses}");
    }

    #[tokio::test]
    async fn gives_as_many_bytes_as_one_asks_for() {
        let response = exchange(&Sink::new(Etags::Fixed), "GET /source?bytes=11 HTTP/1.1\r\n\r\n", 1000).await;
        assert!(response.contains("content-length: 11\r\n") && response.ends_with("\r\n\r\nreliablerel"), "{response}");
    }
}
