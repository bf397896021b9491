//! `godwit cache list`.

use client::resources::Cache;

use super::{role_text, sku_text};
use crate::{
    failure::Failure,
    output::{Form, or_dash, table},
    session::Session,
    talk::Talk,
};

/// Roles and endpoints are asked for cache by cache; longer lists go without.
const MOST_WITH_STATUS: usize = 100;

pub(super) async fn run(session: &Session) -> Result<(), Failure> {
    let listed = session
        .management
        .caches(&session.subscription, session.group())
        .await?;
    if listed.body.is_empty() && session.form == Form::Table {
        let create = session.command("cache create NAME --location REGION");
        Talk.say(&format!("there is no cache yet; `{create}` makes one"));
        return Ok(());
    }
    let mut rows = Vec::new();
    if session.form == Form::Table {
        let with_status = listed.body.len() <= MOST_WITH_STATUS;
        for cache in &listed.body {
            rows.push(row(session, cache, with_status).await);
        }
    }
    session.form.write(&listed.json, || {
        table(
            [
                "NAME",
                "GROUP",
                "REGION",
                "SIZE",
                "STATE",
                "ROLE",
                "LINKED WITH",
                "ENDPOINT",
            ],
            rows,
        )
    })
}

async fn row(session: &Session, cache: &Cache, with_status: bool) -> [String; 8] {
    let properties = &cache.properties;
    let other = properties
        .linked_servers
        .first()
        .and_then(|link| link.other());
    let status = if with_status {
        // A cache without a status is listed all the same.
        session.management.cache_status(&cache.id).await.ok()
    } else {
        None
    };
    let status = status.map(|status| status.body).unwrap_or_default();
    [
        cache.name.to_string(),
        cache.id.group.to_string(),
        cache.location.clone(),
        or_dash(properties.sku.as_ref().map(sku_text)),
        properties.provisioning_state.clone(),
        or_dash(status.role.as_deref().map(role_text)),
        or_dash(other.map(|name| name.to_string())),
        or_dash(status.endpoint.map(|at| format!("{}:{}", at.host, at.port))),
    ]
}
