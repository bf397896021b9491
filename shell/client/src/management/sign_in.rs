//! Who signs in, and what they may do.

use model::{ObjectId, Role, Scope};
use reqwest::Method;
use serde_json::json;

use super::{Answered, Management, understood};
use crate::{
    RequestError,
    sign_in::{RoleAssignment, ServicePrincipal},
};

const PRINCIPALS: &str = "/providers/Godwit.Cache/servicePrincipals";

impl Management {
    /// Every service principal, by name.
    pub async fn service_principals(
        &self,
    ) -> Result<Answered<Vec<ServicePrincipal>>, RequestError> {
        self.list(PRINCIPALS).await
    }

    /// Makes a service principal; its secret is in this answer and in no other.
    pub async fn create_service_principal(
        &self,
        name: &str,
    ) -> Result<Answered<ServicePrincipal>, RequestError> {
        let body = json!({ "name": name });
        understood(&self.send(Method::POST, PRINCIPALS, Some(&body)).await?)
    }

    /// Makes another secret for a service principal; those before go, unless `keep`.
    pub async fn reset_service_principal(
        &self,
        application: &ObjectId,
        keep: bool,
    ) -> Result<Answered<ServicePrincipal>, RequestError> {
        let path = format!("{PRINCIPALS}/{application}/reset");
        let body = json!({ "keep": keep });
        understood(&self.send(Method::POST, &path, Some(&body)).await?)
    }

    /// Deletes a service principal with its roles. One that is not there is no error.
    pub async fn delete_service_principal(
        &self,
        application: &ObjectId,
    ) -> Result<(), RequestError> {
        let path = format!("{PRINCIPALS}/{application}");
        self.send(Method::DELETE, &path, None::<&()>).await?;
        Ok(())
    }

    /// The roles that hold at a scope, above it and below it.
    pub async fn role_assignments(
        &self,
        scope: &Scope,
    ) -> Result<Answered<Vec<RoleAssignment>>, RequestError> {
        self.list(&format!(
            "{scope}/providers/Microsoft.Authorization/roleAssignments"
        ))
        .await
    }

    /// Gives somebody a role at a scope; `id` names that, a GUID.
    pub async fn assign_role(
        &self,
        scope: &Scope,
        id: &ObjectId,
        who: &ObjectId,
        role: Role,
    ) -> Result<Answered<RoleAssignment>, RequestError> {
        let definition = format!(
            "/subscriptions/{}/providers/Microsoft.Authorization/roleDefinitions/{}",
            scope.subscription,
            role.guid()
        );
        let body = json!({"properties": {
            "roleDefinitionId": definition, "principalId": who, "principalType": "ServicePrincipal",
        }});
        let path = assignment_path(scope, id.as_str());
        understood(&self.send(Method::PUT, &path, Some(&body)).await?)
    }

    /// Takes a role away again. An assignment that is not there is no error.
    pub async fn remove_role(&self, scope: &Scope, id: &str) -> Result<(), RequestError> {
        let path = assignment_path(scope, id);
        self.send(Method::DELETE, &path, None::<&()>).await?;
        Ok(())
    }
}

fn assignment_path(scope: &Scope, id: &str) -> String {
    format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{id}")
}
