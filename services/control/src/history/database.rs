//! The rows of the history in SQLite.

use std::{
    fs::OpenOptions,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use model::{LinkId, Timestamp};
use runtime::durable;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Row, Transaction, params};

use super::{Event, Since, activity, egress, figures, packed::Unreadable};
use crate::{activity::Record, store::OpenError};

/// The format that this version writes. `docs/format/store.md` tells the history.
const FORMAT: u64 = 1;
/// As many events of a link are kept.
const EVENTS_KEPT: i64 = 1_000;
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS events (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        source TEXT NOT NULL, boot INTEGER NOT NULL, sequence INTEGER NOT NULL,
        heard INTEGER NOT NULL, at INTEGER NOT NULL, link TEXT NOT NULL, shard INTEGER,
        kind TEXT NOT NULL, text TEXT NOT NULL,
        UNIQUE (source, boot, sequence)
    );
    CREATE INDEX IF NOT EXISTS events_of_link ON events (link, number);
    CREATE INDEX IF NOT EXISTS events_by_age ON events (heard);";
const COLUMNS: &str = "number, source, boot, sequence, heard, at, link, shard, kind, text";

/// Why the history cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HistoryError {
    /// SQLite fails.
    #[error("use the history {}; check the disk and the file's permissions", path.display())]
    Database {
        path: PathBuf,
        #[source]
        source: rusqlite::Error,
    },
    /// A row is not what this version writes.
    #[error("read figures in the history {}", path.display())]
    Figures {
        path: PathBuf,
        #[source]
        source: Unreadable,
    },
    /// The control plane is stopping.
    #[error("the history is closed")]
    Closed,
}

pub(super) struct Database {
    pub(super) path: PathBuf,
    pub(super) connection: Connection,
}

