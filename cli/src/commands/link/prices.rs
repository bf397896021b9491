//! `godwit link prices …`.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use client::egress::{Price, PriceTable};
use model::{Amount, Currency, Region};
use runtime::{chain, durable::read_if_there};
use serde_json::Value;

use crate::{
    failure::Failure,
    output::{Form, table},
    session::Session,
    talk::Talk,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Prices {
    /// Show what a gigabyte costs from one region to another
    Show,
    /// Set what a gigabyte (10⁹ bytes on the wire) costs from one region to another
    ///
    /// Traffic within a region is free. With --file, the whole table is replaced: JSON such as
    /// {"currency": "EUR", "prices": [{"from": "eastus", "to": "westus", "perGb": "0.02"}]}.
    ///
    /// Example: godwit link prices set eastus westus 0.02 --both
    #[command(verbatim_doc_comment)]
    Set {
        /// From where
        #[arg(required_unless_present_any = ["file", "currency"], requires = "price")]
        from: Option<Region>,
        /// Where to
        to: Option<Region>,
        /// The price, such as 0.02, or `none`: nobody knows
        price: Option<String>,
        /// The same price the other way
        #[arg(long)]
        both: bool,
        /// The currency of every price, such as USD
        #[arg(long, value_name = "CODE")]
        currency: Option<Currency>,
        /// Read the whole table from this file
        #[arg(long, value_name = "FILE", conflicts_with_all = ["from", "to", "price", "both", "currency"])]
        file: Option<PathBuf>,
    },
}

pub(super) async fn run(command: Prices, session: &Session) -> Result<(), Failure> {
    let (management, of) = (&session.management, &session.subscription);
    let present = management.egress_prices(of).await?;
    let set = match command {
        Prices::Show => {
            let shown = &present.body.properties;
            if shown.prices.is_empty() && session.form == Form::Table {
                let set = session.command("link prices set FROM TO PRICE");
                Talk.say(&format!("there is no price yet; `{set}` sets one"));
                return Ok(());
            }
            return session.form.write(&present.json, || rows(shown));
        }
        Prices::Set {
            file: Some(file), ..
        } => read(&file)?,
        Prices::Set {
            from,
            to,
            price,
            both,
            currency,
            file: None,
        } => {
            let mut set = present.body.properties;
            if let Some(currency) = currency {
                set.currency = currency.to_string();
            }
            if let (Some(from), Some(to), Some(price)) = (from, to, price) {
                let price = amount(&price)?;
                put(&mut set, &from, &to, price);
                if both {
                    put(&mut set, &to, &from, price);
                }
            }
            set
        }
    };
    let now = management.put_egress_prices(of, &set).await?;
    session.form.write(&now.json, || rows(&now.body.properties))
}

/// `None`: nobody knows.
fn amount(text: &str) -> Result<Option<Amount>, Failure> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(None);
    }
    let amount: Result<Amount, _> = text.parse();
    amount
        .map(Some)
        .map_err(|error| Failure::usage(format!("the price cannot be taken: {error}")))
}

fn put(set: &mut PriceTable, from: &Region, to: &Region, price: Option<Amount>) {
    let (from, to) = (from.to_string(), to.to_string());
    set.prices
        .retain(|known| known.from != from || known.to != to);
    if let Some(price) = price {
        set.prices.push(Price {
            from,
            to,
            per_gb: price.to_string(),
        });
    }
}

/// A table as it is kept in a file; prices may be numbers there.
fn read(path: &Path) -> Result<PriceTable, Failure> {
    let shown = path.display();
    let bytes = read_if_there(path).map_err(|error| Failure::new(chain(&error).to_string()))?;
    let bytes = bytes.ok_or_else(|| Failure::not_found(format!("there is no file {shown}")))?;
    let wrong = || {
        Failure::usage(format!("{shown} is no table of prices")).hint(
            r#"write {"currency": "EUR", "prices": [{"from": "eastus", "to": "westus", "perGb": "0.02"}]}"#,
        )
    };
    let json: Value = serde_json::from_slice(&bytes).map_err(|_no_json| wrong())?;
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let price = |one: &Value| {
        Some(Price {
            from: text(&one["from"])?,
            to: text(&one["to"])?,
            per_gb: text(&one["perGb"])?,
        })
    };
    let prices = json["prices"].as_array().ok_or_else(wrong)?;
    let prices: Option<Vec<Price>> = prices.iter().map(price).collect();
    Ok(PriceTable {
        currency: json["currency"].as_str().unwrap_or("USD").to_owned(),
        prices: prices.ok_or_else(wrong)?,
    })
}

fn rows(shown: &PriceTable) -> String {
    let price = format!("{} PER GB", shown.currency);
    let rows = shown
        .prices
        .iter()
        .map(|price| [price.from.clone(), price.to.clone(), price.per_gb.clone()]);
    table(["FROM", "TO", price.as_str()], rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_takes_the_place_of_the_one_before() {
        let (a, b): (Region, Region) = ("eastus".parse().unwrap(), "westus".parse().unwrap());
        let mut set = PriceTable {
            currency: "USD".to_owned(),
            prices: Vec::new(),
        };
        put(&mut set, &a, &b, amount("0.02").unwrap());
        put(&mut set, &b, &a, amount("0.03").unwrap());
        put(&mut set, &a, &b, amount("0.0875").unwrap());
        let expected = "\
FROM    TO      USD PER GB
westus  eastus  0.03
eastus  westus  0.0875";
        assert_eq!(rows(&set), expected);
        put(&mut set, &a, &b, amount("none").unwrap());
        assert_eq!(set.prices.len(), 1);
        assert!(amount("cheap").is_err());
    }

    #[test]
    fn a_file_may_have_numbers() {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("prices.json");
        let text = br#"{"prices": [{"from": "eastus", "to": "westus", "perGb": 0.02}]}"#;
        runtime::durable::write_durable(&path, text).unwrap();
        let read_back = read(&path).unwrap();
        assert_eq!(read_back.prices[0].per_gb, "0.02");
        assert_eq!(read_back.currency, "USD");
        runtime::durable::write_durable(&path, b"[]").unwrap();
        assert!(read(&path).is_err());
    }
}
