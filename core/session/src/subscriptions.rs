//! What a connection is subscribed to, as the engine's confirmations say.

use std::collections::BTreeSet;

use crate::table::{Kind, Verb};

/// Names that are kept of all kinds together.
pub(crate) const NAMES: usize = 16_384;
/// Bytes of them.
pub(crate) const BYTES: usize = 1 << 20;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Subscriptions {
    channels: Names,
    patterns: Names,
    shards: Names,
    bytes: usize,
    /// Some names were not kept.
    incomplete: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Names {
    count: u32,
    names: BTreeSet<Box<[u8]>>,
}

/// A confirmation that could not be read.
pub(crate) struct Unread;

impl Subscriptions {
    /// Takes a confirmation: the name, and how many subscriptions of channels and patterns, or of
    /// shards, there are now.
    pub(crate) fn confirm(
        &mut self,
        verb: Verb,
        name: Option<&[u8]>,
        total: Option<u32>,
    ) -> Result<(), Unread> {
        let total = total.ok_or(Unread)?;
        let before = match verb.kind {
            Kind::Channel | Kind::Pattern => self.channels.count + self.patterns.count,
            Kind::Shard => self.shards.count,
        };
        if total > before && verb.begins {
            self.of_mut(verb.kind).count += 1;
            match name {
                Some(name) => self.keep(verb.kind, name),
                None => self.incomplete = true,
            }
        } else if total < before && !verb.begins {
            let names = self.of_mut(verb.kind);
            names.count = names.count.saturating_sub(1);
            let known = name.is_some_and(|name| names.names.remove(name));
            if let Some(name) = name.filter(|_| known) {
                self.bytes -= name.len();
            }
        }
        if self.count() == 0 {
            *self = Self::default();
        }
        Ok(())
    }

    /// Takes over a subscription of another engine.
    pub(crate) fn carry(&mut self, kind: Kind, name: &[u8]) {
        let names = self.of_mut(kind);
        if !names.names.contains(name) {
            names.count += 1;
            self.keep(kind, name);
        }
    }

    fn keep(&mut self, kind: Kind, name: &[u8]) {
        let kept = self.channels.names.len() + self.patterns.names.len() + self.shards.names.len();
        if kept >= NAMES || self.bytes + name.len() > BYTES {
            self.incomplete = true;
        } else if self.of_mut(kind).names.insert(name.into()) {
            self.bytes += name.len();
        }
    }

    /// Subscriptions of all kinds. With one, RESP2 allows little else.
    pub(crate) const fn count(&self) -> u32 {
        self.channels.count + self.patterns.count + self.shards.count
    }

    /// Subscriptions of a kind.
    pub(crate) const fn count_of(&self, kind: Kind) -> u32 {
        self.of(kind).count
    }

    /// The names of a kind.
    pub(crate) fn names(&self, kind: Kind) -> impl Iterator<Item = &[u8]> {
        self.of(kind).names.iter().map(AsRef::as_ref)
    }

    pub(crate) const fn is_incomplete(&self) -> bool {
        self.incomplete
    }

    const fn of(&self, kind: Kind) -> &Names {
        match kind {
            Kind::Channel => &self.channels,
            Kind::Pattern => &self.patterns,
            Kind::Shard => &self.shards,
        }
    }

    const fn of_mut(&mut self, kind: Kind) -> &mut Names {
        match kind {
            Kind::Channel => &mut self.channels,
            Kind::Pattern => &mut self.patterns,
            Kind::Shard => &mut self.shards,
        }
    }
}
