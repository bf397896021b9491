//! What the gateway says to clients in its own words, or in the engines'.

/// As the engines say it (`networking.c`).
pub(crate) const MAX_CLIENTS: &[u8] = b"-ERR max number of clients reached\r\n";

/// A connection whose key, user or address is not let in any more.
pub(crate) const NOT_ADMITTED: &[u8] =
    b"-ERR this connection is not let in any more: its access key, user or address was removed\r\n";

/// A token that ended before another one came.
pub(crate) const EXPIRED: &[u8] =
    b"-ERR the token of this connection expired; AUTH again before it does\r\n";

/// An address with too many failed logins behind it.
pub(crate) const THROTTLED: &str = "ERR too many failed logins from this address; try again later";

/// The engines' prefix for what is worth another try, then Godwit's reason.
pub(crate) fn loading(why: &str) -> Vec<u8> {
    line("LOADING", why)
}

/// The engines' prefix for what somebody may not do, then Godwit's reason.
pub(crate) fn not_permitted(why: &str) -> Vec<u8> {
    line("NOPERM", why)
}

/// An error that begins with its code.
pub(crate) fn error(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    resp::write_error(&mut out, text.as_bytes());
    out
}

fn line(code: &str, text: &str) -> Vec<u8> {
    error(&format!("{code} {text}"))
}
