//! `godwit dns`: the authoritative DNS server of the caches' names.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use dns::{NameServer, TsigKey, UpdateConfig};
use runtime::{clock::Clock, dice::Dice, durable, tasks::Tasks};

use super::{Ready, read_pem, read_token, tell, told_to_stop, trace};

/// Run the DNS server of the caches' names
///
/// It answers for the zone of the control plane, over UDP and TCP, and goes on with the last names
/// it knows while the control plane is away.
#[derive(Debug, clap::Args)]
pub(crate) struct DnsArgs {
    /// Directory of what it keeps
    #[arg(long)]
    data: PathBuf,
    /// Address to answer at, over UDP and TCP; repeat it for each. Name each address of the host
    /// rather than 0.0.0.0, so that answers come from where the question went to
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5353")]
    listen: Vec<SocketAddr>,
    /// URL of the control plane
    #[arg(long)]
    control: String,
    /// File with the certificate to trust when that is https (PEM), beside the system's: the control
    /// plane's ca.pem
    #[arg(long, value_name = "FILE")]
    control_ca: Option<PathBuf>,
    /// File with the control plane's token for names
    #[arg(long)]
    token_file: PathBuf,
    /// Name of one of the zone's name servers, as its parent zone has it, with its addresses when
    /// it is within the zone; repeat it for each [default: a.ns.ZONE, at --listen]
    #[arg(long = "ns-name", value_name = "NAME[=ADDRESS,…]")]
    name_servers: Vec<NameServer>,
    /// Equal answers that one network (/24, /56) gets in a second over UDP; 0: as many as it asks
    /// for
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    rate_limit: u32,
    /// DNS server to put the names into as well, by dynamic updates over TCP (RFC 2136); names there
    /// that this server did not put are left alone
    #[arg(long, value_name = "SERVER[:PORT]", requires = "tsig_key")]
    update: Option<String>,
    /// File with the key that updates are signed with, as `tsig-keygen` writes it (hmac-sha256 or
    /// hmac-sha512)
    #[arg(long, value_name = "FILE", requires = "update")]
    tsig_key: Option<PathBuf>,
    /// Zone that the server of --update has, when the names are further down in it [default: the
    /// zone of the names]
    #[arg(long, value_name = "ZONE", requires = "update")]
    update_zone: Option<String>,
    /// Where to serve metrics for Prometheus, over plain http and without a token: keep it to
    /// loopback or a private network; port 0 picks one [default: nowhere]
    #[arg(long)]
    metrics: Option<SocketAddr>,
    /// Stop when this process is no longer the parent
    #[arg(long, hide = true)]
    parent: Option<u32>,
}

/// Runs until told to stop.
pub(crate) async fn run(args: DnsArgs) -> anyhow::Result<()> {
    trace()?;
    let update = update(args.update, args.update_zone, args.tsig_key.as_deref())?;
    let config = dns::Config {
        data: args.data,
        listen: args.listen,
        control: args.control,
        authority: args.control_ca.as_deref().map(read_pem).transpose()?,
        token: read_token(&args.token_file)?,
        name_servers: args.name_servers,
        answers_per_second: args.rate_limit,
        metrics: args.metrics,
        update,
    };
    let built = dns::build(config, Clock, Dice::from_system()).await;
    let dns = built.context("start the DNS server")?;
    let addresses = dns.addresses();
    for address in &addresses {
        tracing::info!(%address, "the DNS server answers, over UDP and TCP");
    }
    let metrics = dns.metrics();
    if let Some(address) = metrics {
        tracing::info!(%address, "metrics are served");
    }
    let tasks = Tasks::new();
    let serving = tasks.clone();
    tasks.spawn_until_done("dns", async move { dns.run(serving).await });
    if let Some(first) = addresses.first() {
        tell(Ready {
            address: *first,
            metrics,
        })?;
    }
    told_to_stop(args.parent).await?;
    anyhow::ensure!(
        tasks.stop(Duration::from_secs(10)).await,
        "some questions were not answered in time"
    );
    Ok(())
}

fn update(
    server: Option<String>,
    zone: Option<String>,
    key: Option<&Path>,
) -> anyhow::Result<Option<UpdateConfig>> {
    let (Some(server), Some(path)) = (server, key) else {
        return Ok(None);
    };
    let bytes = durable::read_if_there(path)?
        .with_context(|| format!("there is no key file {}", path.display()))?;
    let text = String::from_utf8_lossy(&bytes);
    let key = TsigKey::read(&text).with_context(|| format!("read the key {}", path.display()))?;
    Ok(Some(UpdateConfig { server, zone, key }))
}
