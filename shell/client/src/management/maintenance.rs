//! Reboots, patch schedules and upgrades of engines.

use model::CacheId;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Answered, Management, understood};
use crate::{
    RequestError, Started,
    maintenance::{PatchEntry, PatchSchedule, RebootKind},
};

impl Management {
    /// Reboots nodes of a cache, one after another.
    pub async fn reboot(
        &self,
        id: &CacheId,
        nodes: RebootKind,
        shard: Option<u16>,
    ) -> Result<Started, RequestError> {
        let mut body = json!({ "rebootType": nodes.word() });
        if let (Value::Object(fields), Some(shard)) = (&mut body, shard) {
            fields.insert("shardId".to_owned(), json!(shard));
        }
        let path = format!("{id}/forceReboot");
        self.start(Method::POST, &path, Some(&body)).await
    }

    /// Brings the installed engine to a cache's nodes; `at_once`: whatever its patch schedule says. An
    /// answer without a ticket: there is nothing to begin now, and its `message` says why.
    pub async fn upgrade_engine(
        &self,
        id: &CacheId,
        at_once: bool,
    ) -> Result<Started, RequestError> {
        let body = json!({ "now": at_once });
        let path = format!("{id}/upgradeEngine");
        self.start(Method::POST, &path, Some(&body)).await
    }

    /// A cache's patch schedules: one or none.
    pub async fn patch_schedules(
        &self,
        id: &CacheId,
    ) -> Result<Answered<Vec<PatchSchedule>>, RequestError> {
        self.list(&format!("{id}/patchSchedules")).await
    }

    /// Says when a newer engine may be brought in by itself.
    pub async fn put_patch_schedule(
        &self,
        id: &CacheId,
        entries: &[PatchEntry],
    ) -> Result<Answered<PatchSchedule>, RequestError> {
        let body = json!({"properties": {"scheduleEntries": entries}});
        let path = format!("{id}/patchSchedules/default");
        understood(&self.send(Method::PUT, &path, Some(&body)).await?)
    }

    /// Removes a cache's patch schedule. Without one there is nothing to remove.
    pub async fn delete_patch_schedule(&self, id: &CacheId) -> Result<(), RequestError> {
        let path = format!("{id}/patchSchedules/default");
        self.send(Method::DELETE, &path, None::<&()>).await?;
        Ok(())
    }
}
