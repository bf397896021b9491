//! What is wrong with a link, in sentences that say what to do.

use model::{
    CacheObserved, LinkActivity, LinkPhase, LinkRecord, LinkSeen, Member, RoleKind, ShardObserved,
    ShardStanding,
};

/// The health of a link.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Health {
    /// In a word: the phase, or `Healthy`, `Unhealthy` or `SourceLost` when linked.
    pub(crate) state: &'static str,
    /// The secondary is in step and nothing is wrong.
    pub(crate) healthy: bool,
    /// What is wrong and what to do, a sentence each.
    pub(crate) reasons: Vec<String>,
}

/// Tells whether the secondary is in step and nothing is wrong.
pub(crate) fn link_is_healthy(link: &LinkRecord, seen: LinkSeen<'_>) -> bool {
    health(link, seen).healthy
}

/// Judges a link by what its two agents report.
pub(crate) fn health(link: &LinkRecord, seen: LinkSeen<'_>) -> Health {
    let mut reasons = Vec::new();
    let lost = source_lost(link, seen);
    let barred = link.not_admitted(seen);
    reasons.extend(barred.map(str::to_owned));
    if let Some(reason) = &lost {
        reasons.push(reason.clone());
    }
    side(
        link,
        &link.primary,
        seen.primary,
        Told {
            lost: lost.is_some(),
            barred: false,
        },
        &mut reasons,
    );
    let told = Told {
        lost: false,
        barred: barred.is_some(),
    };
    side(link, &link.secondary, seen.secondary, told, &mut reasons);
    if barred.is_none() {
        reasons.extend(stalls(link, seen));
    }
    if let LinkPhase::Forcing { .. } = link.phase {
        let (p, s) = (&link.primary.id.name, &link.secondary.id.name);
        reasons.push(format!(
            "a failover to `{s}` is forced, and waits until no lease of `{p}` counts any more: {} ms",
            seen.away.lease_left_ms
        ));
    }
    if let Some((attempt, why)) = &link.last_abort
        && *attempt == link.attempt
        && link.phase == LinkPhase::Linked
    {
        let again = format!(
            "the last failover was given up, and nothing changed: {why}; ask again once that is mended"
        );
        // An old failure is worth telling only beside a present one.
        if !reasons.is_empty() && barred.is_none() {
            reasons.push(again);
        }
    }
    let state = match link.phase {
        LinkPhase::Linked if lost.is_some() => "SourceLost",
        LinkPhase::Linked if reasons.is_empty() => "Healthy",
        LinkPhase::Linked => "Unhealthy",
        LinkPhase::Creating => "Creating",
        LinkPhase::Syncing => "Syncing",
        LinkPhase::HandingOff { .. } => "HandingOff",
        LinkPhase::Forcing { .. } => "Forcing",
        LinkPhase::Promoting => "Promoting",
        LinkPhase::UnlinkingPrimary | LinkPhase::UnlinkingSecondary => "Unlinking",
    };
    Health {
        healthy: state == "Healthy",
        state,
        reasons,
    }
}

/// The primary's data is gone while the secondary has some: every node of it, or it was emptied.
fn source_lost(link: &LinkRecord, seen: LinkSeen<'_>) -> Option<String> {
    let primary = seen.primary.filter(|cache| cache.epoch == link.epoch)?;
    let any = |test: fn(&ShardObserved) -> bool| primary.shards.iter().any(test);
    // One that may start empty does, and is not called lost while it does.
    let lost = any(|shard| shard.standing == ShardStanding::Lost);
    let emptied = any(|shard| shard.link.as_ref().is_some_and(|half| half.source_empty));
    let keys: u64 = seen.secondary?.shards.iter().map(|shard| shard.keys).sum();
    if keys == 0 {
        return None;
    }
    let (p, s) = (&link.primary.id.name, &link.secondary.id.name);
    let give_up = format!("give them up: `godwit link resume {p} --accept-empty-source`");
    if lost {
        return Some(format!(
            "no node of the geo-primary `{p}` holds its data any more, and `{s}` still has {keys} keys; fail over to `{s}` to go on with them, unlink to let `{p}` start empty and `{s}` keep them, or {give_up}"
        ));
    }
    emptied.then(|| {
        format!(
            "the geo-primary `{p}` is empty and began another history, and `{s}` still has {keys} keys; unlink to let each keep what it has, or {give_up}"
        )
    })
}

/// The shards in which bytes wait and none is applied, whichever half noticed.
fn stalls(link: &LinkRecord, seen: LinkSeen<'_>) -> Vec<String> {
    let shards = |cache: Option<&'_ CacheObserved>| {
        let current = cache.filter(|cache| cache.epoch == link.epoch);
        current.map_or_else(Vec::new, |cache| {
            let stalled = |shard: &ShardObserved| shard.link.as_ref()?.stalled.clone();
            cache.shards.iter().map(stalled).collect()
        })
    };
    let (primary, secondary) = (shards(seen.primary), shards(seen.secondary));
    let count = primary.len().max(secondary.len());
    let of = |side: &[Option<String>], index| side.get(index).cloned().flatten();
    let stalled = |index| {
        let why = of(&primary, index).or_else(|| of(&secondary, index))?;
        Some(if count > 1 {
            format!("shard {index} is stalled: {why}")
        } else {
            format!("the link is stalled: {why}")
        })
    };
    (0..count).filter_map(stalled).collect()
}

