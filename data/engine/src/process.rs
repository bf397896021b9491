//! One process, child or adopted: whether it lives, and signals that reach nobody else.

mod table;

use std::{io, os::fd::OwnedFd, path::Path, process::ExitStatus, time::Duration};

use parking_lot::Mutex;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::{
    io::{Interest, unix::AsyncFd},
    process::Child,
    time::timeout,
};

pub use table::Holder;
use table::program_name;
pub(crate) use table::{cwd, holder_of, processes, standing};

/// A process that was ours to start or to take over.
#[derive(Debug)]
pub(crate) struct Process {
    pid: u32,
    start_ticks: u64,
    /// Becomes readable when the process ends. It never means another process, even when the
    /// process ID is given away.
    fd: AsyncFd<OwnedFd>,
    /// Present when it is our child, which must be reaped.
    child: Mutex<Option<Child>>,
}

impl Process {
    /// Watches a child that was just started.
    pub(crate) fn of_child(child: Child) -> io::Result<Self> {
        let gone = || io::Error::new(io::ErrorKind::NotFound, "it ended at once");
        let pid = child.id().ok_or_else(gone)?;
        // Not reaped before `child` says so, so the number is still its own.
        let fd = watch(pid)?;
        let start_ticks = standing(pid).map_or(0, |standing| standing.start_ticks);
        Ok(Self {
            pid,
            start_ticks,
            fd,
            child: Mutex::new(Some(child)),
        })
    }

    /// Watches a process that somebody else started. `None`: it does not live, or the number
    /// belongs to another process that started at another time.
    pub(crate) fn existing(pid: u32, start_ticks: u64) -> io::Result<Option<Self>> {
        let fd = match watch(pid) {
            Ok(fd) => fd,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let same = standing(pid).is_some_and(|now| now.lives && now.start_ticks == start_ticks);
        Ok(same.then(|| Self {
            pid,
            start_ticks,
            fd,
            child: Mutex::new(None),
        }))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn start_ticks(&self) -> u64 {
        self.start_ticks
    }

    /// Tells at once whether it has ended; reaps it then.
    pub(crate) fn has_exited(&self) -> bool {
        if let Some(child) = self.child.lock().as_mut()
            && let Ok(Some(_status)) = child.try_wait()
        {
            return true;
        }
        !standing(self.pid).is_some_and(|now| now.lives && now.start_ticks == self.start_ticks)
    }

    /// How it ended, for a child that was reaped.
    pub(crate) fn exit_status(&self) -> Option<ExitStatus> {
        self.child.lock().as_mut()?.try_wait().ok()?
    }

    /// Resolves when it has ended; reaps it then.
    pub(crate) async fn exited(&self) {
        // An error means that the runtime goes down, with everything that waits.
        let _readable = self.fd.readable().await;
        self.has_exited();
    }

    /// Waits for its end. `false`: it still lived after `limit`.
    pub(crate) async fn exited_within(&self, limit: Duration) -> bool {
        timeout(limit, self.exited()).await.is_ok()
    }

    /// Sends a signal; a process that has ended is fine.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        match pidfd_send_signal(self.fd.get_ref(), signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Ends it: SIGTERM, then SIGKILL when `grace` is over. `false`: it lives even then.
    pub(crate) async fn end(&self, grace: Duration) -> io::Result<bool> {
        self.signal(Signal::TERM)?;
        if self.exited_within(grace).await {
            return Ok(true);
        }
        self.signal(Signal::KILL)?;
        Ok(self.exited_within(AFTER_KILL).await)
    }
}

/// How long the kernel may take to end a killed process: it frees the memory first.
pub(crate) const AFTER_KILL: Duration = Duration::from_secs(10);

#[expect(
    deprecated,
    reason = "its successor needs unsafe; an OwnedFd keeps the promise that it asks for"
)]
fn watch(pid: u32) -> io::Result<AsyncFd<OwnedFd>> {
    let no_such = || io::Error::new(io::ErrorKind::NotFound, "no such process ID");
    let pid = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(no_such)?;
    let fd = pidfd_open(pid, PidfdFlags::empty())?;
    AsyncFd::with_interest(fd, Interest::READABLE)
}

/// Tells whether the process works in `directory`.
pub(crate) fn works_in(pid: u32, directory: &Path) -> bool {
    let wanted = directory.canonicalize();
    cwd(pid).is_some_and(|cwd| wanted.is_ok_and(|wanted| cwd == wanted))
}

/// Tells whether its program is an engine, by its name. The program's file may be gone meanwhile
/// (a package that was upgraded), and a snapshot's forked child counts too.
pub(crate) fn runs_engine(pid: u32) -> bool {
    let name = program_name(pid).unwrap_or_default();
    name.contains("valkey") || name.contains("redis")
}
