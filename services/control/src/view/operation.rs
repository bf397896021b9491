//! An operation with its progress: `arm.md` 1.4. While it runs, `properties` says in plain words
//! what it waits for.

use model::{
    CacheId, CacheUid, LinkActivity, LinkPhase, LinkRecord, RoleKind, ShardObserved, ShardStanding,
    Timestamp, TransferFigures, TransferObserved, TransferPhase,
};
use serde_json::{Value, json};

use super::runtime_status::{bytes_behind, lag_ms};
use crate::{
    handoff,
    observations::Seen,
    reconciler::link_seen,
    records::{FailoverRecord, OperationRecord, Outcome, Work, link},
    store::State,
};

/// A moment as the API writes it; `null` when it cannot be written.
pub(crate) fn time(at: Timestamp) -> Option<String> {
    let ms = i64::try_from(at.0).ok()?;
    let stamp = jiff::Timestamp::from_millisecond(ms).ok()?;
    Some(stamp.to_string())
}

/// The answer of `asyncOperations`.
pub(crate) fn operation_json(state: &State, seen: &Seen, op: &OperationRecord) -> Value {
    let (status, ended, error) = match &op.outcome {
        Outcome::InProgress => ("InProgress", None, None),
        Outcome::Succeeded { ended } => ("Succeeded", Some(*ended), None),
        Outcome::Failed {
            ended,
            code,
            message,
        } => (
            "Failed",
            Some(*ended),
            Some(json!({"code": code, "message": message})),
        ),
    };
    let progress = op.is_running().then(|| progress(state, seen, op));
    let percent = progress.as_ref().and_then(Progress::percent);
    let failover = handoff::figures(state, seen, op).map(failover_json);
    let mut properties = progress.map(Progress::json);
    if let Some(failover) = failover {
        properties.get_or_insert_with(|| json!({}))["failover"] = failover;
    }
    if let Some(figures) = op.work.figures() {
        properties.get_or_insert_with(|| json!({}))["transfer"] = figures_json(figures);
    }
    let done = matches!(op.outcome, Outcome::Succeeded { .. }).then_some(100.0);
    json!({
        "id": format!(
            "/subscriptions/{}/providers/Microsoft.Cache/locations/{}/asyncOperations/{}",
            op.subscription,
            op.region.display_name(),
            op.id
        ),
        "name": op.id,
        "status": status,
        "startTime": time(op.started),
        "endTime": ended.and_then(time),
        "percentComplete": done.or(percent),
        "properties": properties,
        "error": error,
    })
}

/// What a transfer came to.
fn figures_json(figures: &TransferFigures) -> Value {
    json!({
        "bytes": figures.bytes,
        "keys": figures.keys,
        "files": figures.files,
        "notes": figures.notes,
    })
}

/// How a failover goes, or went.
fn failover_json(failover: FailoverRecord) -> Value {
    let pause = handoff::write_pause(&failover);
    let steps = failover.steps.iter().map(|step| {
        json!({
            "side": step.side, "region": step.region.display_name(),
            "step": step.step, "ms": step.ms,
        })
    });
    json!({
        "kind": failover.kind,
        "attempt": failover.attempt,
        "writePauseMs": pause,
        "steps": steps.collect::<Vec<_>>(),
    })
}

/// What a running operation waits for.
#[derive(Default)]
struct Progress {
    phase: &'static str,
    waiting_for: String,
    bytes: Option<(u64, Option<u64>)>,
    behind: Option<u64>,
    lag_ms: Option<f64>,
    /// Of the whole, where the bytes are those of a part.
    part: Option<(f64, f64)>,
}

impl Progress {
    fn new(phase: &'static str, waiting_for: impl Into<String>) -> Self {
        Self {
            phase,
            waiting_for: waiting_for.into(),
            ..Self::default()
        }
    }

    fn percent(&self) -> Option<f64> {
        let share = self.bytes.and_then(|(done, total)| {
            let total = total.filter(|total| *total > 0)?;
            #[expect(clippy::cast_precision_loss, reason = "a percentage needs no more")]
            let share = done.min(total) as f64 / total as f64;
            Some(share)
        });
        let share = match self.part {
            None => share?,
            Some((from, to)) => from + (to - from) * share.unwrap_or_default(),
        };
        Some((share * 1_000.0).floor() / 10.0)
    }

