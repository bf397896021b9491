//! What traffic between regions costs: a price for each way from one region to another, as the
//! operator says, and what bytes come to at it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::Region;

/// As many prices are kept.
pub const MOST_PRICES: usize = 2_000;
/// Bytes of the gigabyte that a price is for.
pub const PRICED_BYTES: u64 = 1_000_000_000;
/// Parts of a unit of the currency that are told apart.
const PARTS: u64 = 1_000_000_000;
/// Digits behind the point.
const DIGITS: usize = 9;

/// Prices of traffic, all in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EgressPrices {
    /// The currency, three capital letters.
    pub currency: Currency,
    /// The prices, in the order of their regions; one for a pair.
    pub prices: Vec<EgressPrice>,
}

/// The price of one way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EgressPrice {
    /// From where bytes are sent.
    pub from: Region,
    /// Where they are sent to.
    pub to: Region,
    /// For each gigabyte (10⁹ bytes) that is on the wire.
    pub per_gb: Amount,
}

/// A currency by its code (ISO 4217), such as `USD`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Currency(String);

impl Default for Currency {
    fn default() -> Self {
        Self("USD".to_owned())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is no code of a currency.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no currency; use its code of three letters, such as `USD`")]
pub struct CurrencyError(String);

impl FromStr for Currency {
    type Err = CurrencyError;

    fn from_str(text: &str) -> Result<Self, CurrencyError> {
        if text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return Ok(Self(text.to_ascii_uppercase()));
        }
        let shown: String = text.chars().take(20).collect();
        Err(CurrencyError(shown.escape_debug().to_string()))
    }
}

/// An amount of money, exact to 10⁻⁹ of a unit.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Amount(u64);

/// The text is no amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no amount; use a number from 0 to 1000000 with up to 9 digits behind the point, such as `0.02`"
)]
pub struct AmountError(String);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// What `bytes` come to at this price for a gigabyte, rounded down to 10⁻⁹ of a unit.
    #[must_use]
    pub fn for_bytes(self, bytes: u64) -> Self {
        let parts = u128::from(self.0) * u128::from(bytes) / u128::from(PRICED_BYTES);
        Self(u64::try_from(parts).unwrap_or(u64::MAX))
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// As a number, for answers.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "an answer needs no more digits")]
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / PARTS as f64
    }
}

impl fmt::Display for Amount {
    /// All the digits that are not zero, and at least two behind the point.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let behind = format!("{:0DIGITS$}", self.0 % PARTS);
        let kept = behind.trim_end_matches('0');
        write!(f, "{}.{kept:0<2}", self.0 / PARTS)
    }
}

impl From<Amount> for String {
    fn from(amount: Amount) -> Self {
        amount.to_string()
    }
}

impl TryFrom<String> for Amount {
    type Error = AmountError;

    fn try_from(text: String) -> Result<Self, AmountError> {
        text.parse()
    }
}

impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let bad = || {
            let shown: String = text.chars().take(40).collect();
            AmountError(shown.escape_debug().to_string())
        };
        let (whole, behind) = text.split_once('.').unwrap_or((text, "0"));
        let digits =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(behind) || whole.len() > 7 || behind.len() > DIGITS {
            return Err(bad());
        }
        let whole: u64 = whole.parse().map_err(|_not_a_number| bad())?;
        let behind: u64 = format!("{behind:0<DIGITS$}")
            .parse()
            .map_err(|_not_a_number| bad())?;
        let amount = whole * PARTS + behind;
        if amount > 1_000_000 * PARTS {
            return Err(bad());
        }
        Ok(Self(amount))
    }
}

/// Prices that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PricesError {
    /// There are too many.
    #[error("{0} prices; use up to {MOST_PRICES}")]
    TooMany(usize),
    /// One way has two.
    #[error("there are two prices from `{from}` to `{to}`; leave one")]
    Twice {
        /// From here.
        from: Region,
        /// To here.
        to: Region,
    },
    /// Within a region nothing is paid.
    #[error("traffic within `{0}` is free; leave its price out")]
    Within(Region),
}

