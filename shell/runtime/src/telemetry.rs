//! Tracing output: where it goes and how much of it.

use std::io;

use tracing_subscriber::{EnvFilter, fmt, prelude::*};

/// The form of each line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Text,
    /// One JSON object a line, for machines.
    Json,
}

/// Sends tracing to standard error. `filter` is a tracing directive such as `info` or
/// `relay=debug`; a filter that cannot be read is an error that names it.
pub fn init(filter: &str, form: Form) -> Result<(), tracing_subscriber::filter::ParseError> {
    let filter = EnvFilter::builder().parse(filter)?;
    let lines = fmt::layer().with_writer(io::stderr).with_target(true);
    let registry = tracing_subscriber::registry().with(filter);
    // A second call in the same process (tests) leaves the first in place.
    let set = match form {
        Form::Text => registry.with(lines).try_init(),
        Form::Json => registry.with(lines.json()).try_init(),
    };
    if set.is_err() {
        tracing::debug!("tracing was set up before");
    }
    Ok(())
}