    fn json(self) -> Value {
        json!({
            "phase": self.phase,
            "waitingFor": self.waiting_for,
            "bytesDone": self.bytes.map(|(done, _)| done),
            "bytesTotal": self.bytes.and_then(|(_, total)| total),
            "bytesBehind": self.behind,
            "lagMs": self.lag_ms,
        })
    }
}

fn progress(state: &State, seen: &Seen, op: &OperationRecord) -> Progress {
    match &op.work {
        Work::CreateCache { cache, uid } => settling(state, seen, "Creating", cache, uid),
        Work::UpdateCache { cache, uid } | Work::ChangeAccess { cache, uid, .. } => {
            settling(state, seen, "Updating", cache, uid)
        }
        Work::DeleteCache { cache, .. } => Progress::new(
            "Deleting",
            match state.cache(cache).map(|cache| seen.region(&cache.region)) {
                Some(None) => format!("the agent of `{}`, which does not report", cache.name),
                Some(Some(_)) | None => format!("the engines of `{}` to stop", cache.name),
            },
        ),
        Work::DeleteGroup { group } => {
            let group = state.group(&op.subscription, group);
            let linked = group.and_then(|g| state.caches_in(g).find(|cache| cache.link.is_some()));
            let waiting_for = linked.map_or_else(
                || "the caches of the group to go".to_owned(),
                |cache| {
                    format!(
                        "the cache `{}` to be unlinked: a linked cache is not deleted",
                        cache.id.name
                    )
                },
            );
            Progress::new("Deleting", waiting_for)
        }
        Work::CreateLink { link: id, .. }
        | Work::FailOver { link: id, .. }
        | Work::Unlink { link: id } => match state.links.get(&link::key(id)) {
            Some(link) => link_progress(seen, link),
            None => Progress::new("Finishing", "the control plane"),
        },
        Work::Export { cache, uid, .. }
        | Work::Import { cache, uid, .. }
        | Work::Flush { cache, uid } => transferring(state, seen, op, cache, uid),
    }
}

fn transferring(
    state: &State,
    seen: &Seen,
    op: &OperationRecord,
    id: &CacheId,
    uid: &CacheUid,
) -> Progress {
    let Some(cache) = state.cache(id).filter(|cache| cache.uid == *uid) else {
        return Progress::new("Finishing", "the control plane");
    };
    let Some(agent) = seen.region(&cache.region) else {
        let place = cache.region.display_name();
        return Progress::new(
            "Waiting",
            format!("the agent of {place}, which does not report"),
        );
    };
    let observed = agent.cache(uid);
    let told = observed.and_then(|seen| seen.transfer.as_ref());
    let waiting = TransferObserved {
        id: op.id.clone(),
        phase: TransferPhase::Waiting,
        done: 0,
        total: None,
        outcome: None,
    };
    let told = told.filter(|told| told.id == op.id).unwrap_or(&waiting);
    let problem = observed.and_then(|seen| seen.problem.clone());
    let problem = problem.filter(|_| told.phase == TransferPhase::Waiting);
    let part = match told.phase {
        TransferPhase::Waiting | TransferPhase::Snapshot | TransferPhase::Flush => None,
        TransferPhase::Upload => Some((0.5, 1.0)),
        TransferPhase::Fetch => Some((0.0, 0.5)),
        TransferPhase::Merge => Some((0.5, 0.5)),
        TransferPhase::Load => Some((0.5, 0.95)),
        TransferPhase::Replicate => Some((0.95, 0.95)),
    };
    let waits_for = problem.unwrap_or_else(|| told.phase.waits_for(id.name.as_str()));
    Progress {
        bytes: (told.done > 0).then_some((told.done, told.total)),
        part,
        ..Progress::new(told.phase.name(), waits_for)
    }
}

