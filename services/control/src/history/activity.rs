//! The rows of the activity log.

use model::Timestamp;
use rusqlite::{
    Connection, OptionalExtension as _, Row, ToSql, Transaction, params, params_from_iter,
};

use super::database::{Database, HistoryError};
use crate::activity::{Kind, Record};

pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS activity (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, kept INTEGER NOT NULL, at INTEGER NOT NULL,
        subscription TEXT NOT NULL, resource_group TEXT NOT NULL, resource TEXT NOT NULL,
        other TEXT NOT NULL, provider TEXT NOT NULL, correlation TEXT NOT NULL,
        caller TEXT NOT NULL, caller_name TEXT NOT NULL, status TEXT NOT NULL, link TEXT,
        value TEXT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS activity_by_age ON activity (kept);
    CREATE INDEX IF NOT EXISTS activity_of_kind ON activity (kind, number);
    CREATE INDEX IF NOT EXISTS activity_of_link ON activity (link, number) WHERE link IS NOT NULL;
    CREATE INDEX IF NOT EXISTS activity_of_resource ON activity (resource, number);
    CREATE INDEX IF NOT EXISTS activity_of_request ON activity (correlation);
    CREATE TABLE IF NOT EXISTS cursors (name TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;";
/// As many records of each kind are kept: together they are bounded, and no kind can push another
/// out.
const MOST: [(Kind, i64); 5] = [
    (Kind::Operation, 60_000),
    (Kind::Refusal, 20_000),
    (Kind::Unauthenticated, 5_000),
    (Kind::Link, 60_000),
    (Kind::Notice, 1_000),
];
/// As many records of one link are kept.
const MOST_OF_LINK: i64 = 1_000;

/// Which records are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Those of this subscription, and those of none; `None`: all.
    pub(crate) subscription: Option<String>,
    /// Not before this moment.
    pub(crate) from: Option<Timestamp>,
    /// Not after this moment.
    pub(crate) to: Option<Timestamp>,
    /// Of this resource group.
    pub(crate) group: Option<String>,
    /// Of this resource, or of one below it.
    pub(crate) resource: Option<String>,
    /// Of this resource provider.
    pub(crate) provider: Option<String>,
    /// Of this request.
    pub(crate) correlation: Option<String>,
    /// Of this caller, by object ID or name.
    pub(crate) caller: Option<String>,
    /// In this status.
    pub(crate) status: Option<String>,
    /// Kept before this one, the newest first; unless `after` is given.
    pub(crate) before: Option<u64>,
    /// Kept after this one, the oldest first.
    pub(crate) after: Option<u64>,
    /// As many at most.
    pub(crate) top: usize,
}

/// A record with its number: the order in which records were kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) number: u64,
    pub(crate) record: Record,
}

impl Database {
    /// Keeps records that are not there yet, on the disk when this returns.
    pub(super) fn add_records(
        &mut self,
        records: &[Record],
        now: Timestamp,
    ) -> Result<(), HistoryError> {
        let failed = self.failed();
        // What is let go elsewhere once it is here must not be lost by a power cut.
        self.synced(true)?;
        let add = |connection: &mut Connection| -> rusqlite::Result<()> {
            let tx = connection.transaction()?;
            for record in records {
                insert(&tx, record, now)?;
            }
            tx.commit()
        };
        let added = add(&mut self.connection).map_err(&failed);
        self.synced(false)?;
        added
    }

    fn synced(&self, fully: bool) -> Result<(), HistoryError> {
        let mode = if fully { "FULL" } else { "NORMAL" };
        let set = self.connection.pragma_update(None, "synchronous", mode);
        set.map_err(self.failed())
    }

