//! What a node is asked and told while it runs.

use std::{net::SocketAddr, time::Duration};

use model::EngineSettings;
use tokio::time::Instant;

use super::Node;
use crate::{
    CommandError, INTERNAL_USER, InfoError, NodeInfo, Reading, Replication,
    config::{PING_PERIOD_SECONDS, live_settings},
    info::unread,
};

/// As good as never: 68 years, the most that the engines take.
const NO_PINGS: &str = "2147483647";
const NEVER: Duration = Duration::from_secs(2_147_483_647);

impl Node {
    /// Asks for everything, in one round trip. Answered while the node loads, too.
    pub async fn info(&self) -> Result<NodeInfo, CommandError> {
        let text = self.ask_text("INFO", &[]).await?;
        let info = NodeInfo::parse(&text).map_err(|source| self.unexpected("INFO", source))?;
        self.note(&info).await?;
        Ok(info)
    }

    async fn note(&self, info: &NodeInfo) -> Result<(), CommandError> {
        self.note_loading(info.loading);
        // A pause that ran out by itself would leave replicas without pings, and they would take
        // their upstream for dead.
        let over = |until: Instant| until <= Instant::now();
        if self.0.no_pings_until.lock().is_some_and(over) {
            self.ping_again().await?;
        }
        Ok(())
    }

    /// Asks for everything that metrics are made of, in one round trip: as [`Node::info`], with the
    /// statistics of its commands, which cost it some tens of microseconds.
    pub async fn reading(&self) -> Result<Reading, CommandError> {
        let text = self.ask_text("INFO", &["default", "commandstats"]).await?;
        let reading = Reading::parse(&text).map_err(|source| self.unexpected("INFO", source))?;
        self.note(&reading.info).await?;
        Ok(reading)
    }

    /// Counts the clients that leave more than `bytes` of answers unread. The engine writes a line
    /// for each of its connections.
    pub async fn clients_with_unread(&self, bytes: u64) -> Result<u64, CommandError> {
        let list = self.ask_text("CLIENT", &["LIST"]).await?;
        Ok(unread(&list, INTERNAL_USER, bytes))
    }

    /// Asks where it stands in replication: cheap enough for every few milliseconds.
    pub async fn replication(&self) -> Result<Replication, CommandError> {
        let text = self.ask_text("INFO", &["replication"]).await?;
        Replication::parse(&text).map_err(|source| self.unexpected("INFO", source))
    }

    /// Makes it a replica of `upstream` (`REPLICAOF`). From then on it refuses writes, whether or
    /// not `upstream` answers; its data stays until `upstream` sends another data set.
    pub async fn follow(&self, upstream: SocketAddr) -> Result<(), CommandError> {
        let (ip, port) = (upstream.ip().to_string(), upstream.port().to_string());
        self.ask("REPLICAOF", &[&ip, &port]).await?;
        // A replica pings nobody, so that a handoff's pause need not be kept up for that.
        if self.0.no_pings_until.lock().is_some() {
            self.ping_again().await?;
        }
        Ok(())
    }

    /// Makes it a primary with the data it has (`REPLICAOF NO ONE`). Nothing happens to a primary.
    pub async fn stand_alone(&self) -> Result<(), CommandError> {
        self.ask("REPLICAOF", &["NO", "ONE"]).await?;
        Ok(())
    }

    /// Keeps clients waiting that want to write, for `for_at_most`, and keeps the offset still:
    /// nothing expires, nothing is evicted, and replicas are not pinged. A pause that a client
    /// asked for and that is longer stays as it is.
    ///
    /// A node that becomes a replica while it is paused does not apply what it receives until the
    /// pause is over: resume it before it follows.
    pub async fn pause_writes(&self, for_at_most: Duration) -> Result<(), CommandError> {
        // A ping is 14 bytes of stream, and the pause itself does not hold it back.
        *self.0.no_pings_until.lock() = Some(Instant::now() + for_at_most);
        self.set_ping_period(NO_PINGS).await?;
        let ms = for_at_most.as_millis().max(1).to_string();
        if let Err(error) = self.ask("CLIENT PAUSE", &[&ms, "WRITE"]).await {
            self.ping_again().await?;
            return Err(error);
        }
        Ok(())
    }

    /// Ends the pause, one that a client asked for included, and pings replicas again.
    pub async fn resume_writes(&self) -> Result<(), CommandError> {
        self.ask("CLIENT UNPAUSE", &[]).await?;
        self.ping_again().await
    }

