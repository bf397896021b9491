//! HTTP as bytes: one request, without a client that could hide anything.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use serde_json::Value;

/// Sends a request to the management API: the status code and the body, when there is an answer.
pub(crate) fn send(
    address: &str,
    token: &str,
    (method, path): (&str, &str),
    body: Option<&Value>,
) -> Option<(u16, Value)> {
    let path = format!("{path}?api-version=2024-11-01");
    let login = format!("Authorization: Bearer {token}\r\n");
    exchange(address, (method, &path), &login, body)
}

/// Sends a request with more header lines, each with its end.
pub(crate) fn exchange(
    address: &str,
    (method, path): (&str, &str),
    more: &str,
    body: Option<&Value>,
) -> Option<(u16, Value)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .ok()?;
    let body = body.map(Value::to_string).unwrap_or_default();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\n{more}Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let code = head.split(' ').nth(1)?.parse().ok()?;
    Some((code, serde_json::from_str(body).unwrap_or(Value::Null)))
}
