//! What is wrong with a request, in the words of the engines.

/// A request that is not passed on. The client is told, and its connection is closed: where the
/// next request would begin is not known.
///
/// The words are what follows `-ERR Protocol error: `. They are the engines' own where these
/// refuse too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The number of arguments is no number in its one spelling, or above the limit.
    #[error("invalid multibulk length")]
    InvalidCount,
    /// More arguments than somebody who has not logged in may send.
    #[error("unauthenticated multibulk length")]
    UnauthenticatedCount,
    /// The header with the number of arguments does not end.
    #[error("too big mbulk count string")]
    EndlessCount,
    /// The length of an argument is no number in its one spelling, or above the limit.
    #[error("invalid bulk length")]
    InvalidLength,
    /// A longer argument than somebody who has not logged in may send.
    #[error("unauthenticated bulk length")]
    UnauthenticatedLength,
    /// The header of an argument does not end.
    #[error("too big bulk count string")]
    EndlessLength,
    /// Something else stands where an argument should.
    #[error("expected '$', got '{}'", .0.escape_ascii())]
    NotABulk(u8),
    /// An argument is not followed by CRLF. The engines do not look.
    #[error("expected CRLF after a bulk")]
    NoLineEnd,
    /// The command's name alone is larger than a request that is handed out as a whole. The
    /// engines would not know the command.
    #[error("too big command name")]
    EndlessName,
    /// An inline command does not end.
    #[error("too big inline request")]
    EndlessInline,
    /// A NUL in an inline command: the engines would wait for ever.
    #[error("unexpected NUL in inline request")]
    InlineNul,
    /// A quote that is not closed, or that ends inside a word.
    #[error("unbalanced quotes in request")]
    UnbalancedQuotes,
    /// `POST` or `Host:`: somebody makes a browser talk to a cache. The engines close without a
    /// word.
    #[error("possible cross-protocol scripting")]
    CrossProtocol,
}

impl RequestError {
    /// Whether the connection is closed without a word.
    #[must_use]
    pub const fn is_silent(&self) -> bool {
        matches!(self, Self::CrossProtocol)
    }

    /// Appends the error reply that the client gets, or nothing when it gets none.
    pub fn write_answer(&self, out: &mut Vec<u8>) {
        match self {
            Self::CrossProtocol => {}
            // Any byte may stand there, and goes back as it is.
            Self::NotABulk(byte) => {
                out.extend_from_slice(b"-ERR Protocol error: expected '$', got '");
                out.push(if matches!(byte, b'\r' | b'\n') {
                    b' '
                } else {
                    *byte
                });
                out.extend_from_slice(b"'\r\n");
            }
            Self::InvalidCount
            | Self::UnauthenticatedCount
            | Self::EndlessCount
            | Self::InvalidLength
            | Self::UnauthenticatedLength
            | Self::EndlessLength
            | Self::NoLineEnd
            | Self::EndlessName
            | Self::EndlessInline
            | Self::InlineNul
            | Self::UnbalancedQuotes => {
                crate::write_error(out, format!("ERR Protocol error: {self}").as_bytes());
            }
        }
    }
}
