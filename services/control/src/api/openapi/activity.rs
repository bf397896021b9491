//! Who did what when, and what links sent and cost.

use super::{
    caches::cache,
    operation::{Operation, delete, get, put},
};

pub(super) fn operations() -> Vec<Operation> {
    const PRICES: &str =
        "/subscriptions/{subscriptionId}/providers/Godwit.Cache/egressPrices/{pricesName}";
    vec![
        get(
            "/subscriptions/{subscriptionId}/providers/Microsoft.Insights/eventtypes/{eventType}/values",
            "ActivityLogs_List",
            "The activity log of a subscription, latest first",
        )
        .query(&["filter", "select", "logTop", "after", "logSkipToken"])
        .ok("ActivityList"),
        get(
            "/providers/Microsoft.Insights/eventcategories",
            "EventCategories_List",
            "What records of the activity log are told apart by",
        )
        .ok("EventCategoryList"),
        get(
            cache("/linkedServers/{linkedServerName}/egress"),
            "LinkedServer_GetEgress",
            "What a link sent, by day or month, and what that costs",
        )
        .query(&["granularity", "period"])
        .ok("Egress"),
        get(PRICES, "EgressPrices_Get", "What traffic between regions costs").ok("EgressPrices"),
        put(PRICES, "EgressPrices_CreateOrUpdate", "Set what traffic between regions costs")
            .takes("EgressPricesBody")
            .ok("EgressPrices")
            .created("EgressPrices"),
        delete(PRICES, "EgressPrices_Delete", "Have traffic cost nothing that is known")
            .empty(200)
            .empty(204),
    ]
}