/// What is told of the link as a whole, and not of each shard again.
#[derive(Clone, Copy)]
struct Told {
    /// The geo-primary's data are gone.
    lost: bool,
    /// The geo-primary's firewall keeps the other side out.
    barred: bool,
}

impl Told {
    fn covers(self, standing: &ShardStanding) -> bool {
        match standing {
            ShardStanding::Lost => self.lost,
            ShardStanding::Cut | ShardStanding::Syncing => self.barred,
            ShardStanding::Starting
            | ShardStanding::Writable
            | ShardStanding::Yielded { .. }
            | ShardStanding::Following
            | ShardStanding::Silent
            | ShardStanding::Unpromotable { .. }
            | ShardStanding::Unleased
            | ShardStanding::Rejoining { .. }
            | ShardStanding::Unsaved { .. } => false,
        }
    }
}

fn side(
    link: &LinkRecord,
    member: &Member,
    seen: Option<&CacheObserved>,
    told: Told,
    reasons: &mut Vec<String>,
) {
    let name = &member.id.name;
    let place = member.region.display_name();
    let Some(cache) = seen else {
        reasons.push(format!(
            "the agent of `{name}` in {place} does not report; check that it runs and reaches the control plane"
        ));
        return;
    };
    let is_primary = member.uid == link.primary.uid;
    let role = link.role_of(&member.uid, None).kind();
    if cache.epoch != link.epoch || cache.role != role {
        reasons.push(format!(
            "`{name}` has not taken the role {role:?} of epoch {} yet; wait a moment",
            link.epoch
        ));
        return;
    }
    for shard in &cache.shards {
        if told.covers(&shard.standing) {
            continue;
        }
        if let Some(reason) = shard_reason(link, name.as_str(), is_primary, role, shard) {
            reasons.push(reason);
        }
    }
    if cache.shards.is_empty() {
        reasons.push(format!(
            "the engines of `{name}` do not run; see the agent's log"
        ));
    }
    // What keeps an agent from its desired state is told above where it is a shard's standing.
    let told = cache.shards.iter().any(|shard| {
        matches!(
            shard.standing,
            ShardStanding::Unpromotable { .. } | ShardStanding::Unsaved { .. }
        )
    });
    if !told {
        reasons.extend(cache.problem.clone());
    }
}

fn shard_reason(
    link: &LinkRecord,
    name: &str,
    is_primary: bool,
    role: RoleKind,
    shard: &ShardObserved,
) -> Option<String> {
    let primary = &link.primary.id.name;
    let why = shard
        .link
        .as_ref()
        .and_then(|half| half.last_error.as_ref())
        .map_or_else(String::new, |error| format!(" ({error})"));
    match &shard.standing {
        ShardStanding::Writable if is_primary || role == RoleKind::Alone => None,
        ShardStanding::Writable => Some(format!("`{name}` still takes writes; wait a moment")),
        ShardStanding::Following | ShardStanding::Yielded { .. } => None,
        ShardStanding::Starting => {
            Some(format!("an engine of `{name}` is starting; wait a moment"))
        }
        ShardStanding::Syncing => Some(format!(
            "`{name}` receives a full sync from `{primary}`{}; until it is done, read from `{primary}`",
            shard
                .link
                .as_ref()
                .map_or_else(String::new, |half| bytes(&half.activity))
        )),
        ShardStanding::Cut => Some(format!(
            "`{name}` has no connection to `{primary}`{why}; it goes on by itself when the network between {} and {} is back",
            link.primary.region.display_name(),
            link.secondary.region.display_name()
        )),
        ShardStanding::Silent => Some(format!(
            "an engine of `{name}` is alive and does not answer; look for a long command or a stopped process"
        )),
        ShardStanding::Lost => Some(format!("no node of `{name}` holds its data any more")),
        ShardStanding::Unpromotable { why } => {
            Some(format!("`{name}` cannot take the primary role: {why}"))
        }
        ShardStanding::Unleased => Some(format!(
            "`{name}` refuses writes, since its agent holds no lease; it takes them again when the control plane answers its reports"
        )),
        ShardStanding::Rejoining { doing } => Some(format!(
            "`{primary}` took over by force, and `{name}` keeps what it had beyond that before it follows: {doing}"
        )),
        ShardStanding::Unsaved { why } => Some(format!(
            "`{primary}` took over by force, and `{name}` cannot keep all that it had beyond that, so it does not follow: {why}; `godwit link resume {name} --accept-unsaved` lets it follow without, `godwit link delete {name}` keeps what each side has"
        )),
    }
}

fn bytes(activity: &LinkActivity) -> String {
    match activity {
        LinkActivity::FullSync {
            bytes,
            total: Some(total),
        } => format!(", {bytes} of {total} bytes"),
        LinkActivity::FullSync { bytes, total: None } => format!(", {bytes} bytes so far"),
        LinkActivity::Waiting | LinkActivity::Streaming => String::new(),
    }
}
