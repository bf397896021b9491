//! `forceReboot`.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use model::{CacheRecord, Lifecycle, OperationId, RebootNodes, RollWhat, ShardIndex};
use serde_json::json;

use super::{Names, may_restart, ordered};
use crate::{
    api::{
        ApiError, answer,
        body::Fields,
        caches::being_deleted,
        caller::{Caller, Leads},
        decide::{Plan, decide},
        find::find_cache,
    },
    plane::Plane,
    view::NODE_PORTS,
};

/// What a body asks for.
struct Asked {
    nodes: AskedNodes,
    shard: Option<i64>,
}

enum AskedNodes {
    Kind(RebootNodes, &'static str),
    Ports(Vec<i64>),
}

/// Accepts a reboot; the operation that the answer's headers name ends with it.
pub(super) async fn reboot(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name)): Names,
    caller: Caller,
    body: Fields,
) -> Result<Response, ApiError> {
    let asked = read(body)?;
    let id = OperationId::new(plane.dice.guid());
    let (op, told) = decide(&plane, |state| {
        let cache = find_cache(state, &subscription, &group, &name)?;
        match cache.lifecycle {
            Lifecycle::Deleting => return Err(being_deleted(cache)),
            Lifecycle::Creating | Lifecycle::Updating | Lifecycle::Scaling => {
                return Err(ApiError::conflict(format!(
                    "The cache `{}` is being created or changed; wait until it is `Succeeded`.",
                    cache.id.name
                )));
            }
            Lifecycle::Ready | Lifecycle::Failed { .. } => {}
        }
        let (what, told) = what(cache, &asked)?;
        may_restart(state, cache)?;
        if plane.observations.seen().cache(&cache.region, &cache.uid).is_none() {
            return Err(ApiError::conflict(format!(
                "The agent of the cache `{}` in {} does not report, so its nodes cannot be rebooted; check that it runs.",
                cache.id.name,
                cache.region.display_name()
            )));
        }
        let (change, op) = ordered(&plane, cache, what, None, &id);
        Ok(Plan::Commit(change, (op, told)))
    })
    .await?;
    let message = format!(
        "The reboot of {told} of the cache `{name}` has begun. Nodes are restarted one after another, each once its data are elsewhere in step or saved."
    );
    let headers = caller.follow(&op, &Leads::ToOperation);
    let body = json!({ "message": message });
    Ok(answer::with_headers(answer::ok(&body), headers))
}

fn read(mut body: Fields) -> Result<Asked, ApiError> {
    let kind = body.one_of("rebootType", &["PrimaryNode", "SecondaryNode", "AllNodes"])?;
    let ports = body.whole_list("ports")?.filter(|ports| !ports.is_empty());
    let shard = body.whole("shardId")?;
    let nodes = match (kind, ports) {
        (Some(_), Some(_)) => {
            let why = "`rebootType` says which nodes already; name either";
            return Err(body.refused("ports", why));
        }
        (None, Some(ports)) => AskedNodes::Ports(ports),
        (Some(kind), None) => AskedNodes::Kind(
            match kind {
                "PrimaryNode" => RebootNodes::Primary,
                "SecondaryNode" => RebootNodes::Replicas,
                _ => RebootNodes::All,
            },
            kind,
        ),
        (None, None) => {
            return Err(body.missing("rebootType", "PrimaryNode, SecondaryNode or AllNodes"));
        }
    };
    body.finish()?;
    Ok(Asked { nodes, shard })
}

/// The order, and its nodes in words.
fn what(cache: &CacheRecord, asked: &Asked) -> Result<(RollWhat, String), ApiError> {
    let shard = asked
        .shard
        .map(|shard| shard_of(cache, shard))
        .transpose()?;
    let (nodes, mut told) = match &asked.nodes {
        AskedNodes::Kind(RebootNodes::Replicas, _) if cache.spec.replicas == 0 => {
            return Err(ApiError::body(format!(
                "The field `rebootType` cannot be `SecondaryNode`: the cache `{}` has one node, the primary.",
                cache.id.name
            )));
        }
        AskedNodes::Kind(nodes, kind) => (nodes.clone(), (*kind).to_owned()),
        AskedNodes::Ports(ports) => {
            let found: Vec<_> = ports
                .iter()
                .map(|port| node_at(cache, *port))
                .collect::<Result<_, _>>()?;
            let told: Vec<_> = ports.iter().map(ToString::to_string).collect();
            (
                RebootNodes::These(found),
                format!("the nodes at {}", told.join(", ")),
            )
        }
    };
    if let Some(shard) = shard {
        told = format!("{told} of shard {shard}");
    }
    Ok((RollWhat::Reboot { shard, nodes }, told))
}

fn shard_of(cache: &CacheRecord, asked: i64) -> Result<ShardIndex, ApiError> {
    let shards = cache.spec.shards.unwrap_or(1);
    match u16::try_from(asked) {
        Ok(shard) if shard < shards => Ok(ShardIndex(shard)),
        Ok(_) | Err(_) => Err(ApiError::body(match cache.spec.shards {
            Some(_) => format!(
                "The field `shardId` cannot be `{asked}`: the cache `{}` has the shards 0 to {}.",
                cache.id.name,
                shards - 1
            ),
            None => format!(
                "The field `shardId` cannot be `{asked}`: the cache `{}` has no clustering; leave it out.",
                cache.id.name
            ),
        })),
    }
}

/// The node that `instances` shows with this port.
fn node_at(cache: &CacheRecord, asked: i64) -> Result<(ShardIndex, u8), ApiError> {
    let nodes = i64::from(cache.spec.replicas) + 1;
    let all = i64::from(cache.spec.shards.unwrap_or(1)) * nodes;
    let (tls, plain) = NODE_PORTS;
    let bases = [Some(tls), cache.spec.enable_non_ssl_port.then_some(plain)];
    let mut indexes = bases
        .into_iter()
        .flatten()
        .map(|base| asked - i64::from(base));
    let index = indexes.find(|index| (0..all).contains(index));
    let found = index.and_then(|index| {
        let shard = u16::try_from(index / nodes).ok()?;
        let node = u8::try_from(index % nodes).ok()?;
        Some((ShardIndex(shard), node))
    });
    found.ok_or_else(|| {
        ApiError::body(format!(
            "The field `ports` cannot have `{asked}`: no node of the cache `{}` has it; `properties.instances` lists them.",
            cache.id.name
        ))
    })
}
