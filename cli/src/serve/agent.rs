//! `godwit agent`: one host's engines and links.

use std::{
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    path::PathBuf,
    str::FromStr,
};

use agent::{Addresses, CertificateFiles};
use anyhow::Context as _;
use engine::EngineChoice;
use model::Region;
use runtime::{dice::Dice, tasks::Tasks};

use super::{
    Ready, crash_points, read_pem, read_token, search_path, tell, told_to_stop, trace,
    transfers::TransferArgs,
};

/// Run an agent: the engines and links of one region's caches on this host
#[derive(Debug, clap::Args)]
pub(crate) struct AgentArgs {
    /// Region that this host serves
    #[arg(long)]
    region: Region,
    /// Directory of the agent's state and its engines
    #[arg(long)]
    data: PathBuf,
    /// URL of the control plane
    #[arg(long)]
    control: String,
    /// File with the certificate to trust when that is https (PEM), beside the system's: the control
    /// plane's ca.pem
    #[arg(long, value_name = "FILE")]
    control_ca: Option<PathBuf>,
    /// File with the token that the control plane wants from agents
    #[arg(long)]
    token_file: PathBuf,
    /// Engine: `valkey`, `redis` or the path of a server program [default: valkey when it is
    /// there, else redis]
    #[arg(long, env = "GODWIT_ENGINE")]
    engine: Option<EngineChoice>,
    /// Where clients connect: the first loopback address to give out (each cache gets one, on
    /// port 6379), or `ports` (127.0.0.1 and a port each)
    #[arg(long, default_value = "127.70.0.1")]
    addresses: AddressPlan,
    /// Where the other regions' agents reach this one's geo-primaries; port 0 picks one
    #[arg(long, default_value = "127.0.0.1:0")]
    relay: SocketAddr,
    /// Where they are told to reach them instead, when that is another address (a forwarded port)
    #[arg(long)]
    relay_advertise: Option<SocketAddr>,
    /// File with the certificate that clients are shown and its chain (PEM), read again whenever it
    /// changes [default: one of the control plane's authority, which `godwit ca` prints]
    #[arg(long, requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// File with the private key of --tls-certificate (PEM, unencrypted)
    #[arg(long, requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// Where to serve metrics for Prometheus, over plain http and without a token: keep it to
    /// loopback or a private network; port 0 picks one [default: nowhere]
    #[arg(long)]
    metrics: Option<SocketAddr>,
    /// Full syncs that may go to one other region at the same time
    #[arg(long, default_value = "1")]
    full_syncs: NonZeroUsize,
    #[command(flatten)]
    transfers: TransferArgs,
    /// Stop when this process is no longer the parent
    #[arg(long, hide = true)]
    parent: Option<u32>,
}

/// The value of `--addresses`.
#[derive(Debug, Clone, Copy)]
struct AddressPlan(Addresses);

impl FromStr for AddressPlan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "ports" {
            return Ok(Self(Addresses::Ports));
        }
        match text.parse::<Ipv4Addr>() {
            Ok(first) if first.is_loopback() => Ok(Self(Addresses::Loopback { first })),
            Ok(_) | Err(_) => Err("use `ports`, or an address of 127.0.0.0/8".to_owned()),
        }
    }
}

/// Runs until told to stop.
pub(crate) async fn run(args: AgentArgs) -> anyhow::Result<()> {
    trace()?;
    let crash = crash_points(&format!("agent-{}", args.region));
    let config = agent::Config {
        region: args.region,
        data: args.data,
        control: args.control,
        authority: args.control_ca.as_deref().map(read_pem).transpose()?,
        token: read_token(&args.token_file)?,
        engine: args.engine.unwrap_or(EngineChoice::Auto),
        search: search_path(),
        addresses: args.addresses.0,
        relay: args.relay,
        advertise: args.relay_advertise,
        certificate: args
            .tls_certificate
            .zip(args.tls_key)
            .map(|(certificate, key)| CertificateFiles { certificate, key }),
        full_syncs: args.full_syncs,
        metrics: args.metrics,
        transfers: args.transfers.allowed()?,
        crash,
    };
    let tasks = Tasks::new();
    let built = agent::Agent::build(config, Dice::from_system(), tasks.clone()).await;
    let agent = built.context("start the agent")?;
    tracing::info!(engine = %agent.engine().version, relay = %agent.relay(), "the agent runs");
    if let Some(address) = agent.metrics() {
        tracing::info!(%address, "metrics are served");
    }
    tell(Ready {
        address: agent.relay(),
        metrics: agent.metrics(),
    })?;
    let running = Tasks::new();
    running.spawn_until_done("agent", agent.run());
    told_to_stop(args.parent).await?;
    tasks.cancel();
    // The agent bounds its own stop; this only joins it.
    running.stop(std::time::Duration::from_secs(600)).await;
    Ok(())
}
