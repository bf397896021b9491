//! `godwit cache show`.

use client::{
    resources::Cache,
    status::{CacheStatus, NamedEndpoint},
};
use model::CacheId;

use super::{persistence::in_a_line, role_text, sku_text, tags};
use crate::{
    failure::Failure,
    output::{Form, bytes, milliseconds, pairs},
    reach,
    session::Session,
};

/// An agent that has been silent for longer is shown as such.
const SILENT_MS: u64 = 5_000;

/// Shows a cache as it is now.
pub(super) async fn show(session: &Session, id: &CacheId) -> Result<(), Failure> {
    let cache = session.management.cache(id).await?;
    let status = match session.form {
        Form::Json => CacheStatus::default(),
        Form::Table => {
            let status = session.management.cache_status(id).await;
            status.map(|status| status.body).unwrap_or_default()
        }
    };
    session.form.write(&cache.json, || {
        let keys = session.command(&format!("cache keys {} --show primary", cache.body.name));
        let connect = reach::command(&status, &keys, &session.command("ca"));
        describe(&cache.body, &status, connect)
    })
}

fn describe(cache: &Cache, status: &CacheStatus, connect: Option<String>) -> String {
    let properties = &cache.properties;
    let size = properties
        .sku
        .as_ref()
        .map(|sku| match properties.replicas_per_primary {
            Some(1) => format!("{}, 1 replica", sku_text(sku)),
            Some(replicas) => format!("{}, {replicas} replicas", sku_text(sku)),
            None => sku_text(sku),
        });
    let other = properties
        .linked_servers
        .first()
        .and_then(|link| link.other());
    let role = status.role.as_deref().map(|role| match &other {
        Some(other) => format!("{}, linked with {other}", role_text(role)),
        None => role_text(role),
    });
    let (endpoint, endpoints) = (status.endpoint.as_ref(), status.endpoints.as_ref());
    let sum = |part: fn(&client::status::ShardStatus) -> u64| {
        (!status.shards.is_empty()).then(|| status.shards.iter().map(part).sum::<u64>())
    };
    let holds = sum(|shard| shard.keys)
        .zip(sum(|shard| shard.used_memory))
        .map(|(keys, memory)| format!("{keys} keys in {}", bytes(memory)));
    let load = sum(|shard| shard.ops_per_second)
        .zip(sum(|shard| shard.clients))
        .map(|(ops, clients)| {
            let plural = if clients == 1 { "" } else { "s" };
            format!("{ops} commands/s from {clients} client{plural}")
        });
    let settings: Vec<_> = properties
        .redis_configuration
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    pairs([
        ("name", Some(cache.name.to_string())),
        ("group", Some(cache.id.group.to_string())),
        ("region", Some(cache.location.clone())),
        ("size", size),
        ("state", Some(properties.provisioning_state.clone())),
        ("role", role),
        ("engine", engine(status)),
        ("upgrade", status.maintenance.plan.clone()),
        ("restarts", restarts(status)),
        ("host name", Some(properties.host_name.clone())),
        ("direct", endpoints.and_then(|all| listens(&all.direct))),
        ("geo", endpoints.and_then(|all| listens(&all.geo))),
        ("private", private(cache)),
        (
            "endpoint",
            endpoint.map(|at| format!("{}:{}", at.host, at.port)),
        ),
        ("holds", holds),
        ("serves", load),
        ("persistence", status.persistence.as_ref().map(in_a_line)),
        ("settings", Some(settings.join(" "))),
        ("tags", tags(&cache.tags)),
        ("problem", problem(status)),
        ("connect", connect),
    ])
}

/// What its nodes run, and what is there for them.
fn engine(status: &CacheStatus) -> Option<String> {
    let runs = status.engine.as_ref()?;
    Some(match &status.maintenance.available {
        Some(available) => format!("{runs}, {available} available"),
        None => runs.clone(),
    })
}

/// Which nodes are being restarted, or why the installed engine is not for them.
fn restarts(status: &CacheStatus) -> Option<String> {
    let maintenance = &status.maintenance;
    let order = maintenance.order.as_ref();
    let under_way = order.map(|order| format!("{}: {}", order.what, order.doing));
    under_way.or_else(|| maintenance.refused.clone())
}

/// An endpoint with its name and where it listens.
fn listens(at: &NamedEndpoint) -> Option<String> {
    let (address, tls) = (at.address.as_ref()?, at.tls_port?);
    let plain = at
        .plain_port
        .map(|port| format!(", without TLS on port {port}"));
    Some(format!(
        "{} at {address}, TLS on port {tls}{}",
        at.name,
        plain.unwrap_or_default()
    ))
}

