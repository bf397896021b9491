//! How far a geo-secondary is known to be behind: what a failover that is forced now would lose.

use crate::ShardIndex;

/// What is known of one shard, and how old that knowledge is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Behind {
    /// The shard.
    pub shard: ShardIndex,
    /// Stream bytes that the geo-primary had and the geo-secondary has not applied; `None`: not
    /// known.
    pub bytes: Option<u64>,
    /// Age of the oldest of them then, in milliseconds; `None`: not known.
    pub lag_ms: Option<f64>,
    /// Age of the report that says so, in milliseconds; `None`: no report says anything.
    pub as_of_ms: Option<u64>,
}

/// The limits beyond which a failover is not to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LagLimits {
    /// The oldest write that may be missing, in milliseconds.
    pub ms: Option<u64>,
    /// The most stream bytes that may be missing, in one shard.
    pub bytes: Option<u64>,
}

impl LagLimits {
    /// Why these shards are beyond the limits, in a sentence's end; `None`: they are not.
    #[must_use]
    pub fn broken_by(&self, shards: &[Behind]) -> Option<String> {
        if self.ms.is_none() && self.bytes.is_none() {
            return None;
        }
        if shards.is_empty() {
            return Some("how far behind it is is not known".to_owned());
        }
        shards.iter().find_map(|shard| self.broken_by_one(shard))
    }

    #[expect(clippy::cast_precision_loss, reason = "nobody lags for so long")]
    fn broken_by_one(&self, behind: &Behind) -> Option<String> {
        let shard = behind.shard.0;
        if let Some(limit) = self.ms {
            match behind.lag_ms {
                None => {
                    return Some(format!("the lag of shard {shard} is not known"));
                }
                Some(lag) if lag > limit as f64 => {
                    return Some(format!(
                        "shard {shard} is {lag:.1} ms behind, more than the {limit} ms that are allowed"
                    ));
                }
                Some(_) => {}
            }
        }
        let limit = self.bytes?;
        match behind.bytes {
            None => Some(format!(
                "how many bytes shard {shard} is behind is not known"
            )),
            Some(bytes) if bytes > limit => Some(format!(
                "shard {shard} is {bytes} bytes behind, more than the {limit} bytes that are allowed"
            )),
            Some(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn behind(bytes: Option<u64>, lag_ms: Option<f64>) -> Behind {
        Behind {
            shard: ShardIndex(0),
            bytes,
            lag_ms,
            as_of_ms: Some(3),
        }
    }

    #[test]
    fn limits_are_broken_by_more_than_they_allow_and_by_the_unknown() {
        let none = LagLimits::default();
        assert_eq!(none.broken_by(&[]), None);
        assert_eq!(none.broken_by(&[behind(None, None)]), None);
        let limits = LagLimits {
            ms: Some(500),
            bytes: Some(100),
        };
        assert_eq!(limits.broken_by(&[behind(Some(100), Some(500.0))]), None);
        for (shards, words) in [
            (vec![], "not known"),
            (
                vec![behind(Some(0), None)],
                "the lag of shard 0 is not known",
            ),
            (vec![behind(None, Some(1.0))], "how many bytes"),
            (
                vec![behind(Some(0), Some(500.5))],
                "shard 0 is 500.5 ms behind, more than the 500 ms",
            ),
            (
                vec![behind(Some(101), Some(1.0))],
                "shard 0 is 101 bytes behind, more than the 100 bytes",
            ),
        ] {
            let why = limits.broken_by(&shards).unwrap();
            assert!(why.contains(words), "{why}");
        }
    }
}
