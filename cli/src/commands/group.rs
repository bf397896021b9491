//! `godwit group …`.

use clap::{Args, Subcommand};
use client::resources::Group;
use model::{CacheName, GroupName};
use serde_json::Value;

use crate::{
    arguments::Waiting,
    failure::Failure,
    output::{pairs, table},
    session::Session,
    talk::Talk,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Create(Create),
    /// List the resource groups
    List,
    /// Show a resource group
    Show {
        /// Its name
        name: GroupName,
    },
    Delete(Delete),
}

/// Create a resource group
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Its name
    name: GroupName,
    /// The region to keep its record in; its caches may be in any
    #[arg(long, short, value_name = "REGION")]
    location: String,
}

/// Delete a resource group and every cache in it
///
/// Linked caches go on, and the group with them, until they are unlinked.
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// Its name
    name: GroupName,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    waiting: Waiting,
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<(), Failure> {
    let (management, subscription) = (&session.management, &session.subscription);
    match command {
        Command::Create(Create { name, location }) => {
            let made = management.put_group(subscription, &name, &location).await;
            let made = made.map_err(|error| {
                let regions = session.command("region list");
                Failure::from(error).or_hint(|| format!("`{regions}` lists the regions"))
            })?;
            show(session, &made.json, &made.body)
        }
        Command::List => {
            let listed = management.groups(subscription).await?;
            session.form.write(&listed.json, || {
                let rows = listed.body.iter().map(|group| {
                    let state = group.properties.provisioning_state.clone();
                    [group.name.to_string(), group.location.clone(), state]
                });
                table(["NAME", "REGION", "STATE"], rows)
            })
        }
        Command::Show { name } => {
            let group = management.group(subscription, &name).await;
            let group = group.map_err(|error| unknown(session, error.into()))?;
            show(session, &group.json, &group.body)
        }
        Command::Delete(delete) => delete.run(session).await,
    }
}

fn unknown(session: &Session, failure: Failure) -> Failure {
    failure.or_hint(|| format!("`{}` lists the groups", session.command("group list")))
}

fn show(session: &Session, json: &Value, group: &Group) -> Result<(), Failure> {
    session.form.write(json, || {
        pairs([
            ("name", Some(group.name.to_string())),
            ("region", Some(group.location.clone())),
            ("state", Some(group.properties.provisioning_state.clone())),
            ("tags", super::cache::tags(&group.tags)),
        ])
    })
}

/// What is said of a linked cache whose group goes.
fn stays(session: &Session, name: &CacheName, other: &CacheName) -> String {
    let unlink = session.command(&format!("link delete {name}"));
    format!(
        "`{name}` is linked with `{other}`: it goes on, and is deleted once it is unlinked: `{unlink}`"
    )
}

impl Delete {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let Self { name, yes, waiting } = self;
        let (management, subscription) = (&session.management, &session.subscription);
        let group = management.group(subscription, &name).await;
        group.map_err(|error| unknown(session, error.into()))?;
        let caches = management.caches(subscription, Some(&name)).await?.body;
        let (linked, free): (Vec<_>, Vec<_>) = caches
            .iter()
            .partition(|cache| !cache.properties.linked_servers.is_empty());
        let unlinking: Vec<_> = linked
            .iter()
            .filter_map(|cache| {
                let other = cache.properties.linked_servers.first()?.other()?;
                // Of two in this group the first tells of both.
                let both = linked.iter().any(|one| one.name == other);
                (!both || cache.name < other).then(|| stays(session, &cache.name, &other))
            })
            .collect();
        if !yes && !caches.is_empty() {
            let names: Vec<_> = free
                .iter()
                .map(|cache| format!("`{}`", cache.name))
                .collect();
            let warning = match names[..] {
                [] => format!("everything in group `{name}` is deleted"),
                [..] => format!("this deletes {} with all data", names.join(", ")),
            };
            let warning = [vec![warning], unlinking.clone()].concat().join("\n");
            if !Talk.confirm(&warning, &format!("Delete group `{name}`?"))? {
                return Err(Failure::new("nothing was deleted"));
            }
        } else {
            for line in &unlinking {
                Talk.warn(line);
            }
        }
        let started = management.delete_group(subscription, &name).await?;
        if waiting.no_wait {
            Talk.say(&format!("deleting group `{name}` has begun"));
            return Ok(());
        }
        let title = format!("deleting group `{name}`");
        session.finish(&title, started.ticket.as_ref()).await?;
        Talk.say(&format!("deleted group `{name}`"));
        Ok(())
    }
}
