//! Keeps the control plane, the DNS server and the agents running, and stops them in order.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use model::{Region, Secret};
use tokio::time::sleep;

use super::{
    certificates::{self, Certificates},
    child::{Child, Recipe},
    relay::Relays,
    targets::Targets,
    transfers::Transfers,
};
use crate::{serve::api::ApiArgs, talk::Talk};

/// How long an agent may take to save its caches and stop its engines.
const AGENT_PATIENCE: Duration = Duration::from_secs(320);
/// How long the control plane may take to end its requests.
const CONTROL_PATIENCE: Duration = Duration::from_secs(15);
/// How long the DNS server may take to end.
const DNS_PATIENCE: Duration = Duration::from_secs(15);
/// Its name among the children.
const DNS: &str = "DNS server";
/// Between two attempts to start what does not start.
const RETRY: Duration = Duration::from_secs(1);

/// What is to run.
pub(super) struct Plan {
    pub(super) data: PathBuf,
    pub(super) listen: SocketAddr,
    /// How others reach the management API.
    pub(super) api: ApiArgs,
    /// Where names are answered, if they are.
    pub(super) dns: Option<SocketAddr>,
    pub(super) zone: String,
    /// `--token-issuer`, as they were written.
    pub(super) issuers: Vec<String>,
    /// The regions, each with the path of its engine.
    pub(super) regions: Vec<(Region, String)>,
    pub(super) ports: bool,
    /// `--webhook` and what belongs to it.
    pub(super) webhook: Vec<String>,
    pub(super) relays: Relays,
    pub(super) certificates: Certificates,
    pub(super) transfers: Transfers,
    /// The management API's token.
    pub(super) token: Secret,
}

/// What runs.
pub(super) struct Supervisor {
    address: SocketAddr,
    control: Option<Child>,
    dns: Option<Child>,
    dns_address: Option<SocketAddr>,
    agents: Vec<Option<Child>>,
    agent_recipes: Vec<Recipe>,
    /// By agent.
    metrics: Vec<Option<SocketAddr>>,
    targets: Targets,
    data: PathBuf,
    token: Secret,
}

impl Supervisor {
    /// Starts the control plane, then the DNS server, then the agents. Whatever was started is stopped again when one
    /// of them does not come up.
    pub(super) async fn start(plan: Plan) -> anyhow::Result<Self> {
        let (mut control, ready) = Child::start(control_recipe(&plan, plan.listen)).await?;
        let address = ready.address;
        // From here on the address is fixed, also when the system picked the port.
        control.recipe = control_recipe(&plan, address);
        let agent_recipes: Vec<Recipe> = (0_u8..)
            .zip(&plan.regions)
            .map(|(index, region)| agent_recipe(&plan, index, region, address))
            .collect();
        let mut up = Self {
            address,
            control: Some(control),
            dns: None,
            dns_address: None,
            agents: Vec::new(),
            agent_recipes,
            metrics: Vec::new(),
            targets: Targets::new(&plan),
            data: plan.data.clone(),
            token: plan.token.clone(),
        };
        if let Err(error) = up.write_authority().await {
            up.stop_all().await;
            return Err(error);
        }
        if let Some(listen) = plan.dns
            && let Err(error) = up.start_dns(&plan, listen).await
        {
            up.stop_all().await;
            return Err(error);
        }
        for recipe in up.agent_recipes.clone() {
            match Child::start(recipe).await {
                Ok((child, ready)) => {
                    up.agents.push(Some(child));
                    up.metrics.push(ready.metrics);
                }
                Err(error) => {
                    up.stop_all().await;
                    return Err(error);
                }
            }
        }
        if let Err(error) = up.targets.write(&up.metrics) {
            up.stop_all().await;
            return Err(error);
        }
        Ok(up)
    }

    async fn start_dns(&mut self, plan: &Plan, listen: SocketAddr) -> anyhow::Result<()> {
        let (mut dns, ready) = Child::start(dns_recipe(plan, self.address, listen)).await?;
        dns.recipe = dns_recipe(plan, self.address, ready.address);
        self.dns = Some(dns);
        self.dns_address = Some(ready.address);
        Ok(())
    }

    /// Where names are answered.
    pub(super) fn dns(&self) -> Option<SocketAddr> {
        self.dns_address
    }

    /// The regions, and where their agents' metrics are read.
    pub(super) fn metrics(&self) -> impl Iterator<Item = (&Region, SocketAddr)> {
        let agents = self.targets.regions.iter().zip(&self.metrics);
        agents.filter_map(|(region, address)| Some((region, (*address)?)))
    }

