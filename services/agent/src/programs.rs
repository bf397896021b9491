//! The engine programs of this host: the one that is installed, and copies of those that caches run.
//!
//! A package that is upgraded exchanges the program under the engines that run it. Caches go on with
//! what they have until somebody orders otherwise, so a copy of each program that a cache runs is kept
//! in the agent's directory, under `engines/`: a node that dies is started with the same engine as the
//! others of its cache, and one that does not come up with a newer engine gets the one of before.

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use engine::{EngineChoice, EngineProgram, FindError};
use model::{EngineBuild, InstalledEngine, Timestamp};
use parking_lot::Mutex;
use runtime::{
    blocking, chain,
    durable::{self, FileError},
};
use tokio::time::sleep;

/// Between two looks whether the installed program is still the same file.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The programs.
pub(crate) struct Programs {
    directory: PathBuf,
    /// What to look for; never another make than the agent began with.
    choice: EngineChoice,
    search: Vec<PathBuf>,
    installed: Mutex<Installed>,
    /// The last attempt to look at the installed program failed, and that is logged.
    failing: Mutex<bool>,
    /// Builds that could not be kept, and that is logged.
    given_up: Mutex<BTreeSet<EngineBuild>>,
}

#[derive(Clone)]
struct Installed {
    program: EngineProgram,
    stamp: Option<Stamp>,
}

/// Names a state of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    /// When its content or its place changed last, in seconds and nanoseconds since the Unix epoch.
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let file = path.metadata().ok()?;
        Some(Self {
            device: file.dev(),
            inode: file.ino(),
            size: file.size(),
            changed: (file.ctime(), file.ctime_nsec()),
        })
    }

    fn since(&self) -> Timestamp {
        let seconds = u64::try_from(self.changed.0).unwrap_or(0);
        Timestamp(seconds.saturating_mul(1_000))
    }
}

impl Programs {
    /// Keeps copies below `root`, the agent's directory; `program` is what is installed now.
    pub(crate) fn new(
        root: &Path,
        choice: &EngineChoice,
        search: Vec<PathBuf>,
        program: EngineProgram,
    ) -> Self {
        let choice = match choice {
            EngineChoice::Path(path) => EngineChoice::Path(path.clone()),
            EngineChoice::Auto | EngineChoice::Kind(_) => EngineChoice::Kind(program.version.kind),
        };
        let stamp = Stamp::of(&program.path);
        Self {
            directory: root.join("engines"),
            choice,
            search,
            installed: Mutex::new(Installed { program, stamp }),
            failing: Mutex::new(false),
            given_up: Mutex::default(),
        }
    }

    /// The program that is installed, as it was last seen.
    pub(crate) fn installed(&self) -> EngineProgram {
        self.installed.lock().program.clone()
    }

    /// The same, as it is reported.
    pub(crate) fn observed(&self) -> InstalledEngine {
        let installed = self.installed.lock();
        InstalledEngine {
            build: installed.program.engine(),
            since: installed
                .stamp
                .map(|stamp| stamp.since())
                .unwrap_or_default(),
        }
    }

    /// The program of a build: the installed one, or its copy.
    pub(crate) fn of(&self, build: &EngineBuild) -> Option<EngineProgram> {
        let installed = self.installed();
        if installed.engine() == *build {
            return Some(installed);
        }
        let path = self.place(build);
        path.is_file().then(|| EngineProgram {
            path,
            version: build.version,
            build: build.build.clone(),
        })
    }

    /// Looks again whether the installed program is the one that is known.
    pub(crate) async fn refresh(&self) {
        let known = self.installed.lock().clone();
        if known.stamp.is_some() && Stamp::of(&known.program.path) == known.stamp {
            return;
        }
        match engine::find(&self.choice, &self.search).await {
            Ok(program) => {
                *self.failing.lock() = false;
                if program != known.program {
                    tracing::info!(engine = %program.engine().told_from(&known.program.engine()), before = %known.program.engine(), path = %program.path.display(), "another engine is installed; caches go on with the one that they have");
                }
                let stamp = Stamp::of(&program.path);
                *self.installed.lock() = Installed { program, stamp };
            }
            Err(error) => {
                // In the middle of a package's upgrade, or after its removal.
                if !std::mem::replace(&mut *self.failing.lock(), true) {
                    tracing::warn!(error = %chain(&error), "the installed engine cannot be looked at; caches go on with what they have");
                }
            }
        }
    }

