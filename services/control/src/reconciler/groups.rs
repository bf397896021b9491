//! Groups that are being deleted: their caches go, linked ones only once they are unlinked.

use model::{CacheRecord, Lifecycle};

use super::{Sight, Step};
use crate::{
    records::GroupRecord,
    store::{Change, Versioned},
};

pub(super) fn plan(sight: &Sight<'_>) -> Vec<Step> {
    let groups = sight.state.groups.iter();
    groups
        .filter(|group| group.deleting)
        .flat_map(|group| steps(sight, group))
        .collect()
}

fn steps(sight: &Sight<'_>, group: &Versioned<GroupRecord>) -> Vec<Step> {
    let members: Vec<_> = sight.state.caches_in(group).collect();
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
