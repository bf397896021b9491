//! `godwit sp …`.

use clap::{Args, Subcommand};
use client::{Answered, sign_in::ServicePrincipal};
use model::{ObjectId, Role, Scope};
use runtime::dice::Dice;

use crate::{
    failure::Failure,
    output::{Form, pairs, table},
    session::Session,
    talk::Talk,
};

const AFTER_HELP: &str = "\
Examples:
  godwit sp create ci --role Contributor              # … of the whole subscription
  godwit sp create reports --role Reader --group team-a
  godwit sp reset ci                                  # another secret; the one before is worth nothing
See docs/clients.md for what to do with it.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Create(Create),
    /// List the service principals
    List,
    /// Show a service principal
    Show {
        /// Its name, application ID or object ID
        who: String,
    },
    Reset(Reset),
    Delete(Delete),
}

/// Make a service principal, and show its secret: once, it is kept nowhere
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Create {
    /// What to call it
    name: String,
    /// What it may do, in the subscription or with --group in one group: Reader, Contributor or Owner
    /// [default: nothing until `godwit role assign`]
    #[arg(long)]
    role: Option<Role>,
}

/// Make another secret, and show it: once, it is kept nowhere
///
/// The secrets before are worth nothing from then on, nor are the tokens that they brought.
#[derive(Debug, Args)]
pub(crate) struct Reset {
    /// Its name, application ID or object ID
    who: String,
    /// Let the secrets before count on, until a reset without this
    #[arg(long)]
    keep: bool,
}

/// Delete a service principal with its roles; its tokens are worth nothing from then on
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// Its name, application ID or object ID
    who: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<(), Failure> {
    let management = &session.management;
    match command {
        Command::Create(Create { name, role }) => {
            let scope = scope(session);
            if let (Some(_), Some(group)) = (role, &scope.group) {
                // Rather now than when there is a secret that nobody gets to see.
                management.group(&scope.subscription, group).await?;
            }
            let made = management.create_service_principal(&name).await?;
            show_secret(session, &made)?;
            match role {
                Some(role) => assign(session, &scope, &made.body.object_id, role).await,
                None => Ok(()),
            }
        }
        Command::List => {
            let listed = management.service_principals().await?;
            if listed.body.is_empty() && session.form == Form::Table {
                Talk.say("there is no service principal; `godwit sp create NAME` makes one");
                return Ok(());
            }
            session.form.write(&listed.json, || {
                let rows = listed.body.iter().map(|one| {
                    let ids = [&one.app_id, &one.object_id].map(ToString::to_string);
                    let [application, object] = ids;
                    [
                        one.name.clone(),
                        application,
                        object,
                        one.created_at.clone(),
                    ]
                });
                table(["NAME", "APPLICATION ID", "OBJECT ID", "MADE"], rows)
            })
        }
        Command::Show { who } => {
            let (found, json) = find(session, &who).await?;
            session.form.write(&json, || about(&found))
        }
        Command::Reset(Reset { who, keep }) => {
            let (found, _) = find(session, &who).await?;
            let application = &found.app_id;
            let reset = management
                .reset_service_principal(application, keep)
                .await?;
            show_secret(session, &reset)
        }
        Command::Delete(Delete { who, yes }) => {
            let (found, _) = find(session, &who).await?;
            let warning = format!("whatever signs in as `{}` cannot any more", found.name);
            let question = format!("Delete the service principal `{}`?", found.name);
            if !yes && !Talk.confirm(&warning, &question)? {
                return Err(Failure::new("nothing was deleted"));
            }
            management.delete_service_principal(&found.app_id).await?;
            Talk.say(&format!("deleted the service principal `{}`", found.name));
            Ok(())
        }
    }
}

/// Where the command line says that a role is to hold: in one group, or in the subscription.
pub(super) fn scope(session: &Session) -> Scope {
    Scope {
        subscription: session.subscription.clone(),
        group: session.group().cloned(),
    }
}

/// Gives a role.
pub(super) async fn assign(
    session: &Session,
    scope: &Scope,
    who: &ObjectId,
    role: Role,
) -> Result<(), Failure> {
    let id = Dice::from_system().guid().parse();
    let id: ObjectId = id.map_err(|error: model::NameError| Failure::new(error.to_string()))?;
    session
        .management
        .assign_role(scope, &id, who, role)
        .await?;
    Ok(())
}

/// A service principal by whatever it goes by.
pub(super) async fn find(
    session: &Session,
    who: &str,
) -> Result<(ServicePrincipal, serde_json::Value), Failure> {
    let listed = session.management.service_principals().await?;
    let texts = listed.json.as_array().cloned().unwrap_or_default();
    let both = listed.body.into_iter().zip(texts);
    let mut found = both.filter(|(one, _)| {
        let ids = [&one.app_id, &one.object_id];
        one.name.to_lowercase() == who.to_lowercase()
            || ids.iter().any(|id| id.as_str().eq_ignore_ascii_case(who))
    });
    found.next().ok_or_else(|| {
        let list = session.command("sp list");
        Failure::not_found(format!("there is no service principal `{who}`"))
            .hint(format!("`{list}` lists them"))
    })
}

fn about(one: &ServicePrincipal) -> String {
    let secrets = one.secrets.iter().map(|secret| secret.created_at.clone());
    pairs([
        ("name", Some(one.name.clone())),
        ("application ID", Some(one.app_id.to_string())),
        ("object ID", Some(one.object_id.to_string())),
        ("tenant", Some(one.tenant_id.clone())),
        ("secrets made", Some(secrets.collect::<Vec<_>>().join(", "))),
    ])
}

/// The secret is data: it goes to standard output, and to nowhere else.
fn show_secret(session: &Session, made: &Answered<ServicePrincipal>) -> Result<(), Failure> {
    let one = &made.body;
    let secret = one.secret.as_ref().map(|secret| secret.reveal().to_owned());
    session.form.write(&made.json, || {
        pairs([
            ("name", Some(one.name.clone())),
            ("application ID", Some(one.app_id.to_string())),
            ("object ID", Some(one.object_id.to_string())),
            ("tenant", Some(one.tenant_id.clone())),
            ("secret", secret),
        ])
    })?;
    if session.form == Form::Table {
        let url = session.management.url().replacen("http:", "https:", 1);
        let (application, tenant) = (&one.app_id, &one.tenant_id);
        Talk.say("\nThe secret is shown this once. To use it with az (docs/clients.md):");
        let ca = session.command("ca");
        Talk.say(&format!(
            "  {ca} > ca.pem && export REQUESTS_CA_BUNDLE=$PWD/ca.pem"
        ));
        Talk.say(&format!(
            "  az cloud register --name Godwit --endpoint-resource-manager {}",
            url.trim_end_matches('/')
        ));
        Talk.say("  az cloud set --name Godwit && az config set core.instance_discovery=false");
        Talk.say(&format!(
            "  az login --service-principal --username {application} --password SECRET --tenant {tenant}"
        ));
    }
    Ok(())
}