/// The private endpoints, each with where it listens.
fn private(cache: &Cache) -> Option<String> {
    let all = &cache.properties.private_endpoint_connections;
    let shown = all.iter().map(|endpoint| {
        let of = &endpoint.properties;
        match (of.address, of.tls_port) {
            (Some(address), Some(tls)) => {
                format!("`{}` at {address}, TLS on port {tls}", endpoint.name)
            }
            (_, None) | (None, _) => {
                let status = &of.private_link_service_connection_state.status;
                format!("`{}`, {}", endpoint.name, status.to_lowercase())
            }
        }
    });
    let name = &all.first()?.properties.host_name;
    Some(format!("{name}: {}", shown.collect::<Vec<_>>().join("; ")))
}

fn problem(status: &CacheStatus) -> Option<String> {
    let silent = status
        .ms_since_report
        .filter(|ms| *ms > SILENT_MS)
        .map(|ms| {
            #[expect(clippy::cast_precision_loss, reason = "shown to a tenth of a second")]
            let ms = milliseconds(ms as f64);
            format!("its agent has not reported for {ms}")
        });
    status.problem.clone().or(silent)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cache() -> Cache {
        serde_json::from_value(json!({
            "id": "/subscriptions/5d0c4f30-0000-4000-8000-000000000001/resourceGroups/default/providers/Microsoft.Cache/Redis/demo-east",
            "name": "demo-east", "location": "East US", "tags": {"team": "web"},
            "properties": {
                "provisioningState": "Succeeded", "hostName": "demo-east.redis.godwit.internal",
                "sku": {"name": "Premium", "family": "P", "capacity": 1}, "replicasPerPrimary": 1,
                "linkedServers": [{"id": "…/linkedServers/demo-west"}],
                "redisConfiguration": {"maxclients": "7500"},
            },
        }))
        .unwrap()
    }

    #[test]
    fn a_cache_is_described_with_the_command_that_connects() {
        let status: CacheStatus = serde_json::from_value(json!({
            "role": "Primary", "epoch": 3, "engine": "valkey 8.0.1",
            "endpoint": {"host": "127.0.0.1", "port": 6401}, "msSinceReport": 90,
            "endpoints": {
                "direct": {"name": "demo-east.zone", "address": "127.0.0.1", "tlsPort": 6400, "plainPort": 6401},
                "geo": {"name": "demo-east.geo.zone", "address": "127.0.0.1", "tlsPort": 6402, "plainPort": null},
            },
            "shards": [{"standing": "Writable", "keys": 12, "usedMemory": 2048, "opsPerSecond": 5, "clients": 2}],
        }))
        .unwrap();
        let keys = "godwit cache keys demo-east --show primary";
        let connect = reach::command(&status, keys, "godwit ca");
        let shown = describe(&cache(), &status, connect);
        let expected = "\
name       demo-east
group      default
region     East US
size       Premium P1, 1 replica
state      Succeeded
role       geo-primary, linked with demo-west
engine     valkey 8.0.1
host name  demo-east.redis.godwit.internal
direct     demo-east.zone at 127.0.0.1, TLS on port 6400, without TLS on port 6401
geo        demo-east.geo.zone at 127.0.0.1, TLS on port 6402
endpoint   127.0.0.1:6401
holds      12 keys in 2.00 KiB
serves     5 commands/s from 2 clients
settings   maxclients=7500
tags       team=web
connect    REDISCLI_AUTH=\"$(godwit cache keys demo-east --show primary)\" redis-cli --tls --cacert <(godwit ca) -h 127.0.0.1 -p 6400";
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_newer_engine_and_what_becomes_of_it_is_told() {
        let status: CacheStatus = serde_json::from_value(json!({
            "engine": "valkey 8.0.1",
            "maintenance": {
                "available": "valkey 8.0.2", "plan": "It waits.",
                "order": {"what": "upgrade to valkey 8.0.2", "doing": "stops node 1"},
            },
        }))
        .unwrap();
        let shown = describe(&cache(), &status, None);
        assert!(
            shown.contains("engine     valkey 8.0.1, valkey 8.0.2 available"),
            "{shown}"
        );
        assert!(shown.contains("upgrade    It waits."), "{shown}");
        assert!(
            shown.contains("restarts   upgrade to valkey 8.0.2: stops node 1"),
            "{shown}"
        );
    }

    #[test]
    fn an_agent_that_went_silent_is_a_problem() {
        let status = CacheStatus {
            ms_since_report: Some(65_000),
            ..CacheStatus::default()
        };
        let shown = describe(&cache(), &status, None);
        assert!(
            shown.contains("problem    its agent has not reported for 65.0 s"),
            "{shown}"
        );
        assert!(!shown.contains("connect"), "{shown}");
    }
}
