//! `godwit cache keys` and `godwit cache regenerate-key`.

use clap::{Args, ValueEnum};
use client::KeyKind;
use model::CacheName;

use crate::{
    failure::Failure,
    output::{line, pairs},
    session::Session,
    talk::Talk,
};

/// Print a cache's two access keys, either of which lets a client in
///
/// Example: REDISCLI_AUTH="$(godwit cache keys demo-east --show primary)" redis-cli -h 127.0.0.1
#[derive(Debug, Args)]
pub(crate) struct Keys {
    /// The cache's name
    name: CacheName,
    /// Print only this key, and nothing else
    #[arg(long, value_enum, value_name = "KEY")]
    show: Option<Which>,
}

/// Replace one of a cache's access keys; the old one is worth nothing from then on
#[derive(Debug, Args)]
pub(crate) struct Regenerate {
    /// The cache's name
    name: CacheName,
    /// The key to replace
    #[arg(value_enum)]
    key: Which,
}

/// One of the two keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    /// The first.
    Primary,
    /// The second.
    Secondary,
}

impl Keys {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let cache = session.find(&self.name).await?.body;
        let keys = session.management.keys(&cache.id).await?;
        let (primary, secondary) = (
            keys.body.primary_key.reveal(),
            keys.body.secondary_key.reveal(),
        );
        match self.show {
            Some(Which::Primary) => line(primary),
            Some(Which::Secondary) => line(secondary),
            None => session.form.write(&keys.json, || {
                pairs([
                    ("primary", Some(primary.to_owned())),
                    ("secondary", Some(secondary.to_owned())),
                ])
            }),
        }
    }
}

impl Regenerate {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let cache = session.find(&self.name).await?.body;
        let (kind, word) = match self.key {
            Which::Primary => (KeyKind::Primary, "primary"),
            Which::Secondary => (KeyKind::Secondary, "secondary"),
        };
        session.management.regenerate_key(&cache.id, kind).await?;
        let name = &self.name;
        let show = session.command(&format!("cache keys {name} --show {word}"));
        Talk.say(&format!(
            "the {word} key of `{name}` is a new one; `{show}` prints it"
        ));
        Ok(())
    }
}
