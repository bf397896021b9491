//! `godwit cache policy …`.

use clap::Subcommand;
use model::{CacheName, PolicyName, check_permissions};
use runtime::chain;

use crate::{arguments::Waiting, failure::Failure, output::table, session::Session, talk::Talk};

#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// List what those may do who come in to a cache with a token
    List {
        /// The cache's name
        cache: CacheName,
    },
    /// Make an access policy, or change what it permits
    ///
    /// Example: godwit cache policy set demo-east reports "+@read -@dangerous ~report:*"
    #[command(verbatim_doc_comment)]
    Set {
        /// The cache's name
        cache: CacheName,
        /// The policy's name
        policy: PolicyName,
        /// What it permits, in the engines' ACL words
        permissions: String,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Delete an access policy that nobody has
    Delete {
        /// The cache's name
        cache: CacheName,
        /// The policy's name
        policy: PolicyName,
        #[command(flatten)]
        waiting: Waiting,
    },
}

pub(super) async fn run(command: Policy, session: &Session) -> Result<(), Failure> {
    match command {
        Policy::List { cache } => list(session, &cache).await,
        Policy::Set {
            cache,
            policy,
            permissions,
            waiting,
        } => {
            check_permissions(&permissions)
                .map_err(|error| Failure::usage(format!("the permissions: {}", chain(&error))))?;
            let id = session.find(&cache).await?.body.id;
            let put = session
                .management
                .put_access_policy(&id, &policy, &permissions);
            let title = format!("setting the access policy `{policy}` of `{cache}`");
            if session.followed(&title, put.await?, waiting).await? {
                Talk.say(&format!("`{policy}` permits: {permissions}"));
            }
            Ok(())
        }
        Policy::Delete {
            cache,
            policy,
            waiting,
        } => {
            let id = session.find(&cache).await?.body.id;
            let gone = session.management.delete_access_policy(&id, &policy);
            let title = format!("deleting the access policy `{policy}` of `{cache}`");
            if session.followed(&title, gone.await?, waiting).await? {
                Talk.say(&format!("`{cache}` has no access policy `{policy}`"));
            }
            Ok(())
        }
    }
}

async fn list(session: &Session, name: &CacheName) -> Result<(), Failure> {
    let cache = session.find(name).await?.body;
    let policies = session.management.access_policies(&cache.id).await?;
    session.form.write(&policies.json, || {
        let rows = policies.body.iter().map(|policy| {
            let of = &policy.properties;
            let kind = if of.kind == "BuiltIn" {
                "built in"
            } else {
                "custom"
            };
            [
                policy.name.clone(),
                kind.to_owned(),
                of.provisioning_state.clone(),
                of.permissions.clone(),
            ]
        });
        table(["POLICY", "KIND", "STATE", "PERMISSIONS"], rows)
    })
}
