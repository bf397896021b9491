//! The one call that links two caches and that fails over between them: it states who is to be
//! geo-primary, and what follows depends on who is.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use model::{
    CacheId, CacheRecord, LinkId, LinkPhase, LinkRecord, Member, OperationId, Region,
    ReplicationSettings, Side, Unmet, unmet_for_link,
};

use super::{
    Names,
    failover::{Options, fail_over},
    operation, other_name,
    settings::merged,
};
use crate::{
    admission::warnings_of,
    api::{
        ApiError, answer,
        body::Fields,
        caller::{Caller, Leads},
        decide::{Plan, decide},
        find::find_cache,
        transfers::no_data_change,
    },
    observations::Seen,
    plane::Plane,
    records::{OperationRecord, Work},
    store::{Change, State as Records, Versioned},
    view::{link_id, link_json},
};

/// What the body says.
struct Requested {
    other: CacheId,
    location: Region,
    /// The other is to be the geo-secondary.
    other_follows: bool,
    /// How a new link is to move its bytes; Godwit's own.
    settings: Option<Fields>,
    /// How to fail over; Godwit's own.
    failover: Option<Options>,
}

impl Requested {
    fn read(mut body: Fields) -> Result<Self, ApiError> {
        body.skip(&["id", "name", "type", "etag", "systemData"]);
        let properties = body.object("properties")?;
        let mut of = properties.ok_or_else(|| {
            body.missing(
                "properties",
                "an object with `linkedRedisCacheId`, `linkedRedisCacheLocation` and `serverRole`",
            )
        })?;
        body.finish()?;
        const ID: &str = "linkedRedisCacheId";
        const LOCATION: &str = "linkedRedisCacheLocation";
        const ROLE: &str = "serverRole";
        let id = of.text(ID)?;
        let id = id.ok_or_else(|| of.missing(ID, "the resource ID of the other cache"))?;
        let location = of.text(LOCATION)?;
        let location =
            location.ok_or_else(|| of.missing(LOCATION, "the region of the other cache"))?;
        let role = of.one_of(ROLE, &["Primary", "Secondary"])?;
        let role = role.ok_or_else(|| of.missing(ROLE, "Primary or Secondary"))?;
        let asked = Self {
            other: id.parse().map_err(|error| of.refused(ID, error))?,
            location: location
                .parse()
                .map_err(|error| of.refused(LOCATION, error))?,
            other_follows: role == "Secondary",
            settings: of.object("replicationSettings")?,
            failover: of.object("failover")?.map(Options::read).transpose()?,
        };
        of.skip(&[
            "geoReplicatedPrimaryHostName",
            "primaryHostName",
            "provisioningState",
        ]);
        of.finish()?;
        Ok(asked)
    }
}

/// The answer: a status, the link as it is now, and the operation to follow.
pub(super) struct Outcome {
    pub(super) status: StatusCode,
    pub(super) link: LinkRecord,
    pub(super) operation: Option<OperationRecord>,
}

/// The two caches, by the roles that they are to have.
pub(super) struct Pair<'a> {
    pub(super) primary: &'a Versioned<CacheRecord>,
    pub(super) secondary: &'a Versioned<CacheRecord>,
}

/// Who is asked for what.
pub(super) struct Asks<'a> {
    pub(super) own: &'a CacheRecord,
    pub(super) pair: &'a Pair<'a>,
    settings: Option<&'a Fields>,
    pub(super) failover: Option<&'a Options>,
}

impl Asks<'_> {
    /// The settings that are asked for, on top of `present`.
    fn settings(&self, present: &ReplicationSettings) -> Result<ReplicationSettings, ApiError> {
        match self.settings {
            Some(body) => merged(body.clone(), present),
            None => Ok(present.clone()),
        }
    }
}

pub(in crate::api) async fn put(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name, other)): Names,
    caller: Caller,
    body: Fields,
) -> Result<Response, ApiError> {
    let asked = Requested::read(body)?;
    let ids = (
        LinkId::new(plane.dice.guid()),
        OperationId::new(plane.dice.guid()),
    );
    let (own, outcome) = decide(&plane, |state| {
        let own = find_cache(state, &subscription, &group, &name)?;
        let pair = resolve(state, own, &other, &asked)?;
        let seen = plane.observations.seen();
        let asks = Asks {
            own,
            pair: &pair,
            settings: asked.settings.as_ref(),
            failover: asked.failover.as_ref(),
        };
        let plan = plan(&plane, state, &seen, &asks, &ids)?;
        Ok(match plan {
            Plan::Answer(outcome) => Plan::Answer((own.clone(), outcome)),
            Plan::Commit(change, outcome) => Plan::Commit(change, (own.clone(), outcome)),
        })
    })
    .await?;
    let mut body = link_json(&plane, &own, &outcome.link);
    if outcome.status == StatusCode::CREATED {
        let warnings = warnings_of(&plane.store.state(), &outcome.link);
        if !warnings.is_empty() {
            body["properties"]["warnings"] = warnings.into();
        }
    }
    let id = link_id(&own.id, &outcome.link.other(&own.uid).id.name);
    let headers = outcome
        .operation
        .map_or_else(HeaderMap::new, |op| caller.follow(&op, &Leads::To(&id)));
    Ok(answer::with_headers(
        answer::json_response(outcome.status, &body),
        headers,
    ))
}

