//! Named points at which a test can have this process die, wait, or say that it was there.
//!
//! A point is armed by a file in a directory that the test owns, so that it can be armed at any
//! time, and so that a process that died of it does not die of it again: the file goes first. For
//! a point `agent-eastus:Follow:before` of that name
//!
//! - a file of that name: the process dies there as `kill -9` has it die;
//! - `<name>.hold`: it writes `<name>.held` and waits there until the first of them is gone;
//! - `<name>.seen` is written whenever it comes by.
//!
//! Without a directory, which is how it always runs but in tests, a point is one comparison.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use rustix::process::{Signal, getpid, kill_process};

/// Between two looks whether a held process may go on.
const LOOK: Duration = Duration::from_millis(5);

/// On which side of a step a point is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Nothing of the step is done.
    Before,
    /// All of it is, and nobody has been told.
    After,
}

/// The points of one process.
#[derive(Debug, Clone, Default)]
pub struct Points(Option<Arc<Armed>>);

#[derive(Debug)]
struct Armed {
    directory: PathBuf,
    process: String,
}

impl Points {
    /// No point does anything.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The points of `process` are armed by files in `directory`.
    #[must_use]
    pub fn armed_in(directory: PathBuf, process: String) -> Self {
        Self(Some(Arc::new(Armed { directory, process })))
    }

    /// Tells whether anybody could arm one.
    #[must_use]
    pub fn are_watched(&self) -> bool {
        self.0.is_some()
    }

    /// Comes by a point. It blocks the thread while it is held there.
    pub fn pass(&self, step: &str, when: When) {
        if let Some(armed) = &self.0 {
            armed.pass(step, when);
        }
    }
}

impl Armed {
    fn pass(&self, step: &str, when: When) {
        let side = match when {
            When::Before => "before",
            When::After => "after",
        };
        let name = format!("{}:{step}:{side}", self.process);
        let file = |suffix: &str| self.directory.join(format!("{name}{suffix}"));
        leave(&file(".seen"));
        let hold = file(".hold");
        if hold.exists() {
            leave(&file(".held"));
            while hold.exists() {
                thread::sleep(LOOK);
            }
        }
        // Whoever removes the file is the one that dies.
        if fs::remove_file(file("")).is_ok() {
            tracing::warn!(point = name, "dying here, as a test wants it");
            die();
        }
    }
}

/// A sign for the test: a file without anything in it.
fn leave(path: &Path) {
    if let Err(error) = File::create(path) {
        tracing::error!(file = %path.display(), %error, "a test is not told that its point was passed");
    }
}

/// Ends the process without a word to anybody, and without a core file.
fn die() -> ! {
    let _unheard = kill_process(getpid(), Signal::KILL);
    std::process::abort()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_that_is_not_armed_tells_that_it_was_passed() {
        let dir = tempfile::tempdir().unwrap();
        let points = Points::armed_in(dir.path().to_owned(), "agent-x".to_owned());
        points.pass("Follow", When::Before);
        points.pass("Follow", When::Before);
        assert!(dir.path().join("agent-x:Follow:before.seen").exists());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(points.are_watched() && !Points::none().are_watched());
        Points::none().pass("Follow", When::After);
    }

    #[test]
    fn a_held_process_waits_until_it_is_let_go() {
        let dir = tempfile::tempdir().unwrap();
        let hold = dir.path().join("p:Pause:after.hold");
        File::create(&hold).unwrap();
        let points = Points::armed_in(dir.path().to_owned(), "p".to_owned());
        let passing = thread::spawn(move || points.pass("Pause", When::After));
        while !dir.path().join("p:Pause:after.held").exists() {
            thread::yield_now();
        }
        assert!(!passing.is_finished());
        fs::remove_file(hold).unwrap();
        passing.join().unwrap();
    }
}
