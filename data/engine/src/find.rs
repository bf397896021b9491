//! Which engine program to run, where it is, and whether it is new enough.

use std::{
    convert::Infallible,
    fmt, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    str::FromStr,
    time::Duration,
};

use model::{EngineBuild, EngineKind, EngineVersion, ParseEngineVersionError};
use tokio::{process::Command, time::timeout};

/// A program that takes longer than this to tell its version is not an engine.
const VERSION_WITHIN: Duration = Duration::from_secs(5);

/// Which engine the operator wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum EngineChoice {
    /// `valkey-server` when it is there, else `redis-server`.
    #[default]
    Auto,
    /// That make, wherever it is installed.
    Kind(EngineKind),
    /// That file.
    Path(PathBuf),
}

impl FromStr for EngineChoice {
    type Err = Infallible;

    /// Reads `auto`, `valkey`, `redis`, or the path of a program.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "" | "auto" => Self::Auto,
            "valkey" => Self::Kind(EngineKind::Valkey),
            "redis" => Self::Kind(EngineKind::Redis),
            path => Self::Path(PathBuf::from(path)),
        })
    }
}

impl fmt::Display for EngineChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Kind(kind) => kind.fmt(f),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

/// An engine program that was found and that Godwit can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineProgram {
    /// The file, as an absolute path.
    pub path: PathBuf,
    /// What it says it is.
    pub version: EngineVersion,
    /// What it calls this build of itself; empty when it does not tell.
    pub build: String,
}

impl EngineProgram {
    /// What it is, to the build.
    #[must_use]
    pub fn engine(&self) -> EngineBuild {
        EngineBuild::new(self.version, &self.build)
    }
}

/// No engine can be run.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// No directory of the search path has the program.
    #[error(
        "find {wanted}: not in any of the {searched} directories of the search path; install the package `valkey-server` or `redis-server` (valkey 7.2 or later, redis 7.0 or later), or name the program's path"
    )]
    Missing {
        /// The program, or both.
        wanted: &'static str,
        /// How many directories were searched.
        searched: usize,
    },
    /// The given path is not a program.
    #[error("run the engine {}: there is no such program file", path.display())]
    NotAProgram {
        /// The path.
        path: PathBuf,
    },
    /// The program did not start.
    #[error("ask {} for its version", path.display())]
    Run {
        /// The program.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The program did not end.
    #[error("ask {} for its version: no answer within {} s; is it an engine?", path.display(), VERSION_WITHIN.as_secs())]
    Silent {
        /// The program.
        path: PathBuf,
    },
    /// The program says something that no engine says.
    #[error("read the version of {}; is it an engine?", path.display())]
    NotAnEngine {
        /// The program.
        path: PathBuf,
        /// What it said.
        #[source]
        source: ParseEngineVersionError,
    },
    /// The engine is older than Godwit can run.
    #[error(
        "use {}: it is {version}, and Godwit needs valkey 7.2 or later, or redis 7.0 or later; install a newer package `valkey-server` or `redis-server`",
        path.display()
    )]
    TooOld {
        /// The program.
        path: PathBuf,
        /// What it is.
        version: EngineVersion,
    },
}

/// Finds the program of `choice` in the directories `search`, in their order (the entries of the
/// caller's `PATH`), and asks it for its version.
pub async fn find(choice: &EngineChoice, search: &[PathBuf]) -> Result<EngineProgram, FindError> {
    match choice {
        EngineChoice::Path(path) => {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            if !is_program(&path) {
                return Err(FindError::NotAProgram { path });
            }
            examine(path).await
        }
        EngineChoice::Kind(kind) => match locate(*kind, search) {
            Some(path) => examine(path).await,
            None => Err(FindError::Missing {
                wanted: kind.program(),
                searched: search.len(),
            }),
        },
        EngineChoice::Auto => find_any(search).await,
    }
}

/// The first make that can be run; when none can, what is wrong with the first that was found.
async fn find_any(search: &[PathBuf]) -> Result<EngineProgram, FindError> {
    let mut first_error = None;
    for kind in [EngineKind::Valkey, EngineKind::Redis] {
        let Some(path) = locate(kind, search) else {
            continue;
        };
        match examine(path).await {
            Ok(program) => return Ok(program),
            Err(error) => {
                first_error.get_or_insert(error);
            }
        }
    }
    Err(first_error.unwrap_or(FindError::Missing {
        wanted: "valkey-server or redis-server",
        searched: search.len(),
    }))
}

fn locate(kind: EngineKind, search: &[PathBuf]) -> Option<PathBuf> {
    let candidates = search
        .iter()
        .map(|directory| directory.join(kind.program()));
    // Links are kept as they are: some packages ship one program under several names.
    candidates
        .filter_map(|path| std::path::absolute(path).ok())
        .find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

async fn examine(path: PathBuf) -> Result<EngineProgram, FindError> {
    let asked = Command::new(&path)
        .arg("--version")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = match timeout(VERSION_WITHIN, asked).await {
        Ok(Ok(output)) => output,
        Ok(Err(source)) => return Err(FindError::Run { path, source }),
        Err(_elapsed) => return Err(FindError::Silent { path }),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let read = text.lines().next().unwrap_or_default().parse();
    let EngineBuild { version, build } = match read {
        Ok(engine) => engine,
        Err(source) => return Err(FindError::NotAnEngine { path, source }),
    };
    if !version.is_supported() {
        return Err(FindError::TooOld { path, version });
    }
    Ok(EngineProgram {
        path,
        version,
        build,
    })
}
