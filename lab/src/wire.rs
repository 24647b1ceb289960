//! HTTP/1.1 by hand, as little of it as S3 clients use.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::time::sleep;

const MAX_HEAD_BYTES: usize = 64 * 1024;
const MAX_HEADERS: usize = 100;

/// A request line and its headers, as they came.
#[derive(Debug)]
pub struct Head {
    pub raw: Vec<u8>,
    pub method: String,
    /// Without the query.
    pub path: String,
    pub body: BodyLength,
    pub amz_date: Option<String>,
    pub expects_continue: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLength {
    Known(u64),
    Chunked,
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Reads up to and including the empty line. `None` where the peer has closed instead.
///
/// # Errors
/// The connection's, or a head that is too long or no HTTP.
pub async fn read_head<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> io::Result<Option<Vec<u8>>> {
    let mut raw = Vec::new();
    loop {
        let before = raw.len();
        let read = stream.take((MAX_HEAD_BYTES - before) as u64).read_until(b'\n', &mut raw).await?;
        match read {
            0 if raw.is_empty() => return Ok(None),
            0 => return Err(invalid("the head ends early or is too long")),
            _ if raw[before..] == *b"\r\n" && before > 0 => return Ok(Some(raw)),
            _ => {}
        }
    }
}

impl Head {
    /// # Errors
    /// When it is no HTTP/1.1 request.
    pub fn parse(raw: Vec<u8>) -> io::Result<Self> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        request.parse(&raw).map_err(|_| invalid("not an HTTP request"))?;
        let method = request.method.unwrap_or_default().to_owned();
        let target = request.path.unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default().to_owned();
        let find = |name: &str| {
            let header = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
            std::str::from_utf8(header.value).ok().map(str::to_owned)
        };
        let body = match (find("content-length"), find("transfer-encoding")) {
            (_, Some(_)) => BodyLength::Chunked,
            (Some(length), None) => BodyLength::Known(length.parse().map_err(|_| invalid("bad Content-Length"))?),
            (None, None) => BodyLength::Known(0),
        };
        let amz_date = find("x-amz-date");
        let expects_continue = find("expect").is_some();
        Ok(Self { method, path, body, amz_date, expects_continue, raw })
    }

    /// The path without the bucket, decoded.
    pub fn key(&self) -> String {
        let key = self.path.trim_start_matches('/').split_once('/').map_or("", |(_, key)| key);
        decode(key)
    }

    /// The head as it goes to the server: one request for each connection.
    pub fn for_upstream(&self) -> Vec<u8> {
        let text = String::from_utf8_lossy(&self.raw);
        let mut out = String::with_capacity(text.len() + 20);
        for line in text.trim_end().split("\r\n") {
            let lower = line.to_ascii_lowercase();
            if !lower.starts_with("connection:") && !lower.starts_with("expect:") {
                out.push_str(line);
                out.push_str("\r\n");
            }
        }
        out.push_str("connection: close\r\n\r\n");
        out.into_bytes()
    }
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match (bytes[at], hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// How fast a body is read.
#[derive(Debug, Clone, Copy)]
pub enum Pace {
    AsItComes,
    BytesPerSecond(u64),
}

impl Pace {
    /// The most to read at once: a fiftieth of a second's worth.
    fn most(self) -> usize {
        match self {
            Self::AsItComes => usize::MAX,
            Self::BytesPerSecond(rate) => usize::try_from(rate / 50).unwrap_or(usize::MAX).max(1),
        }
    }

    async fn keep(self, bytes: u64) {
        if let Self::BytesPerSecond(rate) = self {
            sleep(Duration::from_millis(bytes * 1000 / rate.max(1))).await;
        }
    }
}

/// Passes a body on, at most `limit` bytes of it, and counts them.
///
/// # Errors
/// Either side's.
pub async fn copy_body<R, W>(
    from: &mut BufReader<R>,
    to: &mut W,
    length: BodyLength,
    limit: u64,
    pace: Pace,
    counted: &mut u64,
) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    match length {
        BodyLength::Known(length) => copy_exactly(from, to, length.min(limit), pace, counted).await,
        BodyLength::Chunked => loop {
            let mut line = Vec::new();
            from.take(1024).read_until(b'\n', &mut line).await?;
            to.write_all(&line).await?;
            let size = std::str::from_utf8(&line).ok().and_then(|text| text.split([';', '\r']).next());
            let size =
                size.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).ok_or_else(|| invalid("bad chunk"))?;
            // The chunk's closing line break belongs to it.
            let capacity = limit.saturating_sub(*counted);
            copy_exactly(from, to, (size + 2).min(capacity), pace, counted).await?;
            if size == 0 || *counted >= limit {
                return Ok(());
            }
        },
    }
}

async fn copy_exactly<R, W>(
    from: &mut BufReader<R>,
    to: &mut W,
    length: u64,
    pace: Pace,
    counted: &mut u64,
) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut left = length;
    let mut piece = vec![0; 16 * 1024];
    while left > 0 {
        let capacity = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len()).min(pace.most());
        let read = from.read(&mut piece[..capacity]).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        to.write_all(&piece[..read]).await?;
        left -= read as u64;
        *counted += read as u64;
        pace.keep(read as u64).await;
    }
    Ok(())
}

