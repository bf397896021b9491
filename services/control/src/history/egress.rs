//! The rows of what links sent: sums by the day, sums for ever, and how far each counter was read.

use std::collections::BTreeMap;

use model::{CacheUid, LinkId, Region};
use rusqlite::{Connection, Row, params};

use super::database::{Database, HistoryError};

pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS egress_days (
        from_cache TEXT NOT NULL, to_cache TEXT NOT NULL,
        from_region TEXT NOT NULL, to_region TEXT NOT NULL, day INTEGER NOT NULL,
        raw INTEGER NOT NULL, wire INTEGER NOT NULL,
        PRIMARY KEY (from_cache, to_cache, from_region, to_region, day)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS egress_by_age ON egress_days (day);
    CREATE TABLE IF NOT EXISTS egress_totals (
        from_cache TEXT NOT NULL, to_cache TEXT NOT NULL,
        from_region TEXT NOT NULL, to_region TEXT NOT NULL, day INTEGER NOT NULL,
        raw INTEGER NOT NULL, wire INTEGER NOT NULL,
        PRIMARY KEY (from_cache, to_cache, from_region, to_region)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS egress_counters (
        cache TEXT NOT NULL, shard INTEGER NOT NULL, link TEXT NOT NULL, count INTEGER NOT NULL,
        raw INTEGER NOT NULL, wire INTEGER NOT NULL, day INTEGER NOT NULL,
        PRIMARY KEY (cache, shard)
    ) WITHOUT ROWID;";
/// Days are kept for so long.
const DAYS_KEPT: u64 = 400;
/// Milliseconds of a day.
pub(crate) const DAY_MS: u64 = 24 * 3_600_000;

/// A way that bytes go: from one cache to another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Flow {
    /// The resource ID of the cache that sends, in lower case.
    pub(crate) from: String,
    /// That of the cache they are sent to.
    pub(crate) to: String,
    /// From where.
    pub(crate) from_region: Region,
    /// Where to.
    pub(crate) to_region: Region,
}

/// Bytes that were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sent {
    /// Before compression.
    pub(crate) raw: u64,
    /// As they were on the wire.
    pub(crate) wire: u64,
}

impl Sent {
    pub(crate) fn add(&mut self, other: Self) {
        self.raw = self.raw.saturating_add(other.raw);
        self.wire = self.wire.saturating_add(other.wire);
    }
}

/// How far a shard's counter was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reading {
    /// The link that the shard was of.
    pub(crate) link: LinkId,
    /// The counter's name.
    pub(crate) count: u64,
    /// Where it stood.
    pub(crate) at: Sent,
}

/// Counters by their cache's incarnation and shard.
pub(crate) type Readings = BTreeMap<(CacheUid, u16), Reading>;
/// Sums by the way that the bytes went and the day since the Unix epoch.
pub(crate) type Days = BTreeMap<(Flow, u64), Sent>;

