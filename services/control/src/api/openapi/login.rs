//! Who may do what: roles, their assignments, and programs that sign in.

use super::operation::{Operation, delete, get, post, put};

pub(super) fn operations() -> Vec<Operation> {
    let mut all = roles();
    all.extend(principals());
    all
}

/// The same at a subscription and at a resource group; the definitions also at neither.
fn roles() -> Vec<Operation> {
    const SUBSCRIPTION: &str = "/subscriptions/{subscriptionId}";
    const GROUP: &str = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}";
    let definitions = |scope: &str, rest: &str| {
        format!("{scope}/providers/Microsoft.Authorization/roleDefinitions{rest}")
    };
    let assignments = |scope: &str, rest: &str| {
        format!("{scope}/providers/Microsoft.Authorization/roleAssignments{rest}")
    };
    let mut all = Vec::new();
    for (scope, list, show) in [
        (
            "",
            "RoleDefinitions_ListAnywhere",
            "RoleDefinitions_GetAnywhere",
        ),
        (
            SUBSCRIPTION,
            "RoleDefinitions_ListBySubscription",
            "RoleDefinitions_GetBySubscription",
        ),
        (
            GROUP,
            "RoleDefinitions_ListByResourceGroup",
            "RoleDefinitions_GetByResourceGroup",
        ),
    ] {
        all.push(
            get(definitions(scope, ""), list, "The roles that there are")
                .query(&["filter"])
                .ok("RoleDefinitionList"),
        );
        let one = definitions(scope, "/{roleDefinitionId}");
        all.push(get(one, show, "A role").ok("RoleDefinition"));
    }
    for (scope, [list, show, give, take]) in [
        (
            SUBSCRIPTION,
            [
                "RoleAssignments_ListBySubscription",
                "RoleAssignments_GetBySubscription",
                "RoleAssignments_CreateBySubscription",
                "RoleAssignments_DeleteBySubscription",
            ],
        ),
        (
            GROUP,
            [
                "RoleAssignments_ListByResourceGroup",
                "RoleAssignments_GetByResourceGroup",
                "RoleAssignments_CreateByResourceGroup",
                "RoleAssignments_DeleteByResourceGroup",
            ],
        ),
    ] {
        let one = || assignments(scope, "/{roleAssignmentName}");
        all.push(
            get(assignments(scope, ""), list, "Who has which role here")
                .query(&["filter"])
                .ok("RoleAssignmentList"),
        );
        all.push(get(one(), show, "A role assignment").ok("RoleAssignment"));
        all.push(
            put(one(), give, "Give somebody a role")
                .takes("RoleAssignmentBody")
                .ok("RoleAssignment")
                .created("RoleAssignment"),
        );
        all.push(
            delete(one(), take, "Take a role away")
                .ok("RoleAssignment")
                .empty(204),
        );
    }
    all
}

fn principals() -> Vec<Operation> {
    const ALL: &str = "/providers/Godwit.Cache/servicePrincipals";
    let one = |rest: &str| format!("{ALL}/{{servicePrincipalId}}{rest}");
    vec![
        get(
            ALL,
            "ServicePrincipals_List",
            "Programs that sign in with a secret",
        )
        .ok("ServicePrincipalList"),
        post(
            ALL,
            "ServicePrincipals_Create",
            "Make one; the answer alone shows its secret",
        )
        .takes("ServicePrincipalBody")
        .created("ServicePrincipal"),
        get(
            one(""),
            "ServicePrincipals_Get",
            "One, by its application ID or its object ID",
        )
        .ok("ServicePrincipal"),
        delete(
            one(""),
            "ServicePrincipals_Delete",
            "Delete one with its roles",
        )
        .ok("ServicePrincipal")
        .empty(204),
        post(
            one("/reset"),
            "ServicePrincipals_Reset",
            "Give one another secret",
        )
        .may_take("ServicePrincipalReset")
        .ok("ServicePrincipal"),
    ]
}
