//! The client's socket, under whatever reads it.

use std::io;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::sleep;

const LOOK: Duration = Duration::from_millis(20);

/// A second handle on the socket of a connection: TLS says goodbye before it closes, which a reset does not, and who
/// reads slowly sees the end of the stream only behind all that came before it.
#[derive(Debug)]
pub(crate) struct Client {
    socket: TcpStream,
}

impl Client {
    /// # Errors
    /// The system's.
    pub(crate) fn behind(socket: TcpStream) -> io::Result<(TcpStream, Self)> {
        let socket = socket.into_std()?;
        let client = Self { socket: TcpStream::from_std(socket.try_clone()?)? };
        Ok((TcpStream::from_std(socket)?, client))
    }

    /// Makes the close that follows a reset.
    pub(crate) fn reset(&self) {
        reset(&self.socket);
    }

    /// # Errors
    /// Where the socket is gone.
    pub(crate) fn end(&self) -> io::Result<()> {
        SockRef::from(&self.socket).shutdown(std::net::Shutdown::Write)
    }

    /// Resolves when the client has closed, read or unread.
    pub(crate) async fn left(&self) {
        while self.socket.ready(Interest::READABLE).await.is_ok_and(|ready| !ready.is_read_closed()) {
            // It is ready at once, and again, while there are bytes to read.
            sleep(LOOK).await;
        }
    }
}

/// Makes the close that follows a reset.
pub(crate) fn reset<'a>(socket: impl Into<SockRef<'a>>) {
    // Refused only on a socket that is already gone.
    let _ = socket.into().set_linger(Some(Duration::ZERO));
}
