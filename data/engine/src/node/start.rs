//! A new engine process, from nothing to its first answer.

use std::{
    fs::{self, File, OpenOptions},
    io,
    net::{SocketAddr, TcpListener},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use runtime::durable::{self, FileError};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

use super::{
    Node,
    failure::{Failure, LOG, OUTPUT, Remains},
};
use crate::{
    CommandError, EngineProgram, NodeConfig,
    admin::SOCKET,
    config::{ConfigError, render},
    info::is_loading,
    process::Process,
    record::Record,
    snapshot,
};

const CONFIG: &str = "engine.conf";
/// From the start of the process to its first answer, which does not wait for a load.
const ANSWERS_WITHIN: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How often another free port is tried when somebody took the one that was chosen.
const PORT_ATTEMPTS: u32 = 5;

/// No engine was started, and none is left behind.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration has a value that no engine can take.
    #[error("start an engine in {}", directory.display())]
    Config {
        /// The node's directory.
        directory: PathBuf,
        /// What is wrong with it.
        #[source]
        source: ConfigError,
    },
    /// The directory cannot be made private.
    #[error("make {} a directory for this user alone", directory.display())]
    Directory {
        /// The node's directory.
        directory: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file in the directory cannot be written or removed.
    #[error("prepare {} for an engine", directory.display())]
    File {
        /// The node's directory.
        directory: PathBuf,
        /// Why.
        #[source]
        source: FileError,
    },
    /// An engine runs there: adopt it, or stop it.
    #[error("start an engine in {}: one runs there, with pid {pid}", directory.display())]
    AlreadyRuns {
        /// The node's directory.
        directory: PathBuf,
        /// The process that runs.
        pid: u32,
    },
    /// There is no free port.
    #[error("find a free port on {address}")]
    NoPort {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The program was not started.
    #[error("start {} in {}", program.display(), directory.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// The node's directory.
        directory: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The program ended.
    #[error("start {} in {}: {failure} (its last words: {last_words})", program.display(), directory.display())]
    Failed {
        /// The program.
        program: PathBuf,
        /// The node's directory.
        directory: PathBuf,
        /// Why, as far as its log tells.
        failure: Box<Failure>,
        /// The end of its log.
        last_words: String,
    },
    /// The program runs and does not answer. It was stopped.
    #[error("start {} in {}: no answer within {} s", program.display(), directory.display(), ANSWERS_WITHIN.as_secs())]
    Silent {
        /// The program.
        program: PathBuf,
        /// The node's directory.
        directory: PathBuf,
        /// The last attempt to get one.
        #[source]
        source: Option<Box<CommandError>>,
    },
}

impl Node {
    /// Starts an engine in a process group of its own, so that a Ctrl-C at a terminal does not
    /// reach it, and waits for its first answer. A data set may still be loading then:
    /// [`NodeInfo::loading`](crate::NodeInfo::loading) tells.
    pub async fn start(program: &EngineProgram, config: &NodeConfig) -> Result<Self, StartError> {
        start_with(program, config, "").await
    }
}

/// Starts an engine whose configuration ends with these lines.
pub(super) async fn start_with(
    program: &EngineProgram,
    config: &NodeConfig,
    lines: &str,
) -> Result<Node, StartError> {
    if config.address.port() != 0 {
        return start_at(program, config, lines).await;
    }
    let mut attempts_left = PORT_ATTEMPTS;
    loop {
        let address = free_address(config.address)?;
        let started = start_at(
            program,
            &NodeConfig {
                address,
                ..config.clone()
            },
            lines,
        )
        .await;
        let taken = match &started {
            Err(StartError::Failed { failure, .. }) => {
                matches!(**failure, Failure::AddressTaken { .. })
            }
            Ok(_) | Err(_) => false,
        };
        attempts_left -= 1;
        if !taken || attempts_left == 0 {
            return started;
        }
    }
}

async fn start_at(
    program: &EngineProgram,
    config: &NodeConfig,
    lines: &str,
) -> Result<Node, StartError> {
    let directory =
        std::path::absolute(&config.directory).unwrap_or_else(|_| config.directory.clone());
    let text = render(program.version, config).map_err(|source| StartError::Config {
        directory: directory.clone(),
        source,
    })?;
    make_private(&directory).map_err(|source| StartError::Directory {
        directory: directory.clone(),
        source,
    })?;
    refuse_a_second(&directory)?;
    let text = text + lines;
    prepare(&directory, &text, config.load_saved).map_err(|source| StartError::File {
        directory: directory.clone(),
        source,
    })?;

    let spawned = spawn(&program.path, &directory).and_then(Process::of_child);
    let process = spawned.map_err(|source| StartError::Spawn {
        program: program.path.clone(),
        directory: directory.clone(),
        source,
    })?;
    let node = Node::new(
        &directory,
        program.version,
        process,
        config.address,
        &config.internal,
    );
    if let Err(source) = node.write_record() {
        // Unrecorded, it could not be adopted as what it is.
        let _ended = node.0.process.end(Duration::ZERO).await;
        return Err(StartError::File { directory, source });
    }
    wait_for_answer(&node, program).await.map(|()| node)
}

async fn wait_for_answer(node: &Node, program: &EngineProgram) -> Result<(), StartError> {
    let directory = node.directory().to_owned();
    let deadline = Instant::now() + ANSWERS_WITHIN;
    let mut last = None;
    while Instant::now() < deadline {
        if node.has_exited() {
            let remains = Remains::of(&directory);
            let failure = remains.failure(node.address(), node.0.process.exit_status());
            let failure = Box::new(failure);
            if let Err(error) = Record::remove(&directory) {
                tracing::warn!(%error, "node.json is left");
            }
            let last_words = remains.shown();
            let program = program.path.clone();
            return Err(StartError::Failed {
                program,
                directory,
                failure,
                last_words,
            });
        }
        if directory.join(SOCKET).exists() {
            // INFO is the one command that is answered in every state.
            match node.ask_text("INFO", &["persistence"]).await {
                Ok(text) => {
                    // What is not understood here is reported by the first look at the node.
                    node.note_loading(is_loading(&text).unwrap_or(true));
                    return Ok(());
                }
                Err(error) => last = Some(Box::new(error)),
            }
        }
        sleep(LOOK_EVERY).await;
    }
    if let Err(error) = node.0.process.end(Duration::from_secs(1)).await {
        tracing::error!(%error, node.pid = node.pid(), "a silent engine cannot be stopped");
    }
    Err(StartError::Silent {
        program: program.path.clone(),
        directory,
        source: last,
    })
}

fn free_address(wanted: SocketAddr) -> Result<SocketAddr, StartError> {
    let bound = TcpListener::bind(wanted).and_then(|listener| listener.local_addr());
    bound.map_err(|source| StartError::NoPort {
        address: wanted,
        source,
    })
}

fn make_private(directory: &Path) -> io::Result<()> {
    durable::make_directory(directory).map_err(io::Error::other)?;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700))
}

fn refuse_a_second(directory: &Path) -> Result<(), StartError> {
    let mut running = crate::find_orphans(directory).into_iter();
    match running.find(|orphan| crate::process::works_in(orphan.pid, directory)) {
        Some(orphan) => Err(StartError::AlreadyRuns {
            directory: directory.to_owned(),
            pid: orphan.pid,
        }),
        None => Ok(()),
    }
}

fn prepare(directory: &Path, config: &str, load_saved: bool) -> Result<(), FileError> {
    snapshot::prepare(directory, load_saved)?;
    durable::remove_if_there(&directory.join(SOCKET))?;
    // One log a run, and the one before: the last words of a failed start are its own.
    let log = directory.join(LOG);
    if log.exists() {
        durable::durable_rename(&log, &directory.join("engine.log.1"))?;
    }
    durable::write_durable(&directory.join(CONFIG), config.as_bytes())
}

fn spawn(program: &Path, directory: &Path) -> io::Result<Child> {
    let output = private_file(&directory.join(OUTPUT))?;
    // The file's name without its path: command lines are public.
    Command::new(program)
        .arg(CONFIG)
        .current_dir(directory)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
}

fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}
