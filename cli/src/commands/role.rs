//! `godwit role …`.

use clap::{Args, Subcommand};
use client::sign_in::ServicePrincipal;
use model::Role;

use super::service_principal::{assign, find, scope};
use crate::{
    failure::Failure,
    output::{Form, table},
    session::Session,
    talk::Talk,
};

const AFTER_HELP: &str = "\
Examples:
  godwit role assign ci Contributor                   # in the whole subscription
  godwit role assign reports Reader --group team-a    # in one group
  godwit role list
  godwit role remove reports Reader --group team-a";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Assign(Assign),
    /// List who has which role, in the subscription or with --group in one group
    List {
        /// Of one service principal alone: its name, application ID or object ID
        who: Option<String>,
    },
    Remove(Remove),
}

/// Give a service principal a role in the subscription, or with --group in one group
///
/// Reader sees resources; Contributor makes, changes and deletes them and sees access keys; Owner gives
/// roles as well.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Assign {
    /// Its name, application ID or object ID
    who: String,
    /// Reader, Contributor or Owner
    role: Role,
}

/// Take a role away, in the subscription or with --group in one group; at once
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Remove {
    /// Its name, application ID or object ID
    who: String,
    /// Reader, Contributor or Owner
    role: Role,
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<(), Failure> {
    let scope = scope(session);
    match command {
        Command::Assign(Assign { who, role }) => {
            let (found, _) = find(session, &who).await?;
            assign(session, &scope, &found.object_id, role).await?;
            Talk.say(&format!("`{}` is {role} of {scope}", found.name));
            Ok(())
        }
        Command::List { who } => list(session, who.as_deref()).await,
        Command::Remove(Remove { who, role }) => {
            let (found, _) = find(session, &who).await?;
            let held = session.management.role_assignments(&scope).await?.body;
            let mut held = held.iter().filter(|one| {
                let of = &one.properties;
                let is_theirs = of.principal_id == found.object_id.as_str();
                let is_here = of.scope.eq_ignore_ascii_case(&scope.to_string());
                is_theirs && is_here && one.role() == Some(role)
            });
            let Some(one) = held.next() else {
                let message = format!("`{}` is not {role} of {scope}", found.name);
                let list = session.command("role list");
                return Err(Failure::not_found(message).hint(format!("`{list}` lists the roles")));
            };
            session.management.remove_role(&scope, &one.name).await?;
            Talk.say(&format!("`{}` is no longer {role} of {scope}", found.name));
            Ok(())
        }
    }
}

async fn list(session: &Session, who: Option<&str>) -> Result<(), Failure> {
    let known = session.management.service_principals().await?.body;
    let wanted = match who {
        Some(who) => Some(find(session, who).await?.0.object_id),
        None => None,
    };
    let mut listed = session.management.role_assignments(&scope(session)).await?;
    if let Some(wanted) = &wanted {
        let is_theirs = |id: &str| id == wanted.as_str();
        listed
            .body
            .retain(|one| is_theirs(&one.properties.principal_id));
        if let Some(all) = listed.json.as_array_mut() {
            all.retain(|one| {
                let id = one["properties"]["principalId"].as_str();
                id.is_some_and(is_theirs)
            });
        }
    }
    if listed.body.is_empty() && session.form == Form::Table {
        Talk.say("nobody has a role here; `godwit role assign` gives one");
        return Ok(());
    }
    session.form.write(&listed.json, || {
        let rows = listed.body.iter().map(|one| {
            let of = &one.properties;
            let role = one
                .role()
                .map_or_else(|| "?".to_owned(), |role| role.to_string());
            [name_of(&known, &of.principal_id), role, of.scope.clone()]
        });
        table(["WHO", "ROLE", "WHERE"], rows)
    })
}

fn name_of(known: &[ServicePrincipal], object: &str) -> String {
    let mut known = known.iter();
    let found = known.find(|one| one.object_id.as_str() == object);
    found.map_or_else(|| object.to_owned(), |one| one.name.clone())
}
