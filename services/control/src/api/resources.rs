//! Resources of every kind, of a subscription or of a group: here they are all caches. What a
//! command line completes names from, and what Terraform looks at before it deletes a group.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use model::CacheRecord;
use serde_json::{Value, json};

use super::{
    ApiError,
    caller::Caller,
    filter::{Filter, Subject},
    find::{find_group, find_subscription},
    page::Page,
    query::{Asked, bad_query},
};
use crate::{
    plane::Plane,
    store::{State as Records, Versioned},
    view::{provisioning_state, time},
};

/// The type of a cache.
const KIND: &str = "Microsoft.Cache/Redis";

pub(super) async fn in_group(
    State(plane): State<Arc<Plane>>,
    Path((subscription, name)): Path<(String, String)>,
    page: Page,
    asked: Asked,
) -> Result<Response, ApiError> {
    let state = plane.store.state();
    let group = find_group(&state, &subscription, &name)?;
    let caches = state.caches_behind(page.after.as_deref());
    let caches = caches.filter(|cache| cache.id.is_in(&group.subscription, &group.name));
    listed(&state, &page, &asked, caches).await
}

pub(super) async fn in_subscription(
    State(plane): State<Arc<Plane>>,
    Path(subscription): Path<String>,
    page: Page,
    asked: Asked,
    caller: Caller,
) -> Result<Response, ApiError> {
    let state = plane.store.state();
    let subscription = find_subscription(&state, &subscription)?;
    let caches = state.caches_behind(page.after.as_deref());
    let caches = caches.filter(|cache| {
        cache.id.subscription == subscription.id
            && caller.sees(&cache.id.subscription, &cache.id.group)
    });
    listed(&state, &page, &asked, caches).await
}

async fn listed<'a>(
    state: &Records,
    page: &Page,
    asked: &Asked,
    caches: impl Iterator<Item = &'a Versioned<CacheRecord>>,
) -> Result<Response, ApiError> {
    let filter = Filter::read(asked.get("$filter"))?;
    let expand = Expand::read(asked.get("$expand"))?;
    let caches = caches.filter(|cache| {
        filter.passes(&Subject {
            name: cache.id.name.as_str(),
            kind: KIND,
            group: cache.id.group.as_str(),
            location: cache.region.as_str(),
            tags: &cache.spec.tags,
        })
    });
    let caches = page.cut(caches.cloned());
    let name = |cache: &Versioned<CacheRecord>| cache.id.name.folded();
    let show = |cache: &Versioned<CacheRecord>| resource_json(state, cache, &expand);
    Ok(page.show(caches, name, show).await)
}

/// What `$expand` wants to see beside the rest.
#[derive(Default)]
struct Expand {
    created: bool,
    state: bool,
}

impl Expand {
    fn read(text: Option<&str>) -> Result<Self, ApiError> {
        let mut expand = Self::default();
        for word in text.unwrap_or_default().split(',') {
            match word.trim().to_ascii_lowercase().as_str() {
                "" => {}
                "createdtime" => expand.created = true,
                "provisioningstate" => expand.state = true,
                // Nobody keeps when a resource was changed last.
                "changedtime" => {}
                _ => {
                    return Err(bad_query(
                        "`$expand` takes `createdTime`, `changedTime` and `provisioningState`, with commas between them.",
                    ));
                }
            }
        }
        Ok(expand)
    }
}

fn resource_json(state: &Records, cache: &CacheRecord, expand: &Expand) -> Value {
    let mut shown = json!({
        "id": cache.id.to_string(),
        "name": cache.id.name,
        "type": KIND,
        "location": cache.region,
        "tags": cache.spec.tags,
    });
    if expand.created {
        shown["createdTime"] = json!(time(cache.created));
    }
    if expand.state {
        let link = state.link_of(cache).map(|link| &**link);
        shown["provisioningState"] = json!(provisioning_state(cache, link));
    }
    shown
}
