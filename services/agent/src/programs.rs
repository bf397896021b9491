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

use engine::{EngineChoice, EngineProgram};
use model::{EngineBuild, InstalledEngine, Timestamp};
use parking_lot::Mutex;
use runtime::{blocking, chain, durable};
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
            EngineChoice::Auto | EngineChoice::Kind(_) => {
                EngineChoice::Kind(program.version.kind)
            }
        };
        let stamp = Stamp::of(&program.path);
        Self {
            directory: root.join("engines"),
            choice,
            search,
            installed: Mutex::new(Installed { program, stamp }),
            failing: Mutex::new(false),
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
            since: installed.stamp.map(|stamp| stamp.since()).unwrap_or_default(),
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
                let (programs, path) = (Arc::clone(&self), installed.path.clone());
                let copied = blocking::run(move || programs.keep(&path, &build));
                if let Ok(Err(error)) = copied.await {
                    tracing::warn!(%error, path = %installed.path.display(), "the engine's program cannot be copied; caches that run it have it only as long as it is installed");
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
    pub(crate) fn keep_running(&self, pid: u32, build: &EngineBuild) {
        if self.is_kept(build) {
            return;
        }
        let path = PathBuf::from(format!("/proc/{pid}/exe"));
        match self.keep(&path, build) {
            Ok(()) => tracing::info!(pid, engine = %build, "kept a copy of an engine that is not installed any more"),
            Err(error) => tracing::debug!(pid, %error, "the engine that a process runs cannot be copied"),
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
                Ok(()) => tracing::info!(path = %path.display(), "removed the copy of an engine that no cache runs any more"),
                Err(error) => tracing::warn!(%error, path = %path.display(), "the copy of an engine is left"),
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

    /// Copies a program, whole or not at all.
    fn keep(&self, program: &Path, build: &EngineBuild) -> io::Result<()> {
        let room = self.room(build);
        durable::make_directory(&room).map_err(io::Error::other)?;
        let (new, place) = (room.join("new"), self.place(build));
        let copied = fs::copy(program, &new)
            .and_then(|_bytes| fs::set_permissions(&new, fs::Permissions::from_mode(0o700)))
            .and_then(|()| fs::File::open(&new)?.sync_all());
        if let Err(error) = copied {
            let _not_even_begun = fs::remove_file(&new);
            return Err(error);
        }
        durable::durable_rename(&new, &place).map_err(io::Error::other)
    }
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
        fs::write(&path, text).unwrap();
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
        programs.keep(&old.path, &old.engine()).unwrap();
        assert_eq!(programs.of(&old.engine()), Some(old.clone()));

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
