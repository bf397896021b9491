//! `godwit up`: a control plane, a DNS server and one agent per region, in a process tree on this
//! machine.

mod certificates;
mod child;
mod demo;
mod load;
mod names;
mod relay;
mod supervisor;
mod targets;
mod transfers;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::{Context as _, bail};
use engine::EngineChoice;
use model::{EngineVersion, Region, Secret};
use runtime::{
    dice::Dice,
    durable::{self, DirectoryLock},
};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    serve::{
        api::ApiArgs,
        issuer::{IssuerOption, read_issuers},
        search_path,
        webhook::WebhookArgs,
    },
    talk::Talk,
};
use supervisor::{Plan, Supervisor};

/// Run everything on this machine: a control plane, a DNS server, and one agent per region
///
/// Clients reach each cache at a loopback address of its own on port 6379. Ctrl-C stops everything
/// in order and saves every cache; started again on the same directory, it goes on where it was.
#[derive(Debug, clap::Args)]
pub(crate) struct UpArgs {
    /// Directory for everything that is kept
    #[arg(long, env = "GODWIT_DATA", default_value = "./godwit-data")]
    data: PathBuf,
    /// Address of the management API for this machine: http and https, so loopback only
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    #[command(flatten)]
    api: ApiArgs,
    /// Token that clients of the management API must send [default: generated, shown once, and
    /// kept in the data directory]
    #[arg(long, env = "GODWIT_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Region to run an agent for; repeat it for each [default: eastus and westus]
    #[arg(long = "region")]
    regions: Vec<Region>,
    /// Engine: `valkey`, `redis` or the path of a server program; `REGION=…` for one region alone
    /// [default: valkey when it is there, else redis]
    #[arg(long = "engine", env = "GODWIT_ENGINE", value_delimiter = ',')]
    engines: Vec<EngineOption>,
    /// Where clients connect: `loopback` (an address of 127/8 for each cache, port 6379) or
    /// `ports` (127.0.0.1 and a port for each)
    #[arg(long, default_value = "loopback", value_parser = ["loopback", "ports"])]
    addresses: String,
    /// Zone of the caches' host names
    #[arg(long, default_value = "redis.godwit.internal")]
    zone: String,
    #[command(flatten)]
    names: names::NamesArgs,
    /// Whose tokens let clients in: the issuer, letter by letter as in its tokens; audiences that
    /// they may be for [default: `https://redis.azure.com`]; and a JSON Web Key Set, if its keys are
    /// not to be asked for. Repeat it for more
    #[arg(long = "token-issuer", value_name = "ISSUER[,audience=…][,jwks=FILE]")]
    token_issuers: Vec<IssuerOption>,
    #[command(flatten)]
    webhook: WebhookArgs,
    /// Make two linked caches with data and a small load, and show what happens
    #[arg(long)]
    demo: bool,
    #[command(flatten)]
    relays: relay::Relays,
    #[command(flatten)]
    certificates: certificates::Certificates,
    #[command(flatten)]
    transfers: transfers::Transfers,
}

/// One `--engine`: for every region, or for one.
#[derive(Debug, Clone)]
struct EngineOption {
    region: Option<Region>,
    engine: EngineChoice,
}

impl FromStr for EngineOption {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (region, engine) = match text.split_once('=') {
            Some((region, engine)) => (
                Some(
                    region
                        .parse()
                        .map_err(|error: model::NameError| error.to_string())?,
                ),
                engine,
            ),
            None => (None, text),
        };
        let engine = engine.parse().map_err(|error| format!("{error}"))?;
        Ok(Self { region, engine })
    }
}