impl Database {
    /// Opens the database at `path`, made when it is not there. A damaged one is moved away: what
    /// happened before is lost to this process, and nothing depends on it.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        match Self::try_open(path) {
            Err(OpenError::Damaged { found, .. }) => {
                let mut aside = path.to_owned();
                aside.as_mut_os_string().push(".damaged");
                tracing::error!(
                    found, aside = %aside.display(),
                    "The history is damaged and is set aside; a new one is begun"
                );
                set_aside(path, &aside)?;
                Self::try_open(path)
            }
            opened => opened,
        }
    }

    fn try_open(path: &Path) -> Result<Self, OpenError> {
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
        let failed = |source| open_error(path, source);
        let connection = Connection::open(path).map_err(failed)?;
        connection
            .busy_timeout(Duration::from_secs(5))
            .map_err(failed)?;
        connection
            .pragma_update(None, "journal_mode", "WAL")
            .map_err(failed)?;
        // A power cut may cost the last seconds of it, never the file.
        connection
            .pragma_update(None, "synchronous", "NORMAL")
            .map_err(failed)?;
        let found: String = connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(failed)?;
        if found != "ok" {
            let path = path.to_owned();
            return Err(OpenError::Damaged { path, found });
        }
        for schema in [SCHEMA, activity::SCHEMA, egress::SCHEMA, figures::SCHEMA] {
            connection.execute_batch(schema).map_err(failed)?;
        }
        let known = meta_format(&connection).map_err(failed)?;
        match known {
            Some(found) if found > FORMAT => {
                return Err(OpenError::Newer {
                    path: path.to_owned(),
                    found,
                    known: FORMAT,
                });
            }
            Some(_) => {}
            None => {
                connection
                    .execute(
                        "INSERT INTO meta (name, value) VALUES ('format', ?1)",
                        [FORMAT.to_string()],
                    )
                    .map_err(failed)?;
            }
        }
        let mut database = Self {
            path: path.to_owned(),
            connection,
        };
        if let Err(error) = database.take_over() {
            tracing::warn!(
                error = %runtime::chain(&error),
                "Metrics that an earlier version kept cannot be taken over; they are left where they are"
            );
        }
        Ok(database)
    }

    pub(super) fn failed(&self) -> impl Fn(rusqlite::Error) -> HistoryError + use<> {
        let path = self.path.clone();
        move |source| HistoryError::Database {
            path: path.clone(),
            source,
        }
    }

    /// Adds events that are not there yet, each with its record in the activity log, and forgets the
    /// oldest of links that have too many.
    pub(super) fn add_events(
        &mut self,
        events: &[(Event, Record)],
        now: Timestamp,
    ) -> Result<(), HistoryError> {
        let failed = self.failed();
        let add = |tx: &Transaction<'_>| -> rusqlite::Result<()> {
            let mut insert = tx.prepare_cached(
                "INSERT OR IGNORE INTO events
                     (source, boot, sequence, heard, at, link, shard, kind, text)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?;
            for (event, record) in events {
                let added = insert.execute(params![
                    event.source,
                    event.boot.cast_signed(),
                    event.sequence.cast_signed(),
                    event.heard.0.cast_signed(),
                    event.at.0.cast_signed(),
                    event.link.as_str(),
                    event.shard,
                    event.kind,
                    event.text,
                ])?;
                if added > 0 {
                    activity::insert(tx, record, now)?;
                }
            }
            let mut forget = tx.prepare_cached(
                "DELETE FROM events WHERE link = ?1 AND number <= (
                     SELECT number FROM events WHERE link = ?1
                     ORDER BY number DESC LIMIT 1 OFFSET ?2)",
            )?;
            let mut links: Vec<&str> = events
                .iter()
                .map(|(event, _)| event.link.as_str())
                .collect();
            links.sort_unstable();
            links.dedup();
            for link in links {
                forget.execute(params![link, EVENTS_KEPT])?;
            }
            Ok(())
        };
        let tx = self.connection.transaction().map_err(&failed)?;
        add(&tx).map_err(&failed)?;
        tx.commit().map_err(&failed)
    }

    pub(super) fn events(
        &mut self,
        link: &LinkId,
        since: Option<Since>,
        top: usize,
    ) -> Result<Vec<Event>, HistoryError> {
        let failed = self.failed();
        let (condition, from, order) = match since {
            None => ("number > ?2", 0, "DESC"),
            Some(Since::Number(number)) => ("number > ?2", number.cast_signed(), "ASC"),
            Some(Since::Time(at)) => ("at >= ?2", at.0.cast_signed(), "ASC"),
        };
        let read = |connection: &Connection| -> rusqlite::Result<Vec<Event>> {
            let mut select = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM events WHERE link = ?1 AND {condition}
                 ORDER BY number {order} LIMIT ?3"
            ))?;
            let top = i64::try_from(top).unwrap_or(i64::MAX);
            let rows = select.query_map(params![link.as_str(), from, top], event)?;
            rows.collect()
        };
        let mut events = read(&self.connection).map_err(failed)?;
        events.sort_by_key(|event| event.number);
        Ok(events)
    }

    /// Forgets events heard before `heard`.
    pub(super) fn forget_events(&mut self, heard: u64) -> Result<(), HistoryError> {
        let deleted = self
            .connection
            .execute("DELETE FROM events WHERE heard < ?1", [heard.cast_signed()]);
        deleted.map_err(self.failed())?;
        Ok(())
    }
}

fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    let whole = |index| row.get::<_, i64>(index).map(i64::cast_unsigned);
    Ok(Event {
        number: whole(0)?,
        source: row.get(1)?,
        boot: whole(2)?,
        sequence: whole(3)?,
        heard: Timestamp(whole(4)?),
        at: Timestamp(whole(5)?),
        link: LinkId::new(row.get::<_, String>(6)?),
        shard: row.get(7)?,
        kind: row.get(8)?,
        text: row.get(9)?,
    })
}

fn meta_format(connection: &Connection) -> rusqlite::Result<Option<u64>> {
    let text: Option<String> = connection
        .query_row("SELECT value FROM meta WHERE name = 'format'", [], |row| {
            row.get(0)
        })
        .optional()?;
    // A value that is no number is of no version that is known here.
    Ok(text.map(|text| text.parse().unwrap_or(u64::MAX)))
}

/// Moves the database and SQLite's side files out of the way.
fn set_aside(path: &Path, aside: &Path) -> Result<(), OpenError> {
    let unusable = |source| OpenError::Directory {
        path: path.to_owned(),
        source,
    };
    durable::durable_rename(path, aside).map_err(unusable)?;
    for side in ["-wal", "-shm"] {
        let mut file = path.to_owned();
        file.as_mut_os_string().push(side);
        durable::remove_if_there(&file).map_err(unusable)?;
    }
    Ok(())
}

fn open_error(path: &Path, source: rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => OpenError::Damaged {
            path,
            found: source.to_string(),
        },
        Some(_) | None => OpenError::Database {
            what: "open",
            path,
            source,
        },
    }
}
