//! One request on a connection, its response, and the faults that happen between them.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use md5::{Digest as _, Md5};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader, sink};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::State;
use crate::client::Client;
use crate::events::Event;
use crate::fault::{Fault, Piece, RawEnd};
use crate::flip::Flipping;
use crate::wire::{BodyLength, Head, Pace, Response, copy_body, read_head};

/// Longer than any client waits.
const FOREVER: Duration = Duration::from_secs(3600);
const STOPPED: Duration = Duration::from_secs(30);

/// As from a port where something else than HTTP is spoken, or a connection whose bytes were mixed up.
const GARBAGE: &[u8] = b"\x16\x03\x01\x00\xff<html>\x00\x80no HTTP\r\n\r\n\x7f\x00\xfe";

/// How a request left its connection.
enum End {
    KeepAlive,
    /// Closed once the client has had time to read its response: a close with unread bytes is a reset.
    Drain,
    Close,
    /// The socket's end, under the TLS layer, which says nothing.
    Fin,
    Reset,
}

/// The requests of a connection, one after the other.
pub(crate) struct Connection<'a> {
    id: u64,
    port: &'static str,
    requests: u64,
    server: SocketAddr,
    state: &'a State,
    client: Client,
}

impl<'a> Connection<'a> {
    pub(crate) const fn new(id: u64, port: &'static str, server: SocketAddr, state: &'a State, client: Client) -> Self {
        Self { id, port, requests: 0, server, state, client }
    }

    pub(crate) async fn requests<S: AsyncRead + AsyncWrite + Unpin>(&mut self, stream: S) -> io::Result<()> {
        let mut stream = BufReader::new(stream);
        loop {
            let raw = tokio::select! {
                raw = read_head(&mut stream) => raw?,
                () = self.state.plan.idle_must_close() => return Ok(()),
            };
            let Some(raw) = raw else { return Ok(()) };
            let head = Head::parse(raw)?;
            self.requests += 1;
            let fault = self.state.plan.for_request(&head.method, &head.key());
            let fault = fault.filter(|fault| self.applies(fault, &head));
            let mut event = Event {
                request: Some(self.requests),
                method: Some(head.method.clone()),
                path: Some(head.path.clone()),
                key: Some(head.key()),
                amz_date: head.amz_date.clone(),
                ..Event::of_connection(self.id, self.port, fault.as_ref().map_or("forward", Fault::name))
            };
            self.state.under_way.fetch_add(1, Ordering::SeqCst);
            let end = self.request(&mut stream, &head, fault, &mut event).await;
            self.state.events.add(event);
            self.state.under_way.fetch_sub(1, Ordering::SeqCst);
            match end? {
                End::KeepAlive => {}
                End::Drain => {
                    stream.get_mut().shutdown().await?;
                    let mut nowhere = sink();
                    let rest = tokio::io::copy(&mut stream, &mut nowhere);
                    let _ = tokio::time::timeout(Duration::from_millis(200), rest).await;
                    return Ok(());
                }
                End::Close => {
                    stream.get_mut().shutdown().await?;
                    return Ok(());
                }
                End::Fin => {
                    self.client.end()?;
                    given_up(&mut stream).await;
                    return Ok(());
                }
                End::Reset => {
                    self.client.reset();
                    return Ok(());
                }
            }
        }
    }

    /// Limits strike only where there are too many.
    fn applies(&self, fault: &Fault, head: &Head) -> bool {
        match fault {
            Fault::KeyLimit { interval_ms } => {
                let now = tokio::time::Instant::now();
                let mut limited = self.state.limited.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                let last = limited.get(&head.key());
                let strikes = last.is_some_and(|last| now - *last < Duration::from_millis(*interval_ms));
                if !strikes {
                    limited.insert(head.key(), now);
                }
                strikes
            }
            Fault::Crowd { most } => self.state.forwarding.load(Ordering::SeqCst) >= *most,
            _ => true,
        }
    }