fn settling(
    state: &State,
    seen: &Seen,
    phase: &'static str,
    id: &CacheId,
    uid: &CacheUid,
) -> Progress {
    let name = &id.name;
    let Some(cache) = state.cache(id).filter(|cache| cache.uid == *uid) else {
        return Progress::new("Finishing", "the control plane");
    };
    let place = cache.region.display_name();
    let Some(agent) = seen.region(&cache.region) else {
        return Progress::new(
            phase,
            format!("the agent of {place}, which does not report"),
        );
    };
    let Some(observed) = agent.cache(uid) else {
        let problem = agent.report.problem.clone();
        let waits = format!("the agent of {place} to start `{name}`");
        return Progress::new(phase, problem.unwrap_or(waits));
    };
    let waits = if observed.settled_revision < cache.revision {
        format!("the engines of `{name}` to take the settings")
    } else {
        format!("the engines of `{name}` to be ready")
    };
    Progress::new(phase, observed.problem.clone().unwrap_or(waits))
}

fn link_progress(seen: &Seen, link: &LinkRecord) -> Progress {
    let sides = link_seen(seen, link);
    let (p, s) = (&link.primary.id.name, &link.secondary.id.name);
    let unheard = [
        (&link.primary, sides.primary),
        (&link.secondary, sides.secondary),
    ]
    .into_iter()
    .find(|(_, seen)| seen.is_none())
    .map(|(member, _)| format!("the agent of `{}`, which does not report", member.id.name));
    let (mut progress, waiting_for) = match &link.phase {
        LinkPhase::Creating => (
            Progress::new("Creating", ""),
            format!("`{s}` to connect to `{p}`"),
        ),
        LinkPhase::Syncing | LinkPhase::Linked => (
            Progress::new("Syncing", ""),
            format!("`{s}` to be in step with `{p}`"),
        ),
        LinkPhase::HandingOff { .. } => {
            let yielding = sides.primary.is_some_and(|primary| {
                primary.role == RoleKind::Yielding
                    && primary.all_shards(|x| matches!(x, ShardStanding::Yielded { .. }))
            });
            let waits = if yielding {
                format!("`{s}` to apply the last writes of `{p}`")
            } else {
                format!("`{p}` to stop its writes")
            };
            (Progress::new("HandingOff", ""), waits)
        }
        LinkPhase::Forcing { .. } => (
            Progress::new("Forcing", ""),
            format!("the lease of `{p}` to be over"),
        ),
        LinkPhase::Promoting => (
            Progress::new("Promoting", ""),
            format!("`{p}` to take the primary role"),
        ),
        LinkPhase::UnlinkingPrimary => (
            Progress::new("Unlinking", ""),
            format!("`{p}` to leave the link"),
        ),
        LinkPhase::UnlinkingSecondary => (
            Progress::new("Unlinking", ""),
            format!("`{s}` to leave the link and take writes"),
        ),
    };
    progress.waiting_for = unheard.unwrap_or(waiting_for);
    if link.is_unlinking() {
        return progress;
    }
    if let Some(barred) = link.not_admitted(sides) {
        progress.waiting_for = format!("`{s}` to get through to `{p}`: {barred}");
    }
    let first =
        |shards: Option<&[ShardObserved]>| shards.and_then(|shards| shards.first()).cloned();
    let primary = first(sides.primary.map(|cache| cache.shards.as_slice()));
    let secondary = first(sides.secondary.map(|cache| cache.shards.as_slice()));
    progress.bytes = secondary
        .as_ref()
        .and_then(full_sync)
        .or_else(|| primary.as_ref().and_then(full_sync));
    if progress.bytes.is_some() && sides.primary.is_some() && sides.secondary.is_some() {
        progress.waiting_for = format!("`{s}` to load the full sync");
    }
    progress.behind = bytes_behind(primary.as_ref(), secondary.as_ref());
    progress.lag_ms = lag_ms(primary.as_ref(), secondary.as_ref());
    progress
}

fn full_sync(shard: &ShardObserved) -> Option<(u64, Option<u64>)> {
    match shard.link.as_ref()?.activity {
        LinkActivity::FullSync { bytes, total } => Some((bytes, total)),
        LinkActivity::Waiting | LinkActivity::Streaming => None,
    }
}
