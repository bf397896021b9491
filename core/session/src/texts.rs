//! What the engines say, word for word: Redis 7.0.15 and Valkey 8.0.1 say it alike unless noted.

use std::sync::Arc;

use resp::Request;

pub(crate) const NOAUTH: &[u8] = b"-NOAUTH Authentication required.\r\n";
/// To `EXEC`: the engines put what they refuse it for into the error of a transaction.
pub(crate) const NOAUTH_EXEC: &[u8] =
    b"-EXECABORT Transaction discarded because of: NOAUTH Authentication required.\r\n";
/// As Valkey says it; Redis leaves out the `<proto>`.
pub(crate) const NOAUTH_HELLO: &[u8] =
    b"-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO \
      <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP \
      protocol version at the same time\r\n";
pub(crate) const WRONGPASS: &[u8] =
    b"-WRONGPASS invalid username-password pair or user is disabled.\r\n";
/// Nobody could say whether the key or the token is right.
pub(crate) const TRY_AGAIN: &[u8] =
    b"-TRYAGAIN the login could not be checked now; wait a little and send it again\r\n";
pub(crate) const NOPROTO: &[u8] = b"-NOPROTO unsupported protocol version\r\n";
pub(crate) const BAD_VERSION: &[u8] =
    b"-ERR Protocol version is not an integer or out of range\r\n";
pub(crate) const BAD_NAME: &[u8] =
    b"-ERR Client names cannot contain spaces, newlines or special characters.\r\n";
pub(crate) const SYNTAX: &[u8] = b"-ERR syntax error\r\n";
pub(crate) const NOT_IN_MULTI: &[u8] = b"-ERR Command not allowed inside a transaction\r\n";
pub(crate) const EXEC_WITHOUT_MULTI: &[u8] = b"-ERR EXEC without MULTI\r\n";
pub(crate) const EXECABORT: &[u8] =
    b"-EXECABORT Transaction discarded because of previous errors.\r\n";
pub(crate) const OK: &[u8] = b"+OK\r\n";
pub(crate) const RESET: &[u8] = b"+RESET\r\n";

/// After a carry.
pub(crate) const EXECABORT_FAILOVER: &[u8] =
    b"-EXECABORT Transaction discarded because of a failover\r\n";
/// For each request that was sent and has no reply.
pub(crate) const UNKNOWN_OUTCOME: &[u8] =
    b"-ERR the outcome of this command is unknown: the connection to the engine was lost before \
      its reply came; check before you send it again\r\n";
pub(crate) const NOT_PAIRED: &[u8] =
    b"-ERR this connection cannot do that any more: its replies cannot be told apart since a \
      transaction subscribed or said HELLO; open a new one\r\n";

/// A request that no engine knows. It is sent in the place of one that is refused, so that the
/// engine keeps the order of the replies, and dooms a transaction that is open.
pub(crate) const REFUSED: &[u8] = b"*1\r\n$14\r\nGODWIT-REFUSED\r\n";
pub(crate) const DISCARD: &[u8] = b"*1\r\n$7\r\nDISCARD\r\n";
pub(crate) const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";
/// Sent in the place of each `CLIENT REPLY`: Godwit leaves out the replies, not the engine.
pub(crate) const REPLY_ON: &[u8] = b"*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$2\r\nON\r\n";
/// Sent in the place of each `CLIENT CAPA`.
pub(crate) const NO_CAPA: &[u8] = b"*3\r\n$6\r\nCLIENT\r\n$4\r\nCAPA\r\n$4\r\nnone\r\n";

/// The sentence of a geo-secondary that has no data set yet.
pub(crate) fn syncing(geo_primary: &str) -> Arc<str> {
    let shown: String = geo_primary
        .chars()
        .filter(|letter| !letter.is_control())
        .take(300)
        .collect();
    format!(
        "LOADING Full data sync is in progress on this geo-secondary; use the geo-primary at {shown}"
    )
    .into()
}

/// To a command that came before a full sync was over, and is answered after that.
pub(crate) const SYNCED: &str =
    "LOADING Full data sync was in progress on this geo-secondary; it is over, try again";

pub(crate) fn wrong_arity(command: &str) -> Vec<u8> {
    format!("-ERR wrong number of arguments for '{command}' command\r\n").into_bytes()
}

pub(crate) fn hello_option(option: &[u8]) -> Vec<u8> {
    let mut line = b"-ERR Syntax error in HELLO option '".to_vec();
    line.extend_from_slice(option);
    line.push(b'\'');
    end_line(line)
}

/// `unknown command`, as the engines say it (server.c, `commandCheckExistence`): of the name 128
/// bytes, then arguments until 128 bytes of them are shown.
pub(crate) fn unknown_command(request: &Request<'_>) -> Vec<u8> {
    const MOST: usize = 128;
    let mut line = b"-ERR unknown command '".to_vec();
    let name = c_string(request.name());
    line.extend_from_slice(name.get(..MOST).unwrap_or(name));
    line.extend_from_slice(b"', with args beginning with: ");
    let begin = line.len();
    for argument in request.arguments().skip(1) {
        let Some(room) = (begin + MOST)
            .checked_sub(line.len())
            .filter(|room| *room > 0)
        else {
            break;
        };
        let argument = c_string(argument);
        line.push(b'\'');
        line.extend_from_slice(argument.get(..room).unwrap_or(argument));
        line.extend_from_slice(b"' ");
    }
    end_line(line)
}

/// Ends an error. No line end may stand inside it.
fn end_line(mut line: Vec<u8>) -> Vec<u8> {
    for byte in &mut line {
        if matches!(byte, b'\r' | b'\n') {
            *byte = b' ';
        }
    }
    line.extend_from_slice(b"\r\n");
    line
}

/// What C reads of an argument: everything before a NUL.
pub(crate) fn c_string(argument: &[u8]) -> &[u8] {
    argument.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Whether an argument is this word to the engines, who compare C strings in any case.
pub(crate) fn is_word(argument: &[u8], word: &str) -> bool {
    c_string(argument).eq_ignore_ascii_case(word.as_bytes())
}

/// What `EXEC` says when it is refused for a reason of its own.
pub(crate) fn exec_abort(why: &str) -> Vec<u8> {
    format!("-EXECABORT Transaction discarded because of: {why}\r\n").into_bytes()
}

/// What RESP2 tells a subscriber who says something else.
pub(crate) fn not_as_subscriber(command: &str) -> String {
    format!(
        "Can't execute '{command}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET \
         are allowed in this context"
    )
}
