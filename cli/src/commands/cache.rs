//! `godwit cache …`.

mod access;
mod create;
mod delete;
mod entrance;
mod firewall;
mod keys;
mod list;
mod policy;
mod show;
mod transfer;
mod update;

use std::{collections::BTreeMap, fmt};

use clap::{Subcommand, ValueEnum};
use client::resources::SkuBody;
use model::{CacheName, Sku, Tier};
use runtime::chain;
use serde_json::Value;

use crate::{failure::Failure, session::Session};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Create(create::Create),
    /// List the caches
    List,
    /// Show a cache: its state, its role, where clients connect and how
    Show {
        /// Its name
        name: CacheName,
    },
    Update(update::Update),
    Delete(delete::Delete),
    Keys(keys::Keys),
    RegenerateKey(keys::Regenerate),
    Export(transfer::Export),
    Import(transfer::Import),
    Flush(transfer::Flush),
    /// Say from which addresses clients may connect
    #[command(subcommand)]
    Firewall(firewall::Firewall),
    /// Say who comes in with a token
    #[command(subcommand)]
    Access(access::Access),
    /// Say what those may do who come in with a token
    #[command(subcommand)]
    Policy(policy::Policy),
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<(), Failure> {
    match command {
        Command::Create(create) => create.run(session).await,
        Command::List => list::run(session).await,
        Command::Show { name } => {
            let cache = session.find(&name).await?;
            show::show(session, &cache.body.id).await
        }
        Command::Update(update) => update.run(session).await,
        Command::Delete(delete) => delete.run(session).await,
        Command::Keys(keys) => keys.run(session).await,
        Command::RegenerateKey(regenerate) => regenerate.run(session).await,
        Command::Export(export) => export.run(session).await,
        Command::Import(import) => import.run(session).await,
        Command::Flush(flush) => flush.run(session).await,
        Command::Firewall(firewall) => firewall::run(firewall, session).await,
        Command::Access(access) => access::run(access, session).await,
        Command::Policy(policy) => policy::run(policy, session).await,
    }
}

/// `--sku`: a family letter and a capacity, as in `P1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Size {
    premium: bool,
    capacity: u8,
}

/// `--tier`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TierName {
    /// One node, for trying things.
    Basic,
    /// A primary and a replica.
    Standard,
    /// A primary and a replica, and may be linked.
    Premium,
}

impl Size {
    /// The SKU of this size. Sizes of the C family are Standard unless `tier` says otherwise.
    fn sku(self, tier: Option<TierName>) -> Result<Sku, Failure> {
        let tier = match (tier, self.premium) {
            (None | Some(TierName::Premium), true) => Tier::Premium,
            (None | Some(TierName::Standard), false) => Tier::Standard,
            (Some(TierName::Basic), false) => Tier::Basic,
            (Some(TierName::Basic | TierName::Standard), true) => {
                return Err(
                    Failure::usage(format!("size {self} is of the Premium tier"))
                        .hint("sizes C0 to C6 are of the Basic and Standard tiers"),
                );
            }
            (Some(TierName::Premium), false) => {
                return Err(
                    Failure::usage(format!("the Premium tier has no size {self}"))
                        .hint("it has P1 to P5"),
                );
            }
        };
        Sku::new(tier, i64::from(self.capacity))
            .map_err(|error| Failure::usage(chain(&error).to_string()))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = if self.premium { 'P' } else { 'C' };
        write!(f, "{family}{}", self.capacity)
    }
}

fn size(text: &str) -> Result<Size, String> {
    let rule = || "write C0 to C6 or P1 to P5".to_owned();
    let (family, capacity) = text.split_at_checked(1).ok_or_else(rule)?;
    let premium = match family {
        "P" | "p" => true,
        "C" | "c" => false,
        _ => return Err(rule()),
    };
    let capacity: u8 = capacity.parse().map_err(|_not_a_number| rule())?;
    let allowed = if premium { 1..=5 } else { 0..=6 };
    if !allowed.contains(&capacity) {
        return Err(rule());
    }
    Ok(Size { premium, capacity })
}

/// `--set`, `--tag`: the last of several values for a key wins.
fn map(pairs: Vec<(String, String)>) -> BTreeMap<String, String> {
    pairs.into_iter().collect()
}

/// Tags on one line, when there are any.
pub(super) fn tags(tags: &BTreeMap<String, String>) -> Option<String> {
    let all: Vec<_> = tags
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    (!all.is_empty()).then(|| all.join(" "))
}

/// A size as people say it, such as `Premium P1`.
fn sku_text(sku: &SkuBody) -> String {
    format!("{} {}{}", sku.name, sku.family.to_uppercase(), sku.capacity)
}

/// A role as people say it.
fn role_text(role: &str) -> String {
    match role.to_ascii_lowercase().as_str() {
        "alone" => "not linked",
        "primary" => "geo-primary",
        "yielding" => "geo-primary, handing over",
        "secondary" => "geo-secondary",
        "taking" => "geo-secondary, taking over",
        _ => role,
    }
    .to_owned()
}

/// The answer to a change carries the access keys, which `cache keys` alone prints.
fn without_keys(mut json: Value) -> Value {
    if let Some(keys) = json.pointer_mut("/properties/accessKeys") {
        *keys = Value::Null;
    }
    json
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        let p1 = size("p1").unwrap();
        assert_eq!(p1.sku(None).unwrap().to_string(), "Premium P1");
        let c0 = size("C0").unwrap();
        assert_eq!(c0.sku(None).unwrap().to_string(), "Standard C0");
        assert_eq!(
            c0.sku(Some(TierName::Basic)).unwrap().to_string(),
            "Basic C0"
        );
        for bad in ["", "P", "P0", "P6", "C7", "1", "é1", "P-1", "PP"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_tier_that_lacks_the_size_is_refused_with_advice() {
        let error = size("C1")
            .unwrap()
            .sku(Some(TierName::Premium))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "error: the Premium tier has no size C1\n\nhint: it has P1 to P5"
        );
        assert!(size("P1").unwrap().sku(Some(TierName::Basic)).is_err());
    }

    #[test]
    fn keys_are_taken_out_of_answers() {
        let shown = without_keys(json!({"properties": {"accessKeys": {"primaryKey": "hunter2"}}}));
        assert!(!shown.to_string().contains("hunter2"));
        assert_eq!(without_keys(Value::Null), Value::Null);
    }
}
