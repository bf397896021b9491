//! Godwit's own connection to an engine: over the unix socket in its directory, as the internal
//! user, one command at a time in a bounded time.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use parking_lot::Mutex;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ErrorKind, IntoConnectionInfo as _,
    RedisConnectionInfo, RedisError, Value, aio::MultiplexedConnection,
};
use tokio::time::timeout;

use crate::config::Credentials;

pub(crate) const SOCKET: &str = "engine.sock";
/// The longest path that `sockaddr_un` holds, without its final zero.
const LONGEST_SOCKET_PATH: usize = 107;

/// A command to an engine that did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The engine's process has ended.
    #[error("{command} to the engine of pid {pid}: the process has ended")]
    Exited {
        /// The command.
        command: &'static str,
        /// The process.
        pid: u32,
    },
    /// The engine could not be reached, or the connection broke and could not be made again.
    #[error("{command} to the engine of pid {pid} through {}", socket.display())]
    Unreachable {
        /// The command.
        command: &'static str,
        /// The process.
        pid: u32,
        /// Its socket.
        socket: PathBuf,
        /// Why.
        #[source]
        source: RedisError,
    },
    /// No answer in time.
    #[error(
        "{command} to the engine of pid {pid}: the engine does not answer commands, for {} ms now (it may be paused by CLIENT PAUSE, run a slow script, or be stopped)",
        waited.as_millis()
    )]
    Silent {
        /// The command.
        command: &'static str,
        /// The process.
        pid: u32,
        /// How long the answer was waited for.
        waited: Duration,
    },
    /// The engine does not know the internal user by this password.
    #[error(
        "{command} to the engine of pid {pid}: it does not accept Godwit's own password, so it was not started with this configuration"
    )]
    Stranger {
        /// The command.
        command: &'static str,
        /// The process.
        pid: u32,
    },
    /// The engine answered with an error.
    #[error("{command} to the engine of pid {pid}: it refuses: {answer}")]
    Refused {
        /// The command.
        command: &'static str,
        /// The process.
        pid: u32,
        /// What it answered.
        answer: String,
    },
    /// The engine answered something that is not understood.
    #[error("read the answer of the engine of pid {pid} to {command}")]
    Unexpected {
        /// The command.
        command: &'static str,
        /// The process.
        pid: u32,
        /// What is wrong with it.
        #[source]
        source: crate::info::InfoError,
    },
}

impl CommandError {
    /// Tells whether the engine may have carried the command out all the same.
    #[must_use]
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Silent { .. } | Self::Exited { .. } => true,
            Self::Stranger { .. } | Self::Refused { .. } | Self::Unexpected { .. } => false,
        }
    }
}

/// The connection, made when it is first needed and again after it broke.
pub(crate) struct Admin {
    pid: u32,
    socket: PathBuf,
    login: RedisConnectionInfo,
    connection: Mutex<Option<MultiplexedConnection>>,
}

impl Admin {
    /// For the engine of `pid` that works in `directory`.
    pub(crate) fn new(pid: u32, directory: &Path, internal: &Credentials) -> Self {
        let login = RedisConnectionInfo::default()
            .set_username(&internal.user)
            .set_password(internal.password.reveal())
            .set_skip_set_lib_name();
        Self {
            pid,
            socket: socket_path(pid, directory),
            login,
            connection: Mutex::default(),
        }
    }

    /// Sends `command` and returns the answer. `name` is what errors call it: arguments are not
    /// shown, as they may be secret.
    pub(crate) async fn run(
        &self,
        name: &'static str,
        command: &Cmd,
        limit: Duration,
    ) -> Result<Value, CommandError> {
        let answer = timeout(limit, self.send(name, command)).await;
        let Ok(answer) = answer else {
            // The engine takes back what it has not begun when the connection closes. Kept open,
            // a paused engine would carry the command out much later.
            self.connection.lock().take();
            return Err(CommandError::Silent {
                command: name,
                pid: self.pid,
                waited: limit,
            });
        };
        match answer {
            Ok(Value::ServerError(error)) => Err(self.refused(name, &RedisError::from(error))),
            Ok(value) => Ok(value),
            Err(error) => Err(error),
        }
    }

