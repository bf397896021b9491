//! What was put into another server: kept on the disk, so that nothing else is ever touched there.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    path::{Path, PathBuf},
};

use hickory_proto::rr::Name;
use runtime::durable::{FileError, write_durable};
use serde::{Deserialize, Serialize};

use super::Addresses;
use crate::{
    kept::{LoadError, Loaded, load},
    sealed::seal,
    zone::absolute,
};

/// The file's name in the data directory.
const FILE: &str = "pushed";
/// What the file says that it is.
const KIND: &str = "godwit-pushed";

/// What was put, by its whole name.
#[derive(Debug)]
pub(crate) struct Pushed {
    path: PathBuf,
    content: Content,
    is_written: bool,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Content {
    server: String,
    names: BTreeMap<String, Put>,
}

/// A name that is to be brought to its addresses.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Task {
    pub(super) name: String,
    /// None: it is to be removed.
    pub(super) addresses: Addresses,
    /// What may be there that is ours to change: likeliest first, and nothing at all.
    pub(super) perhaps: Vec<Addresses>,
    /// These addresses were never intended before.
    is_new: bool,
}

/// What a name has or may have.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Put {
    /// What it had when the other server last said so; none: nothing of ours.
    confirmed: Addresses,
    /// What it may have since: sent, perhaps, and not answered.
    intended: Vec<Addresses>,
}

impl Pushed {
    /// Reads what was put into `server`.
    pub(super) fn open(directory: &Path, server: &str) -> Result<Self, LoadError> {
        let path = directory.join(FILE);
        let empty = Content {
            server: server.to_owned(),
            names: BTreeMap::new(),
        };
        let content = match load::<Content>(&path, KIND)? {
            Loaded::Nothing => empty,
            Loaded::Whole(content) if content.server == server => content,
            Loaded::Whole(content) => {
                tracing::warn!(
                    server,
                    before = content.server,
                    names = content.names.len(),
                    "Names are put into another server than before; what is in the one before stays there"
                );
                empty
            }
            Loaded::Damaged => {
                tracing::error!(
                    file = %path.display(), server,
                    "What was put into the other server is not known any more, the file is damaged; names that are there are left alone: remove them there"
                );
                empty
            }
        };
        Ok(Self {
            path,
            content,
            is_written: true,
        })
    }

    /// Forgets what is not in the zone that is updated: it was put when that was another one.
    pub(super) fn leave(&mut self, zone: &Name) {
        let before = self.content.names.len();
        let is_within = |name: &str| absolute(name).is_ok_and(|name| zone.zone_of(&name));
        self.content.names.retain(|name, _| is_within(name));
        let left = before - self.content.names.len();
        if left > 0 {
            self.is_written = false;
            tracing::warn!(
                names = left, %zone, server = self.content.server,
                "Another zone is updated than before; what is in the one before stays there"
            );
        }
    }

    /// Notes what is going to be put; names that are left out are going to be removed.
    pub(super) fn intend(&mut self, wanted: &BTreeMap<String, Addresses>) {
        for (name, addresses) in wanted {
            let put = self.content.names.entry(name.clone()).or_default();
            if put.confirmed != *addresses && !put.intended.contains(addresses) {
                put.intended.push(addresses.clone());
                self.is_written = false;
            }
        }
    }

    /// The names to be changed, those to be removed among them, and the names that are known to be
    /// right already.
    pub(super) fn compare(
        &self,
        wanted: &BTreeMap<String, Addresses>,
    ) -> (Vec<String>, Vec<String>) {
        let ours = self.content.names.keys().chain(wanted.keys());
        let all: BTreeSet<&String> = ours.collect();
        let is_right = |name: &&String| {
            let put = self.content.names.get(*name);
            put.is_some_and(|put| {
                put.intended.is_empty() && Some(&put.confirmed) == wanted.get(*name)
            })
        };
        let (right, changed): (Vec<_>, Vec<_>) =
            all.into_iter().cloned().partition(|name| is_right(&name));
        (changed, right)
    }

    /// What is to be done about a name.
    pub(super) fn task(&self, name: String, wanted: &BTreeMap<String, Addresses>) -> Task {
        let addresses = wanted.get(&name).cloned().unwrap_or_default();
        let perhaps = self.perhaps(&name);
        Task {
            is_new: !perhaps.contains(&addresses),
            name,
            addresses,
            perhaps,
        }
    }

    fn perhaps(&self, name: &str) -> Vec<Addresses> {
        let put = self.content.names.get(name);
        let mut all: Vec<Addresses> = Vec::new();
        let known = put
            .into_iter()
            .flat_map(|put| std::iter::once(&put.confirmed).chain(put.intended.iter().rev()));
        for addresses in known.chain([&Addresses::new()]) {
            if !all.contains(addresses) {
                all.push(addresses.clone());
            }
        }
        all
    }

    /// Notes that a name has these.
    pub(super) fn confirm(&mut self, name: &str, addresses: Addresses) {
        if addresses.is_empty() {
            self.is_written &= self.content.names.remove(name).is_none();
            return;
        }
        let new = Put {
            confirmed: addresses,
            intended: Vec::new(),
        };
        match self.content.names.entry(name.to_owned()) {
            Entry::Occupied(mut known) if *known.get() != new => {
                known.insert(new);
            }
            Entry::Occupied(_) => return,
            Entry::Vacant(vacant) => {
                vacant.insert(new);
            }
        }
        self.is_written = false;
    }

    /// Notes that what was intended did not come about: somebody else's data stands there.
    pub(super) fn withdraw(&mut self, name: &str) {
        let Entry::Occupied(mut known) = self.content.names.entry(name.to_owned()) else {
            return;
        };
        if known.get().confirmed.is_empty() {
            known.remove();
        } else {
            known.get_mut().intended.clear();
        }
        self.is_written = false;
    }

    /// Notes that what was going to be put was not sent.
    pub(super) fn retract(&mut self, task: &Task) {
        let Entry::Occupied(mut known) = self.content.names.entry(task.name.clone()) else {
            return;
        };
        if !task.is_new {
            return;
        }
        let put = known.get_mut();
        put.intended
            .retain(|addresses| *addresses != task.addresses);
        if *put == Put::default() {
            known.remove();
        }
        self.is_written = false;
    }

    /// What writes the file, when it is not as it should be.
    pub(super) fn unwritten(
        &self,
    ) -> Option<impl FnOnce() -> Result<(), FileError> + Send + 'static> {
        if self.is_written {
            return None;
        }
        // It is made of strings and addresses, which JSON always holds.
        let content = serde_json::to_vec(&self.content).unwrap_or_default();
        let (path, bytes) = (self.path.clone(), seal(KIND, &content));
        Some(move || write_durable(&path, &bytes))
    }

    /// Notes that the file is as it should be.
    pub(super) fn written(&mut self) {
        self.is_written = true;
    }
}

#[cfg(test)]
mod tests;
