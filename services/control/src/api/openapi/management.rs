//! What is beside the caches: subscriptions, groups, providers, operations, names, and this document.

use super::operation::{Operation, Shape, delete, get, head, patch, post, put};

const SUBSCRIPTION: &str = "/subscriptions/{subscriptionId}";
const GROUPS: &str = "/subscriptions/{subscriptionId}/resourceGroups";
const GROUP: &str = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}";
const PROVIDER: &str = "/subscriptions/{subscriptionId}/providers/Microsoft.Cache";

pub(super) fn operations() -> Vec<Operation> {
    let mut all = subscriptions();
    all.extend(groups());
    all.extend(providers());
    all.extend(own());
    all
}

fn subscriptions() -> Vec<Operation> {
    let of = |rest: &str| format!("{SUBSCRIPTION}{rest}");
    vec![
        get("/tenants", "Tenants_List", "The tenants").ok("TenantList"),
        get("/subscriptions", "Subscriptions_List", "The subscriptions").ok("SubscriptionList"),
        get(SUBSCRIPTION, "Subscriptions_Get", "A subscription").ok("Subscription"),
        get(
            of("/locations"),
            "Subscriptions_ListLocations",
            "The regions that caches can be in",
        )
        .ok("LocationList"),
        get(
            of("/resources"),
            "Resources_List",
            "The caches of a subscription, in short",
        )
        .paged()
        .ok("ResourceList"),
    ]
}

fn groups() -> Vec<Operation> {
    vec![
        get(
            GROUPS,
            "ResourceGroups_List",
            "The resource groups of a subscription",
        )
        .paged()
        .ok("GroupList"),
        get(GROUP, "ResourceGroups_Get", "A resource group").ok("Group"),
        head(
            GROUP,
            "ResourceGroups_CheckExistence",
            "Whether a resource group is there: 204 or 404",
        )
        .empty(204)
        .empty(404),
        put(
            GROUP,
            "ResourceGroups_CreateOrUpdate",
            "Make a resource group, or change its tags",
        )
        .takes("GroupBody")
        .ok("Group")
        .created("Group"),
        patch(
            GROUP,
            "ResourceGroups_Update",
            "Change the tags of a resource group",
        )
        .takes("TagsBody")
        .ok("Group"),
        delete(
            GROUP,
            "ResourceGroups_Delete",
            "Delete a resource group with all that is in it",
        )
        .empty(202)
        .followed(),
        get(
            format!("{GROUP}/resources"),
            "Resources_ListByResourceGroup",
            "The caches of a resource group, in short",
        )
        .paged()
        .ok("ResourceList"),
    ]
}

fn providers() -> Vec<Operation> {
    let of = |rest: &str| format!("{PROVIDER}{rest}");
    vec![
        get(
            format!("{SUBSCRIPTION}/providers"),
            "Providers_List",
            "The resource providers",
        )
        .ok("ProviderList"),
        get(PROVIDER, "Providers_Get", "The provider of caches").ok("Provider"),
        post(
            of("/register"),
            "Providers_Register",
            "Register the provider, which always is",
        )
        .ok("Provider"),
        get(
            "/providers/Microsoft.Cache/operations",
            "Operations_List",
            "What can be done with caches",
        )
        .ok("ActionList"),
        post(
            of("/CheckNameAvailability"),
            "Redis_CheckNameAvailability",
            "Whether a cache can have a name: 200 without a body, or 409",
        )
        .takes("NameBody")
        .empty(200),
        get(
            of("/locations/{location}/asyncOperations/{operationId}"),
            "AsyncOperationStatus_Get",
            "How far an operation is",
        )
        .ok("OperationStatus"),
        get(
            of("/locations/{location}/operationresults/{operationId}"),
            "AsyncOperationResult_Get",
            "202 while an operation goes on, then 200, or the error it ended with",
        )
        .ok("OperationResult")
        .answers(202, Shape::Json("OperationResult")),
    ]
}

fn own() -> Vec<Operation> {
    vec![
        get(
            "/providers/Godwit.Cache/names",
            "Names_List",
            "The names of every cache, and where they lead",
        )
        .query(&["generation", "wait"])
        .ok("Names")
        .empty(204),
        get(
            "/providers/Godwit.Cache/certificateAuthority",
            "CertificateAuthority_Get",
            "The certificate that clients of the caches trust, PEM",
        )
        .answers(200, Shape::Other("application/x-pem-file")),
        get("/metrics", "Metrics_Scrape", "For Prometheus")
            .unversioned()
            .answers(200, Shape::Other("application/openmetrics-text")),
        get("/openapi.json", "OpenApi_Get", "This document")
            .unversioned()
            .answers(200, Shape::Other("application/json")),
    ]
}
