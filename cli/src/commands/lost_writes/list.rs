//! `godwit lost-writes list`.

use clap::Args;
use client::lost_writes::LostWrites;
use model::CacheName;
use serde_json::Value;

use crate::{
    commands::link,
    failure::Failure,
    output::{Form, bytes, or_dash, table},
    session::Session,
    talk::Talk,
};

/// List the receipts of lost writes that wait for somebody
///
/// Example: godwit lost-writes list demo-east
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only those of this cache and of the one that it is linked with
    cache: Option<CacheName>,
}

impl List {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let (receipts, json) = match &self.cache {
            Some(name) => of_one(session, name).await?,
            None => of_all(session).await?,
        };
        if receipts.is_empty() && session.form == Form::Table {
            Talk.say("no lost writes wait for anybody");
            return Ok(());
        }
        session
            .form
            .write(&Value::Array(json), || describe(&receipts))
    }
}

async fn of_one(
    session: &Session,
    name: &CacheName,
) -> Result<(Vec<LostWrites>, Vec<Value>), Failure> {
    let cache = session.find(name).await?.body.id;
    let management = &session.management;
    let found = match link::pair(session, name).await? {
        Some(pair) => {
            management
                .lost_writes_of_link(&pair.primary, &pair.secondary.name)
                .await?
        }
        None => management.lost_writes(&cache).await?,
    };
    Ok((found.body, array(found.json)))
}

async fn of_all(session: &Session) -> Result<(Vec<LostWrites>, Vec<Value>), Failure> {
    let management = &session.management;
    let caches = management
        .caches(&session.subscription, session.group())
        .await?
        .body;
    let (mut receipts, mut json) = (Vec::new(), Vec::new());
    for cache in &caches {
        let found = management.lost_writes(&cache.id).await?;
        receipts.extend(found.body);
        json.extend(array(found.json));
    }
    Ok((receipts, json))
}

fn array(json: Value) -> Vec<Value> {
    match json {
        Value::Array(all) => all,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            Vec::new()
        }
    }
}

fn describe(receipts: &[LostWrites]) -> String {
    let rows = receipts.iter().map(|receipt| {
        [
            receipt.name.clone(),
            or_dash(receipt.region.clone()),
            receipt.commands.to_string(),
            receipt.keys.to_string(),
            bytes(receipt.file_bytes),
            or_dash(receipt.first.clone()),
            or_dash(receipt.last.clone()),
            or_dash(remark(receipt)),
        ]
    });
    table(
        [
            "RECEIPT", "REGION", "COMMANDS", "KEYS", "SIZE", "FIRST", "LAST", "REMARK",
        ],
        rows,
    )
}

fn remark(receipt: &LostWrites) -> Option<String> {
    if receipt.missing.is_some() {
        Some("not whole".to_owned())
    } else if receipt.end_is_known == Some(false) {
        Some("its end is not known".to_owned())
    } else if receipt.present == Some(false) {
        Some("its agent does not report".to_owned())
    } else {
        None
    }
}
