//! The few fields of `INFO` that say how far replication is.

use anyhow::Context as _;

use crate::client::{Client, Endpoint};

/// What a node says of itself.
pub(crate) struct Info(String);

impl Info {
    /// Asks over a connection of its own: roles change, and connections may not outlive that.
    pub(crate) fn of(node: &Endpoint) -> anyhow::Result<Self> {
        Self::ask(&mut node.connect()?)
    }

    /// Asks for the sections that are read here.
    pub(crate) fn ask(client: &mut Client) -> anyhow::Result<Self> {
        client.text(&[b"INFO"]).map(Self)
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.0
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
    }

    /// The end of the stream that the node has written or applied.
    pub(crate) fn offset(&self) -> anyhow::Result<u64> {
        let text = self
            .field("master_repl_offset")
            .context("INFO has no master_repl_offset")?;
        text.trim().parse().context("read master_repl_offset")
    }

    /// Full syncs that the node has given.
    pub(crate) fn full_syncs_given(&self) -> u64 {
        self.field("sync_full")
            .and_then(|text| text.parse().ok())
            .unwrap_or_default()
    }

    /// Keys in the first database.
    pub(crate) fn keys(&self) -> u64 {
        let keys = self
            .field("db0")
            .and_then(|all| all.split(',').next()?.strip_prefix("keys="));
        keys.and_then(|text| text.parse().ok()).unwrap_or_default()
    }

    pub(crate) fn is_primary(&self) -> bool {
        self.field("role") == Some("master")
    }

    /// Follows another node, with its data set loaded.
    pub(crate) fn follows(&self) -> bool {
        self.field("role") == Some("slave")
            && self.field("master_link_status") == Some("up")
            && self.field("master_sync_in_progress") == Some("0")
            && self.field("loading") == Some("0")
    }

    /// A failover by the engine's own command is under way.
    pub(crate) fn is_failing_over(&self) -> bool {
        self.field("master_failover_state")
            .is_some_and(|state| state != "no-failover")
    }

    /// Replicas that receive the stream.
    pub(crate) fn replicas_online(&self) -> usize {
        let online = |replica: &&str| replica.split(',').any(|field| field == "state=online");
        self.replicas().filter(online).count()
    }

    /// Whether there are `count` replicas and all are known to have come to `offset`.
    pub(crate) fn has_replicas_at(&self, count: usize, offset: u64) -> bool {
        let come = |replica: &str| {
            let fields = replica.split(',');
            let stands = fields.filter_map(|field| field.strip_prefix("offset=")?.parse().ok());
            stands.max() >= Some(offset)
        };
        self.replicas_online() == count && self.replicas().all(come)
    }

    fn replicas(&self) -> impl Iterator<Item = &str> {
        (0..).map_while(|index| self.field(&format!("slave{index}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_count_when_they_are_online_and_have_come_far_enough() {
        let info = |states: [(&str, u64); 2]| {
            let lines = states.iter().enumerate().map(|(n, (state, offset))| {
                format!("slave{n}:ip=127.0.0.1,port=1,state={state},offset={offset},lag=0\r\n")
            });
            let lines: String = lines.collect();
            Info(format!("role:master\r\n{lines}master_repl_offset:70\r\n"))
        };
        assert!(info([("online", 70), ("online", 71)]).has_replicas_at(2, 70));
        assert!(!info([("online", 70), ("online", 69)]).has_replicas_at(2, 70));
        assert!(!info([("online", 70), ("wait_bgsave", 70)]).has_replicas_at(2, 70));
        assert!(!info([("online", 70), ("online", 70)]).has_replicas_at(3, 70));
    }

    #[test]
    fn keys_of_an_empty_node_are_none() {
        assert_eq!(Info("# Keyspace\r\n".to_owned()).keys(), 0);
        assert_eq!(
            Info("db0:keys=12,expires=0,avg_ttl=0\r\n".to_owned()).keys(),
            12
        );
    }
}