    /// The records that are wanted.
    pub(super) fn records(&mut self, wanted: &Wanted) -> Result<Vec<Kept>, HistoryError> {
        let failed = self.failed();
        let (condition, values) = condition(wanted);
        let order = if wanted.after.is_some() {
            "ASC"
        } else {
            "DESC"
        };
        let read = |connection: &Connection| -> rusqlite::Result<Vec<Kept>> {
            let mut select = connection.prepare_cached(&format!(
                "SELECT number, value FROM activity WHERE {condition}
                 ORDER BY number {order} LIMIT {}",
                wanted.top
            ))?;
            let rows = select.query_map(params_from_iter(values), kept)?;
            // What a later version wrote and this one cannot read is passed over.
            rows.filter_map(Result::transpose).collect()
        };
        read(&self.connection).map_err(failed)
    }

    /// The number of the newest record that there ever was.
    pub(super) fn newest_record(&mut self) -> Result<u64, HistoryError> {
        let failed = self.failed();
        let number: Option<i64> = self
            .connection
            .query_row(
                "SELECT seq FROM sqlite_sequence WHERE name = 'activity'",
                [],
                |row| row.get(0),
            )
            .optional()
            .map_err(failed)?;
        Ok(number.unwrap_or(0).unsigned_abs())
    }

    /// How far somebody who reads the records came.
    pub(super) fn cursor(&mut self, name: &str) -> Result<Option<u64>, HistoryError> {
        let failed = self.failed();
        let number: Option<i64> = self
            .connection
            .query_row(
                "SELECT number FROM cursors WHERE name = ?1",
                [name],
                |row| row.get(0),
            )
            .optional()
            .map_err(failed)?;
        Ok(number.map(i64::unsigned_abs))
    }

    /// Remembers it; `None`: nobody of that name reads any more.
    pub(super) fn set_cursor(
        &mut self,
        name: &str,
        number: Option<u64>,
    ) -> Result<(), HistoryError> {
        let failed = self.failed();
        let set = match number {
            Some(number) => self.connection.execute(
                "INSERT OR REPLACE INTO cursors (name, number) VALUES (?1, ?2)",
                params![name, number.cast_signed()],
            ),
            None => self
                .connection
                .execute("DELETE FROM cursors WHERE name = ?1", [name]),
        };
        set.map(|_rows| ()).map_err(failed)
    }

    /// Forgets records kept before `kept`, and the oldest of kinds that have too many.
    pub(super) fn prune_records(&mut self, kept: u64) -> Result<(), HistoryError> {
        let failed = self.failed();
        let prune = |connection: &Connection| -> rusqlite::Result<()> {
            connection.execute("DELETE FROM activity WHERE kept < ?1", [kept.cast_signed()])?;
            for (kind, most) in MOST {
                connection.execute(
                    "DELETE FROM activity WHERE kind = ?1 AND number <= (
                         SELECT number FROM activity WHERE kind = ?1
                         ORDER BY number DESC LIMIT 1 OFFSET ?2)",
                    params![word(kind), most],
                )?;
            }
            Ok(())
        };
        prune(&self.connection).map_err(failed)
    }
}

/// Keeps a record, if it is not there. Of what happened on a link that is gone, the resource is
/// that of the records before, if there are any.
pub(super) fn insert(
    tx: &Transaction<'_>,
    record: &Record,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let link = record.link.as_ref().map(|link| link.id.as_str());
    let known = match link.filter(|_| record.resource.is_empty()) {
        Some(link) => placed(tx, record, link)?,
        None => None,
    };
    let record = known.as_ref().unwrap_or(record);
    let Ok(value) = serde_json::to_string(record) else {
        return Ok(());
    };
    let lower = |text: &str| text.to_ascii_lowercase();
    let caller = record.caller.as_ref();
    let (caller, caller_name) = caller.map_or(("", ""), |who| (who.id.as_str(), who.name.as_str()));
    tx.prepare_cached(
        "INSERT OR IGNORE INTO activity
             (id, kind, kept, at, subscription, resource_group, resource, other, provider,
              correlation, caller, caller_name, status, link, value)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    )?
    .execute(params![
        record.id,
        word(record.kind),
        now.0.cast_signed(),
        record.at.0.cast_signed(),
        lower(record.subscription()),
        lower(record.group()),
        lower(&record.resource),
        lower(record.other.as_deref().unwrap_or_default()),
        lower(record.provider()),
        lower(&record.correlation),
        caller,
        caller_name,
        record.status.as_str(),
        link,
        value,
    ])?;
    if let Some(link) = link {
        tx.prepare_cached(
            "DELETE FROM activity WHERE link = ?1 AND number <= (
                 SELECT number FROM activity WHERE link = ?1
                 ORDER BY number DESC LIMIT 1 OFFSET ?2)",
        )?
        .execute(params![link, MOST_OF_LINK])?;
    }
    Ok(())
}

