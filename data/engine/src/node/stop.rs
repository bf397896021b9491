//! The end of a node, with or without its data set.

use std::{io, sync::atomic::Ordering, time::Duration};

use redis::Cmd;
use runtime::{chain, durable};
use rustix::process::Signal;
use tokio::time::{Instant, timeout, timeout_at};

use super::Node;
use crate::{
    CommandError, admin::SOCKET, info::is_loading, process::AFTER_KILL, record::Record, snapshot,
};

/// For an engine that was told to end without saving.
const ENDS_WITHIN: Duration = Duration::from_secs(2);

/// What becomes of the data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopHow {
    /// It is kept for the next start that asks for it, with its place in its history, so that
    /// replicas and upstream go on with a partial resync.
    SaveSnapshot,
    /// What its append-only file has is kept: the last write is in it when the node has ended.
    KeepAppendOnly,
    /// As `SaveSnapshot`, and a node whose data set cannot be saved goes on: it is the only one that has
    /// it.
    SaveOrStay,
    /// As `SaveSnapshot`, of a node that others have all data of: whoever follows it is not waited for.
    SaveAtOnce,
    /// It is gone.
    Discard,
}

/// A node that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// A data set is kept for the next start.
    pub snapshot_saved: bool,
    /// Why there is none, when there should be one.
    pub not_saved: Option<String>,
}

/// The process may still run.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// It cannot be signalled.
    #[error("stop the engine of pid {pid}")]
    Signal {
        /// The process.
        pid: u32,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It goes on: its data set cannot be saved.
    #[error("stop the engine of pid {pid}, which goes on: its data cannot be saved: {why}")]
    NotSaved {
        /// The process.
        pid: u32,
        /// Why.
        why: String,
    },
    /// It does not even end when it is killed.
    #[error(
        "stop the engine of pid {pid}: it lives {} s after SIGKILL; its disk may hang",
        AFTER_KILL.as_secs()
    )]
    StillThere {
        /// The process.
        pid: u32,
    },
}

impl Node {
    /// Stops the process. Saving may take `grace`, with up to 5 s of it for replicas that are
    /// behind; when it fails or takes longer, the data set is given up and the process is ended
    /// all the same, killed in the end. A node that has ended already is tidied up.
    pub async fn stop(&self, how: StopHow, grace: Duration) -> Result<Stopped, StopError> {
        let deadline = Instant::now() + grace;
        let saved = match how {
            StopHow::SaveSnapshot | StopHow::SaveOrStay => {
                self.save_and_end(deadline, &["SAVE"]).await
            }
            StopHow::SaveAtOnce => self.save_and_end(deadline, &["SAVE", "NOW"]).await,
            StopHow::KeepAppendOnly => {
                self.write_out_and_end(deadline).await;
                Ok(false)
            }
            StopHow::Discard => Ok(false),
        };
        if let (StopHow::SaveOrStay, Err(why)) = (how, &saved)
            && !self.has_exited()
        {
            let (pid, why) = (self.pid(), why.clone());
            return Err(StopError::NotSaved { pid, why });
        }
        self.end(grace.min(ENDS_WITHIN)).await?;
        let saved = match how {
            StopHow::SaveSnapshot | StopHow::SaveOrStay | StopHow::SaveAtOnce => {
                saved.and_then(|kept_before| {
                    let kept = kept_before || self.keep_snapshot()?;
                    if kept {
                        Ok(())
                    } else {
                        Err("the engine ended and left no data set".to_owned())
                    }
                })
            }
            StopHow::KeepAppendOnly | StopHow::Discard => Ok(()),
        };
        if let Err(why) = &saved {
            tracing::error!(node.pid = self.pid(), why, "the data set is not saved");
        }
        let keeps = match how {
            StopHow::SaveSnapshot | StopHow::SaveOrStay | StopHow::SaveAtOnce => saved.is_ok(),
            StopHow::KeepAppendOnly | StopHow::Discard => false,
        };
        self.tidy_up(!keeps);
        Ok(Stopped {
            snapshot_saved: keeps,
            not_saved: saved.err(),
        })
    }