    /// Keeps replicas from being pinged, until they are pinged again or it follows: its offset then
    /// moves by what expires alone.
    pub async fn hold_pings(&self) -> Result<(), CommandError> {
        *self.0.no_pings_until.lock() = Some(Instant::now() + NEVER);
        self.set_ping_period(NO_PINGS).await
    }

    /// Lets replicas be pinged as usual.
    pub async fn ping_again(&self) -> Result<(), CommandError> {
        self.set_ping_period(&PING_PERIOD_SECONDS.to_string())
            .await?;
        *self.0.no_pings_until.lock() = None;
        Ok(())
    }

    async fn set_ping_period(&self, seconds: &str) -> Result<(), CommandError> {
        self.ask("CONFIG SET", &["repl-ping-replica-period", seconds])
            .await?;
        Ok(())
    }

    /// Applies sizes and limits to the running engine, all or none. `databases` takes effect at
    /// the next start only: the engines cannot change it.
    pub async fn apply(&self, settings: &EngineSettings) -> Result<(), CommandError> {
        let options = live_settings(settings);
        let words: Vec<&str> = options
            .iter()
            .flat_map(|(name, value)| [*name, value.as_str()])
            .collect();
        self.ask("CONFIG SET", &words).await?;
        Ok(())
    }

    /// Whether it answers reads while it is a replica out of step (`replica-serve-stale-data`).
    pub async fn serve_stale(&self, yes: bool) -> Result<(), CommandError> {
        let value = if yes { "yes" } else { "no" };
        self.ask("CONFIG SET", &["replica-serve-stale-data", value])
            .await?;
        Ok(())
    }

    /// Whether a full sync is loaded beside the old data, which is served until the new is whole
    /// and costs the memory of both (`repl-diskless-load swapdb`). The engines keep serving only
    /// while the history is the same; otherwise they answer that they load.
    pub async fn load_beside_old_data(&self, yes: bool) -> Result<(), CommandError> {
        let value = if yes { "swapdb" } else { "on-empty-db" };
        self.ask("CONFIG SET", &["repl-diskless-load", value])
            .await?;
        Ok(())
    }

    /// Whether a snapshot whose next byte does not come is waited for (for a week) or given up
    /// after the usual time (`repl-timeout`).
    pub async fn wait_for_snapshot(&self, yes: bool) -> Result<(), CommandError> {
        let seconds = if yes { "604800" } else { "60" };
        self.ask("CONFIG SET", &["repl-timeout", seconds]).await?;
        Ok(())
    }

    /// Takes client writes only while at least so many replicas have acknowledged within
    /// `max_lag_seconds` (`min-replicas-to-write`, `min-replicas-max-lag`); with none, always. Others
    /// are answered `-NOREPLICAS`. A replica refuses writes anyway.
    pub async fn need_replicas(
        &self,
        at_least: u32,
        max_lag_seconds: u32,
    ) -> Result<(), CommandError> {
        let (count, lag) = (at_least.to_string(), max_lag_seconds.to_string());
        let words = [
            "min-replicas-max-lag",
            &lag,
            "min-replicas-to-write",
            &count,
        ];
        self.ask("CONFIG SET", &words).await?;
        Ok(())
    }

    /// How many replicas have to acknowledge before it takes a write.
    pub async fn needed_replicas(&self) -> Result<u32, CommandError> {
        const FIELD: &str = "min-replicas-to-write";
        let value = self.configured(FIELD).await?;
        value.parse().map_err(|_not_a_number| {
            self.unexpected(
                "CONFIG GET",
                InfoError::Malformed {
                    field: FIELD,
                    value,
                },
            )
        })
    }

    /// How many databases it has: it was started with them.
    pub async fn databases(&self) -> Result<u16, CommandError> {
        const FIELD: &str = "databases";
        let value = self.configured(FIELD).await?;
        value.parse().map_err(|_not_a_number| {
            self.unexpected(
                "CONFIG GET",
                InfoError::Malformed {
                    field: FIELD,
                    value,
                },
            )
        })
    }

    /// Whether strings in its snapshots are compressed one by one (`rdbcompression`).
    pub async fn compress_snapshots(&self, yes: bool) -> Result<(), CommandError> {
        let value = if yes { "yes" } else { "no" };
        self.ask("CONFIG SET", &["rdbcompression", value]).await?;
        Ok(())
    }
}
