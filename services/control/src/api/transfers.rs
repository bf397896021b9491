//! `export`, `import` and `flush`: what a cache's agent is to do with its data set, once. `arm.md` 1.3
//! and 6.8.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
    routing::post,
};
use model::{
    CacheRecord, ExportPrefix, Lifecycle, LinkPhase, LinkRecord, MOST_IMPORT_FILES, OperationId,
    Place, SasUse, Secret, Tier, Timestamp, TransferKind, TransferOrder, TransferWork,
};

use super::{
    ApiError, answer,
    body::Fields,
    caches::being_deleted,
    caller::{Caller, Leads},
    decide::{Plan, decide},
    find::find_cache,
};
use crate::{
    plane::Plane,
    records::{OperationRecord, Outcome, Work},
    store::Change,
};

type Names = Path<(String, String, String)>;

const AUTH_METHOD: &str = "preferred-data-archive-auth-method";
const STORAGE_SUBSCRIPTION: &str = "storage-subscription-id";

pub(super) fn routes() -> Router<Arc<Plane>> {
    const CACHE: &str = "/subscriptions/{subscription}/resourcegroups/{group}/providers/microsoft.cache/redis/{name}";
    Router::new()
        .route(&format!("{CACHE}/export"), post(export))
        .route(&format!("{CACHE}/import"), post(import))
        .route(&format!("{CACHE}/flush"), post(flush))
}

async fn export(
    State(plane): State<Arc<Plane>>,
    Path(names): Names,
    caller: Caller,
    body: Fields,
) -> Result<Response, ApiError> {
    let work = read_export(body, plane.clock.now())?;
    let op = begin(&plane, &names, &work).await?;
    let headers = caller.follow(&op, &Leads::ToResult);
    Ok(answer::empty(StatusCode::ACCEPTED, headers))
}

async fn import(
    State(plane): State<Arc<Plane>>,
    Path(names): Names,
    caller: Caller,
    body: Fields,
) -> Result<Response, ApiError> {
    let work = read_import(body, plane.clock.now())?;
    let op = begin(&plane, &names, &work).await?;
    let headers = caller.follow(&op, &Leads::ToResult);
    Ok(answer::empty(StatusCode::ACCEPTED, headers))
}

async fn flush(
    State(plane): State<Arc<Plane>>,
    Path(names): Names,
    caller: Caller,
    body: Fields,
) -> Result<Response, ApiError> {
    body.finish()?;
    let op = begin(&plane, &names, &TransferWork::Flush).await?;
    let headers = caller.follow(&op, &Leads::ToResult);
    Ok(answer::empty(StatusCode::ACCEPTED, headers))
}

fn read_export(mut body: Fields, now: Timestamp) -> Result<TransferWork, ApiError> {
    const CONTAINER: &str = "container";
    const PREFIX: &str = "prefix";
    let container = body.text(CONTAINER)?;
    let container = container.ok_or_else(|| {
        body.missing(
            CONTAINER,
            "the SAS URI of a blob container, s3://bucket/folder or file:///folder",
        )
    })?;
    let prefix = body.text(PREFIX)?;
    let prefix = prefix.ok_or_else(|| body.missing(PREFIX, "what the files' names begin with"))?;
    let prefix = ExportPrefix::try_from(prefix).map_err(|error| body.refused(PREFIX, error))?;
    read_options(&mut body)?;
    place(&body, CONTAINER, &container, SasUse::Export, now)?;
    body.finish()?;
    Ok(TransferWork::Export {
        to: Secret::new(container),
        prefix,
    })
}

fn read_import(mut body: Fields, now: Timestamp) -> Result<TransferWork, ApiError> {
    const FILES: &str = "files";
    let files = body.text_list(FILES)?;
    let files = files.ok_or_else(|| body.missing(FILES, "a list of URIs of snapshot files"))?;
    if files.is_empty() || files.len() > MOST_IMPORT_FILES {
        let takes = format!(
            "it has {} files; it takes 1 to {MOST_IMPORT_FILES}",
            files.len()
        );
        return Err(body.refused(FILES, takes));
    }
    read_options(&mut body)?;
    for file in &files {
        let place = place(&body, FILES, file, SasUse::Import, now)?;
        if !place.names_a_file() {
            let why = format!("{place} names no file");
            return Err(body.refused(FILES, why));
        }
    }
    body.finish()?;
    Ok(TransferWork::Import {
        from: files.into_iter().map(Secret::new).collect(),
    })
}

/// There is one format, and one way to be let in to a blob.
fn read_options(body: &mut Fields) -> Result<(), ApiError> {
    body.one_of("format", &["RDB"])?;
    let method = body.one_of(AUTH_METHOD, &["SAS", "ManagedIdentity"])?;
    if method == Some("ManagedIdentity") {
        let why = "Godwit has no managed identities; use `SAS`, with a signature in the URI";
        return Err(body.refused(AUTH_METHOD, why));
    }
    if body.text(STORAGE_SUBSCRIPTION)?.is_some() {
        let why = "it goes with managed identities, which Godwit does not have; a SAS URI says by itself where it leads";
        return Err(body.refused(STORAGE_SUBSCRIPTION, why));
    }
    Ok(())
}

