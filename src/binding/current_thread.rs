//! A runtime of Tokio on one thread of its own. Tokio's for several threads would do with one of them, but is made to share
//! work, and that costs each small upload some percent, many at once a quarter.

use std::convert::Infallible;
use std::io;
use std::mem;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::runtime::Builder;
use tokio::sync::{Notify, oneshot};

pub(super) struct SingleThread {
    arrivals: Arc<Arrivals>,
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
        let arrivals = Arc::<Arrivals>::default();
        let arriving = Arc::clone(&arrivals);
        let (running, stop) = oneshot::channel::<Infallible>();
        let (stopping, stopped) = mpsc::channel();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    // Always an error: nobody can send what does not exist.
                    _ = stop => {}
                    () = arriving.run() => {}
                }
            });
            // Its tasks are dropped when that has ended which blocks for them: half of the time remains for that.
            runtime.shutdown_timeout(end_within / 2);
            drop(stopping);
        })?;
        Ok(Self { arrivals, thread, running, stopped: Mutex::new(stopped), end_within })
    }

    pub(super) fn spawn(&self, future: BoxFuture<'static, ()>) {
        self.arrivals.add(future);
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

/// What waits to be begun. The runtime's own `spawn` asks the system to wake its thread for every future; here the first
/// does so, and those that come before the thread has looked are found with it.
#[derive(Default)]
struct Arrivals {
    waiting: Mutex<Vec<BoxFuture<'static, ()>>>,
    first: Notify,
}

impl Arrivals {
    fn add(&self, future: BoxFuture<'static, ()>) {
        let is_first = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.push(future);
            waiting.len() == 1
        };
        if is_first {
            self.first.notify_one();
        }
    }

    async fn run(&self) {
        loop {
            self.first.notified().await;
            let arrived = mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
            for future in arrived {
                tokio::spawn(future);
            }
        }
    }
}