    /// Sends `command` over a connection of its own and waits for as long as the caller does:
    /// `SHUTDOWN` answers when it failed, and by closing the connection when it did not.
    pub(crate) async fn run_alone(
        &self,
        name: &'static str,
        command: &Cmd,
    ) -> Result<Value, CommandError> {
        let mut connection = self.connect(name).await?;
        match connection.send_packed_command(command).await {
            Ok(Value::ServerError(error)) => Err(self.refused(name, &RedisError::from(error))),
            Ok(value) => Ok(value),
            Err(error) if is_broken(&error) => Err(self.unreachable(name, error)),
            Err(error) => Err(self.refused(name, &error)),
        }
    }

    async fn send(&self, name: &'static str, command: &Cmd) -> Result<Value, CommandError> {
        let kept = self.connection.lock().clone();
        if let Some(mut connection) = kept {
            match connection.send_packed_command(command).await {
                Ok(value) => return Ok(value),
                Err(error) if !is_broken(&error) => return Err(self.refused(name, &error)),
                // Closed by the engine, or by a client with CLIENT KILL. Every command that is
                // sent here may be sent twice.
                Err(_broken) => drop(self.connection.lock().take()),
            }
        }
        let mut connection = self.connect(name).await?;
        *self.connection.lock() = Some(connection.clone());
        match connection.send_packed_command(command).await {
            Ok(value) => Ok(value),
            Err(error) if is_broken(&error) => {
                self.connection.lock().take();
                Err(self.unreachable(name, error))
            }
            Err(error) => Err(self.refused(name, &error)),
        }
    }

    async fn connect(&self, name: &'static str) -> Result<MultiplexedConnection, CommandError> {
        // The caller bounds the whole, so that the connection is dropped with the command.
        let unbounded = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        let opened = async {
            let info = ConnectionAddr::Unix(self.socket.clone()).into_connection_info()?;
            let client = Client::open(info.set_redis_settings(self.login.clone()))?;
            client
                .get_multiplexed_async_connection_with_config(&unbounded)
                .await
        };
        opened.await.map_err(|error| {
            if error.kind() == ErrorKind::AuthenticationFailed {
                CommandError::Stranger {
                    command: name,
                    pid: self.pid,
                }
            } else {
                self.unreachable(name, error)
            }
        })
    }

    fn refused(&self, command: &'static str, error: &RedisError) -> CommandError {
        let code = error.code().unwrap_or("ERR");
        let detail = error.detail().unwrap_or_default();
        CommandError::Refused {
            command,
            pid: self.pid,
            answer: format!("{code} {detail}"),
        }
    }

    fn unreachable(&self, command: &'static str, source: RedisError) -> CommandError {
        CommandError::Unreachable {
            command,
            pid: self.pid,
            socket: self.socket.clone(),
            source,
        }
    }
}

fn is_broken(error: &RedisError) -> bool {
    error.is_io_error() || error.is_connection_dropped() || error.is_unrecoverable_error()
}

/// The absolute path when it fits into a socket address, else the way through the process.
fn socket_path(pid: u32, directory: &Path) -> PathBuf {
    let path = std::path::absolute(directory)
        .unwrap_or_else(|_| directory.to_owned())
        .join(SOCKET);
    if path.as_os_str().len() <= LONGEST_SOCKET_PATH {
        path
    } else {
        PathBuf::from(format!("/proc/{pid}/cwd/{SOCKET}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_too_long_for_a_socket_goes_through_the_process() {
        let short = Path::new("/var/lib/godwit/n0");
        assert_eq!(
            socket_path(7, short),
            Path::new("/var/lib/godwit/n0/engine.sock")
        );
        let long = PathBuf::from(format!("/{}", "x".repeat(107)));
        assert_eq!(socket_path(7, &long), Path::new("/proc/7/cwd/engine.sock"));
    }
}