    async fn request<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut BufReader<S>,
        head: &Head,
        fault: Option<Fault>,
        event: &mut Event,
    ) -> io::Result<End> {
        if let Some(Fault::EarlyStatus { status, code, message }) = &fault {
            event.status = Some(*status);
            let response = error_response(*status, code, message.as_deref(), &[("connection", "close")]);
            stream.get_mut().write_all(&response).await?;
            return Ok(End::Close);
        }
        if head.expects_continue {
            stream.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let whole = match head.body {
            BodyLength::Known(length) => length,
            BodyLength::Chunked => u64::MAX,
        };
        let read = &mut event.body_bytes;
        match fault {
            Some(Fault::Reset { after_bytes }) => {
                swallow(stream, head, after_bytes.unwrap_or(whole / 2), read).await?;
                Ok(End::Reset)
            }
            Some(Fault::Fin { after_bytes }) => {
                swallow(stream, head, after_bytes.unwrap_or(whole / 2), read).await?;
                Ok(End::Close)
            }
            Some(Fault::Hang { for_ms }) => {
                swallow(stream, head, u64::MAX, read).await?;
                tokio::select! {
                    () = sleep(for_ms.map_or(FOREVER, Duration::from_millis)) => {}
                    () = given_up(stream) => {}
                }
                Ok(End::Reset)
            }
            Some(Fault::StopReading { after_bytes }) => {
                swallow(stream, head, after_bytes.unwrap_or(whole / 2), read).await?;
                tokio::select! {
                    () = sleep(STOPPED) => {}
                    () = self.client.left() => {}
                }
                Ok(End::Reset)
            }
            Some(Fault::Status { status, code, message, retry_after, date, headers }) => {
                swallow(stream, head, u64::MAX, read).await?;
                event.status = Some(status);
                let extra = [("retry-after", retry_after), ("date", date)];
                let mut extra: Vec<(&str, &str)> =
                    extra.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
                extra.extend(headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
                let response = error_response(status, &code, message.as_deref(), &extra);
                stream.get_mut().write_all(&response).await?;
                Ok(End::KeepAlive)
            }
            Some(Fault::KeyLimit { .. } | Fault::Crowd { .. }) => {
                swallow(stream, head, u64::MAX, read).await?;
                event.status = Some(429);
                stream.get_mut().write_all(&error_response(429, "TooManyRequests", None, &[])).await?;
                Ok(End::KeepAlive)
            }
            Some(Fault::Raw { response, bytes_per_second, end }) => {
                swallow(stream, head, u64::MAX, read).await?;
                let pace = bytes_per_second.map_or(Pace::AsItComes, Pace::BytesPerSecond);
                for piece in &response {
                    let bytes = piece_bytes(piece)?;
                    for _ in 0..piece.times.unwrap_or(1) {
                        write_at(stream.get_mut(), &bytes, pace).await?;
                    }
                }
                stream.get_mut().flush().await?;
                Ok(match end.unwrap_or(RawEnd::Keep) {
                    RawEnd::Keep => End::KeepAlive,
                    RawEnd::Close => End::Close,
                    RawEnd::Fin => End::Fin,
                    RawEnd::Reset => End::Reset,
                    RawEnd::Hold => {
                        given_up(stream).await;
                        End::Close
                    }
                })
            }
            Some(Fault::Pretend) => {
                let mut body = Vec::new();
                copy_body(stream, &mut body, head.body, u64::MAX, Pace::AsItComes, read).await?;
                let etag: String = Md5::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
                event.status = Some(200);
                let response = format!("HTTP/1.1 200 OK\r\netag: \"{etag}\"\r\ncontent-length: 0\r\n\r\n");
                stream.get_mut().write_all(response.as_bytes()).await?;
                Ok(End::KeepAlive)
            }
            Some(Fault::Late { ms }) => {
                let mut request = head.for_upstream();
                copy_body(stream, &mut request, head.body, u64::MAX, Pace::AsItComes, read).await?;
                let server = self.server;
                tokio::spawn(async move {
                    sleep(Duration::from_millis(ms)).await;
                    let Ok(mut upstream) = TcpStream::connect(server).await else { return };
                    let _ = upstream.write_all(&request).await;
                    let _ = tokio::io::copy(&mut upstream, &mut sink()).await;
                });
                given_up(stream).await;
                Ok(End::Close)
            }
            Some(Fault::Interim { count }) => {
                for _ in 0..count {
                    stream.get_mut().write_all(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n").await?;
                }
                self.forward(stream, head, None, event).await
            }
            Some(Fault::Garbage) => {
                swallow(stream, head, u64::MAX, read).await?;
                stream.get_mut().write_all(GARBAGE).await?;
                Ok(End::Close)
            }
            other => self.forward(stream, head, other, event).await,
        }
    }

    async fn forward<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut BufReader<S>,
        head: &Head,
        fault: Option<Fault>,
        event: &mut Event,
    ) -> io::Result<End> {
        let _forwarding = Counted::of(&self.state.forwarding);
        let (reading, mut upstream) = TcpStream::connect(self.server).await?.into_split();
        upstream.write_all(&head.for_upstream()).await?;
        let pace = match fault {
            Some(Fault::Slow { bytes_per_second }) => Pace::BytesPerSecond(bytes_per_second),
            _ => Pace::AsItComes,
        };
        let flip_at = match (&fault, head.body) {
            (Some(Fault::Flip), BodyLength::Known(length)) => length / 2,
            (Some(Fault::Flip), BodyLength::Chunked) => 1024,
            _ => u64::MAX,
        };
        let mut body = Flipping::at(upstream, flip_at);
        let mut reading = BufReader::new(reading);
        let mut response = std::pin::pin!(Response::read(&mut reading));
        // A server that refuses may respond, and close, before it has read the body.
        let early = tokio::select! {
            copied = copy_body(stream, &mut body, head.body, u64::MAX, pace, &mut event.body_bytes) => match copied {
                Ok(()) => None,
                // A client that is gone gets none: the server would wait for the rest of its body for ever.
                Err(_) => {
                    let mut nowhere = sink();
                    tokio::select! {
                        response = &mut response => Some(response?),
                        _ = tokio::io::copy(stream, &mut nowhere) => return Ok(End::Close),
                    }
                }
            },
            response = &mut response => Some(response?),
            // Else the rest of its body would keep the server busy for as long as the rate says.
            () = self.client.left(), if matches!(pace, Pace::BytesPerSecond(_)) => return Ok(End::Close),
        };
        let (end, mut response) = match early {
            Some(mut response) => {
                response.announce_close();
                (End::Drain, response)
            }
            None => (End::KeepAlive, response.await?),
        };
        match fault {
            Some(Fault::DropResponse) => return Ok(End::Reset),
            Some(Fault::Delay { ms }) => sleep(Duration::from_millis(ms)).await,
            Some(Fault::PartialHead { after_bytes }) => {
                let half = response.head.len() / 2;
                let most = after_bytes.map_or(half, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
                stream.get_mut().write_all(&response.head[..most.min(response.head.len())]).await?;
                return Ok(End::Close);
            }
            Some(Fault::BadEtag) => response.name_other_bytes(),
            Some(Fault::NoChecksum) => response.remove_checksum(),
            Some(fault @ (Fault::Truncate | Fault::StallResponse)) => {
                event.status = Some(response.status);
                stream.get_mut().write_all(&response.head).await?;
                stream.get_mut().write_all(&response.body[..response.body.len() / 2]).await?;
                stream.get_mut().flush().await?;
                if fault == Fault::StallResponse {
                    given_up(stream).await;
                }
                return Ok(End::Close);
            }
            _ => {}
        }
        event.status = Some(response.status);
        let pace = match fault {
            Some(Fault::Drip { bytes_per_second }) => Pace::BytesPerSecond(bytes_per_second),
            // One write each, which the socket does not gather.
            Some(Fault::Slice) => Pace::BytesPerSecond(2000),
            _ => Pace::AsItComes,
        };
        write_at(stream.get_mut(), &response.head, pace).await?;
        write_at(stream.get_mut(), &response.body, pace).await?;
        stream.get_mut().flush().await?;
        match fault {
            Some(Fault::CloseIdle { ms }) => {
                sleep(Duration::from_millis(ms)).await;
                Ok(End::Close)
            }
            Some(Fault::Stray) => {
                sleep(Duration::from_millis(20)).await;
                stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\netag: \"stray\"\r\ncontent-length: 0\r\n\r\n").await?;
                stream.get_mut().flush().await?;
                Ok(End::KeepAlive)
            }
            _ => Ok(end),
        }
    }
}

/// One more while it lives.
struct Counted<'a>(&'a AtomicU64);

