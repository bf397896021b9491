//! The rows in SQLite: schema, transactions, and what its failures mean.

use std::{
    collections::BTreeSet,
    fs::OpenOptions,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use model::StoreId;
use rusqlite::{
    Connection, ErrorCode, OptionalExtension as _, Transaction, TransactionBehavior, params,
};

use super::{Change, CommitError, Key, OpenError, OutboxError, State};

/// The format that this version writes. `docs/format/store.md` tells the history.
const FORMAT: u64 = 1;
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS records (
        key TEXT PRIMARY KEY, version INTEGER NOT NULL, value TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS outbox (
        number INTEGER PRIMARY KEY AUTOINCREMENT, value TEXT NOT NULL
    );";
/// As many rows of the outbox are kept while nobody takes them.
const OUTBOX: i64 = 10_000;

pub(super) struct Database {
    path: PathBuf,
    connection: Connection,
    /// A write failed and nobody knows what is on the disk: nothing is written over that.
    poisoned: bool,
}

impl Database {
    /// Opens the database at `path`, made with identity `new_id` when it is not there.
    pub(super) fn open(path: &Path, new_id: &StoreId) -> Result<Self, OpenError> {
        // The rows hold access keys; SQLite gives its side files the mode of the database.
        let made = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path);
        made.map_err(|source| OpenError::File {
            path: path.to_owned(),
            source,
        })?;
        let failed = |what| move |source| open_error(what, path, source);
        let mut connection = Connection::open(path).map_err(failed("open"))?;
        set_up(&connection).map_err(failed("open"))?;
        check(&connection, path)?;
        prepare(&mut connection, path, new_id)?;
        Ok(Self {
            path: path.to_owned(),
            connection,
            poisoned: false,
        })
    }

    /// Reads everything.
    pub(super) fn load(&mut self) -> Result<(StoreId, State), OpenError> {
        let failed = |source| open_error("read", &self.path, source);
        let mut state = State {
            revision: meta(&self.connection, "revision")
                .and_then(|text| number(text.as_deref()))
                .map_err(failed)?,
            ..State::default()
        };
        let id = meta(&self.connection, "store")
            .and_then(|text| text.ok_or(rusqlite::Error::QueryReturnedNoRows))
            .map_err(failed)?;
        let mut select = self
            .connection
            .prepare("SELECT key, version, value FROM records")
            .map_err(failed)?;
        let mut rows = select.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let key = Key::from_stored(row.get(0).map_err(failed)?);
            let version = row.get::<_, i64>(1).map_err(failed)?.unsigned_abs();
            let value: String = row.get(2).map_err(failed)?;
            state
                .put(key, Some(&value), version)
                .map_err(|source| OpenError::Record {
                    path: self.path.clone(),
                    source,
                })?;
        }
        Ok((StoreId::new(id), state))
    }

    /// Makes the change in one transaction, on the disk when this returns. Rows of the outbox that
    /// are `taken` go with it.
    pub(super) fn commit(
        &mut self,
        change: &Change,
        taken: &BTreeSet<i64>,
    ) -> Result<u64, CommitError> {
        if self.poisoned {
            return Err(CommitError::Poisoned {
                path: self.path.clone(),
            });
        }
        match transact(&mut self.connection, change, taken) {
            Ok(Ok(revision)) => Ok(revision),
            Ok(Err(key)) => Err(CommitError::Conflict { key }),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull) => {
                Err(CommitError::Full {
                    path: self.path.clone(),
                })
            }
            Err(source) => {
                let waited = matches!(
                    source.sqlite_error_code(),
                    Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
                );
                self.poisoned = !waited;
                let path = self.path.clone();
                Err(CommitError::Failed { path, source })
            }
        }
    }

    /// The rows of the outbox, oldest first.
    pub(super) fn outbox(&self) -> Result<Vec<(i64, String)>, OutboxError> {
        let read = || {
            let mut select = self
                .connection
                .prepare_cached("SELECT number, value FROM outbox ORDER BY number")?;
            let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<rusqlite::Result<_>>()
        };
        read().map_err(|source| OutboxError::Failed {
            path: self.path.clone(),
            source,
        })
    }

    /// Lets the database grow to so many pages and no more, as a full disk would.
    #[cfg(test)]
    pub(super) fn limit_pages(&self, pages: u32) {
        self.connection
            .pragma_update(None, "max_page_count", pages)
            .unwrap();
    }
}

fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")
}

fn check(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let found: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|source| open_error("check", path, source))?;
    if found == "ok" {
        return Ok(());
    }
    Err(OpenError::Damaged {
        path: path.to_owned(),
        found,
    })
}

/// Makes tables and first rows when they are not there; refuses a newer format.
fn prepare(connection: &mut Connection, path: &Path, new_id: &StoreId) -> Result<(), OpenError> {
    let failed = |source| open_error("prepare", path, source);
    let tx = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed)?;
    tx.execute_batch(SCHEMA).map_err(failed)?;
    match meta(&tx, "format").map_err(failed)? {
        Some(text) => {
            let found = number(Some(&text)).map_err(failed)?;
            if found > FORMAT {
                return Err(OpenError::Newer {
                    path: path.to_owned(),
                    found,
                    known: FORMAT,
                });
            }
        }
        None => {
            set_meta(&tx, "format", &FORMAT.to_string()).map_err(failed)?;
            set_meta(&tx, "store", new_id.as_str()).map_err(failed)?;
            set_meta(&tx, "revision", "0").map_err(failed)?;
        }
    }
    tx.commit().map_err(failed)
}

/// `Ok(Err(key))`: `key` is not as the change expects.
fn transact(
    connection: &mut Connection,
    change: &Change,
    taken: &BTreeSet<i64>,
) -> rusqlite::Result<Result<u64, Key>> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (key, expected) in &change.compares {
        let found: Option<i64> = tx
            .prepare_cached("SELECT version FROM records WHERE key = ?1")?
            .query_row([key.as_str()], |row| row.get(0))
            .optional()?;
        if found.map(i64::unsigned_abs) != *expected {
            return Ok(Err(key.clone()));
        }
    }
    let revision = number(meta(&tx, "revision")?.as_deref())? + 1;
    let version = i64::try_from(revision).unwrap_or(i64::MAX);
    for (key, value) in &change.writes {
        match value {
            Some(value) => tx
                .prepare_cached(
                    "INSERT INTO records (key, version, value) VALUES (?1, ?2, ?3)
                     ON CONFLICT (key) DO UPDATE SET version = ?2, value = ?3",
                )?
                .execute(params![key.as_str(), version, value])?,
            None => tx
                .prepare_cached("DELETE FROM records WHERE key = ?1")?
                .execute([key.as_str()])?,
        };
    }
    set_meta(&tx, "revision", &revision.to_string())?;
    pass_on(&tx, &change.told, taken)?;
    tx.commit()?;
    Ok(Ok(revision))
}

/// Puts what is told into the outbox, and lets go what was taken from there.
fn pass_on(tx: &Transaction<'_>, told: &[String], taken: &BTreeSet<i64>) -> rusqlite::Result<()> {
    for number in taken {
        tx.prepare_cached("DELETE FROM outbox WHERE number = ?1")?
            .execute([number])?;
    }
    for value in told {
        tx.prepare_cached("INSERT INTO outbox (value) VALUES (?1)")?
            .execute([value])?;
    }
    if !told.is_empty() {
        tx.prepare_cached("DELETE FROM outbox WHERE number <= ?1")?
            .execute([tx.last_insert_rowid() - OUTBOX])?;
    }
    Ok(())
}

fn meta(connection: &Connection, name: &str) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached("SELECT value FROM meta WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()
}

fn set_meta(tx: &Transaction<'_>, name: &str, value: &str) -> rusqlite::Result<()> {
    tx.prepare_cached("INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)")?
        .execute([name, value])?;
    Ok(())
}

fn number(text: Option<&str>) -> rusqlite::Result<u64> {
    text.and_then(|text| text.parse().ok())
        .ok_or(rusqlite::Error::QueryReturnedNoRows)
}

fn open_error(what: &'static str, path: &Path, source: rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => OpenError::Damaged {
            path,
            found: source.to_string(),
        },
        Some(_) | None => OpenError::Database { what, path, source },
    }
}
