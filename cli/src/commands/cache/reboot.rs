//! `godwit cache reboot`.

use clap::{Args, ValueEnum};
use client::{maintenance::RebootKind, resources::Cache};
use model::CacheName;

use crate::{
    arguments::Waiting, failure::Failure, output::milliseconds, session::Session, talk::Talk,
};

const AFTER_HELP: &str = "\
Examples:
  godwit cache reboot demo-east --nodes replica
  godwit cache reboot demo-east --nodes primary --yes   # without a terminal

See docs/maintenance.md.";

/// Restart nodes of a cache, one after another
///
/// A primary with a replica hands over to it first: no acknowledged write is lost, and clients stay
/// connected. A node that was restarted catches up by itself, and a link goes on without a full sync.
/// The only node of a cache saves its data, stops, and loads them again: clients wait for that.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Reboot {
    /// The cache's name
    cache: CacheName,
    /// Which nodes
    #[arg(long, value_enum)]
    nodes: Nodes,
    /// Of this shard alone, where the cache is clustered
    #[arg(long)]
    shard: Option<u16>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    waiting: Waiting,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Nodes {
    /// The one that takes writes; its replica takes its place
    Primary,
    /// All others
    Replica,
    /// All: the replicas first
    All,
}

impl Reboot {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let name = self.cache;
        let cache = session.find(&name).await?.body;
        let warning = warning(&cache, self.nodes);
        if !self.yes && !Talk.confirm(&warning, &format!("Reboot `{name}`?"))? {
            return Err(Failure::new("nothing was rebooted"));
        }
        let kind = match self.nodes {
            Nodes::Primary => RebootKind::Primary,
            Nodes::Replica => RebootKind::Replicas,
            Nodes::All => RebootKind::All,
        };
        let started = session
            .management
            .reboot(&cache.id, kind, self.shard)
            .await?;
        if self.waiting.no_wait {
            Talk.say(&format!("the reboot of `{name}` has begun"));
            return Ok(());
        }
        let title = format!("rebooting `{name}`");
        let ended = session.finish(&title, started.ticket.as_ref()).await?;
        let took = milliseconds(ended.took.as_secs_f64() * 1_000.0);
        Talk.say(&format!(
            "rebooted `{name}`; every node is in step ({took})"
        ));
        Ok(())
    }
}

fn warning(cache: &Cache, nodes: Nodes) -> String {
    let name = &cache.name;
    let tier = cache.properties.sku.as_ref().map(|sku| sku.name.as_str());
    match nodes {
        _ if tier == Some("Basic") => format!(
            "this restarts the only node of `{name}`: its data are saved and loaded again, and nobody is served meanwhile"
        ),
        Nodes::Primary => {
            format!("this restarts the primary of `{name}`, once its replica has taken its place")
        }
        Nodes::Replica => format!("this restarts the replicas of `{name}`"),
        Nodes::All => format!("this restarts every node of `{name}`, the replicas first"),
    }
}