    /// Where the management API listens for this machine.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The management API's URL.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    async fn write_authority(&self) -> anyhow::Result<()> {
        certificates::write(&self.data, &self.url(), &self.token).await
    }

    /// Starts again, for ever, whatever ends.
    pub(super) async fn watch(&mut self, talk: &Talk) {
        loop {
            let (recipe, how) = self.next_end().await;
            talk.error(&format!(
                "the {} ended ({how}); starting it again",
                recipe.name
            ));
            let (child, ready) = loop {
                match Child::start(recipe.clone()).await {
                    Ok(started) => break started,
                    Err(error) => {
                        talk.error(&format!("{error:#}"));
                        sleep(RETRY).await;
                    }
                }
            };
            let place = self
                .agent_recipes
                .iter()
                .position(|agent| agent.name == recipe.name);
            match place.and_then(|index| self.agents.get_mut(index)) {
                Some(agent) => *agent = Some(child),
                None if recipe.name == DNS => self.dns = Some(child),
                None => {
                    self.control = Some(child);
                    // It may have made another authority.
                    if let Err(error) = self.write_authority().await {
                        talk.error(&format!("{error:#}"));
                    }
                }
            }
            if let Some(known) = place.and_then(|index| self.metrics.get_mut(index)) {
                *known = ready.metrics;
                if let Err(error) = self.targets.write(&self.metrics) {
                    talk.error(&format!("{error:#}"));
                }
            }
        }
    }

    /// Waits for the first child to end, and takes it out.
    async fn next_end(&mut self) -> (Recipe, String) {
        loop {
            let all = self
                .agents
                .iter_mut()
                .chain([&mut self.control, &mut self.dns]);
            let ends = all.filter_map(|place| place.as_mut()).map(|child| {
                Box::pin(async move {
                    let how = child.ended().await;
                    (child.recipe.clone(), how)
                })
            });
            let ends: Vec<_> = ends.collect();
            if ends.is_empty() {
                sleep(RETRY).await;
                continue;
            }
            let ((recipe, how), _, _) = futures_util::future::select_all(ends).await;
            return (recipe, how);
        }
    }

    /// Stops the agents, then the DNS server, then the control plane.
    pub(super) async fn stop(&mut self, talk: &Talk) -> anyhow::Result<()> {
        let killed = self.stop_all().await;
        for name in &killed {
            talk.error(&format!("the {name} did not stop in time and was killed"));
        }
        anyhow::ensure!(killed.is_empty(), "not everything stopped in order");
        Ok(())
    }

    async fn stop_all(&mut self) -> Vec<String> {
        let mut killed = Vec::new();
        let stops = self.agents.iter_mut().flatten().map(|agent| async {
            let clean = agent.stop(AGENT_PATIENCE).await;
            (clean, agent.recipe.name.clone())
        });
        for (clean, name) in futures_util::future::join_all(stops).await {
            if !clean {
                killed.push(name);
            }
        }
        if let Some(dns) = &mut self.dns
            && !dns.stop(DNS_PATIENCE).await
        {
            killed.push(dns.recipe.name.clone());
        }
        if let Some(control) = &mut self.control
            && !control.stop(CONTROL_PATIENCE).await
        {
            killed.push(control.recipe.name.clone());
        }
        killed
    }
}

fn control_recipe(plan: &Plan, listen: SocketAddr) -> Recipe {
    let file = |name: &str| plan.data.join(name).display().to_string();
    let mut arguments = vec![
        "control".to_owned(),
        format!("--data={}", file("control")),
        format!("--listen={listen}"),
        format!("--token-file={}", file("token")),
        format!("--agent-token-file={}", file("agent-token")),
        format!("--names-token-file={}", file("names-token")),
        format!("--zone={}", plan.zone),
    ];
    arguments.extend(plan.webhook.iter().cloned());
    arguments.extend(plan.api.arguments());
    let issuers = plan.issuers.iter();
    arguments.extend(issuers.map(|issuer| format!("--token-issuer={issuer}")));
    arguments.extend(
        plan.regions
            .iter()
            .map(|(region, _)| format!("--region={region}")),
    );
    Recipe {
        name: "control plane".to_owned(),
        arguments,
        log: plan.data.join("logs").join("control.log"),
    }
}

fn dns_recipe(plan: &Plan, control: SocketAddr, listen: SocketAddr) -> Recipe {
    let file = |name: &str| plan.data.join(name).display().to_string();
    Recipe {
        name: DNS.to_owned(),
        arguments: vec![
            "dns".to_owned(),
            format!("--data={}", file("dns")),
            format!("--listen={listen}"),
            format!("--control=http://{control}"),
            format!("--token-file={}", file("names-token")),
        ],
        log: plan.data.join("logs").join("dns.log"),
    }
}

fn agent_recipe(
    plan: &Plan,
    index: u8,
    (region, engine): &(Region, String),
    control: SocketAddr,
) -> Recipe {
    // Each region has a /16 of 127/8 to itself.
    let addresses = if plan.ports {
        "ports".to_owned()
    } else {
        format!("127.{}.0.1", 70_u8.saturating_add(index))
    };
    let data = plan.data.join("agents").join(region.as_str());
    let token = plan.data.join("agent-token");
    let mut arguments = vec![
        "agent".to_owned(),
        format!("--region={region}"),
        format!("--data={}", data.display()),
        format!("--control=http://{control}"),
        format!("--token-file={}", token.display()),
        format!("--engine={engine}"),
        format!("--addresses={addresses}"),
        "--metrics=127.0.0.1:0".to_owned(),
    ];
    arguments.extend(plan.relays.arguments(region));
    arguments.extend(plan.certificates.arguments());
    arguments.extend(plan.transfers.arguments());
    Recipe {
        name: format!("agent of {region}"),
        arguments,
        log: plan.data.join("logs").join(format!("agent-{region}.log")),
    }
}
