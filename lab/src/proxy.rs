//! The plain and the TLS port in front of the server, where the faults happen.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::State;
use crate::client::{Client, reset};
use crate::events::Event;
use crate::exchange::Connection;
use crate::fault::{Fault, RawEnd};
use crate::flip::Flipping;

static CONNECTIONS: AtomicU64 = AtomicU64::new(0);

/// Serves one port until it is dropped.
pub async fn run(listener: TcpListener, tls: Option<TlsAcceptor>, server: SocketAddr, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        while connections.try_join_next().is_some() {}
        let (tls, state) = (tls.clone(), Arc::clone(&state));
        connections.spawn(async move {
            let id = CONNECTIONS.fetch_add(1, Ordering::Relaxed) + 1;
            // How a connection ends is in the events.
            let _ = serve(socket, tls, id, server, &state).await;
        });
    }
}

async fn serve(
    mut socket: TcpStream,
    mut tls: Option<TlsAcceptor>,
    id: u64,
    server: SocketAddr,
    state: &State,
) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let port = if tls.is_some() { "tls" } else { "plain" };
    let mut flip_at = None;
    if let Some(fault) = state.plan.for_connection(tls.is_some()) {
        state.events.add(Event::of_connection(id, port, fault.name()));
        match fault {
            Fault::TlsCut => {
                if tls.is_some() {
                    // Part of the client's hello, then the end: the rest is never read, there is no response.
                    let mut hello = [0; 64];
                    let _ = socket.read(&mut hello).await?;
                    drain_then_close(socket).await;
                }
                return Ok(());
            }
            Fault::TlsStop { end } => {
                let mut hello = [0; 16 * 1024];
                let read = socket.read(&mut hello).await?;
                let response = state.certificate.response_to_hello(&hello[..read])?;
                socket.write_all(&response[..response.len().min(64)]).await?;
                end_socket(socket, end).await;
                return Ok(());
            }
            Fault::TlsAlert { description } => {
                let mut hello = [0; 16 * 1024];
                let _ = socket.read(&mut hello).await?;
                // Record type alert, TLS 1.2, two bytes: fatal, and which.
                socket.write_all(&[21, 3, 3, 0, 2, 2, description]).await?;
                drain_then_close(socket).await;
                return Ok(());
            }
            Fault::TlsCertificate { kind } => tls = Some(state.certificate.wrong_acceptor(kind)?),
            Fault::TlsFlip { after_bytes } => flip_at = Some(after_bytes),
            _ => {
                reset(&socket);
                return Ok(());
            }
        }
    }
    let (socket, client) = Client::behind(socket)?;
    let mut connection = Connection::new(id, port, server, state, client);
    match tls {
        None => connection.requests(socket).await,
        Some(acceptor) => {
            let socket = Flipping::at(socket, flip_at.unwrap_or(u64::MAX));
            connection.requests(acceptor.accept(socket).await?).await
        }
    }
}

async fn end_socket(mut socket: TcpStream, end: RawEnd) {
    match end {
        RawEnd::Reset => reset(&socket),
        RawEnd::Hold => {
            let mut rest = [0; 1024];
            while socket.read(&mut rest).await.is_ok_and(|read| read > 0) {}
        }
        RawEnd::Keep | RawEnd::Close | RawEnd::Fin => drain_then_close(socket).await,
    }
}

/// Closing with unread bytes would send a reset instead of an orderly end.
async fn drain_then_close(mut socket: TcpStream) {
    let _ = socket.shutdown().await;
    let mut rest = vec![0; 4096];
    let _ = tokio::time::timeout(Duration::from_millis(200), async {
        while socket.read(&mut rest).await.is_ok_and(|read| read > 0) {}
    })
    .await;
}