impl<'a> Counted<'a> {
    fn of(counter: &'a AtomicU64) -> Self {
        counter.fetch_add(1, Ordering::SeqCst);
        Self(counter)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn piece_bytes(piece: &Piece) -> io::Result<Vec<u8>> {
    let mut bytes = piece.text.clone().unwrap_or_default().into_bytes();
    if let Some(text) = &piece.base64 {
        bytes.extend(BASE64_STANDARD.decode(text).map_err(io::Error::other)?);
    }
    Ok(bytes)
}

/// Writes at once, or byte by byte at a rate.
async fn write_at<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8], pace: Pace) -> io::Result<()> {
    let Pace::BytesPerSecond(rate) = pace else { return stream.write_all(bytes).await };
    for byte in bytes {
        stream.write_all(&[*byte]).await?;
        stream.flush().await?;
        sleep(Duration::from_micros(1_000_000 / rate.max(1))).await;
    }
    Ok(())
}

/// Resolves when the client closes: its end is seen as the end of the stream.
async fn given_up<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) {
    let mut byte = [0];
    let _ = tokio::time::timeout(FOREVER, stream.read(&mut byte)).await;
}

async fn swallow<S: AsyncRead + Unpin>(
    stream: &mut BufReader<S>,
    head: &Head,
    limit: u64,
    read: &mut u64,
) -> io::Result<()> {
    copy_body(stream, &mut sink(), head.body, limit, Pace::AsItComes, read).await
}

fn error_response(status: u16, code: &str, message: Option<&str>, headers: &[(&str, &str)]) -> Vec<u8> {
    let message = message.unwrap_or("made by the fault proxy");
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    let mut response = format!("HTTP/1.1 {status} Fault\r\n");
    for (name, value) in headers {
        response.push_str(&format!("{name}: {value}\r\n"));
    }
    response.push_str(&format!("content-type: application/xml\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
    response.into_bytes()
}
