//! The roles that there are, as the managed service defines those of the same name.

use axum::{extract::Path, response::Response};
use model::Role;
use serde_json::{Value, json};

use super::super::{ApiError, answer, query::Asked};

pub(super) async fn list_anywhere(asked: Asked) -> Response {
    list("", &asked)
}

pub(super) async fn list_in_subscription(
    Path(subscription): Path<String>,
    asked: Asked,
) -> Response {
    list(&format!("/subscriptions/{subscription}"), &asked)
}

pub(super) async fn list_in_group(
    Path((subscription, group)): Path<(String, String)>,
    asked: Asked,
) -> Response {
    let scope = format!("/subscriptions/{subscription}/resourceGroups/{group}");
    list(&scope, &asked)
}

pub(super) async fn show_anywhere(Path(role): Path<String>) -> Result<Response, ApiError> {
    show("", &role)
}

pub(super) async fn show_in_subscription(
    Path((subscription, role)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    show(&format!("/subscriptions/{subscription}"), &role)
}

pub(super) async fn show_in_group(
    Path((subscription, group, role)): Path<(String, String, String)>,
) -> Result<Response, ApiError> {
    let scope = format!("/subscriptions/{subscription}/resourceGroups/{group}");
    show(&scope, &role)
}

/// All of them, or the one that `$filter=roleName eq '…'` names.
fn list(scope: &str, asked: &Asked) -> Response {
    let named = asked.get("$filter").and_then(|filter| {
        let (field, name) = filter.split_once(" eq ")?;
        let is_name = field.trim().eq_ignore_ascii_case("rolename");
        is_name.then(|| name.trim().trim_matches('\'').to_owned())
    });
    let all = Role::ALL.into_iter();
    let wanted = all.filter(|role| {
        let named = named.as_ref();
        named.is_none_or(|name| role.name().eq_ignore_ascii_case(name))
    });
    answer::list(wanted.map(|role| shown(scope, role)).collect())
}

fn show(scope: &str, guid: &str) -> Result<Response, ApiError> {
    let role = Role::of_guid(guid).ok_or_else(|| unknown(guid))?;
    Ok(answer::ok(&shown(scope, role)))
}

/// The refusal of a role that there is not.
pub(super) fn unknown(guid: &str) -> ApiError {
    let guid: String = guid.chars().take(200).collect();
    ApiError::not_found(
        "RoleDefinitionDoesNotExist",
        format!(
            "The specified role definition with ID '{}' does not exist; the roles are Reader, Contributor and Owner.",
            guid.escape_debug()
        ),
    )
}

/// The resource ID of a role's definition.
pub(super) fn id(scope: &str, role: Role) -> String {
    format!(
        "{scope}/providers/Microsoft.Authorization/roleDefinitions/{}",
        role.guid()
    )
}

fn shown(scope: &str, role: Role) -> Value {
    let (what, actions, not_actions): (_, &[&str], &[&str]) = match role {
        Role::Reader => ("See resources, and no keys or data.", &["*/read"], &[]),
        Role::Contributor => (
            "Make, change and delete resources; see and change access keys.",
            &["*"],
            &[
                "Microsoft.Authorization/*/Delete",
                "Microsoft.Authorization/*/Write",
            ],
        ),
        Role::Owner => ("Everything, and give and take roles.", &["*"], &[]),
    };
    json!({
        "id": id(scope, role),
        "name": role.guid(),
        "type": "Microsoft.Authorization/roleDefinitions",
        "properties": {
            "roleName": role.name(),
            "type": "BuiltInRole",
            "description": what,
            "assignableScopes": ["/"],
            "permissions": [{
                "actions": actions, "notActions": not_actions, "dataActions": [],
                "notDataActions": [],
            }],
        },
    })
}
