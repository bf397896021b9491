//! Receipts of lost writes.

use model::{CacheRecord, CacheUid, DatabaseLoss, LinkRecord, Receipt, Region};
use serde_json::{Value, json};

use super::{operation::time, runtime_status::position_json};
use crate::observations::Seen;

/// The receipts of a cache, by the latest report of its agent, however old.
pub(crate) fn receipts<'a>(seen: &'a Seen, region: &Region, uid: &CacheUid) -> &'a [Receipt] {
    let cache = seen.last(region).and_then(|heard| heard.cache(uid));
    cache.map_or(&[], |cache| &cache.lost_writes)
}

/// The receipts of a cache, whatever links they are of.
pub(crate) fn receipts_of_cache(seen: &Seen, cache: &CacheRecord) -> Vec<Value> {
    let all = receipts(seen, &cache.region, &cache.uid).iter();
    all.map(|receipt| receipt_json(seen, &cache.region, receipt))
        .collect()
}

/// The receipts of a link's two caches that are of this link.
pub(crate) fn receipts_of_link(seen: &Seen, link: &LinkRecord) -> Vec<Value> {
    of_link(seen, link)
        .map(|(region, receipt)| receipt_json(seen, region, receipt))
        .collect()
}

/// The names of the receipts of a link.
pub(super) fn receipt_names(seen: &Seen, link: &LinkRecord) -> Vec<String> {
    of_link(seen, link)
        .map(|(_, receipt)| receipt.name())
        .collect()
}

fn of_link<'a>(
    seen: &'a Seen,
    link: &'a LinkRecord,
) -> impl Iterator<Item = (&'a Region, &'a Receipt)> {
    let members = [&link.primary, &link.secondary].into_iter();
    members.flat_map(|member| {
        let all = receipts(seen, &member.region, &member.uid).iter();
        all.filter(|receipt| receipt.link == link.id)
            .map(|receipt| (&member.region, receipt))
    })
}

/// A receipt that the agent of `region` keeps.
pub(crate) fn receipt_json(seen: &Seen, region: &Region, receipt: &Receipt) -> Value {
    json!({
        "name": receipt.name(),
        "cache": receipt.cache.as_str(),
        "link": receipt.link,
        "region": region.display_name(),
        "present": seen.region(region).is_some(),
        "epoch": receipt.epoch,
        "shard": receipt.shard,
        "from": position_json(receipt.from),
        "to": position_json(receipt.to),
        "fileBytes": receipt.file_bytes,
        "commands": receipt.commands,
        "transactions": receipt.transactions,
        "keys": receipt.keys,
        "databases": receipt.databases.iter().map(database_json).collect::<Vec<_>>(),
        "first": receipt.first.and_then(time),
        "last": receipt.last.and_then(time),
        "endIsKnown": receipt.end_is_known,
        "missing": receipt.missing,
        "saved": time(receipt.saved),
    })
}

fn database_json(loss: &DatabaseLoss) -> Value {
    json!({"database": loss.database, "commands": loss.commands, "keys": loss.keys})
}
