//! `godwit cache access …`: access policy assignments.

use clap::Subcommand;
use model::{AssignmentName, CacheName, ObjectId, PolicyName};

use crate::{
    arguments::Waiting,
    failure::Failure,
    output::{Form, table},
    session::Session,
    talk::Talk,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Access {
    /// List who comes in to a cache with a token, and by which access policy
    List {
        /// The cache's name
        cache: CacheName,
    },
    /// Let somebody in with a token, or give them another access policy
    ///
    /// Assignments belong to one cache: give those of a geo-primary to its geo-secondary, too, if
    /// they are to come in there.
    ///
    /// Example: godwit cache access set demo-east web 6f1c4f30-0000-4000-8000-000000000001 "Data Contributor"
    #[command(verbatim_doc_comment)]
    Set {
        /// The cache's name
        cache: CacheName,
        /// The assignment's name
        assignment: AssignmentName,
        /// Who: the object ID that their tokens carry
        object_id: ObjectId,
        /// The access policy; `godwit cache policy list` lists them
        policy: PolicyName,
        /// What people call them [default: the assignment's name]
        #[arg(long)]
        alias: Option<String>,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Let somebody in no more; their connections end
    Delete {
        /// The cache's name
        cache: CacheName,
        /// The assignment's name
        assignment: AssignmentName,
        #[command(flatten)]
        waiting: Waiting,
    },
}

pub(super) async fn run(command: Access, session: &Session) -> Result<(), Failure> {
    match command {
        Access::List { cache } => list(session, &cache).await,
        Access::Set {
            cache,
            assignment,
            object_id,
            policy,
            alias,
            waiting,
        } => {
            let found = session.find(&cache).await?.body;
            let alias = alias.unwrap_or_else(|| assignment.to_string());
            let who = (&object_id, alias.as_str());
            let put =
                session
                    .management
                    .put_policy_assignment(&found.id, &assignment, who, &policy);
            let title = format!("letting `{alias}` in to `{cache}`");
            if session.followed(&title, put.await?, waiting).await? {
                Talk.say(&format!("`{alias}` comes in to `{cache}` by `{policy}`"));
            }
            let tokens = found.properties.redis_configuration.get("aad-enabled");
            if !tokens.is_some_and(|on| on.eq_ignore_ascii_case("true")) {
                let update =
                    session.command(&format!("cache update {cache} --set aad-enabled=true"));
                Talk.warn(&format!(
                    "`{cache}` takes no tokens yet; `{update}` has it take them"
                ));
            }
            Ok(())
        }
        Access::Delete {
            cache,
            assignment,
            waiting,
        } => {
            let id = session.find(&cache).await?.body.id;
            let gone = session
                .management
                .delete_policy_assignment(&id, &assignment);
            let title = format!("taking `{assignment}` out of `{cache}`");
            if session.followed(&title, gone.await?, waiting).await? {
                Talk.say(&format!("nobody comes in to `{cache}` by `{assignment}`"));
            }
            Ok(())
        }
    }
}

async fn list(session: &Session, name: &CacheName) -> Result<(), Failure> {
    let cache = session.find(name).await?.body;
    let all = session.management.policy_assignments(&cache.id).await?;
    if all.body.is_empty() && session.form == Form::Table {
        Talk.say(&format!("nobody comes in to `{name}` with a token"));
        return Ok(());
    }
    session.form.write(&all.json, || {
        let rows = all.body.iter().map(|given| {
            let of = &given.properties;
            [
                given.name.clone(),
                of.object_id.clone(),
                of.object_id_alias.clone(),
                of.access_policy_name.clone(),
                of.provisioning_state.clone(),
            ]
        });
        table(
            ["ASSIGNMENT", "OBJECT ID", "ALIAS", "POLICY", "STATE"],
            rows,
        )
    })
}
