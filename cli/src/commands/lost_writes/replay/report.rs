//! What a replay would do or has done, for people and for programs.

use client::lost_writes::LostWrites;
use model::CacheName;
use serde_json::{Value, json};

use super::{
    apply::Applied,
    plan::{Plan, Tally},
    written::Written,
};
use crate::{
    failure::Failure,
    output::{Form, table},
};

/// The account of one replay.
#[derive(Debug)]
pub(super) struct Report {
    json: Value,
    text: String,
    dry_run: bool,
}

impl Report {
    pub(super) fn new(receipt: &LostWrites, target: &CacheName, dry_run: bool) -> Self {
        let json = json!({
            "receipt": receipt.name, "cache": target.to_string(), "dryRun": dry_run,
            "databases": [], "transactions": 0, "writtenSince": null,
            "applied": null, "refused": null, "refusals": [],
        });
        Self {
            json,
            text: String::new(),
            dry_run,
        }
    }

    pub(super) fn planned(&mut self, plan: &Plan<'_>, written: Option<&Written>) {
        self.json["databases"] = plan
            .databases
            .iter()
            .map(|(database, tally)| of_database(*database, tally))
            .collect();
        self.json["transactions"] = json!(plan.transactions);
        if let Some((keys, since)) = written.map(Written::count) {
            self.json["writtenSince"] = json!({"keys": keys, "written": since});
            if since > 0 {
                self.text.push_str(&format!(
                    "{since} of the {keys} keys were written there since\n"
                ));
            }
        }
        let header = if self.dry_run {
            ["DATABASE", "WOULD APPLY", "KEYS", "SKIPPED"]
        } else {
            ["DATABASE", "TO APPLY", "KEYS", "SKIPPED"]
        };
        let rows = plan.databases.iter().map(|(database, tally)| {
            [
                database.map_or_else(|| "not known".to_owned(), |number| number.to_string()),
                tally.commands.to_string(),
                tally.keys.len().to_string(),
                tally.skipped.values().sum::<u64>().to_string(),
            ]
        });
        self.text.push_str(&table(header, rows));
        for (database, tally) in &plan.databases {
            for (why, count) in &tally.skipped {
                let of = database.map_or_else(String::new, |number| format!("database {number}: "));
                self.text.push_str(&format!("\n{of}skipped {count} {why}"));
            }
        }
    }

    pub(super) fn applied(&mut self, applied: &Applied) {
        self.json["applied"] = json!(applied.commands);
        self.json["refused"] = json!(applied.refused);
        self.json["refusals"] = json!(applied.shown);
        if applied.refused > 0 {
            self.text
                .push_str(&format!("\n\nrefused {}, such as", applied.refused));
            for refusal in &applied.shown {
                self.text.push_str(&format!("\n  {refusal}"));
            }
        }
    }

    pub(super) fn write(&self, form: Form) -> Result<(), Failure> {
        form.write(&self.json, || self.text.clone())
    }
}

fn of_database(database: Option<u32>, tally: &Tally) -> Value {
    let skipped: serde_json::Map<_, _> = tally
        .skipped
        .iter()
        .map(|(why, count)| (why.code().to_owned(), json!(count)))
        .collect();
    json!({
        "database": database, "commands": tally.commands, "keys": tally.keys.len(),
        "skipped": skipped,
    })
}
