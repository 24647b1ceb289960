//! Connections that are kept for the next request. Whoever has one drives it: no task of its own, no hop between
//! threads on the way of a small request.

use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use tokio::runtime::{self, Handle};
use tokio::time::{Instant, sleep_until};

use super::connector::{Connector, Stream};
use super::request_body::UploadBody;
use super::transport_error::TransportError;
use crate::net::limits::{HTTP_BUFFER_BYTES, MAX_RESPONSE_HEADERS};

/// Idle connections are dropped before the server's side tires of them (20 s at some S3 servers, 400 s at
/// Cloudflare's edge): fewer uploads start on a connection that is already dead.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

#[derive(Debug)]
pub(super) struct Pool {
    connector: Connector,
    idle: Mutex<Idle>,
}

#[derive(Debug, Default)]
struct Idle {
    /// The last used is the first to be used again, so those in front grow old.
    connections: Vec<(Instant, Connection)>,
    /// Whether somebody will come and close what grows old.
    watched: bool,
    /// Whether nothing is kept any more.
    closed: bool,
}

impl Pool {
    pub(super) fn new(connector: Connector) -> Self {
        Self { connector, idle: Mutex::default() }
    }

    pub(super) const fn connector(&self) -> &Connector {
        &self.connector
    }

    /// Sends on a connection that is kept, else on a new one.
    pub(super) async fn send(
        self: &Arc<Self>,
        mut request: Request<UploadBody>,
    ) -> Result<Response<PooledBody>, TransportError> {
        loop {
            let kept = self.take();
            let guard = kept.is_some().then(|| StaleGuard { pool: self, since: Instant::now() });
            let mut connection = match kept {
                Some(connection) => connection,
                // Boxed: it is rare and large, and every request's future would contain it.
                None => Box::pin(self.connect()).await?,
            };
            let mut error = match connection.send(request).await {
                Ok(response) => {
                    if let Some(guard) = guard {
                        guard.disarm();
                    }
                    return Ok(PooledBody::attach(response, connection, self));
                }
                Err(error) => error,
            };
            match (error.take_message(), guard) {
                // A kept connection was found dead before one byte was written.
                (Some(unsent), Some(_)) => request = unsent,
                (unsent, _) => return Err(TransportError::sending(error.into_error(), unsent.is_none())),
            }
        }
    }

    /// Closes what is idle, and what is still in use as soon as it is not.
    pub(super) fn close(&self) {
        let mut idle = self.lock();
        idle.closed = true;
        idle.connections.clear();
    }

    async fn connect(&self) -> Result<Connection, TransportError> {
        Connection::over(self.connector.connect().await?).await
    }

    fn take(&self) -> Option<Connection> {
        let here = Handle::current().id();
        let mut idle = self.lock();
        let connections = &mut idle.connections;
        loop {
            let own = connections.iter().rposition(|(_, connection)| connection.home == here);
            let at = own.or(connections.len().checked_sub(1))?;
            let (since, mut connection) = connections.remove(at);
            if since.elapsed() >= IDLE_TIMEOUT {
                // And those before it are older still.
                connections.drain(..at);
            } else if connection.is_ready() {
                return Some(connection);
            }
        }
    }

