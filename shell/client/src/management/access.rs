//! Who may come in to a cache: firewall rules, access policies, and who has which.

use std::net::IpAddr;

use model::{AssignmentName, CacheId, ObjectId, PolicyName, RuleName};
use reqwest::Method;
use serde_json::json;

use super::{Answered, Management, understood};
use crate::{
    RequestError, Started,
    access::{AccessPolicy, FirewallRule, PolicyAssignment},
};

impl Management {
    /// A cache's firewall rules. None: every address may connect.
    pub async fn firewall_rules(
        &self,
        id: &CacheId,
    ) -> Result<Answered<Vec<FirewallRule>>, RequestError> {
        self.list(&format!("{id}/firewallRules")).await
    }

    /// Makes a firewall rule, or puts another range in its place.
    pub async fn put_firewall_rule(
        &self,
        id: &CacheId,
        name: &RuleName,
        (start, end): (IpAddr, IpAddr),
    ) -> Result<Answered<FirewallRule>, RequestError> {
        let body = json!({"properties": {"startIP": start, "endIP": end}});
        let path = format!("{id}/firewallRules/{name}");
        understood(&self.send(Method::PUT, &path, Some(&body)).await?)
    }

    /// Deletes a firewall rule. One that is not there is no error.
    pub async fn delete_firewall_rule(
        &self,
        id: &CacheId,
        name: &RuleName,
    ) -> Result<(), RequestError> {
        let path = format!("{id}/firewallRules/{name}");
        self.send(Method::DELETE, &path, None::<&()>).await?;
        Ok(())
    }

    /// A cache's access policies, those that every cache has first.
    pub async fn access_policies(
        &self,
        id: &CacheId,
    ) -> Result<Answered<Vec<AccessPolicy>>, RequestError> {
        self.list(&format!("{id}/accessPolicies")).await
    }

    /// Makes an access policy, or changes what it permits.
    pub async fn put_access_policy(
        &self,
        id: &CacheId,
        name: &PolicyName,
        permissions: &str,
    ) -> Result<Started, RequestError> {
        let body = json!({"properties": {"permissions": permissions}});
        let path = format!("{id}/accessPolicies/{name}");
        self.start(Method::PUT, &path, Some(&body)).await
    }

    /// Deletes an access policy that nobody has. One that is not there is no error.
    pub async fn delete_access_policy(
        &self,
        id: &CacheId,
        name: &PolicyName,
    ) -> Result<Started, RequestError> {
        let path = format!("{id}/accessPolicies/{name}");
        self.start(Method::DELETE, &path, None::<&()>).await
    }

    /// Who has which access policy of a cache.
    pub async fn policy_assignments(
        &self,
        id: &CacheId,
    ) -> Result<Answered<Vec<PolicyAssignment>>, RequestError> {
        self.list(&format!("{id}/accessPolicyAssignments")).await
    }

    /// Gives somebody, whom people call `alias`, an access policy, or another one.
    pub async fn put_policy_assignment(
        &self,
        id: &CacheId,
        name: &AssignmentName,
        (who, alias): (&ObjectId, &str),
        policy: &PolicyName,
    ) -> Result<Started, RequestError> {
        let body = json!({"properties": {
            "objectId": who, "objectIdAlias": alias, "accessPolicyName": policy,
        }});
        let path = format!("{id}/accessPolicyAssignments/{name}");
        self.start(Method::PUT, &path, Some(&body)).await
    }

    /// Takes somebody's access policy away: their connections end. An assignment that is not there
    /// is no error.
    pub async fn delete_policy_assignment(
        &self,
        id: &CacheId,
        name: &AssignmentName,
    ) -> Result<Started, RequestError> {
        let path = format!("{id}/accessPolicyAssignments/{name}");
        self.start(Method::DELETE, &path, None::<&()>).await
    }
}
