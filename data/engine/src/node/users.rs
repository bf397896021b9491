//! Who may log in to an engine, changed while it runs. Engines do not replicate their users, so
//! each node is told by itself, and again after each start.

use std::collections::BTreeSet;

use model::{Secret, TokenUser};
use redis::Value;

use super::Node;
use crate::{
    CommandError, INTERNAL_USER, InfoError,
    config::{CLIENT_USER, DEFAULT_RULES, client_rules, token_rules},
};

/// A token's user whose permissions the engine does not take: nobody can log in as this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedUser {
    /// Whom the token names.
    pub object_id: String,
    /// Why, in the engine's words or in Godwit's.
    pub why: String,
}

impl Node {
    /// Lets the hidden client user in and these users of tokens, all with the same password, and
    /// nobody else but Godwit. Connections of users that are gone are closed; those that stay have
    /// their new rights from the next command on.
    pub async fn admit(
        &self,
        password: &Secret,
        users: &[TokenUser],
    ) -> Result<Vec<RefusedUser>, CommandError> {
        self.shut_default().await?;
        let rules = client_rules(self.version(), password);
        self.set_user(CLIENT_USER, &rules).await?;
        let cluster = self.cluster_subcommands().await?;
        let mut kept = BTreeSet::from(["default", INTERNAL_USER, CLIENT_USER]);
        let mut refused = Vec::new();
        for user in users {
            let name = user.object_id.as_str();
            let rules = if is_name(name) && !kept.contains(name) {
                token_rules(self.version(), password, &user.permissions, &cluster)
            } else {
                Err("it is no object ID of its own".to_owned())
            };
            let told = match rules {
                Ok(rules) => self.set_user(name, &rules).await,
                Err(why) => {
                    refused.push(refusal(user, why));
                    continue;
                }
            };
            match told {
                Ok(()) => {
                    kept.insert(name);
                }
                Err(CommandError::Refused { answer, .. }) => refused.push(refusal(user, answer)),
                Err(error) => return Err(error),
            }
        }
        let known = self.ask_words("ACL USERS", &[]).await?;
        for gone in known.iter().filter(|name| !kept.contains(name.as_str())) {
            self.ask("ACL DELUSER", &[gone]).await?;
        }
        Ok(refused)
    }

    /// An engine that an earlier version started lets clients in as `default`.
    async fn shut_default(&self) -> Result<(), CommandError> {
        let answer = self.ask("ACL GETUSER", &["default"]).await?;
        let fields: Vec<Value> = redis::from_redis_value(answer).unwrap_or_default();
        let flags = fields.chunks_exact(2).find_map(|pair| {
            let name = redis::from_redis_value_ref::<String>(pair.first()?).ok()?;
            (name == "flags").then_some(pair.last()?)
        });
        let flags = flags.map(redis::from_redis_value_ref::<Vec<String>>);
        let flags = flags.and_then(Result::ok).unwrap_or_default();
        if flags.iter().any(|flag| flag == "on") {
            self.set_user("default", &DEFAULT_RULES).await?;
            self.ask("CLIENT KILL", &["USER", "default"]).await?;
        }
        Ok(())
    }

    async fn set_user(&self, name: &str, rules: &[impl AsRef<str>]) -> Result<(), CommandError> {
        let words = std::iter::once(name).chain(rules.iter().map(AsRef::as_ref));
        let words: Vec<&str> = words.collect();
        self.ask("ACL SETUSER", &words).await?;
        Ok(())
    }

    /// The subcommands of `CLUSTER` that it has.
    async fn cluster_subcommands(&self) -> Result<BTreeSet<String>, CommandError> {
        let all = self
            .ask_words("COMMAND LIST", &["FILTERBY", "PATTERN", "cluster|*"])
            .await?;
        let names = all.iter().filter_map(|name| name.strip_prefix("cluster|"));
        Ok(names.map(str::to_owned).collect())
    }

    async fn ask_words(
        &self,
        name: &'static str,
        arguments: &[&str],
    ) -> Result<Vec<String>, CommandError> {
        let answer = self.ask(name, arguments).await?;
        let words = redis::from_redis_value::<Vec<String>>(answer);
        words.map_err(|_not_words| self.unexpected(name, InfoError::NotText))
    }
}

fn refusal(user: &TokenUser, why: String) -> RefusedUser {
    RefusedUser {
        object_id: user.object_id.clone(),
        why,
    }
}

/// Object IDs are UUIDs; whatever else may come has no space and is not long.
fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.';
    (1..=128).contains(&name.len()) && name.chars().all(plain)
}
