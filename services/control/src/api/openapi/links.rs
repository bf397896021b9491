//! Links, and the failovers between their two caches.

use super::{
    caches::cache,
    operation::{Operation, delete, get, patch, post, put},
};

fn link(rest: &str) -> String {
    cache(&format!("/linkedServers/{{linkedServerName}}{rest}"))
}

pub(super) fn operations() -> Vec<Operation> {
    let mut all = resources();
    all.extend(runtime());
    all
}

fn resources() -> Vec<Operation> {
    vec![
        get(
            cache("/linkedServers"),
            "LinkedServer_List",
            "The link of a cache, if it has one",
        )
        .ok("LinkList"),
        get(link(""), "LinkedServer_Get", "The link to another cache").ok("Link"),
        put(
            link(""),
            "LinkedServer_Create",
            "Link two caches, or fail over between them: the body says who is to follow",
        )
        .takes("LinkBody")
        .ok("Link")
        .created("Link")
        .followed(),
        delete(
            link(""),
            "LinkedServer_Delete",
            "Unlink two caches; both keep their data",
        )
        .empty(202)
        .empty(200),
    ]
}

fn runtime() -> Vec<Operation> {
    vec![
        get(
            link("/runtimeStatus"),
            "LinkedServer_GetRuntimeStatus",
            "How a link is right now",
        )
        .ok("LinkStatus"),
        get(
            link("/replicationSettings"),
            "LinkedServer_GetSettings",
            "How a link moves its bytes",
        )
        .ok("LinkSettings"),
        patch(
            link("/replicationSettings"),
            "LinkedServer_UpdateSettings",
            "Change how a link moves its bytes, at once",
        )
        .takes("LinkSettingsBody")
        .ok("LinkSettings"),
        get(
            link("/events"),
            "LinkedServer_ListEvents",
            "What happened on a link",
        )
        .query(&["eventsTop", "since"])
        .ok("EventList"),
        get(
            link("/lostWrites"),
            "LinkedServer_ListLostWrites",
            "The receipts of lost writes of a link",
        )
        .ok("ReceiptList"),
        post(
            link("/failoverPreflight"),
            "LinkedServer_Preflight",
            "What a failover would meet; nothing changes",
        )
        .may_take("PreflightBody")
        .ok("Preflight"),
        post(
            link("/acceptEmptySource"),
            "LinkedServer_AcceptEmptySource",
            "Let a geo-primary that lost its data go on empty",
        )
        .ok("LinkStatus"),
        post(
            link("/acceptUnsaved"),
            "LinkedServer_AcceptUnsaved",
            "Let a former geo-primary follow without what it cannot save",
        )
        .ok("LinkStatus"),
        post(
            link("/acknowledgeAutoFailover"),
            "LinkedServer_AcknowledgeAutoFailover",
            "Say that a failover by itself was seen",
        )
        .ok("LinkStatus"),
    ]
}
