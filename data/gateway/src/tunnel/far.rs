//! Takes what another region's gateway carries over.

use std::{future::poll_fn, net::SocketAddr, sync::Arc};

use runtime::chain;
use tokio::net::TcpStream;

use super::{
    Entrance, Kind, RefusalCode, Refused, crossing::Crossing, entrance::refuse, frame::Enter,
};
use crate::{
    Endpoint, Entry,
    entry::Who,
    house::House,
    place::Place,
    roster::Entered,
    status::Refusal,
    ticket::{Carrier, Through},
    upstream::{OpenError, is_full, open_engine},
};

/// Serves one connection of another region's gateway.
pub(crate) fn enter(house: &Arc<House>, entrance: Entrance) {
    let house = Arc::clone(house);
    let tasks = house.tasks.clone();
    tasks.spawn_until_done("gateway entrance", async move {
        Box::pin(serve(house, entrance)).await;
    });
}

async fn serve(house: Arc<House>, entrance: Entrance) {
    let Entrance {
        mut tunnel,
        enter,
        region,
    } = entrance;
    match open(&house, &enter).await {
        Ok(opened) => {
            if tunnel.send(Kind::Entered, &[]).await.is_err() {
                return;
            }
            let client = enter.client;
            let mut crossing = Crossing::new(house, opened, tunnel, enter);
            let mut ended = poll_fn(|cx| crossing.poll(cx)).await;
            if matches!(ended, Ok(true)) && crossing.engine_is_there().await {
                // In order: the engine wanted it so. Otherwise the near side hears no end.
                ended = poll_fn(|cx| crossing.poll_goodbye(cx)).await;
            }
            if let Err(error) = ended {
                tracing::debug!(%client, %region, error = %chain(&error), "a connection of another region's gateway broke");
            }
        }
        Err(refused) => {
            house.refused(Refusal::Entering, &enter.client, &refused.why);
            refuse(&mut tunnel, &refused).await;
        }
    }
}

/// What is opened for a client.
pub(super) struct Opened {
    pub(super) entered: Entered,
    pub(super) engine: TcpStream,
    /// Where the engine is.
    pub(super) address: SocketAddr,
    /// The place that it was opened for.
    pub(super) moves: u64,
}

/// Lets a client in for whom another region's gateway answers.
async fn open(house: &Arc<House>, enter: &Enter) -> Result<Opened, Refused> {
    let refused = |code, why: &str| Refused {
        code,
        why: why.to_owned(),
    };
    let orders = house.orders();
    admits(&orders.entry, enter)?;
    let Place::Here {
        engine,
        client,
        writable: true,
    } = &*orders.place
    else {
        let why = "the cache is not led from the other side at present";
        return Err(refused(RefusalCode::NotNow, why));
    };
    if orders.closed || orders.hold.is_some() {
        let why = "the cache is about to be led from elsewhere";
        return Err(refused(RefusalCode::NotNow, why));
    }
    let through = Through {
        endpoint: Endpoint::Geo,
        carrier: Carrier::Tunnel,
    };
    let max = orders.entry.max_clients;
    let entered = house.roster.carry_in(enter.client, through, max);
    let entered =
        entered.ok_or_else(|| refused(RefusalCode::Clients, "max number of clients reached"))?;
    let opened = open_engine(*engine, &enter.who, client).await;
    let stream = opened.map_err(|error| {
        let why = chain(&error).to_string();
        tracing::info!(cache = %house.cache.name, why, "cannot open the engine for another gateway");
        match error {
            OpenError::Refused { answer, .. } if is_full(&answer) => {
                refused(RefusalCode::Clients, "max number of clients reached")
            }
            OpenError::Refused { .. } | OpenError::Unreachable { .. } => {
                refused(RefusalCode::NotNow, "the cache's engine does not answer")
            }
        }
    })?;
    house.roster.totals.note_accepted();
    Ok(Opened {
        entered,
        engine: stream,
        address: *engine,
        moves: orders.moves,
    })
}

pub(super) fn admits(entry: &Entry, enter: &Enter) -> Result<(), Refused> {
    let refused = |why: &str| Refused {
        code: RefusalCode::NotAdmitted,
        why: why.to_owned(),
    };
    if !entry.admits_carried(enter.private, enter.client.ip()) {
        return Err(refused(if entry.door.public {
            "the client's address is not in the firewall rules of the geo-primary"
        } else if entry.door.private.is_empty() {
            "the geo-primary is not reached from public networks, nor by a private endpoint"
        } else {
            "the geo-primary is reached by private endpoints alone"
        }));
    }
    match &enter.who {
        Who::Key(_) if !entry.door.access_keys => {
            Err(refused("access keys let nobody in to the geo-primary"))
        }
        Who::User(object_id) if !entry.knows(object_id) => Err(refused(
            "the token's user has no access policy assignment at the geo-primary",
        )),
        Who::Key(_) | Who::User(_) => Ok(()),
    }
}