/// A response from the server, read whole: it closes after each.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    /// Without the `connection` header.
    pub head: Vec<u8>,
    pub body: Vec<u8>,
}

impl Response {
    /// # Errors
    /// The connection's, or something that is no HTTP response.
    pub async fn read<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> io::Result<Self> {
        loop {
            let raw = read_head(stream).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
            let status = std::str::from_utf8(&raw)
                .ok()
                .and_then(|text| text.split(' ').nth(1))
                .and_then(|status| status.parse().ok())
                .ok_or_else(|| invalid("not an HTTP response"))?;
            if (100..200).contains(&status) {
                continue;
            }
            let mut body = Vec::new();
            // A server that responds before it has read the request resets the connection behind its response.
            if let Err(error) = stream.read_to_end(&mut body).await
                && content_length(&raw).is_none_or(|length| (body.len() as u64) < length)
            {
                return Err(error);
            }
            return Ok(Self { status, head: edit_head(&raw, |line| !line.starts_with("connection:")), body });
        }
    }

    /// As of other bytes than were sent: another ETag, and another checksum where there is one.
    pub fn name_other_bytes(&mut self) {
        let has_checksum = head_has(&self.head, CHECKSUM);
        self.head = edit_head(&self.head, |line| !line.starts_with("etag:") && !line.starts_with(CHECKSUM));
        self.head.truncate(self.head.len() - 2);
        self.head.extend_from_slice(b"etag: \"00000000000000000000000000000000\"\r\n");
        if has_checksum {
            self.head.extend_from_slice(b"x-amz-checksum-crc64nvme: AAAAAAAAAAA=\r\n");
        }
        self.head.extend_from_slice(b"\r\n");
    }

    /// As a server has to that will close behind its response: else the next request is lost on the way.
    pub fn announce_close(&mut self) {
        self.head.truncate(self.head.len() - 2);
        self.head.extend_from_slice(b"connection: close\r\n\r\n");
    }

    /// As of a server that does not know the checksum.
    pub fn remove_checksum(&mut self) {
        self.head = edit_head(&self.head, |line| !line.starts_with(CHECKSUM));
    }
}

const CHECKSUM: &str = "x-amz-checksum-crc64nvme:";

fn head_has(raw: &[u8], name: &str) -> bool {
    String::from_utf8_lossy(raw).to_ascii_lowercase().lines().any(|line| line.starts_with(name))
}

fn content_length(head: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(head).to_ascii_lowercase();
    text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
}

fn edit_head(raw: &[u8], keep: impl Fn(&str) -> bool) -> Vec<u8> {
    let text = String::from_utf8_lossy(raw);
    let mut out = String::with_capacity(text.len());
    for line in text.trim_end().split("\r\n").filter(|line| keep(&line.to_ascii_lowercase())) {
        out.push_str(line);
        out.push_str("\r\n");
    }
    out.push_str("\r\n");
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reads_heads_and_keys() {
        let text =
            b"PUT /bucket/a%20b/%C3%A9.png?X-Amz-Signature=x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
        let mut stream = BufReader::new(&text[..]);
        let raw = read_head(&mut stream).await.expect("readable").expect("a head");
        let head = Head::parse(raw).expect("a request");
        assert_eq!((head.method.as_str(), head.key().as_str()), ("PUT", "a b/é.png"));
        assert_eq!((head.path.as_str(), head.body), ("/bucket/a%20b/%C3%A9.png", BodyLength::Known(5)));
        let upstream = String::from_utf8(head.for_upstream()).expect("text");
        assert!(upstream.ends_with("Content-Length: 5\r\nconnection: close\r\n\r\n"), "{upstream}");
    }

    #[tokio::test]
    async fn responses_can_name_other_bytes() {
        let edited = async |fields: &str, edit: fn(&mut Response)| {
            let head = format!("HTTP/1.1 200 OK\r\n{fields}Connection: close\r\n\r\n");
            let mut response = Response::read(&mut BufReader::new(head.as_bytes())).await.expect("a response");
            edit(&mut response);
            String::from_utf8(response.head).expect("text")
        };
        let (etag, both) = ("ETag: \"a\"\r\n", "ETag: \"a\"\r\nx-amz-checksum-crc64nvme: rosUhgp5mIg=\r\n");
        let other = "HTTP/1.1 200 OK\r\netag: \"00000000000000000000000000000000\"\r\n";
        assert_eq!(edited(etag, Response::name_other_bytes).await, format!("{other}\r\n"));
        let checksum = "x-amz-checksum-crc64nvme: AAAAAAAAAAA=\r\n";
        assert_eq!(edited(both, Response::name_other_bytes).await, format!("{other}{checksum}\r\n"));
        assert_eq!(edited(both, Response::remove_checksum).await, format!("HTTP/1.1 200 OK\r\n{etag}\r\n"));
    }
}