    fn keep(self: &Arc<Self>, connection: Connection) {
        let mut idle = self.lock();
        if idle.closed {
            return;
        }
        idle.connections.push((Instant::now(), connection));
        if !idle.watched {
            idle.watched = true;
            tokio::spawn(close_what_grows_old(Arc::downgrade(self)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request on a kept connection that has no response yet. One that fails, or is given up, notifies the others that
/// were idle when it began: what ended this one (a server that restarted, a middlebox that lost its table) ended
/// them, and each would cost an attempt. They are forgotten; a new connection is cheaper.
#[must_use]
struct StaleGuard<'a> {
    pool: &'a Pool,
    since: Instant,
}

impl StaleGuard<'_> {
    const fn disarm(self) {
        std::mem::forget(self);
    }
}

impl Drop for StaleGuard<'_> {
    fn drop(&mut self) {
        self.pool.lock().connections.retain(|&(idle_since, _)| idle_since > self.since);
    }
}

/// Ends when there is nothing left to watch.
async fn close_what_grows_old(pool: Weak<Pool>) {
    let mut next = Instant::now() + IDLE_TIMEOUT;
    loop {
        sleep_until(next).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut idle = pool.lock();
        let old = idle.connections.partition_point(|(since, _)| since.elapsed() >= IDLE_TIMEOUT);
        idle.connections.drain(..old);
        match idle.connections.first() {
            Some(&(since, _)) => next = since + IDLE_TIMEOUT,
            None => {
                idle.watched = false;
                return;
            }
        }
    }
}

pub(super) struct Connection {
    requests: SendRequest<UploadBody>,
    driver: Driver,
    /// The runtime that receives from its socket. Another that uses it waits until that one has time to report.
    home: runtime::Id,
}

/// What moves the bytes; dropped as soon as it ends, for only then does it give back a request that it never took.
struct Driver(Option<Box<http1::Connection<Stream, UploadBody>>>);

impl Driver {
    /// Moves bytes. One that ends says why to whoever waits for its response.
    fn poll(&mut self, cx: &mut Context<'_>) {
        self.0.take_if(|driver| Pin::new(driver).poll(cx).is_ready());
    }

    const fn has_ended(&self) -> bool {
        self.0.is_none()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("ended", &self.driver.has_ended()).finish_non_exhaustive()
    }
}

impl Connection {
    async fn over(stream: Stream) -> Result<Self, TransportError> {
        let mut http = http1::Builder::new();
        http.max_headers(MAX_RESPONSE_HEADERS).max_buf_size(HTTP_BUFFER_BYTES);
        let made = http.handshake(stream).await;
        let (requests, driver) = made.map_err(|error| TransportError::sending(error, false))?;
        Ok(Self { requests, driver: Driver(Some(Box::new(driver))), home: Handle::current().id() })
    }

    /// Whether it can take a request: the one before is done, and the server has not closed it, as far as is
    /// known. Nobody is woken for what happens to it from here on.
    fn is_ready(&mut self) -> bool {
        self.driver.poll(&mut Context::from_waker(Waker::noop()));
        !self.driver.has_ended() && self.requests.is_ready()
    }

    /// Until the head of the response is there.
    async fn send(
        &mut self,
        request: Request<UploadBody>,
    ) -> Result<Response<Incoming>, TrySendError<Request<UploadBody>>> {
        let mut response = pin!(self.requests.try_send_request(request));
        let driver = &mut self.driver;
        poll_fn(|cx| {
            driver.poll(cx);
            response.as_mut().poll(cx)
        })
        .await
    }
}

/// A server that is in trouble, or that could not make sense of what it read, is met again on a connection of
/// its own: another machine may respond there.
fn is_fresh_start_due(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(status, StatusCode::BAD_REQUEST | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
}

/// The body of a response, and the connection that it comes from: behind the last byte the connection is kept for
/// the next request, and with a body that nobody reads to its end it is closed.
#[derive(Debug)]
pub(super) struct PooledBody {
    incoming: Incoming,
    rest: Option<(Connection, Arc<Pool>)>,
    keep: bool,
    request_was_sent: bool,
}

impl PooledBody {
    fn attach(response: Response<Incoming>, connection: Connection, pool: &Arc<Pool>) -> Response<Self> {
        let keep = !is_fresh_start_due(response.status());
        let mut response = response.map(|incoming| Self {
            incoming,
            rest: Some((connection, Arc::clone(pool))),
            keep,
            request_was_sent: true,
        });
        if response.body().is_end_stream() {
            response.body_mut().ended();
        }
        response
    }

    /// Whether the connection had taken the whole request when the response came. A server that responds earlier has not
    /// read the request.
    pub(super) const fn request_was_sent(&self) -> bool {
        self.request_was_sent
    }

    pub(super) const fn set_request_was_sent(&mut self, was_sent: bool) {
        self.request_was_sent = was_sent;
    }

    fn ended(&mut self) {
        let Some((mut connection, pool)) = self.rest.take() else { return };
        // Not ready where the server responded before it had the whole request.
        if self.keep && connection.is_ready() {
            pool.keep(connection);
        }
    }
}

impl Body for PooledBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Some((connection, _)) = &mut self.rest {
            connection.driver.poll(cx);
        }
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        match &frame {
            Some(Err(_)) => self.rest = None,
            Some(Ok(_)) if !self.incoming.is_end_stream() => {}
            _ => self.ended(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