fn place(
    body: &Fields,
    field: &str,
    url: &str,
    use_of: SasUse,
    now: Timestamp,
) -> Result<Place, ApiError> {
    let place = Place::parse(url).map_err(|error| body.refused(field, error))?;
    if let Place::Blob(blob) = &place {
        let checked = blob.check_signature(use_of, now);
        checked.map_err(|refused| ApiError::body(refused.to_string()))?;
    }
    Ok(place)
}

async fn begin(
    plane: &Plane,
    (subscription, group, name): &(String, String, String),
    work: &TransferWork,
) -> Result<OperationRecord, ApiError> {
    let id = OperationId::new(plane.dice.guid());
    decide(plane, |state| {
        let cache = find_cache(state, subscription, group, name)?;
        let link = state.link_of(cache);
        permit(cache, link.map(|link| &**link), work.kind())?;
        let op = OperationRecord {
            id: id.clone(),
            subscription: cache.id.subscription.clone(),
            region: cache.region.clone(),
            work: waits_for(cache, work.kind()),
            started: plane.clock.now(),
            outcome: Outcome::InProgress,
            failover: None,
            origin: None,
        };
        let next = CacheRecord {
            transfer: Some(TransferOrder {
                id: id.clone(),
                work: work.clone(),
            }),
            ..CacheRecord::clone(cache)
        };
        let mut change = Change::new().replace(cache, &next).insert(&op);
        if let Some(link) = link {
            change = change.expect(link);
        }
        Ok(Plan::Commit(change, op))
    })
    .await
}

fn waits_for(cache: &CacheRecord, kind: TransferKind) -> Work {
    let (cache, uid) = (cache.id.clone(), cache.uid.clone());
    let figures = None;
    match kind {
        TransferKind::Export => Work::Export {
            cache,
            uid,
            figures,
        },
        TransferKind::Import => Work::Import {
            cache,
            uid,
            figures,
        },
        TransferKind::Flush => Work::Flush { cache, uid },
    }
}

/// Refuses what the cache is not in a state for.
fn permit(
    cache: &CacheRecord,
    link: Option<&LinkRecord>,
    kind: TransferKind,
) -> Result<(), ApiError> {
    let (name, verb) = (&cache.id.name, kind.verb());
    match &cache.lifecycle {
        Lifecycle::Ready => {}
        Lifecycle::Deleting => return Err(being_deleted(cache)),
        Lifecycle::Creating | Lifecycle::Updating | Lifecycle::Scaling => {
            return Err(ApiError::conflict(format!(
                "Cannot {verb} the cache `{name}`, since it is still being created or changed; wait until it is `Succeeded`."
            )));
        }
        Lifecycle::Failed { why } => {
            return Err(ApiError::conflict(format!(
                "Cannot {verb} the cache `{name}`, since it has failed: {why}"
            )));
        }
    }
    let tier = cache.spec.sku.tier();
    if kind != TransferKind::Flush && tier != Tier::Premium {
        return Err(ApiError::body(format!(
            "Cannot {verb} the cache `{name}`, since it is in the {tier} tier, and only Premium caches are exported and imported into."
        )));
    }
    if let Some(link) = link.filter(|_| kind.changes_data()) {
        permit_in_link(cache, link, kind)?;
    }
    idle(cache, kind)
}

fn permit_in_link(
    cache: &CacheRecord,
    link: &LinkRecord,
    kind: TransferKind,
) -> Result<(), ApiError> {
    let (name, verb) = (&cache.id.name, kind.verb());
    let primary = &link.primary.id.name;
    if link.secondary.uid == cache.uid {
        return Err(ApiError::body(format!(
            "Cannot {verb} the cache `{name}`, since it is the geo-secondary of a link, and its data are those of `{primary}`. Do so with `{primary}`, and `{name}` follows; or unlink them first."
        )));
    }
    match link.phase {
        LinkPhase::Linked | LinkPhase::Syncing => Ok(()),
        LinkPhase::Creating
        | LinkPhase::HandingOff { .. }
        | LinkPhase::Forcing { .. }
        | LinkPhase::Promoting
        | LinkPhase::UnlinkingPrimary
        | LinkPhase::UnlinkingSecondary => Err(ApiError::conflict(format!(
            "Cannot {verb} the cache `{name}`, since its link is being made, unmade or failed over; wait until that has ended."
        ))),
    }
}

/// Refuses a second transfer.
fn idle(cache: &CacheRecord, kind: TransferKind) -> Result<(), ApiError> {
    let Some(running) = &cache.transfer else {
        return Ok(());
    };
    Err(ApiError::conflict(format!(
        "Cannot {} the cache `{}`, since {} of it is under way; wait until that has ended.",
        kind.verb(),
        cache.id.name,
        running.work.kind().with_article()
    )))
}

/// Refuses `what` (such as `link`) while other data are about to take the place of a cache's.
pub(super) fn no_data_change(cache: &CacheRecord, what: &str) -> Result<(), ApiError> {
    let running = cache.transfer.as_ref().map(|order| order.work.kind());
    let Some(kind) = running.filter(|kind| kind.changes_data()) else {
        return Ok(());
    };
    Err(ApiError::conflict(format!(
        "Cannot {what} the cache `{}`, since {} of it is under way; wait until that has ended.",
        cache.id.name,
        kind.with_article()
    )))
}