    /// Looks again for ever, and keeps a copy of what is installed.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            let installed = self.installed();
            let build = installed.engine();
            if !self.is_kept(&build) {
                let kept = self.keep(&installed.path, &build).await;
                let known = self.given_up.lock().contains(&build);
                if let Err(error) = kept
                    && !known
                {
                    tracing::warn!(error = %chain(&error), path = %installed.path.display(), "the engine's program cannot be kept; caches that run it have it only as long as it is installed");
                    self.given_up.lock().insert(build);
                }
            }
            sleep(LOOK_EVERY).await;
            self.refresh().await;
        }
    }

    /// A copy is there.
    pub(crate) fn is_kept(&self, build: &EngineBuild) -> bool {
        self.place(build).is_file()
    }

    /// Keeps a copy of the program that a process runs, whose file may be gone by now.
    pub(crate) async fn keep_running(&self, pid: u32, build: &EngineBuild) {
        if self.is_kept(build) || self.given_up.lock().contains(build) {
            return;
        }
        let path = PathBuf::from(format!("/proc/{pid}/exe"));
        match self.keep(&path, build).await {
            Ok(()) => {
                tracing::info!(pid, engine = %build, "kept a copy of an engine that is not installed any more")
            }
            Err(error) => {
                tracing::warn!(pid, engine = %build, error = %chain(&error), "the engine that a process runs cannot be copied; should it end, the installed one takes its place");
                self.given_up.lock().insert(build.clone());
            }
        }
    }

    /// Removes the copies of builds that nobody runs.
    pub(crate) fn forget_all_but(&self, wanted: &BTreeSet<EngineBuild>) {
        let mut kept: BTreeSet<PathBuf> = wanted.iter().map(|build| self.room(build)).collect();
        kept.insert(self.room(&self.installed().engine()));
        let Ok(entries) = fs::read_dir(&self.directory) else {
            return;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if kept.contains(&path) {
                continue;
            }
            match fs::remove_dir_all(&path) {
                Ok(()) => {
                    tracing::info!(path = %path.display(), "removed the copy of an engine that no cache runs any more")
                }
                Err(error) => {
                    tracing::warn!(%error, path = %path.display(), "the copy of an engine is left")
                }
            }
        }
    }

    fn room(&self, build: &EngineBuild) -> PathBuf {
        let EngineBuild { version, build } = build;
        let (kind, major, minor, patch) =
            (version.kind, version.major, version.minor, version.patch);
        let name = format!("{kind}-{major}.{minor}.{patch}-{build}");
        self.directory.join(name.trim_end_matches('-'))
    }

    fn place(&self, build: &EngineBuild) -> PathBuf {
        self.room(build).join(build.version.kind.program())
    }

    /// Copies a program, whole or not at all, and only one that runs there and is that build.
    async fn keep(&self, program: &Path, build: &EngineBuild) -> Result<(), KeepError> {
        let room = self.room(build);
        let (from, new) = (program.to_owned(), room.join("new"));
        let to = new.clone();
        let copied = blocking::run(move || copy(&from, &room, &to)).await;
        copied.map_err(|_ended| KeepError::Ending)??;
        let found = engine::find(&EngineChoice::Path(new.clone()), &[]).await?;
        if found.engine() != *build {
            return Err(KeepError::Another(found.engine()));
        }
        Ok(durable::durable_rename(&new, &self.place(build))?)
    }
}

fn copy(from: &Path, room: &Path, to: &Path) -> Result<(), KeepError> {
    durable::make_directory(room)?;
    fs::copy(from, to)
        .and_then(|_bytes| fs::set_permissions(to, fs::Permissions::from_mode(0o700)))
        .and_then(|()| fs::File::open(to)?.sync_all())
        .map_err(KeepError::Copy)
}

/// A program cannot be kept.
#[derive(Debug, thiserror::Error)]
enum KeepError {
    #[error("copy the program")]
    Copy(#[source] io::Error),
    #[error("keep the program")]
    File(#[from] FileError),
    #[error("run the copy")]
    Run(#[from] FindError),
    #[error("the program is {0} by now")]
    Another(EngineBuild),
    #[error("the agent is ending")]
    Ending,
}

#[cfg(test)]
mod tests {
    use model::{EngineKind, EngineVersion};

    use super::*;

    fn program(root: &Path, patch: u16) -> EngineProgram {
        let path = root.join("valkey-server");
        let text = format!(
            "#!/bin/sh\necho 'Valkey server v=8.0.{patch} sha=0:0 malloc=libc bits=64 build=abc{patch}'\n"
        );
        durable::write_durable(&path, text.as_bytes()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        EngineProgram {
            path,
            version: EngineVersion {
                kind: EngineKind::Valkey,
                major: 8,
                minor: 0,
                patch,
            },
            build: format!("abc{patch}"),
        }
    }

    #[tokio::test]
    async fn the_program_of_before_is_there_after_the_package_was_upgraded() {
        let (root, package) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let old = program(package.path(), 1);
        let choice = EngineChoice::Path(old.path.clone());
        let programs = Programs::new(root.path(), &choice, Vec::new(), old.clone());
        programs.keep(&old.path, &old.engine()).await.unwrap();
        assert_eq!(programs.of(&old.engine()), Some(old.clone()));

        let other = EngineBuild::new(old.version, "fed");
        let wrong = programs.keep(&old.path, &other).await;
        assert!(matches!(wrong, Err(KeepError::Another(_))));

        let new = program(package.path(), 2);
        programs.refresh().await;
        assert_eq!(programs.installed(), new);
        let kept = programs.of(&old.engine()).unwrap();
        assert!(kept.path.starts_with(root.path()));
        let text = fs::read_to_string(&kept.path).unwrap();
        assert!(text.contains("8.0.1"), "{text}");

        programs.forget_all_but(&BTreeSet::from([old.engine()]));
        assert!(programs.is_kept(&old.engine()));
        programs.forget_all_but(&BTreeSet::new());
        assert_eq!(programs.of(&old.engine()), None);
    }

    #[tokio::test]
    async fn a_package_that_is_gone_for_a_moment_changes_nothing() {
        let (root, package) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let old = program(package.path(), 1);
        let choice = EngineChoice::Path(old.path.clone());
        let programs = Programs::new(root.path(), &choice, Vec::new(), old.clone());
        fs::remove_file(&old.path).unwrap();
        programs.refresh().await;
        assert_eq!(programs.installed(), old);
    }
}
