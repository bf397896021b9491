//! `role-assignment/<object ID>/<id>`: a role that somebody has somewhere.

use model::{ObjectId, Rights, Role, Scope, Timestamp};
use serde::{Deserialize, Serialize};

use crate::store::{Key, Record, State, Table, Versioned};

/// A role that somebody has somewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RoleAssignmentRecord {
    /// Its ID: a GUID, chosen by whoever made it.
    pub(crate) id: ObjectId,
    /// Whose role it is: the object ID of a service principal.
    pub(crate) principal: ObjectId,
    /// The role.
    pub(crate) role: Role,
    /// Where it holds.
    pub(crate) scope: Scope,
    /// When it was made.
    pub(crate) created: Timestamp,
}

/// The beginning of the keys of the roles of one.
pub(crate) fn all_of(principal: &ObjectId) -> Key {
    Key::new(RoleAssignmentRecord::PREFIX, &format!("{principal}/"))
}

impl Record for RoleAssignmentRecord {
    const PREFIX: &'static str = "role-assignment/";

    fn key(&self) -> Key {
        Key::new(all_of(&self.principal).as_str(), self.id.as_str())
    }

    fn table_mut(state: &mut State) -> &mut Table<Self> {
        &mut state.role_assignments
    }
}

impl State {
    /// A role assignment by its ID.
    pub(crate) fn role_assignment(
        &self,
        id: &ObjectId,
    ) -> Option<&Versioned<RoleAssignmentRecord>> {
        let mut all = self.role_assignments.iter();
        all.find(|assignment| assignment.id == *id)
    }

    /// What a service principal may do.
    pub(crate) fn rights_of(&self, principal: &ObjectId) -> Rights {
        let own = self.role_assignments.list(all_of(principal));
        let roles = own.map(|assignment| (assignment.role, assignment.scope.clone()));
        Rights::Roles(roles.collect())
    }
}
