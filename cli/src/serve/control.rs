//! `godwit control`: the control plane.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::Context as _;
use model::Region;
use runtime::{clock::Clock, dice::Dice, tasks::Tasks};

use super::api::ApiArgs;
use super::issuer::{IssuerOption, read_issuers};
use super::webhook::WebhookArgs;
use super::{crash_points, read_token, tell_ready, told_to_stop, trace};

/// Run the control plane: resource store, reconciler and management API
#[derive(Debug, clap::Args)]
pub(crate) struct ControlArgs {
    /// Directory of the store
    #[arg(long)]
    data: PathBuf,
    /// Address of the management API for this machine: http and https, so loopback only
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    #[command(flatten)]
    api: ApiArgs,
    /// File with the token that clients of the management API must send
    #[arg(long)]
    token_file: PathBuf,
    /// File with the token that agents must send
    #[arg(long)]
    agent_token_file: PathBuf,
    /// Zone of the caches' host names
    #[arg(long, default_value = "redis.godwit.internal")]
    zone: String,
    /// File with a token that reads the caches' names and nothing else, for `godwit dns`
    #[arg(long)]
    names_token_file: Option<PathBuf>,
    /// For how long a name's address may be remembered, in seconds
    #[arg(long, default_value_t = control::DEFAULT_TTL_SECONDS, value_name = "SECONDS")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=86_400))]
    names_ttl: u32,
    /// Whose tokens let clients in: the issuer, letter by letter as in its tokens; audiences that
    /// they may be for [default: `https://redis.azure.com`]; and a JSON Web Key Set, if its keys are
    /// not to be asked for. Repeat it for more
    #[arg(long = "token-issuer", value_name = "ISSUER[,audience=…][,jwks=FILE]")]
    token_issuers: Vec<IssuerOption>,
    /// Region that caches can be created in; repeat it for each
    #[arg(long = "region", required = true)]
    regions: Vec<Region>,
    #[command(flatten)]
    webhook: WebhookArgs,
    /// Stop when this process is no longer the parent
    #[arg(long, hide = true)]
    parent: Option<u32>,
}

/// Runs until told to stop.
pub(crate) async fn run(args: ControlArgs) -> anyhow::Result<()> {
    trace()?;
    let config = control::Config {
        data: args.data,
        listen: args.listen,
        api: args.api.config(),
        token: read_token(&args.token_file)?,
        agent_token: read_token(&args.agent_token_file)?,
        zone: args.zone,
        names: control::NamesConfig {
            token: args
                .names_token_file
                .as_deref()
                .map(read_token)
                .transpose()?,
            ttl_seconds: args.names_ttl,
        },
        issuers: read_issuers(&args.token_issuers)?,
        regions: args.regions,
        webhook: args.webhook.read()?,
        crash: crash_points("control"),
    };
    let tasks = Tasks::new();
    let built = control::build(config, Clock, Dice::from_system()).await;
    let control = built.context("start the control plane")?;
    let address = control.address();
    tracing::info!(%address, https = ?control.https(), "the management API listens");
    let serving = tasks.child();
    let inner = serving.clone();
    tasks.spawn_until_done("control", async move { control.run(inner).await });
    tell_ready(address)?;
    told_to_stop(args.parent).await?;
    serving.cancel();
    anyhow::ensure!(
        tasks.stop(Duration::from_secs(10)).await,
        "some requests did not end in time"
    );
    Ok(())
}