/// Finds both caches and checks that path and body are about the same one.
fn resolve<'a>(
    state: &'a Records,
    own: &'a Versioned<CacheRecord>,
    other: &str,
    asked: &Requested,
) -> Result<Pair<'a>, ApiError> {
    let named = other_name(&own.id, other)?;
    if named != asked.other.name {
        return Err(ApiError::body(format!(
            "Cannot create geo-replication link, since the path names the cache `{named}` and `linkedRedisCacheId` the cache `{}`.",
            asked.other.name
        )));
    }
    let other = state
        .cache(&asked.other)
        .ok_or_else(|| ApiError::no_cache(&asked.other))?;
    if other.region != asked.location {
        return Err(ApiError::body(format!(
            "Cannot create geo-replication link, since the cache `{named}` is in '{}' and `linkedRedisCacheLocation` says '{}'.",
            other.region.display_name(),
            asked.location.display_name()
        )));
    }
    let (primary, secondary) = if asked.other_follows {
        (own, other)
    } else {
        (other, own)
    };
    Ok(Pair { primary, secondary })
}

fn plan(
    plane: &Plane,
    state: &Records,
    seen: &Seen,
    asks: &Asks<'_>,
    ids: &(LinkId, OperationId),
) -> Result<Plan<Outcome>, ApiError> {
    let pair = asks.pair;
    let link = state.link_of(pair.primary);
    match link.filter(|link| pair.secondary.link.as_ref() == Some(&link.id)) {
        Some(link) if pair.primary.uid != pair.secondary.uid => {
            if link.is_unlinking() {
                return Err(ApiError::conflict(
                    "The two caches are being unlinked; wait until the link is gone.",
                ));
            }
            if asks.settings(&link.settings)? != link.settings {
                return Err(ApiError::body(
                    "The two caches are linked already, with other `replicationSettings`; change those with a PATCH of the link's own `replicationSettings`.",
                ));
            }
            let forced = asks.failover.is_some_and(|options| options.force);
            if let Some(outcome) = repeated(state, link, pair, forced)? {
                return Ok(Plan::Answer(outcome));
            }
            fail_over(plane, seen, asks, link, &ids.1)
        }
        Some(_) | None => create(plane, seen, asks, ids),
    }
}

/// The request asks for what is so already, or for what is on its way.
fn repeated(
    state: &Records,
    link: &LinkRecord,
    pair: &Pair<'_>,
    forced: bool,
) -> Result<Option<Outcome>, ApiError> {
    let is_primary = link.primary.uid == pair.primary.uid;
    let wanted = match link.phase {
        LinkPhase::HandingOff { .. } | LinkPhase::Forcing { .. } if is_primary => {
            return Err(ApiError::conflict(format!(
                "Cannot fail over to `{}`, since a failover to `{}` is under way; wait until it has ended.",
                pair.primary.id.name, pair.secondary.id.name
            )));
        }
        // A handoff that is under way can still be forced.
        LinkPhase::HandingOff { .. } => !forced,
        LinkPhase::Forcing { .. } => true,
        LinkPhase::Creating
        | LinkPhase::Syncing
        | LinkPhase::Linked
        | LinkPhase::Promoting
        | LinkPhase::UnlinkingPrimary
        | LinkPhase::UnlinkingSecondary => is_primary,
    };
    Ok(wanted.then(|| Outcome {
        status: StatusCode::OK,
        link: link.clone(),
        operation: state.running(|work| work.concerns(&link.id)).cloned(),
    }))
}

fn create(
    plane: &Plane,
    seen: &Seen,
    asks: &Asks<'_>,
    ids: &(LinkId, OperationId),
) -> Result<Plan<Outcome>, ApiError> {
    let (primary, secondary) = (asks.pair.primary, asks.pair.secondary);
    if asks.failover.is_some() {
        return Err(ApiError::body(format!(
            "`properties.failover` says how to fail over, and `{}` and `{}` are not linked; leave it out to link them.",
            primary.id.name, secondary.id.name
        )));
    }
    refuse(
        &unmet_for_link(side(seen, primary), side(seen, secondary)),
        "create geo-replication link",
    )?;
    for cache in [primary, secondary] {
        no_data_change(cache, "link")?;
    }
    let epoch = primary.epoch.max(secondary.epoch).next();
    let mut link = LinkRecord::begin(
        ids.0.clone(),
        member(primary),
        member(secondary),
        epoch,
        plane.clock.now(),
    );
    link.settings = asks.settings(&ReplicationSettings::default())?;
    let op = operation(
        plane,
        &ids.1,
        asks.own,
        Work::CreateLink {
            link: link.id.clone(),
            epoch,
        },
    );
    let mut change = Change::new().insert(&link).insert(&op);
    for cache in [primary, secondary] {
        let linked = CacheRecord {
            link: Some(link.id.clone()),
            epoch,
            ..CacheRecord::clone(cache)
        };
        change = change.replace(cache, &linked);
    }
    Ok(Plan::Commit(
        change,
        Outcome {
            status: StatusCode::CREATED,
            link,
            operation: Some(op),
        },
    ))
}

pub(super) fn side<'a>(seen: &Seen, cache: &'a CacheRecord) -> Side<'a> {
    Side {
        cache,
        engine: seen.engine(&cache.region, &cache.uid),
    }
}

fn member(cache: &CacheRecord) -> Member {
    Member {
        uid: cache.uid.clone(),
        id: cache.id.clone(),
        region: cache.region.clone(),
    }
}

/// Refuses with a sentence for each thing that is missing.
pub(super) fn refuse(unmet: &[Unmet], what: &str) -> Result<(), ApiError> {
    if unmet.is_empty() {
        return Ok(());
    }
    let sentences: Vec<_> = unmet
        .iter()
        .map(|unmet| format!("Cannot {what}, since {unmet}."))
        .collect();
    Err(ApiError::body(sentences.join(" ")))
}
