//! The `godwit` binary: reads the command line and the environment, composes what it needs, and
//! ends with an exit code that a script can rely on.
//!
//! Data goes to standard output and talk to standard error. Access keys are printed by
//! `cache keys` and by nothing else; tokens are never printed.

mod arguments;
mod commands;
mod failure;
mod output;
mod progress;
mod quantity;
mod reach;
mod serve;
mod session;
mod talk;
mod up;

use std::process::ExitCode;

use clap::Parser as _;
use tokio::runtime;

use crate::{
    arguments::Arguments,
    failure::{Exit, Failure},
};

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return explain(&error),
    };
    let ran = runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("start the async runtime: {error}")))
        .and_then(|runtime| runtime.block_on(commands::run(arguments)));
    match ran {
        Ok(()) => Exit::Success.into(),
        Err(failure) => failure.report(),
    }
}

/// Prints help or what is wrong with the command line.
fn explain(error: &clap::Error) -> ExitCode {
    // A reader that has gone away has read enough.
    let _ = error.print();
    if error.use_stderr() {
        Exit::Usage.into()
    } else {
        Exit::Success.into()
    }
}
