//! `godwit link list`.

use serde_json::Value;

use super::{Pair, show::health};
use crate::{
    failure::Failure,
    output::{Form, bytes, milliseconds, or_dash, table},
    session::Session,
    talk::Talk,
};

pub(super) async fn run(session: &Session) -> Result<(), Failure> {
    let management = &session.management;
    let caches = management
        .caches(&session.subscription, session.group())
        .await?
        .body;
    let (mut rows, mut resources) = (Vec::new(), Vec::new());
    let mut seen = Vec::new();
    for cache in caches
        .iter()
        .filter(|cache| !cache.properties.linked_servers.is_empty())
    {
        let links = management.links(&cache.id).await?;
        let jsons = links.json.as_array().into_iter().flatten();
        for (link, json) in links.body.iter().zip(jsons) {
            let pair = Pair::of(cache, link);
            let members = (pair.primary.clone(), pair.secondary.clone());
            // Each link shows up at both of its caches.
            if seen.contains(&members) {
                continue;
            }
            seen.push(members);
            resources.push(json.clone());
            if session.form == Form::Table {
                rows.push(row(session, &pair).await);
            }
        }
    }
    if resources.is_empty() && session.form == Form::Table {
        let create = session.command("link create PRIMARY SECONDARY");
        Talk.say(&format!("there is no link yet; `{create}` makes one"));
        return Ok(());
    }
    session.form.write(&Value::Array(resources), || {
        table(
            [
                "GEO-PRIMARY",
                "GEO-SECONDARY",
                "STATE",
                "HEALTH",
                "BEHIND",
                "LAG",
            ],
            rows,
        )
    })
}

async fn row(session: &Session, pair: &Pair) -> [String; 6] {
    let management = &session.management;
    // A link without a status is listed all the same.
    let status = management
        .link_status(&pair.primary, &pair.secondary.name)
        .await;
    let status = status.map(|status| status.body).unwrap_or_default();
    [
        pair.primary.name.to_string(),
        pair.secondary.name.to_string(),
        pair.state.clone(),
        or_dash(health(&status).map(str::to_owned)),
        or_dash(status.bytes_behind().map(bytes)),
        or_dash(status.lag_ms().map(milliseconds)),
    ]
}
