//! `group/<subscription>/<name>`: a resource group.

use std::collections::BTreeMap;

use model::{GroupName, Region, SubscriptionId};
use serde::{Deserialize, Serialize};

use crate::store::{Key, Record, State, Table, Versioned};

/// A resource group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GroupRecord {
    /// The subscription.
    pub(crate) subscription: SubscriptionId,
    /// The name, as it was first written.
    pub(crate) name: GroupName,
    /// Where it was made.
    pub(crate) location: Region,
    /// Tags.
    pub(crate) tags: BTreeMap<String, String>,
    /// It is being removed with all that is in it.
    pub(crate) deleting: bool,
}

/// The beginning of the keys of a subscription's groups.
fn all_of(subscription: &SubscriptionId) -> Key {
    Key::new(GroupRecord::PREFIX, &format!("{subscription}/"))
}

/// The key of a group.
pub(crate) fn key(subscription: &SubscriptionId, name: &GroupName) -> Key {
    Key::new(all_of(subscription).as_str(), &name.folded())
}

impl Record for GroupRecord {
    const PREFIX: &'static str = "group/";

    fn key(&self) -> Key {
        key(&self.subscription, &self.name)
    }

    fn table_mut(state: &mut State) -> &mut Table<Self> {
        &mut state.groups
    }

    fn is_at_rest(&self) -> bool {
        !self.deleting
    }
}

impl State {
    /// A group.
    pub(crate) fn group(
        &self,
        subscription: &SubscriptionId,
        name: &GroupName,
    ) -> Option<&Versioned<GroupRecord>> {
        self.groups.get(&key(subscription, name))
    }

    /// The groups of a subscription behind the one of that name, in the order of their names; all of
    /// them without one.
    pub(crate) fn groups_behind(
        &self,
        subscription: &SubscriptionId,
        name: Option<&str>,
    ) -> impl Iterator<Item = &Versioned<GroupRecord>> {
        self.groups.list(all_of(subscription), name)
    }
}
