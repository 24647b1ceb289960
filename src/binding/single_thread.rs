//! A runtime of Tokio on one thread of its own. Tokio's for several threads would do with one of them, but is made to share
//! work, and that costs each small upload some percent, many at once a quarter.

use std::convert::Infallible;
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

pub(super) struct SingleThread {
    handle: Handle,
    thread: JoinHandle<()>,
    /// Dropped to stop it.
    running: oneshot::Sender<Infallible>,
    /// Disconnected when it has stopped. Asked by its last owner only; the lock makes it one that can be shared.
    stopped: Mutex<mpsc::Receiver<Infallible>>,
    end_within: Duration,
}

impl SingleThread {
    /// `end_within` is how long `shutdown` waits at most.
    ///
    /// # Errors
    /// The system's, where it has no more threads or descriptors.
    pub(super) fn begin(name: &str, end_within: Duration) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().thread_name(name).enable_all().build()?;
        let handle = runtime.handle().clone();
        let (running, stop) = oneshot::channel::<Infallible>();
        let (stopping, stopped) = mpsc::channel();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            // Always an error: nobody can send what does not exist.
            let _ = runtime.block_on(stop);
            // Its tasks are dropped when that has ended which blocks for them: half of the time remains for that.
            runtime.shutdown_timeout(end_within / 2);
            drop(stopping);
        })?;
        Ok(Self { handle, thread, running, stopped: Mutex::new(stopped), end_within })
    }

    pub(super) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Drops what it runs. A thread that is busy for longer is left to itself.
    pub(super) fn shutdown(self) {
        drop(self.running);
        let stopped = self.stopped.into_inner().unwrap_or_else(PoisonError::into_inner);
        if stopped.recv_timeout(self.end_within) == Err(RecvTimeoutError::Disconnected) {
            let _ = self.thread.join();
        }
    }
}
