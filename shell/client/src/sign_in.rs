//! Who signs in, and what they may do, as the management API answers it.

use model::{ObjectId, Secret};
use serde::Deserialize;

use crate::resources::or_default;

/// A service principal: a program that signs in with a secret.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServicePrincipal {
    /// What people call it.
    pub name: String,
    /// What it signs in as.
    pub app_id: ObjectId,
    /// What roles are given to.
    pub object_id: ObjectId,
    /// The tenant that it is in.
    #[serde(default, deserialize_with = "or_default")]
    pub tenant_id: String,
    /// When it was made.
    #[serde(default, deserialize_with = "or_default")]
    pub created_at: String,
    /// Its secrets, by their IDs.
    #[serde(default, deserialize_with = "or_default")]
    pub secrets: Vec<KnownSecret>,
    /// A secret that was made just now: it is in no other answer.
    #[serde(default)]
    pub secret: Option<Secret>,
}

/// A secret, of which only this is known.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KnownSecret {
    /// Its ID.
    pub id: String,
    /// When it was made.
    #[serde(default, deserialize_with = "or_default")]
    pub created_at: String,
}

/// A role that somebody has somewhere.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RoleAssignment {
    /// Its ID, a GUID.
    pub name: String,
    /// The rest.
    pub properties: RoleAssignmentProperties,
}

/// The rest of a role assignment.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleAssignmentProperties {
    /// The resource ID of the role's definition.
    #[serde(default, deserialize_with = "or_default")]
    pub role_definition_id: String,
    /// The object ID of whoever has it.
    #[serde(default, deserialize_with = "or_default")]
    pub principal_id: String,
    /// Where it holds: the resource ID of a subscription or of a resource group.
    #[serde(default, deserialize_with = "or_default")]
    pub scope: String,
}

impl RoleAssignment {
    /// The role, if it is one of those that there are.
    #[must_use]
    pub fn role(&self) -> Option<model::Role> {
        let id = &self.properties.role_definition_id;
        model::Role::of_guid(id.rsplit('/').next().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_is_read_once_and_shown_by_no_debug() {
        let id = "6f1c4f30-0000-4000-8000-000000000001";
        let mut answer = json!({"name": "ci", "appId": id, "objectId": id, "new": 1});
        let plain: ServicePrincipal = serde_json::from_value(answer.clone()).unwrap();
        assert_eq!(plain.secret, None);
        answer["secret"] = "hunter2".into();
        let made: ServicePrincipal = serde_json::from_value(answer).unwrap();
        assert_eq!(made.secret.as_ref().unwrap().reveal(), "hunter2");
        assert!(!format!("{made:?}").contains("hunter2"));
    }

    #[test]
    fn a_role_is_known_by_the_end_of_its_definition() {
        let role = model::Role::Reader;
        let read: RoleAssignment = serde_json::from_value(json!({
            "name": "x", "properties": {"roleDefinitionId": format!("/a/b/{}", role.guid())},
        }))
        .unwrap();
        assert_eq!(read.role(), Some(role));
    }
}
