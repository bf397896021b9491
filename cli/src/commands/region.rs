//! `godwit region …`.

use clap::Subcommand;

use crate::{failure::Failure, output::table, session::Session};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the regions that caches can be created in
    List,
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<(), Failure> {
    match command {
        Command::List => {
            let listed = session.management.locations(&session.subscription).await?;
            session.form.write(&listed.json, || {
                let rows = listed.body.iter();
                table(
                    ["NAME", "DISPLAY NAME"],
                    rows.map(|one| [one.name.clone(), one.display_name.clone()]),
                )
            })
        }
    }
}