impl Database {
    /// Adds what was sent, and remembers how far the counters were read, together.
    pub(super) fn add_egress(
        &mut self,
        days: &Days,
        readings: &Readings,
        today: u64,
    ) -> Result<(), HistoryError> {
        let failed = self.failed();
        let add = |connection: &mut Connection| -> rusqlite::Result<()> {
            let tx = connection.transaction()?;
            for ((flow, day), sent) in days {
                let row = params![
                    flow.from,
                    flow.to,
                    flow.from_region.as_str(),
                    flow.to_region.as_str(),
                    day.cast_signed(),
                    sent.raw.cast_signed(),
                    sent.wire.cast_signed(),
                ];
                tx.prepare_cached(
                    "INSERT INTO egress_days VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                     ON CONFLICT DO UPDATE SET raw = raw + ?6, wire = wire + ?7",
                )?
                .execute(row)?;
                tx.prepare_cached(
                    "INSERT INTO egress_totals VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                     ON CONFLICT DO UPDATE SET raw = raw + ?6, wire = wire + ?7, day = ?5",
                )?
                .execute(row)?;
            }
            for ((cache, shard), reading) in readings {
                tx.prepare_cached(
                    "INSERT OR REPLACE INTO egress_counters VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute(params![
                    cache.as_str(),
                    shard,
                    reading.link.as_str(),
                    reading.count.cast_signed(),
                    reading.at.raw.cast_signed(),
                    reading.at.wire.cast_signed(),
                    today.cast_signed(),
                ])?;
            }
            tx.commit()
        };
        add(&mut self.connection).map_err(failed)
    }

    /// How far every counter was read.
    pub(super) fn readings(&mut self) -> Result<Readings, HistoryError> {
        let failed = self.failed();
        let read = |connection: &Connection| -> rusqlite::Result<Readings> {
            let mut select = connection
                .prepare("SELECT cache, shard, link, count, raw, wire FROM egress_counters")?;
            let rows = select.query_map([], |row| {
                let key = (CacheUid::new(row.get::<_, String>(0)?), row.get(1)?);
                let reading = Reading {
                    link: LinkId::new(row.get::<_, String>(2)?),
                    count: row.get::<_, i64>(3)?.cast_unsigned(),
                    at: sent(row, 4)?,
                };
                Ok((key, reading))
            })?;
            rows.collect()
        };
        read(&self.connection).map_err(failed)
    }

    /// What was ever sent, by the way that it went.
    pub(super) fn egress_totals(&mut self) -> Result<BTreeMap<Flow, Sent>, HistoryError> {
        let failed = self.failed();
        let read = |connection: &Connection| -> rusqlite::Result<BTreeMap<Flow, Sent>> {
            let mut select = connection.prepare(
                "SELECT from_cache, to_cache, from_region, to_region, raw, wire FROM egress_totals",
            )?;
            let rows = select.query_map([], |row| Ok((flow(row)?, sent(row, 4)?)))?;
            rows.collect()
        };
        read(&self.connection).map_err(failed)
    }

    /// What went either way between a cache and the one called `other`, from one day to another,
    /// both included.
    pub(super) fn egress(
        &mut self,
        cache: &str,
        other: &str,
        days: (u64, u64),
    ) -> Result<Days, HistoryError> {
        let failed = self.failed();
        let read = |connection: &Connection| -> rusqlite::Result<Days> {
            let mut select = connection.prepare_cached(
                "SELECT from_cache, to_cache, from_region, to_region, raw, wire, day
                 FROM egress_days
                 WHERE ((from_cache = ?1 AND to_cache LIKE '%/redis/' || ?2)
                     OR (to_cache = ?1 AND from_cache LIKE '%/redis/' || ?2))
                   AND day BETWEEN ?3 AND ?4",
            )?;
            let range = (days.0.cast_signed(), days.1.cast_signed());
            let rows = select.query_map(params![cache, other, range.0, range.1], |row| {
                let day = row.get::<_, i64>(6)?.cast_unsigned();
                Ok(((flow(row)?, day), sent(row, 4)?))
            })?;
            rows.collect()
        };
        read(&self.connection).map_err(failed)
    }

    /// Forgets days that are too old, and counters that nobody has read for as long.
    pub(super) fn prune_egress(&mut self, now_ms: u64) -> Result<(), HistoryError> {
        let failed = self.failed();
        let first = (now_ms / DAY_MS).saturating_sub(DAYS_KEPT).cast_signed();
        for table in ["egress_days", "egress_totals", "egress_counters"] {
            let sql = format!("DELETE FROM {table} WHERE day < ?1");
            self.connection.execute(&sql, [first]).map_err(&failed)?;
        }
        Ok(())
    }
}

fn flow(row: &Row<'_>) -> rusqlite::Result<Flow> {
    let region = |index| {
        let text: String = row.get(index)?;
        text.parse::<Region>().map_err(|error| {
            let kind = rusqlite::types::Type::Text;
            rusqlite::Error::FromSqlConversionFailure(index, kind, Box::new(error))
        })
    };
    Ok(Flow {
        from: row.get(0)?,
        to: row.get(1)?,
        from_region: region(2)?,
        to_region: region(3)?,
    })
}

fn sent(row: &Row<'_>, index: usize) -> rusqlite::Result<Sent> {
    Ok(Sent {
        raw: row.get::<_, i64>(index)?.cast_unsigned(),
        wire: row.get::<_, i64>(index + 1)?.cast_unsigned(),
    })
}
