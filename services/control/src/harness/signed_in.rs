//! Service principals that sign in.

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use serde_json::{Value, json};

use super::{Answer, World};

pub(crate) const PRINCIPALS: &str = "/providers/Godwit.Cache/servicePrincipals";

/// A service principal.
#[derive(Debug, Clone)]
pub(crate) struct Someone {
    pub(crate) application: String,
    pub(crate) object: String,
    pub(crate) secret: String,
}

impl Someone {
    pub(crate) fn read(answer: &Answer) -> Self {
        let text = |name: &str| answer.body[name].as_str().unwrap().to_owned();
        Self {
            application: text("appId"),
            object: text("objectId"),
            secret: text("secret"),
        }
    }

    pub(crate) fn path(&self) -> String {
        format!("{PRINCIPALS}/{}", self.application)
    }
}

impl World {
    pub(crate) fn tenant(&self) -> String {
        let state = self.plane.store.state();
        let mut tenants = state.subscriptions.iter().map(|one| one.tenant.clone());
        tenants.next().unwrap()
    }

    /// Makes a service principal with a role: in the subscription, or in a group.
    pub(crate) async fn someone(&self, name: &str, role: Option<(&str, Option<&str>)>) -> Someone {
        let made = self
            .ask("POST", PRINCIPALS, Some(json!({ "name": name })))
            .await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        let someone = Someone::read(&made);
        if let Some((role, group)) = role {
            let given = self.give(&someone, role, group).await;
            assert_eq!(given.status, StatusCode::CREATED, "{given:?}");
        }
        someone
    }

    pub(crate) fn assignment(&self, group: Option<&str>, id: &str) -> String {
        let group = group.map_or_else(String::new, |group| format!("/resourceGroups/{group}"));
        format!(
            "{}{group}/providers/Microsoft.Authorization/roleAssignments/{id}",
            self.sub
        )
    }

    pub(crate) fn assignment_body(&self, who: &Someone, role: &str) -> Value {
        let role: model::Role = role.parse().unwrap();
        let definition = format!(
            "{}/providers/Microsoft.Authorization/roleDefinitions/{}",
            self.sub,
            role.guid()
        );
        json!({"properties": {"roleDefinitionId": definition, "principalId": who.object}})
    }

    pub(crate) async fn give(&self, who: &Someone, role: &str, group: Option<&str>) -> Answer {
        let path = self.assignment(group, &self.plane.dice.guid());
        self.put(&path, self.assignment_body(who, role)).await
    }

    /// Asks for a token with these fields.
    pub(crate) async fn token_request(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        let request = Request::builder()
            .method("POST")
            .uri(path)
            .header("host", "test.example:99")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(form.finish()))
            .unwrap();
        self.send(request).await
    }

    /// Asks for a token as somebody does who has this secret.
    pub(crate) async fn try_sign_in(&self, who: &Someone) -> Answer {
        let path = format!("/{}/oauth2/v2.0/token", self.tenant());
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", who.application.as_str()),
            ("client_secret", who.secret.as_str()),
            ("scope", "http://test.example:99/.default"),
        ];
        self.token_request(&path, &fields).await
    }

    /// Their token.
    pub(crate) async fn sign_in(&self, who: &Someone) -> String {
        let answer = self.try_sign_in(who).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.body["access_token"].as_str().unwrap().to_owned()
    }
}
