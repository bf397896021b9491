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

/// A full sync is running (`arm.md` 6.6).
pub(crate) fn syncing(geo_primary_name: &str) -> Vec<u8> {
    let why = format!(
        "Full data sync is in progress on this geo-secondary; use the geo-primary at {geo_primary_name}"
    );
    line("LOADING", &why)
}

fn line(code: &str, text: &str) -> Vec<u8> {
    let text = text.replace(['\r', '\n'], " ");
    format!("-{code} {text}\r\n").into_bytes()
}
