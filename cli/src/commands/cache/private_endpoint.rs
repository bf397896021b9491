//! `godwit cache private-endpoint …`.

use std::net::IpAddr;

use clap::Subcommand;
use client::private_endpoints::PrivateEndpoint;
use model::{CacheId, CacheName, Consent, EndpointName};

use crate::{
    arguments::Waiting,
    failure::Failure,
    output::{Form, table},
    session::Session,
    talk::Talk,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Endpoint {
    /// List the private endpoints of a cache, and where they listen
    List {
        /// The cache's name
        cache: CacheName,
    },
    /// Add a private endpoint: another address of a cache, past its firewall, for a private network
    ///
    /// Clients of a cache whose public network access is disabled come in by private endpoints
    /// alone. A linked cache gets none: unlink it, add the endpoint, link it again.
    ///
    /// Example: godwit cache private-endpoint add demo-east office --address 10.0.0.9
    #[command(verbatim_doc_comment)]
    Add {
        /// The cache's name
        cache: CacheName,
        /// The endpoint's name
        #[arg(id = "private_endpoint", value_name = "ENDPOINT")]
        endpoint: EndpointName,
        /// The address, one of the host that runs the cache [default: the agent gives it one]
        #[arg(long, value_name = "IP")]
        address: Option<IpAddr>,
        /// Leave it to somebody else to approve it: until then it listens nowhere
        #[arg(long)]
        pending: bool,
        /// What it is for
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Let a private endpoint listen that was asked for
    Approve {
        /// The cache's name
        cache: CacheName,
        /// The endpoint's name
        #[arg(id = "private_endpoint", value_name = "ENDPOINT")]
        endpoint: EndpointName,
        /// Why
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Let a private endpoint listen no more, and keep it; its connections end
    Reject {
        /// The cache's name
        cache: CacheName,
        /// The endpoint's name
        #[arg(id = "private_endpoint", value_name = "ENDPOINT")]
        endpoint: EndpointName,
        /// Why
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Remove a private endpoint; its connections end
    Remove {
        /// The cache's name
        cache: CacheName,
        /// The endpoint's name
        #[arg(id = "private_endpoint", value_name = "ENDPOINT")]
        endpoint: EndpointName,
    },
}

pub(super) async fn run(command: Endpoint, session: &Session) -> Result<(), Failure> {
    match command {
        Endpoint::List { cache } => list(session, &cache).await,
        Endpoint::Add {
            cache,
            endpoint,
            address,
            pending,
            description,
            waiting,
        } => {
            let id = session.find(&cache).await?.body.id;
            if find(session, &id, &endpoint).await?.is_some() {
                return Err(Failure::new(format!(
                    "`{cache}` has a private endpoint `{endpoint}` already"
                )));
            }
            let consent = if pending {
                Consent::Pending
            } else {
                Consent::Approved
            };
            let wanted = Wanted {
                address,
                consent,
                description,
            };
            wanted.put(session, &id, &endpoint, waiting).await
        }
        Endpoint::Approve {
            cache,
            endpoint,
            description,
            waiting,
        } => {
            let wanted = Wanted::consent(Consent::Approved, description);
            wanted.decide(session, &cache, &endpoint, waiting).await
        }
        Endpoint::Reject {
            cache,
            endpoint,
            description,
            waiting,
        } => {
            let wanted = Wanted::consent(Consent::Rejected, description);
            wanted.decide(session, &cache, &endpoint, waiting).await
        }
        Endpoint::Remove { cache, endpoint } => remove(session, &cache, &endpoint).await,
    }
}

/// What is to become of a private endpoint.
struct Wanted {
    address: Option<IpAddr>,
    consent: Consent,
    description: Option<String>,
}

impl Wanted {
    fn consent(consent: Consent, description: Option<String>) -> Self {
        Self {
            address: None,
            consent,
            description,
        }
    }

    /// Of one that is there.
    async fn decide(
        self,
        session: &Session,
        cache: &CacheName,
        endpoint: &EndpointName,
        waiting: Waiting,
    ) -> Result<(), Failure> {
        let id = session.find(cache).await?.body.id;
        known(session, &id, endpoint).await?;
        self.put(session, &id, endpoint, waiting).await
    }

    async fn put(
        self,
        session: &Session,
        id: &CacheId,
        endpoint: &EndpointName,
        waiting: Waiting,
    ) -> Result<(), Failure> {
        let cache = &id.name;
        let decided = (self.consent, self.description.as_deref());
        let put = session
            .management
            .put_private_endpoint(id, endpoint, self.address, decided)
            .await?;
        let what = match self.consent {
            Consent::Approved => "opening",
            Consent::Pending => "asking for",
            Consent::Rejected => "closing",
        };
        let title = format!("{what} the private endpoint `{endpoint}` of `{cache}`");
        if !session.followed(&title, put, waiting).await? {
            return Ok(());
        }
        let said = match self.consent {
            Consent::Pending => {
                let approve = session.command(&format!(
                    "cache private-endpoint approve {cache} {endpoint}"
                ));
                format!("`{endpoint}` waits to be approved: `{approve}`")
            }
            Consent::Rejected => format!("`{endpoint}` does not listen any more"),
            Consent::Approved => {
                let made = known(session, id, endpoint).await?;
                let place = place(&made);
                format!(
                    "`{cache}` is reached at {} by `{endpoint}`, {place}",
                    made.properties.host_name
                )
            }
        };
        Talk.say(&said);
        Ok(())
    }
}

async fn find(
    session: &Session,
    id: &CacheId,
    name: &EndpointName,
) -> Result<Option<PrivateEndpoint>, Failure> {
    let all = session.management.private_endpoints(id).await?.body;
    let is_it = |one: &PrivateEndpoint| one.name.eq_ignore_ascii_case(name.as_str());
    Ok(all.into_iter().find(is_it))
}

async fn known(
    session: &Session,
    id: &CacheId,
    name: &EndpointName,
) -> Result<PrivateEndpoint, Failure> {
    let found = find(session, id, name).await?;
    found.ok_or_else(|| {
        let list = session.command(&format!("cache private-endpoint list {}", id.name));
        Failure::not_found(format!("`{}` has no private endpoint `{name}`", id.name))
            .hint(format!("`{list}` lists them"))
    })
}

async fn remove(
    session: &Session,
    cache: &CacheName,
    endpoint: &EndpointName,
) -> Result<(), Failure> {
    let id = session.find(cache).await?.body.id;
    known(session, &id, endpoint).await?;
    session
        .management
        .delete_private_endpoint(&id, endpoint)
        .await?;
    Talk.say(&format!(
        "removed `{endpoint}`: nobody comes in to `{cache}` by it"
    ));
    Ok(())
}

async fn list(session: &Session, name: &CacheName) -> Result<(), Failure> {
    let id = session.find(name).await?.body.id;
    let all = session.management.private_endpoints(&id).await?;
    if all.body.is_empty() && session.form == Form::Table {
        Talk.say(&format!("`{name}` has no private endpoint"));
        return Ok(());
    }
    session.form.write(&all.json, || {
        let rows = all.body.iter().map(|endpoint| {
            let of = &endpoint.properties;
            let state = &of.private_link_service_connection_state;
            [
                endpoint.name.clone(),
                state.status.clone(),
                of.provisioning_state.clone(),
                place(endpoint),
                of.problem
                    .clone()
                    .unwrap_or_else(|| state.description.clone()),
            ]
        });
        table(["ENDPOINT", "CONSENT", "STATE", "LISTENS", "NOTE"], rows)
    })
}

/// Where an endpoint listens, in words.
fn place(endpoint: &PrivateEndpoint) -> String {
    let of = &endpoint.properties;
    match (of.address, of.tls_port, of.plain_port) {
        (Some(address), Some(tls), Some(plain)) => {
            format!("{address}, TLS on port {tls}, without TLS on port {plain}")
        }
        (Some(address), Some(tls), None) => format!("{address}, TLS on port {tls}"),
        (_, None, _) | (None, _, _) => "nowhere".to_owned(),
    }
}