    /// Lets the engine save and end. `true`: there is nothing new to save, as the data set saved
    /// before is not loaded yet. The error says why nothing was saved; the process may live.
    async fn save_and_end(&self, deadline: Instant, how: &[&str]) -> Result<bool, String> {
        if self.has_exited() {
            return Err("the engine had ended before".to_owned());
        }
        let answers = self.ask_text("INFO", &["persistence"]).await;
        let loading = answers
            .as_ref()
            .is_ok_and(|text| is_loading(text).unwrap_or(false));
        if loading {
            // An engine that loads refuses to save, rightly.
            return if self.0.loads_saved.load(Ordering::Acquire) {
                Ok(true)
            } else {
                Err("the engine was loading a data set".to_owned())
            };
        }
        snapshot::forget(self.directory()).map_err(|error| chain(&error).to_string())?;
        let too_long = || "the engine did not finish saving in the time it was given".to_owned();
        if let Err(error) = answers {
            // Under CLIENT PAUSE it takes no command, but it takes signals.
            tracing::warn!(node.pid = self.pid(), error = %chain(&error), "saving by signal");
            self.0
                .process
                .signal(Signal::INT)
                .map_err(|error| error.to_string())?;
            let ended = timeout_at(deadline, self.exited()).await;
            return ended.map(|()| false).map_err(|_elapsed| too_long());
        }
        let mut command = Cmd::new();
        command.arg("SHUTDOWN").arg(how);
        let asked = self.0.admin.run_alone("SHUTDOWN", &command);
        let answer = tokio::select! {
            () = self.exited() => return Ok(false),
            answer = timeout_at(deadline, asked) => answer.map_err(|_elapsed| too_long())?,
        };
        match answer {
            // The connection closes a moment before the process has ended.
            Err(CommandError::Unreachable { .. }) | Ok(_) => {
                let ended = timeout_at(deadline, self.exited()).await;
                ended.map(|()| false).map_err(|_elapsed| too_long())
            }
            Err(refused) => Err(format!(
                "{}; see {} for the reason, often a full disk",
                chain(&refused),
                self.directory().join(super::failure::LOG).display()
            )),
        }
    }

    /// Lets the engine write its append-only file out, and end. One that refuses, because the file is
    /// not whole yet, or does not answer is ended as any other.
    async fn write_out_and_end(&self, deadline: Instant) {
        let mut command = Cmd::new();
        command.arg("SHUTDOWN").arg("NOSAVE");
        let asked = self.0.admin.run_alone("SHUTDOWN", &command);
        tokio::select! {
            () = self.exited() => {}
            answer = timeout_at(deadline, asked) => {
                // The connection closes a moment before the process has ended.
                if let Ok(Err(CommandError::Unreachable { .. })) = answer {
                    let _in_time = timeout_at(deadline, self.exited()).await;
                }
            }
        }
    }

    fn keep_snapshot(&self) -> Result<bool, String> {
        snapshot::keep(self.directory()).map_err(|error| chain(&error).to_string())
    }

    /// Ends the process, if it lives, without saving.
    async fn end(&self, grace: Duration) -> Result<(), StopError> {
        let pid = self.pid();
        if self.has_exited() {
            return Ok(());
        }
        let mut command = Cmd::new();
        command
            .arg("SHUTDOWN")
            .arg("NOSAVE")
            .arg("NOW")
            .arg("FORCE");
        // Answered by closing the connection. When that does not come, signals follow.
        let asked = timeout(grace, self.0.admin.run_alone("SHUTDOWN", &command));
        tokio::select! {
            () = self.exited() => return Ok(()),
            _answer = asked => {}
        }
        if self.0.process.exited_within(grace).await {
            return Ok(());
        }
        tracing::warn!(
            node.pid = pid,
            "the engine does not obey and is ended by signals"
        );
        match self.0.process.end(grace).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(StopError::StillThere { pid }),
            Err(source) => Err(StopError::Signal { pid, source }),
        }
    }

    /// Removes what a node that has ended leaves: stale names, and a data set that is given up.
    fn tidy_up(&self, data_too: bool) {
        let directory = self.directory();
        snapshot::remove_unfinished(directory);
        let data = if data_too {
            snapshot::forget(directory)
        } else {
            Ok(())
        };
        let names = durable::remove_if_there(&directory.join(SOCKET));
        for failed in [data, names, Record::remove(directory)] {
            if let Err(error) = failed {
                tracing::warn!(error = %chain(&error), "a file of a stopped engine is left");
            }
        }
    }
}
