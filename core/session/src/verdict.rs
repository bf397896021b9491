//! What is to be done with requests and replies.

use model::Secret;

/// What is to be done with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Pass it on to the engine as it came.
    Pass,
    /// Send these bytes to the engine, and nothing of the request: its reply is expected already.
    Forward(Vec<u8>),
    /// Say these bytes to the client, and send nothing to the engine. Nothing is outstanding.
    Answer(Vec<u8>),
    /// Check who this is; then call [`admitted`](crate::Session::admitted) or
    /// [`refused`](crate::Session::refused) once [`is_idle`](crate::Session::is_idle). Nothing of
    /// the request is sent to the engine.
    Authenticate(Credentials),
    /// Say these bytes to the client, once everything before is answered, and close.
    Close(Vec<u8>),
}

/// Who a client says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user; `None`: the client named none, which means `default`.
    pub user: Option<String>,
    /// An access key or a token. What was not UTF-8 is replaced, and then matches none.
    pub secret: Secret,
}

/// How a connection of an engine is opened.
#[derive(Debug, Clone, Copy)]
pub struct Login<'a> {
    /// The engine's user.
    pub user: &'a str,
    /// Its password; `None`: the connection is open as this user already.
    pub password: Option<&'a Secret>,
}

/// Why a client was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The key or the token is not right, or the user is none.
    WrongPassword,
    /// There were too many attempts, or nobody can be asked.
    TryAgain,
}

/// Where bytes go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spoken {
    /// To the engine.
    ToEngine(Vec<u8>),
    /// To the client.
    ToClient(Vec<u8>),
}

/// What is to be done with a reply or a push of the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Passing {
    /// Pass its bytes on to the client.
    Forward,
    /// Drop them.
    Swallow,
    /// Drop them, and say these bytes to the client.
    Replace(Vec<u8>),
    /// The engine does not do what the session needs: the connection to it must be given up.
    Broken(Broken),
}

/// Why a connection to an engine is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A reply came that nobody waits for.
    #[error("the engine sent a reply that answers no request; connect again")]
    Stray,
    /// Replies cannot be told apart, and the client does not want all of them.
    #[error(
        "replies cannot be told apart while CLIENT REPLY leaves some out; open a new connection"
    )]
    Unpaired,
    /// The engine refused a command that builds the session up.
    #[error("the engine refused a part of the session that was to be carried over to it")]
    Replay,
}

/// Whether a connection can be held where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boundary {
    /// Everything is answered.
    Idle,
    /// One command is outstanding, which waits for something to happen. An engine that becomes a
    /// replica answers it with `UNBLOCKED` and closes the connection.
    Blocked,
    /// Replies are due.
    Busy,
}
