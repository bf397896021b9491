//! The rows of figures: of each cache its minutes, and its hours, which are summed up as the minutes
//! come.

use std::collections::BTreeMap;

use model::{CacheUid, Cell, Figure, Figures, SampledPart, Series};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    HistoryError,
    database::Database,
    packed::{pack, unpack},
};

/// Minutes of an hour, and the length of a row's span.
pub(crate) const HOUR: u64 = 60;
const SPANS: [u64; 2] = [1, HOUR];

pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS figures (
        cache TEXT NOT NULL, span INTEGER NOT NULL, start INTEGER NOT NULL, value BLOB NOT NULL,
        UNIQUE (cache, span, start)
    );
    CREATE INDEX IF NOT EXISTS figures_by_age ON figures (span, start);
    CREATE TABLE IF NOT EXISTS told (
        region TEXT PRIMARY KEY, boot INTEGER NOT NULL, sequence INTEGER NOT NULL
    ) WITHOUT ROWID;";

/// Figures by the minute since the Unix epoch in which their span begins.
pub(crate) type Spans = BTreeMap<u64, Figures>;

impl Database {
    /// Adds figures of a minute.
    pub(super) fn add_minute(
        &mut self,
        minute: u64,
        caches: &[(CacheUid, Figures)],
    ) -> Result<(), HistoryError> {
        self.within(|tx, adder| {
            for (cache, figures) in caches {
                adder.add(tx, cache, minute, figures)?;
            }
            Ok(())
        })
    }

    /// Adds an agent's parts that are not there yet, and gives those.
    pub(super) fn add_parts(
        &mut self,
        region: &str,
        boot: u64,
        parts: Vec<SampledPart>,
    ) -> Result<Vec<SampledPart>, HistoryError> {
        self.within(|tx, adder| {
            let failed = |source| adder.failed(source);
            let known: Option<(i64, i64)> = tx
                .prepare_cached("SELECT boot, sequence FROM told WHERE region = ?1")
                .and_then(|mut select| {
                    let row = select.query_row([region], |row| Ok((row.get(0)?, row.get(1)?)));
                    row.optional()
                })
                .map_err(failed)?;
            let known = known.filter(|(of, _)| of.cast_unsigned() == boot);
            let heard = known.map_or(0, |(_, sequence)| sequence.cast_unsigned());
            let parts = parts.into_iter();
            let news: Vec<_> = parts.filter(|part| part.sequence > heard).collect();
            for part in &news {
                adder.add(tx, &part.cache, part.minute, &part.figures)?;
            }
            if let Some(last) = news.last() {
                let marker = params![region, boot.cast_signed(), last.sequence.cast_signed()];
                tx.prepare_cached("INSERT OR REPLACE INTO told VALUES (?1, ?2, ?3)")
                    .and_then(|mut insert| insert.execute(marker))
                    .map_err(failed)?;
            }
            Ok(news)
        })
    }

    /// The figures of a cache from `from` up to `to`, without `to`: the hours that begin before
    /// `fine`, and the minutes from there on.
    pub(super) fn figures(
        &mut self,
        cache: &CacheUid,
        (from, to): (u64, u64),
        fine: u64,
    ) -> Result<Spans, HistoryError> {
        let ranges = [(HOUR, from, to.min(fine)), (1, from.max(fine), to)];
        let mut found = Spans::new();
        for (span, from, to) in ranges {
            for (start, bytes) in self.rows(cache, span, from, to)? {
                let figures = unpack(&bytes).map_err(|source| HistoryError::Figures {
                    path: self.path.clone(),
                    source,
                })?;
                found.insert(start.cast_unsigned(), figures);
            }
        }
        Ok(found)
    }

    fn rows(
        &self,
        cache: &CacheUid,
        span: u64,
        from: u64,
        to: u64,
    ) -> Result<Vec<(i64, Vec<u8>)>, HistoryError> {
        let read = |connection: &Connection| -> rusqlite::Result<Vec<_>> {
            let mut select = connection.prepare_cached(
                "SELECT start, value FROM figures
                 WHERE cache = ?1 AND span = ?2 AND start >= ?3 AND start < ?4",
            )?;
            let (span, from, to) = (
                span.cast_signed(),
                from.cast_signed(),
                to.max(from).cast_signed(),
            );
            let range = params![cache.as_str(), span, from, to];
            let rows = select.query_map(range, |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        };
        read(&self.connection).map_err(self.failed())
    }

    /// Forgets some of what begins before: `minute` for minutes, `hour` for hours. `true`: there may
    /// be more.
    pub(super) fn forget_figures(
        &mut self,
        minute: u64,
        hour: u64,
        most: usize,
    ) -> Result<bool, HistoryError> {
        let failed = self.failed();
        let limit = i64::try_from(most).unwrap_or(i64::MAX);
        let mut more = false;
        for (span, before) in [(1_i64, minute), (HOUR.cast_signed(), hour)] {
            let gone = self.connection.execute(
                "DELETE FROM figures WHERE rowid IN (
                     SELECT rowid FROM figures WHERE span = ?1 AND start < ?2 LIMIT ?3)",
                params![span, before.cast_signed(), limit],
            );
            more |= gone.map_err(&failed)? >= most;
        }
        Ok(more)
    }