/// Runs until told to stop.
pub(crate) async fn run(args: UpArgs, talk: &Talk) -> anyhow::Result<()> {
    let (data, _lock) = open_directory(&args.data)?;
    let regions = regions(&args)?;
    read_issuers(&args.token_issuers)?;
    let engines = engines_of(&regions, &args.engines).await?;
    let (token, shown) = management_token(&data, args.token.as_deref())?;
    made_token(&data.join("agent-token"))?;
    made_token(&data.join("names-token"))?;
    let mut signals = (
        signal(SignalKind::interrupt()).context("listen for Ctrl-C")?,
        signal(SignalKind::terminate()).context("listen for SIGTERM")?,
    );
    let zone = args.zone.clone();
    let plan = Plan {
        data: data.clone(),
        listen: args.listen,
        api: args.api.clone(),
        dns: args.names.address(talk),
        zone: args.zone,
        issuers: args
            .token_issuers
            .iter()
            .map(|issuer| issuer.text.clone())
            .collect(),
        regions: engines
            .iter()
            .map(|(region, path, _)| (region.clone(), path.clone()))
            .collect(),
        ports: args.addresses == "ports",
        webhook: args.webhook.arguments()?,
        relays: args.relays,
        certificates: args.certificates.clone(),
        transfers: args.transfers,
        token: token.clone(),
    };
    let mut supervisor = tokio::select! {
        started = Supervisor::start(plan) => started?,
        () = stop_asked(&mut signals) => bail!("stopped before everything was up"),
    };
    let url = supervisor.url();
    names::write_endpoint(&data, supervisor.dns())?;
    durable::write_durable(&data.join("endpoint"), url.as_bytes())?;
    // What another terminal has to add to find this deployment.
    let at_hand = args.data == Path::new("./godwit-data");
    let flag = if at_hand {
        String::new()
    } else {
        format!(" --data {}", args.data.display())
    };
    introduce(&supervisor, &engines, &zone, talk);
    tell_https(supervisor.address(), &args.api, &data, talk);
    tell_token(shown.then_some(&token), &data, talk);
    if args.certificates.are_the_authoritys() {
        let path = certificates::file(&data);
        talk.say(&format!("  clients trust: {}", path.display()));
    }
    if !args.demo {
        suggest(regions.first(), &flag, talk);
    }
    talk.say("Ctrl-C stops everything in order.");
    let flags = demo::Flags {
        godwit: flag,
        client: args.certificates.client_flags(&data),
    };
    let shows = async {
        if args.demo
            && let Err(error) = demo::run(&url, token.clone(), &regions, &flags, talk).await
        {
            talk.error(&format!("the demo has ended: {error:#}"));
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = supervisor.watch(talk) => {}
        () = shows => {}
        () = stop_asked(&mut signals) => {}
    }
    talk.say("Stopping: every cache is saved first …");
    supervisor.stop(talk).await?;
    talk.say("Stopped.");
    Ok(())
}

/// The engine of each region: its program and its version.
async fn engines_of(
    regions: &[Region],
    options: &[EngineOption],
) -> anyhow::Result<Vec<(Region, String, EngineVersion)>> {
    let mut engines = Vec::new();
    for region in regions {
        let choice = engine_for(region, options);
        let program = engine::find(&choice, &search_path()).await?;
        let path = program.path.display().to_string();
        engines.push((region.clone(), path, program.version));
    }
    Ok(engines)
}

fn introduce(
    supervisor: &Supervisor,
    engines: &[(Region, String, EngineVersion)],
    zone: &str,
    talk: &Talk,
) {
    let url = supervisor.url();
    talk.say(&format!("Godwit is up: management API at {url}"));
    for (region, _, version) in engines {
        talk.say(&format!(
            "  {region} ({}): {version}",
            region.display_name()
        ));
    }
    if let Some(address) = supervisor.dns() {
        let (ip, port) = (address.ip(), address.port());
        talk.say(&format!("  names: dig @{ip} -p {port} CACHE.{zone}"));
    }
    for (region, address) in supervisor.metrics() {
        talk.say(&format!("  metrics of {region}: http://{address}/metrics"));
    }
}

/// Where tools find it that insist on https: the same address takes both.
fn tell_https(here: SocketAddr, api: &ApiArgs, data: &Path, talk: &Talk) {
    let url = api.url(here);
    let trust = if api.is_the_authoritys() {
        format!(", trusting {}", certificates::file(data).display())
    } else {
        String::new()
    };
    talk.say(&format!(
        "  for az, SDKs and Terraform: {url}{trust} (docs/clients.md)"
    ));
}

fn tell_token(new: Option<&Secret>, data: &Path, talk: &Talk) {
    let kept = token_file(data);
    talk.say(&match new {
        Some(token) => format!("  token: {} (kept in {})", token.reveal(), kept.display()),
        None => format!("  token: in {}", kept.display()),
    });
}

fn suggest(region: Option<&Region>, flag: &str, talk: &Talk) {
    let region = region.map_or("eastus", Region::as_str);
    talk.say("");
    talk.say("Try, in another terminal:");
    talk.say(&format!(
        "  godwit cache create my-cache --location {region}{flag}"
    ));
    talk.say("  godwit --help");
}

async fn stop_asked((interrupt, terminate): &mut (Signal, Signal)) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

fn open_directory(path: &Path) -> anyhow::Result<(PathBuf, DirectoryLock)> {
    let use_it = || {
        format!(
            "use {} as the data directory; check that it is writable",
            path.display()
        )
    };
    durable::make_directory(path).with_context(use_it)?;
    durable::make_directory(&path.join("logs")).with_context(use_it)?;
    let data = path.canonicalize().with_context(use_it)?;
    let lock = durable::lock_directory(&data, "lock").with_context(use_it)?;
    let Some(lock) = lock else {
        bail!(
            "{} is in use by another `godwit up`; stop that one, or choose another --data",
            data.display()
        );
    };
    Ok((data, lock))
}

fn regions(args: &UpArgs) -> anyhow::Result<Vec<Region>> {
    let mut regions = args.regions.clone();
    if regions.is_empty() {
        regions = ["eastus", "westus"]
            .iter()
            .filter_map(|name| name.parse().ok())
            .collect();
    }
    let mut once = regions.clone();
    once.sort();
    once.dedup();
    if once.len() < regions.len() {
        bail!("a region is named twice");
    }
    if args.demo && regions.len() < 2 {
        bail!("--demo needs two regions");
    }
    for option in &args.engines {
        if let Some(region) = &option.region
            && !regions.contains(region)
        {
            bail!("--engine names the region `{region}`, and there is no agent for it");
        }
    }
    if let Some(region) = args
        .relays
        .regions()
        .find(|region| !regions.contains(region))
    {
        bail!("--relay names the region `{region}`, and there is no agent for it");
    }
    Ok(regions)
}

fn engine_for(region: &Region, options: &[EngineOption]) -> EngineChoice {
    let own = options
        .iter()
        .find(|option| option.region.as_ref() == Some(region));
    let any = options.iter().find(|option| option.region.is_none());
    own.or(any)
        .map_or(EngineChoice::Auto, |option| option.engine.clone())
}

/// Where the token of the management API is kept.
pub(crate) fn token_file(data: &Path) -> PathBuf {
    data.join("token")
}

/// The token to use, and whether it was made just now.
fn management_token(data: &Path, given: Option<&str>) -> anyhow::Result<(Secret, bool)> {
    let path = token_file(data);
    if let Some(given) = given {
        if given.trim().is_empty() {
            bail!("the token is empty; leave --token out to have one made");
        }
        durable::write_durable(&path, given.trim().as_bytes())?;
        return Ok((Secret::new(given.trim()), false));
    }
    if let Some(bytes) = durable::read_if_there(&path)? {
        let text = String::from_utf8(bytes).with_context(|| {
            format!(
                "{} is not text; remove it to have a token made",
                path.display()
            )
        })?;
        return Ok((Secret::new(text.trim()), false));
    }
    let token = Dice::from_system().token();
    durable::write_durable(&path, token.reveal().as_bytes())?;
    Ok((token, true))
}

/// Makes a token that only processes of this tree need.
fn made_token(path: &Path) -> anyhow::Result<()> {
    if durable::read_if_there(path)?.is_none() {
        let token = Dice::from_system().token();
        durable::write_durable(path, token.reveal().as_bytes())?;
    }
    Ok(())
}
