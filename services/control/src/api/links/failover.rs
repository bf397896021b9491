//! A failover: planned, in which the geo-primary hands over, or forced, in which nothing is asked of
//! it. `properties.failover` says which, and within what bounds; the managed service's clients never
//! send it and get a planned one.

use axum::http::StatusCode;
use model::{ForcedBy, LagLimits, LinkRecord, OperationId, unmet_for_failover};

use super::{
    operation,
    put::{Asks, Outcome, refuse, side},
};
use crate::{
    api::{ApiError, body::Fields, decide::Plan, transfers::no_data_change},
    behind::behind,
    handoff,
    observations::Seen,
    plane::Plane,
    reconciler::link_seen,
    records::{FailoverKind, FailoverRecord, Work},
    store::{Change, Versioned},
};

/// A handoff that is not decided by then is given up, in milliseconds.
const PATIENCE_MS: u64 = 10_000;
/// What `abortAfterMs` takes.
const PATIENCE_RANGE: std::ops::RangeInclusive<i64> = 500..=60_000;

/// How to fail over.
#[derive(Debug, Clone, Default)]
pub(super) struct Options {
    abort_after_ms: Option<u64>,
    limits: LagLimits,
    pub(super) force: bool,
}

impl Options {
    pub(super) fn read(mut body: Fields) -> Result<Self, ApiError> {
        const ABORT: &str = "abortAfterMs";
        let abort_after = body.whole(ABORT)?;
        if let Some(ms) = abort_after
            && !PATIENCE_RANGE.contains(&ms)
        {
            let (least, most) = PATIENCE_RANGE.into_inner();
            let takes = format!("{ms} is not a number of milliseconds from {least} to {most}");
            return Err(body.refused(ABORT, takes));
        }
        let limits = limits(&mut body)?;
        let force = body.flag("force")?.unwrap_or(false);
        if force && abort_after.is_some() {
            return Err(body.refused(
                ABORT,
                "it bounds how long a geo-primary may take to hand over, and with `force` nothing is asked of it",
            ));
        }
        body.finish()?;
        Ok(Self {
            abort_after_ms: abort_after.and_then(|ms| ms.try_into().ok()),
            limits,
            force,
        })
    }
}

/// Reads `maxLagMs` and `maxLagBytes`.
pub(super) fn limits(body: &mut Fields) -> Result<LagLimits, ApiError> {
    let mut limit = |name: &str| {
        let Some(number) = body.whole(name)? else {
            return Ok(None);
        };
        let limit = u64::try_from(number).map(Some);
        limit.map_err(|_negative| body.refused(name, format!("{number} is less than nothing")))
    };
    Ok(LagLimits {
        ms: limit("maxLagMs")?,
        bytes: limit("maxLagBytes")?,
    })
}

/// Begins a failover of `link` to the cache that is to be primary.
pub(super) fn fail_over(
    plane: &Plane,
    seen: &Seen,
    asks: &Asks<'_>,
    link: &Versioned<LinkRecord>,
    id: &OperationId,
) -> Result<Plan<Outcome>, ApiError> {
    // The one that is to yield is the primary of the link.
    let (old, new) = (asks.pair.secondary, asks.pair.primary);
    let as_usual = Options::default();
    let options = asks.failover.unwrap_or(&as_usual);
    let next = if options.force {
        force(plane, seen, link)?
    } else {
        let patience = options.abort_after_ms.unwrap_or(PATIENCE_MS);
        let next = link
            .fail_over(link_seen(seen, link), plane.clock.now(), patience)
            .map_err(|refused| ApiError::failover(&refused));
        // What the caches are counts before what the link is doing.
        refuse(
            &unmet_for_failover(side(seen, old), side(seen, new)),
            "fail over",
        )?;
        no_data_change(old, "fail over from")?;
        next?
    };
    within(options, seen, link)?;
    let mut op = operation(
        plane,
        id,
        asks.own,
        Work::FailOver {
            link: link.id.clone(),
            to: new.uid.clone(),
            from_epoch: link.epoch,
            attempt: (next.attempt != link.attempt).then_some(next.attempt),
            forced: options.force,
        },
    );
    op.failover = Some(FailoverRecord {
        kind: if options.force {
            FailoverKind::Forced
        } else {
            FailoverKind::Planned
        },
        attempt: (next.attempt != link.attempt).then_some(next.attempt),
        round_trip_ms: handoff::round_trip(link_seen(seen, link)),
        steps: Vec::new(),
    });
    let change = Change::new()
        .expect(old)
        .expect(new)
        .replace(link, &next)
        .insert(&op);
    Ok(Plan::Commit(
        change,
        Outcome {
            status: StatusCode::OK,
            link: next,
            operation: Some(op),
        },
    ))
}

/// Sizes and engines are not looked at: the geo-secondary follows already, it is never the smaller
/// one, and whoever forces a failover needs it now.
fn force(plane: &Plane, seen: &Seen, link: &LinkRecord) -> Result<LinkRecord, ApiError> {
    let forced = link.force(link_seen(seen, link), ForcedBy::Person, plane.clock.now());
    forced.map_err(|refused| ApiError::force(&refused))
}

fn within(options: &Options, seen: &Seen, link: &LinkRecord) -> Result<(), ApiError> {
    let Some(broken) = options.limits.broken_by(&behind(seen, link)) else {
        return Ok(());
    };
    let (p, s) = (&link.primary.id.name, &link.secondary.id.name);
    Err(ApiError::new(
        StatusCode::CONFLICT,
        "LagAboveLimit",
        format!(
            "Cannot fail over from `{p}` to `{s}`, since {broken}. Wait until `{s}` has come closer, or allow more."
        ),
    ))
}