impl EgressPrices {
    /// Checks prices, and puts them in order.
    pub fn new(currency: Currency, mut prices: Vec<EgressPrice>) -> Result<Self, PricesError> {
        if prices.len() > MOST_PRICES {
            return Err(PricesError::TooMany(prices.len()));
        }
        if let Some(within) = prices.iter().find(|price| price.from == price.to) {
            return Err(PricesError::Within(within.from.clone()));
        }
        prices.sort();
        let twice = prices.windows(2).find_map(|pair| match pair {
            [a, b] if (&a.from, &a.to) == (&b.from, &b.to) => Some(a.clone()),
            _ => None,
        });
        match twice {
            Some(EgressPrice { from, to, .. }) => Err(PricesError::Twice { from, to }),
            None => Ok(Self { currency, prices }),
        }
    }

    /// What a gigabyte costs; nothing within a region. `None`: nobody said.
    #[must_use]
    pub fn per_gb(&self, from: &Region, to: &Region) -> Option<Amount> {
        if from == to {
            return Some(Amount::ZERO);
        }
        let mut all = self.prices.iter();
        all.find(|price| price.from == *from && price.to == *to)
            .map(|price| price.per_gb)
    }
}

impl Default for EgressPrices {
    /// No price at all.
    fn default() -> Self {
        Self {
            currency: Currency::default(),
            prices: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(text: &str) -> Amount {
        text.parse().unwrap()
    }

    fn price(from: &str, to: &str, per_gb: &str) -> EgressPrice {
        EgressPrice {
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            per_gb: amount(per_gb),
        }
    }

    #[test]
    fn amounts_return_as_they_were_written() {
        for (text, shown) in [
            ("0", "0.00"),
            ("0.02", "0.02"),
            ("0.0875", "0.0875"),
            ("12.5", "12.50"),
            ("0.000000001", "0.000000001"),
            ("1000000", "1000000.00"),
        ] {
            assert_eq!(amount(text).to_string(), shown);
        }
        for bad in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "1e3",
            "0.0000000001",
            "1000000.1",
            "x",
            "9999999",
        ] {
            assert!(bad.parse::<Amount>().is_err(), "{bad}");
        }
    }

    #[test]
    fn bytes_are_paid_by_the_gigabyte_of_the_wire() {
        let price = amount("0.02");
        assert_eq!(price.for_bytes(PRICED_BYTES), amount("0.02"));
        assert_eq!(price.for_bytes(PRICED_BYTES * 1_500), amount("30"));
        assert_eq!(price.for_bytes(50), amount("0.000000001"));
        assert_eq!(price.for_bytes(0), Amount::ZERO);
        assert!(amount("1000000").for_bytes(u64::MAX) > amount("1000000"));
    }

    #[test]
    fn a_way_without_a_price_has_none_and_a_region_is_free() {
        let prices = vec![
            price("westus", "eastus", "0.03"),
            price("eastus", "westus", "0.02"),
        ];
        let prices = EgressPrices::new("usd".parse().unwrap(), prices).unwrap();
        let of = |from: &str, to: &str| prices.per_gb(&from.parse().unwrap(), &to.parse().unwrap());
        assert_eq!(of("eastus", "westus"), Some(amount("0.02")));
        assert_eq!(of("westus", "eastus"), Some(amount("0.03")));
        assert_eq!(of("eastus", "eastus"), Some(Amount::ZERO));
        assert_eq!(of("eastus", "northeurope"), None);
        assert_eq!(prices.currency.to_string(), "USD");
        assert_eq!(prices.prices[0].from.as_str(), "eastus");
    }

    #[test]
    fn tables_that_contradict_themselves_are_refused() {
        let refused = |prices| EgressPrices::new(Currency::default(), prices).unwrap_err();
        let twice = vec![price("a", "b", "1"), price("a", "b", "2")];
        assert!(matches!(refused(twice), PricesError::Twice { .. }));
        assert!(matches!(
            refused(vec![price("a", "A", "1")]),
            PricesError::Within(_)
        ));
        assert!("dollars".parse::<Currency>().is_err());
    }
}
