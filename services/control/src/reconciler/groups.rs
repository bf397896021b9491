//! Groups that are being deleted: their caches go, linked ones only once they are unlinked.

use std::collections::BTreeMap;

use model::{CacheRecord, Lifecycle};

use super::{Breadth, Sight, Step};
use crate::{
    records::{GroupRecord, group},
    store::{Change, Key, Record as _, Versioned},
};

pub(super) fn plan(sight: &Sight<'_>, breadth: Breadth) -> Vec<Step> {
    let groups = breadth.of(&sight.state.groups);
    let going: Vec<_> = groups.filter(|group| group.deleting).collect();
    if going.is_empty() {
        return Vec::new();
    }
    let mut members = members(sight);
    let steps = going.into_iter().flat_map(|group| {
        let of_group = members.remove(&group.key());
        steps(sight, group, of_group.unwrap_or_default())
    });
    steps.collect()
}

/// Every cache, by the key of its group.
fn members<'a>(sight: &Sight<'a>) -> BTreeMap<Key, Vec<&'a Versioned<CacheRecord>>> {
    let mut members: BTreeMap<Key, Vec<_>> = BTreeMap::new();
    for cache in sight.state.caches.iter() {
        let group = group::key(&cache.id.subscription, &cache.id.group);
        members.entry(group).or_default().push(cache);
    }
    members
}

fn steps(
    sight: &Sight<'_>,
    group: &Versioned<GroupRecord>,
    members: Vec<&Versioned<CacheRecord>>,
) -> Vec<Step> {
    if members.is_empty() {
        // Who had a role there has none in a group of the same name that comes later.
        let roles = sight.state.role_assignments.iter().filter(|role| {
            let of = role.scope.group.as_ref();
            role.scope.subscription == group.subscription && of == Some(&group.name)
        });
        return vec![Step {
            change: roles.fold(Change::new().remove(group), |change, role| {
                change.remove(role)
            }),
            what: format!("The resource group `{}` is deleted", group.name),
        }];
    }
    members
        .into_iter()
        .filter(|cache| cache.link.is_none() && can_go(cache))
        .map(|cache| {
            let going = CacheRecord {
                lifecycle: Lifecycle::Deleting,
                ..CacheRecord::clone(cache)
            };
            Step {
                change: Change::new().expect(group).replace(cache, &going),
                what: format!("The cache `{}` goes with its group", cache.id.name),
            }
        })
        .collect()
}

/// A cache that is on its way elsewhere arrives first, so that no record is planned for twice.
fn can_go(cache: &CacheRecord) -> bool {
    match cache.lifecycle {
        Lifecycle::Ready
        | Lifecycle::Creating
        | Lifecycle::Updating
        | Lifecycle::Scaling
        | Lifecycle::Failed { .. } => true,
        Lifecycle::Deleting => false,
    }
}