/// The record with the resource of the last one of the same link.
fn placed(tx: &Transaction<'_>, record: &Record, link: &str) -> rusqlite::Result<Option<Record>> {
    let text: Option<String> = tx
        .prepare_cached("SELECT value FROM activity WHERE link = ?1 ORDER BY number DESC LIMIT 1")?
        .query_row([link], |row| row.get(0))
        .optional()?;
    let before: Option<Record> = text.and_then(|text| serde_json::from_str(&text).ok());
    Ok(before.map(|before| Record {
        resource: before.resource,
        other: before.other,
        ..record.clone()
    }))
}

fn kept(row: &Row<'_>) -> rusqlite::Result<Option<Kept>> {
    let number = row.get::<_, i64>(0)?.unsigned_abs();
    let text: String = row.get(1)?;
    let record = serde_json::from_str(&text).ok();
    Ok(record.map(|record| Kept { number, record }))
}

/// A condition of SQL with its values.
fn condition(wanted: &Wanted) -> (String, Vec<Box<dyn ToSql>>) {
    let mut parts = vec!["TRUE".to_owned()];
    let mut values: Vec<Box<dyn ToSql>> = Vec::new();
    let mut and = |part: &str, value: Box<dyn ToSql>| {
        values.push(value);
        parts.push(part.replace('?', &format!("?{}", values.len())));
    };
    let lower = |text: &String| Box::new(text.to_ascii_lowercase());
    if let Some(subscription) = &wanted.subscription {
        and("subscription IN (?, '')", lower(subscription));
    }
    if let Some(from) = wanted.from {
        and("at >= ?", Box::new(from.0.cast_signed()));
    }
    if let Some(to) = wanted.to {
        and("at <= ?", Box::new(to.0.cast_signed()));
    }
    if let Some(group) = &wanted.group {
        and("resource_group = ?", lower(group));
    }
    if let Some(resource) = &wanted.resource {
        let resource = resource.trim_end_matches('/').to_ascii_lowercase();
        // Everything below begins with a slash, and `0` is the character behind it.
        and(
            "(resource = ? OR (resource > ? || '/' AND resource < ? || '0')
              OR other = ? OR (other > ? || '/' AND other < ? || '0'))",
            Box::new(resource),
        );
    }
    if let Some(provider) = &wanted.provider {
        and("provider = ?", lower(provider));
    }
    if let Some(correlation) = &wanted.correlation {
        and("correlation = ?", lower(correlation));
    }
    if let Some(caller) = &wanted.caller {
        let is_caller = "(caller = ? COLLATE NOCASE OR caller_name = ? COLLATE NOCASE)";
        and(is_caller, Box::new(caller.clone()));
    }
    if let Some(status) = &wanted.status {
        and("status = ? COLLATE NOCASE", Box::new(status.clone()));
    }
    if let Some(before) = wanted.before {
        and("number < ?", Box::new(before.cast_signed()));
    }
    if let Some(after) = wanted.after {
        and("number > ?", Box::new(after.cast_signed()));
    }
    (parts.join(" AND "), values)
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Operation => "operation",
        Kind::Refusal => "refusal",
        Kind::Unauthenticated => "unauthenticated",
        Kind::Link => "link",
        Kind::Notice => "notice",
    }
}
