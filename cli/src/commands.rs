//! The commands: each its arguments and what it does.

pub(crate) mod bench;
pub(crate) mod ca;
pub(crate) mod cache;
pub(crate) mod events;
pub(crate) mod failover;
pub(crate) mod group;
pub(crate) mod link;
pub(crate) mod lost_writes;
pub(crate) mod region;
pub(crate) mod role;
pub(crate) mod service_principal;
pub(crate) mod verify;

use crate::{
    arguments::{Arguments, Command},
    failure::Failure,
    serve,
    session::Session,
    talk::Talk,
    up,
};

/// Runs what the command line asks for.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.command {
        Command::Cache(client) => {
            cache::run(client.command, &Session::open(client.common).await?).await
        }
        Command::Link(client) => {
            link::run(client.command, &Session::open(client.common).await?).await
        }
        Command::Failover(failover) => failover.run().await,
        Command::Bench(bench) => bench.run().await,
        Command::Verify(verify) => verify.run().await,
        Command::LostWrites(client) => {
            lost_writes::run(client.command, &Session::open(client.common).await?).await
        }
        Command::Group(client) => {
            group::run(client.command, &Session::open(client.common).await?).await
        }
        Command::Sp(client) => {
            service_principal::run(client.command, &Session::open(client.common).await?).await
        }
        Command::Role(client) => {
            role::run(client.command, &Session::open(client.common).await?).await
        }
        Command::Region(client) => {
            region::run(client.command, &Session::open(client.common).await?).await
        }
        Command::Events(events) => events.run().await,
        Command::Ca(ca) => ca.run().await,
        Command::Up(arguments) => Ok(up::run(*arguments, &Talk).await?),
        Command::Control(arguments) => Ok(serve::control::run(*arguments).await?),
        Command::Agent(arguments) => Ok(serve::agent::run(*arguments).await?),
        Command::Dns(arguments) => Ok(serve::dns::run(*arguments).await?),
        Command::Wan(arguments) => Ok(serve::wan::run(*arguments).await?),
    }
}
