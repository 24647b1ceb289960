//! What calls run on: two runtimes of Tokio, each begun by its first call and ended with the last environment of Node that
//! has loaded the addon (ADR 0015).

use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use futures_util::future::BoxFuture;
use napi::bindgen_prelude::{AsyncRuntime, AsyncRuntimeRejection, AsyncRuntimeTask, register_async_runtime};
use napi::{Error, Result, Status};
use napi_derive::module_init;
use tokio::runtime::{Builder, Handle, Runtime};

use super::current_thread::SingleThread;
use crate::cpu;

/// Where a call runs. Both have threads of their own beside these for what takes long: digests, compression, files, names.
#[derive(Clone, Copy)]
pub(super) enum Lane {
    /// One thread: with a second, each would search for work that the other does, which takes longer than a small upload.
    /// Nor does one have to wait here until a piece of a large one is encrypted.
    Small,
    Large,
}

impl Lane {
    const ALL: [Self; 2] = [Self::Small, Self::Large];
    const MOST_SMALL_BYTES: usize = 64 * 1024;
    /// More than a network takes.
    const MOST_WORKERS: usize = 4;

    pub(super) const fn of(bytes: usize) -> Self {
        if bytes <= Self::MOST_SMALL_BYTES { Self::Small } else { Self::Large }
    }

    /// Runs `future` until its end, or that of the last environment.
    pub(super) fn spawn(self, future: BoxFuture<'static, ()>) -> Result<()> {
        match &*self.begun()? {
            State::Single(runtime) => runtime.spawn(future),
            State::Multi(runtime) => drop(runtime.spawn(future)),
            State::Ended | State::Awaited => return Err(closing()),
        }
        Ok(())
    }

    fn handle(self) -> Result<Handle> {
        match &*self.begun()? {
            State::Multi(runtime) => Ok(runtime.handle().clone()),
            State::Single(_) | State::Ended | State::Awaited => Err(closing()),
        }
    }

    fn begun(self) -> Result<RwLockReadGuard<'static, State>> {
        let state = self.state().read().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*state, State::Awaited) {
            return Ok(state);
        }
        drop(state);
        let mut state = self.change();
        if let State::Awaited = *state {
            *state = self.begin().map_err(|error| Error::new(Status::GenericFailure, error.to_string()))?;
        }
        Ok(RwLockWriteGuard::downgrade(state))
    }

    fn begin(self) -> io::Result<State> {
        match self {
            Self::Small => SingleThread::begin("r2-small", END).map(State::Single),
            Self::Large => Builder::new_multi_thread()
                .worker_threads(cpu::at_most(Self::MOST_WORKERS))
                .thread_name("r2-large")
                .on_thread_start(yield_to_javascript)
                .enable_all()
                .build()
                .map(State::Multi),
        }
    }

    const fn state(self) -> &'static RwLock<State> {
        static SMALL: RwLock<State> = RwLock::new(State::Ended);
        static LARGE: RwLock<State> = RwLock::new(State::Ended);
        match self {
            Self::Small => &SMALL,
            Self::Large => &LARGE,
        }
    }

    fn change(self) -> RwLockWriteGuard<'static, State> {
        self.state().write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where processors are short, encrypting and hashing large bodies waits for the event loop, and not the other way round.
/// Linux counts niceness by thread, other systems by process.
fn yield_to_javascript() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{getpriority_process, setpriority_process};
        const NICENESS: i32 = 10;
        // A process that is nicer stays so.
        if getpriority_process(None).is_ok_and(|now| now < NICENESS) {
            let _ = setpriority_process(None, NICENESS);
        }
    }
}

enum State {
    /// There is no environment.
    Ended,
    /// There is one, and no call was made.
    Awaited,
    Single(SingleThread),
    Multi(Runtime),
}

fn closing() -> Error {
    Error::new(Status::Closing, "the environment has ended")
}

/// Node's last environment waits for it. A thread that is busy for longer is left to itself, as by the runtime that
/// napi-rs would have.
const END: Duration = Duration::from_millis(100);

#[module_init]
fn register() {
    register_async_runtime(Lanes);
}

struct Lanes;

#[expect(unsafe_code, reason = "its implementations promise that nothing of the addon runs once it is unloaded")]
// SAFETY: napi-rs never unloads an addon that has registered a runtime.
unsafe impl AsyncRuntime for Lanes {
    fn start(&self) -> Result<()> {
        for lane in Lane::ALL {
            let mut state = lane.change();
            if let State::Ended = *state {
                *state = State::Awaited;
            }
        }
        Ok(())
    }

    fn shutdown(&self) -> Result<()> {
        for lane in Lane::ALL {
            let ended = mem::replace(&mut *lane.change(), State::Ended);
            match ended {
                State::Single(runtime) => runtime.shutdown(),
                State::Multi(runtime) => runtime.shutdown_timeout(END),
                State::Ended | State::Awaited => {}
            }
        }
        Ok(())
    }

    fn spawn(&self, task: AsyncRuntimeTask) -> std::result::Result<(), AsyncRuntimeRejection<AsyncRuntimeTask>> {
        match Lane::Large.handle() {
            Ok(handle) => {
                handle.spawn(task);
                Ok(())
            }
            Err(error) => Err(AsyncRuntimeRejection::new(task, error)),
        }
    }

    fn block_on(&self, future: Pin<&mut dyn Future<Output = ()>>) -> Result<()> {
        Lane::Large.handle()?.block_on(future);
        Ok(())
    }
}
