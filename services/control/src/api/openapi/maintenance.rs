//! When nodes of a cache are restarted.

use super::{
    caches::cache,
    operation::{Operation, Shape, delete, get, post, put},
};

pub(super) fn operations() -> Vec<Operation> {
    let schedule = || cache("/patchSchedules/{schedule}");
    vec![
        post(
            cache("/forceReboot"),
            "Redis_ForceReboot",
            "Restart nodes, one after another",
        )
        .takes("RebootBody")
        .ok("RebootAnswer")
        .followed(),
        get(
            cache("/patchSchedules"),
            "PatchSchedules_ListByRedisResource",
            "The patch schedule of a cache, if it has one",
        )
        .ok("PatchScheduleList"),
        get(
            schedule(),
            "PatchSchedules_Get",
            "The patch schedule of a cache",
        )
        .ok("PatchSchedule"),
        put(
            schedule(),
            "PatchSchedules_CreateOrUpdate",
            "Say when the engines of a cache may be upgraded",
        )
        .takes("PatchScheduleBody")
        .ok("PatchSchedule")
        .created("PatchSchedule"),
        delete(
            schedule(),
            "PatchSchedules_Delete",
            "Let upgrades wait until somebody asks",
        )
        .empty(200)
        .empty(204),
        get(
            cache("/listUpgradeNotifications"),
            "Redis_ListUpgradeNotifications",
            "Upgrades of a cache's engine: to come, under way, and ended",
        )
        .query(&["history"])
        .ok("UpgradeNotificationList"),
        post(
            cache("/upgradeEngine"),
            "Redis_UpgradeEngine",
            "Bring the installed engine to a cache's nodes",
        )
        .ok("UpgradeAnswer")
        .answers(202, Shape::Json("UpgradeAnswer")),
    ]
}