    /// Takes over the minutes that an earlier version kept, of geo-replication metrics alone.
    pub(super) fn take_over(&mut self) -> Result<(), HistoryError> {
        let failed = self.failed();
        let is_there: bool = self
            .connection
            .query_row(
                "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'minutes')",
                [],
                |row| row.get(0),
            )
            .map_err(&failed)?;
        if !is_there {
            return Ok(());
        }
        self.within(|tx, adder| {
            let failed = |source| adder.failed(source);
            let rows = former(tx).map_err(failed)?;
            for (cache, minute, text) in rows {
                // What cannot be read was of no use before either.
                let Ok(former) = serde_json::from_str::<Former>(&text) else {
                    continue;
                };
                let minute = minute.cast_unsigned();
                adder.add(tx, &CacheUid::new(cache), minute, &figures_of(&former))?;
            }
            tx.execute("DROP TABLE minutes", []).map_err(failed)?;
            Ok(())
        })
    }

    /// Does something in one transaction.
    fn within<T>(
        &mut self,
        work: impl FnOnce(&Connection, &Adder) -> Result<T, HistoryError>,
    ) -> Result<T, HistoryError> {
        let adder = Adder {
            path: self.path.clone(),
        };
        let tx = self
            .connection
            .transaction()
            .map_err(|source| adder.failed(source))?;
        let done = work(&tx, &adder)?;
        tx.commit().map_err(|source| adder.failed(source))?;
        Ok(done)
    }
}

/// Adds figures to rows.
struct Adder {
    path: std::path::PathBuf,
}

impl Adder {
    fn failed(&self, source: rusqlite::Error) -> HistoryError {
        HistoryError::Database {
            path: self.path.clone(),
            source,
        }
    }

    /// To the minute's row, and to its hour's.
    fn add(
        &self,
        tx: &Connection,
        cache: &CacheUid,
        minute: u64,
        fresh: &Figures,
    ) -> Result<(), HistoryError> {
        let add = |span: u64| -> rusqlite::Result<()> {
            let start = (minute - minute % span).cast_signed();
            let key = params![cache.as_str(), span.cast_signed(), start];
            let known: Option<Vec<u8>> = tx
                .prepare_cached(
                    "SELECT value FROM figures WHERE cache = ?1 AND span = ?2 AND start = ?3",
                )?
                .query_row(key, |row| row.get(0))
                .optional()?;
            // What cannot be read is replaced.
            let known = known.and_then(|bytes| unpack(&bytes).ok());
            let mut whole = known.unwrap_or_default();
            whole.merge(fresh);
            let value = pack(&whole);
            let row = params![cache.as_str(), span.cast_signed(), start, value];
            tx.prepare_cached(
                "INSERT INTO figures (cache, span, start, value) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (cache, span, start) DO UPDATE SET value = excluded.value",
            )?
            .execute(row)?;
            Ok(())
        };
        for span in SPANS {
            add(span).map_err(|source| self.failed(source))?;
        }
        Ok(())
    }
}

fn former(tx: &Connection) -> rusqlite::Result<Vec<(String, i64, String)>> {
    let mut select = tx.prepare("SELECT cache, minute, value FROM minutes")?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    rows.collect()
}

/// A minute as it was kept before: by the metric's name, then by shard.
type Former = BTreeMap<String, BTreeMap<u16, FormerCell>>;

#[derive(serde::Deserialize)]
struct FormerCell {
    count: u64,
    total: f64,
    min: f64,
    max: f64,
}

fn figures_of(former: &Former) -> Figures {
    let mut figures = Figures::default();
    for (name, shards) in former {
        let figure = match name.as_str() {
            "GeoReplicationHealthy" => Figure::GeoHealthy,
            "GeoReplicationConnectivityLag" => Figure::GeoConnectivityLag,
            "GeoReplicationDataSyncOffset" => Figure::GeoDataSyncOffset,
            "GeoReplicationFullSyncEventStarted" => Figure::GeoFullSyncStarted,
            "GeoReplicationFullSyncEventFinished" => Figure::GeoFullSyncFinished,
            _ => continue,
        };
        for (shard, cell) in shards {
            let FormerCell {
                count,
                total,
                min,
                max,
            } = *cell;
            figures.add(
                Series::of_shard(figure, *shard),
                Cell {
                    count,
                    total,
                    min,
                    max,
                },
            );
        }
    }
    figures
}
