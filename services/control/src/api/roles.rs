//! Who has which role where: `Microsoft.Authorization/roleAssignments`, and the definitions of the three
//! roles that there are.

mod assignments;
mod definitions;

use std::sync::Arc;

use axum::{Router, routing::get};
use model::Scope;

use super::{
    ApiError,
    find::{find_group, find_subscription},
};
use crate::{plane::Plane, store::State as Records};

pub(super) fn routes() -> Router<Arc<Plane>> {
    const PROVIDER: &str = "/providers/microsoft.authorization";
    const SUBSCRIPTION: &str = "/subscriptions/{subscription}";
    const GROUP: &str = "/subscriptions/{subscription}/resourcegroups/{group}";
    let definitions = |scope: &str| format!("{scope}{PROVIDER}/roledefinitions");
    let assignments = |scope: &str| format!("{scope}{PROVIDER}/roleassignments");
    Router::new()
        .route(&definitions(""), get(definitions::list_anywhere))
        .route(
            &format!("{}/{{role}}", definitions("")),
            get(definitions::show_anywhere),
        )
        .route(
            &definitions(SUBSCRIPTION),
            get(definitions::list_in_subscription),
        )
        .route(
            &format!("{}/{{role}}", definitions(SUBSCRIPTION)),
            get(definitions::show_in_subscription),
        )
        .route(&definitions(GROUP), get(definitions::list_in_group))
        .route(
            &format!("{}/{{role}}", definitions(GROUP)),
            get(definitions::show_in_group),
        )
        .route(
            &assignments(SUBSCRIPTION),
            get(assignments::list_in_subscription),
        )
        .route(
            &format!("{}/{{assignment}}", assignments(SUBSCRIPTION)),
            get(assignments::show_in_subscription)
                .put(assignments::put_in_subscription)
                .delete(assignments::delete_in_subscription),
        )
        .route(&assignments(GROUP), get(assignments::list_in_group))
        .route(
            &format!("{}/{{assignment}}", assignments(GROUP)),
            get(assignments::show_in_group)
                .put(assignments::put_in_group)
                .delete(assignments::delete_in_group),
        )
}

/// The scope of a path, which must exist.
fn find_scope(state: &Records, subscription: &str, group: Option<&str>) -> Result<Scope, ApiError> {
    Ok(match group {
        Some(group) => {
            let group = find_group(state, subscription, group)?;
            Scope {
                subscription: group.subscription.clone(),
                group: Some(group.name.clone()),
            }
        }
        None => Scope {
            subscription: find_subscription(state, subscription)?.id.clone(),
            group: None,
        },
    })
}
