//! How a command ends when it does not succeed: one sentence, a hint, an exit code.

use std::{
    fmt,
    io::{self, Write as _},
    process::ExitCode,
};

use client::{BuildError, RequestError, WaitError};
use runtime::chain;

use crate::reach::Unreachable;

/// Exit codes, as `godwit --help` documents them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Success,
    Failed,
    /// There is no answer.
    Undecided,
    NotFound,
    Usage,
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Success => 0,
            Exit::Failed => 1,
            Exit::Undecided => 2,
            Exit::NotFound => 3,
            Exit::Usage => 64,
            Exit::Interrupted => 130,
        })
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Failed,
            message: message.into(),
            hint: None,
        }
    }

    /// The command line asks for something that cannot be.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Usage,
            ..Self::new(message)
        }
    }

    /// What was asked cannot be said.
    pub(crate) fn undecided(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Undecided,
            ..Self::new(message)
        }
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::NotFound,
            ..Self::new(message)
        }
    }

    pub(crate) fn interrupted(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Interrupted,
            ..Self::new(message)
        }
    }

    /// Adds what to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what to do about it, unless that is said already.
    pub(crate) fn or_hint(self, hint: impl FnOnce() -> String) -> Self {
        if self.hint.is_some() {
            self
        } else {
            self.hint(hint())
        }
    }

    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// Says it on standard error and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        // The reader of standard output closed it: it has what it wanted.
        if self.exit != Exit::Success {
            let _ = writeln!(io::stderr(), "{self}");
        }
        self.exit.into()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "\n\nhint: {hint}")?;
        }
        Ok(())
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        let message = chain(&error).to_string();
        if error.is_not_found() {
            return Self::not_found(message);
        }
        let failure = Self::new(message);
        match error {
            RequestError::NoConnection { .. } if failure.message.contains("certificate") => failure
                .hint("--ca or GODWIT_CA names the certificate to trust: the control plane's ca.pem"),
            RequestError::NothingListens { .. } | RequestError::NoConnection { .. } => failure
                .hint("--endpoint or GODWIT_ENDPOINT says where the control plane is reached"),
            RequestError::Refused { status, .. } if status.as_u16() == 401 => failure.hint(
                "use the token of the control plane that runs there: --data names the directory of its `godwit up`, GODWIT_TOKEN the token itself",
            ),
            RequestError::Refused { .. }
            | RequestError::Silent { .. }
            | RequestError::Broken { .. }
            | RequestError::Foreign { .. } => failure,
        }
    }
}

impl From<Unreachable> for Failure {
    fn from(error: Unreachable) -> Self {
        match error {
            Unreachable::Request(error) => error.into(),
            Unreachable::NoAddress { .. } => {
                Self::new(chain(&error).to_string()).hint("wait until it has been created")
            }
            Unreachable::Trust { .. } => Self::new(chain(&error).to_string()),
        }
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        Self::usage(chain(&error).to_string())
    }
}

impl From<WaitError> for Failure {
    fn from(error: WaitError) -> Self {
        Self::new(chain(&error).to_string())
    }
}

/// What a service's `run` ends with.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(format!("{error:#}"))
    }
}

/// A failure to write to standard output.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let failure = Self::new(format!("write to standard output: {error}"));
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self {
                exit: Exit::Success,
                ..failure
            };
        }
        failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_follows_an_empty_line() {
        let failure = Failure::new("no token").hint("start `godwit up`");
        assert_eq!(
            failure.to_string(),
            "error: no token\n\nhint: start `godwit up`"
        );
        assert_eq!(
            failure.or_hint(|| "other".to_owned()).hint.unwrap(),
            "start `godwit up`"
        );
    }

    #[test]
    fn a_closed_pipe_is_a_success() {
        let closed = io::Error::from(io::ErrorKind::BrokenPipe);
        assert_eq!(Failure::from(closed).exit(), Exit::Success);
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert_eq!(Failure::from(full).exit(), Exit::Failed);
    }

    #[test]
    fn an_operation_that_failed_speaks_for_itself() {
        let failed = WaitError::Failed {
            code: "FailoverAborted".to_owned(),
            message: "`b` did not apply every write in time".to_owned(),
        };
        let failure = Failure::from(failed);
        assert_eq!(
            failure.to_string(),
            "error: `b` did not apply every write in time"
        );
        assert_eq!(failure.exit(), Exit::Failed);
    }
}
