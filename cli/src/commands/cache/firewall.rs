//! `godwit cache firewall …`.

use std::net::IpAddr;

use clap::Subcommand;
use client::resources::Cache;
use model::{CacheName, RuleName};

use crate::{
    failure::Failure,
    output::{Form, table},
    session::Session,
    talk::Talk,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Firewall {
    /// List the addresses that may connect to a cache; without a rule every address may
    List {
        /// The cache's name
        cache: CacheName,
    },
    /// Let a range of addresses connect; with the first rule all others may not any more
    ///
    /// The rules of a geo-primary hold for the agent of its geo-secondary, too.
    ///
    /// Example: godwit cache firewall set demo-east office 203.0.113.0 203.0.113.255
    #[command(verbatim_doc_comment)]
    Set {
        /// The cache's name
        cache: CacheName,
        /// The rule's name; a rule of that name gets this range
        rule: RuleName,
        /// The first address, IPv4 or IPv6
        start: IpAddr,
        /// The last one [default: the first]
        end: Option<IpAddr>,
    },
    /// Delete a rule; without any every address may connect
    Delete {
        /// The cache's name
        cache: CacheName,
        /// The rule's name
        rule: RuleName,
    },
}

pub(super) async fn run(command: Firewall, session: &Session) -> Result<(), Failure> {
    match command {
        Firewall::List { cache } => list(session, &cache).await,
        Firewall::Set {
            cache,
            rule,
            start,
            end,
        } => set(session, &cache, &rule, (start, end.unwrap_or(start))).await,
        Firewall::Delete { cache, rule } => delete(session, &cache, &rule).await,
    }
}

async fn list(session: &Session, name: &CacheName) -> Result<(), Failure> {
    let cache = session.find(name).await?.body;
    let rules = session.management.firewall_rules(&cache.id).await?;
    if rules.body.is_empty() && session.form == Form::Table {
        let open = cache.properties.public_network_access.as_deref() != Some("Disabled");
        Talk.say(&if open {
            format!("`{name}` has no firewall rule: every address may connect")
        } else {
            format!("`{name}` has no firewall rule, and nobody may connect: its public network access is disabled")
        });
        return Ok(());
    }
    session.form.write(&rules.json, || {
        let rows = rules.body.iter().map(|rule| {
            let range = rule.properties;
            [
                rule.name.clone(),
                range.start.to_string(),
                range.end.to_string(),
            ]
        });
        table(["RULE", "FROM", "TO"], rows)
    })
}

async fn set(
    session: &Session,
    name: &CacheName,
    rule: &RuleName,
    range: (IpAddr, IpAddr),
) -> Result<(), Failure> {
    let cache = session.find(name).await?.body;
    let management = &session.management;
    let others = management.firewall_rules(&cache.id).await?.body;
    let made = management.put_firewall_rule(&cache.id, rule, range).await?;
    let range = made.body.properties;
    let which = if range.start == range.end {
        range.start.to_string()
    } else {
        format!("{} to {}", range.start, range.end)
    };
    Talk.say(&if others.is_empty() {
        format!("{which} may connect to `{name}`, and no other address any more")
    } else {
        format!("{which} may connect to `{name}`")
    });
    warn(session, &cache).await;
    Ok(())
}

async fn delete(session: &Session, name: &CacheName, rule: &RuleName) -> Result<(), Failure> {
    let cache = session.find(name).await?.body;
    let management = &session.management;
    let before = management.firewall_rules(&cache.id).await?.body;
    let is_it =
        |known: &client::access::FirewallRule| known.name.eq_ignore_ascii_case(rule.as_str());
    if !before.iter().any(is_it) {
        let list = session.command(&format!("cache firewall list {name}"));
        return Err(
            Failure::not_found(format!("`{name}` has no firewall rule `{rule}`"))
                .hint(format!("`{list}` lists them")),
        );
    }
    management.delete_firewall_rule(&cache.id, rule).await?;
    Talk.say(&if before.len() == 1 {
        format!("deleted `{rule}`, the last rule of `{name}`: every address may connect")
    } else {
        format!("deleted `{rule}`")
    });
    warn(session, &cache).await;
    Ok(())
}

/// Says what the rules of a linked cache keep apart.
async fn warn(session: &Session, cache: &Cache) {
    let linked = cache.properties.linked_servers.first();
    let Some(other) = linked.and_then(|link| link.other()) else {
        return;
    };
    // The rule stands, whether or not there is more to say of it.
    let status = session.management.link_status(&cache.id, &other).await;
    for warning in status
        .map(|status| status.body.warnings)
        .unwrap_or_default()
    {
        Talk.warn(&warning);
    }
}
