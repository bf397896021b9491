//! `godwit link cost`.

use clap::Args;
use client::egress::{EgressProperties, EgressRow};
use model::CacheName;

use crate::{
    failure::Failure,
    output::{Form, line, or_dash, table},
    session::Session,
    talk::Talk,
};

/// Show what two caches sent each other between their regions, and what it costs
///
/// Bytes are counted by the side that sends: before compression, and as they were on the wire, which is
/// what is paid for. Months and days are those of UTC and kept for 400 days, also when the two are not
/// linked any more. Prices are those of `godwit link prices`, as they are now.
///
/// Example: godwit link cost demo-east demo-west --month 2026-11 --day
#[derive(Debug, Args)]
pub(crate) struct Cost {
    /// One of the two caches
    cache: CacheName,
    /// The other
    other: CacheName,
    /// Of this month alone, such as 2026-11
    #[arg(long, value_name = "MONTH")]
    month: Option<String>,
    /// Day by day
    #[arg(long)]
    day: bool,
    /// The same as --output json
    #[arg(long)]
    json: bool,
}

impl Cost {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let id = session.place(&self.cache).await?;
        let month = self.month.as_deref();
        let asked = session
            .management
            .link_egress(&id, &self.other, self.day, month);
        let found = asked.await?;
        let form = if self.json { Form::Json } else { session.form };
        let shown = &found.body.properties;
        if form == Form::Json {
            return form.write(&found.json, String::new);
        }
        if shown.rows.is_empty() {
            Talk.say("nothing was sent in that time");
            return Ok(());
        }
        line(&rows(shown))?;
        for way in &shown.unpriced {
            let (from, to) = (&way.from, &way.to);
            let set = session.command(&format!("link prices set {from} {to} PRICE"));
            Talk.say(&format!(
                "there is no price from {from} to {to}; `{set}` sets it"
            ));
        }
        Ok(())
    }
}

fn rows(shown: &EgressProperties) -> String {
    let cost = format!("COST ({})", shown.currency);
    let header = [
        "PERIOD",
        "FROM",
        "TO",
        "RAW GB",
        "WIRE GB",
        "SAVED",
        cost.as_str(),
    ];
    let mut all: Vec<[String; 7]> = shown.rows.iter().map(row).collect();
    if shown.rows.len() > 1 {
        let total = &shown.total;
        all.push([
            "total".to_owned(),
            String::new(),
            String::new(),
            gigabytes(total.raw_bytes),
            gigabytes(total.wire_bytes),
            percent(total.saved_percent),
            money(total.cost),
        ]);
    }
    table(header, all)
}

fn row(row: &EgressRow) -> [String; 7] {
    [
        row.period.clone(),
        row.from.clone(),
        row.to.clone(),
        gigabytes(row.raw_bytes),
        gigabytes(row.wire_bytes),
        percent(row.saved_percent),
        money(row.cost),
    ]
}

/// In 10⁹ bytes, as prices are.
#[expect(clippy::cast_precision_loss, reason = "a table needs no more digits")]
fn gigabytes(bytes: u64) -> String {
    let gb = bytes as f64 / 1e9;
    if gb >= 0.01 || bytes == 0 {
        format!("{gb:.3}")
    } else {
        format!("{gb:.6}")
    }
}

fn percent(saved: Option<f64>) -> String {
    or_dash(saved.map(|saved| format!("{saved:.1} %")))
}

fn money(cost: Option<f64>) -> String {
    or_dash(cost.map(|cost| {
        if cost >= 0.01 || cost == 0.0 {
            format!("{cost:.2}")
        } else {
            format!("{cost:.6}")
        }
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn months_are_a_table_with_a_total() {
        let row = |period: &str, from: &str, to: &str, cost: Option<f64>| {
            json!({
                "period": period, "from": from, "to": to, "rawBytes": 4_000_000_000_u64,
                "wireBytes": 1_000_000_000, "savedPercent": 75.0, "cost": cost,
            })
        };
        let shown: EgressProperties = serde_json::from_value(json!({
            "currency": "EUR",
            "rows": [
                row("2026-10", "eastus", "westus", Some(0.02)),
                row("2026-11", "westus", "eastus", None),
            ],
            "total": {
                "rawBytes": 8_000_000_000_u64, "wireBytes": 2_000_000_000,
                "savedPercent": 75.0, "cost": null,
            },
        }))
        .unwrap();
        let expected = "\
PERIOD   FROM    TO      RAW GB  WIRE GB  SAVED   COST (EUR)
2026-10  eastus  westus  4.000   1.000    75.0 %  0.02
2026-11  westus  eastus  4.000   1.000    75.0 %  -
total                    8.000   2.000    75.0 %  -";
        assert_eq!(rows(&shown), expected);
    }

    #[test]
    fn small_amounts_are_told_apart_from_none() {
        assert_eq!(gigabytes(0), "0.000");
        assert_eq!(gigabytes(1_500), "0.000002");
        assert_eq!(money(Some(0.0)), "0.00");
        assert_eq!(money(Some(0.000_03)), "0.000030");
    }
}
