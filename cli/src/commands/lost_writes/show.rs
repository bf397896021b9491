//! `godwit lost-writes show`.

use clap::Args;
use client::lost_writes::{LostWrites, Place};

use super::{ReceiptName, find};
use crate::{
    failure::Failure,
    output::{bytes, pairs, table},
    session::Session,
};

/// Show the receipt of lost writes: how many, since when, in which databases, and what is missing
///
/// Example: godwit lost-writes show demo-east-7
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The receipt, as `lost-writes list` names it
    receipt: ReceiptName,
}

impl Show {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let held = find(session, &self.receipt).await?;
        session.form.write(&held.json, || describe(&held.receipt))
    }
}

fn describe(receipt: &LostWrites) -> String {
    let at = |place: &Option<Place>| {
        let place = place.as_ref()?;
        Some(format!("{}:{}", place.replid, place.offset))
    };
    let end = match receipt.end_is_known {
        Some(true) => Some("known: nothing came behind it".to_owned()),
        Some(false) => Some(
            "not known: the engine was gone, and what it took in its last moments is in no journal"
                .to_owned(),
        ),
        None => None,
    };
    let kept = match receipt.present {
        Some(false) => Some("by an agent that does not report now".to_owned()),
        Some(true) | None => None,
    };
    let mut text = pairs([
        ("receipt", Some(receipt.name.clone())),
        ("cache", Some(receipt.cache.clone())),
        ("region", receipt.region.clone()),
        ("epoch", Some(receipt.epoch.to_string())),
        ("shard", Some(receipt.shard.to_string())),
        ("commands", Some(receipt.commands.to_string())),
        ("transactions", Some(receipt.transactions.to_string())),
        ("keys", Some(receipt.keys.to_string())),
        ("size", Some(bytes(receipt.file_bytes))),
        ("first", receipt.first.clone()),
        ("last", receipt.last.clone()),
        ("saved", receipt.saved.clone()),
        ("from", at(&receipt.from)),
        ("to", at(&receipt.to)),
        ("end", end),
        ("missing", receipt.missing.clone()),
        ("kept", kept),
    ]);
    if !receipt.databases.is_empty() {
        let rows = receipt.databases.iter().map(|lost| {
            [
                lost.database
                    .map_or_else(|| "not known".to_owned(), |number| number.to_string()),
                lost.commands.to_string(),
                lost.keys.to_string(),
            ]
        });
        text.push_str("\n\n");
        text.push_str(&table(["DATABASE", "COMMANDS", "KEYS"], rows));
    }
    text
}
