//! Lets clients in as far as their first byte: firewall, number of clients, TLS.

use std::{
    future::poll_fn, io, net::SocketAddr, os::fd::AsFd, sync::Arc, task::Poll, time::Duration,
};

use parking_lot::Mutex;
use runtime::chain;
use socket2::{SockRef, TcpKeepalive};
use tls::{FrontStream, FrontTls};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Handle,
    time::sleep,
};

use crate::{
    Endpoint, connection,
    house::House,
    roster::{Entered, Room},
    sentences,
    status::Refusal,
    ticket::{Carrier, Through},
};

/// After an accept that failed: descriptors may be free again then.
const REST: Duration = Duration::from_millis(100);
/// Until strangers have logged in, or have been strangers for too long.
const LATER: Duration = Duration::from_millis(20);

/// Which clients a listener is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    One(Endpoint),
    /// Both endpoints: the name in the handshake tells.
    Named,
}

/// Accepts clients for ever.
pub(crate) async fn accept(
    house: Arc<House>,
    listener: Arc<TcpListener>,
    whom: Arc<Mutex<For>>,
    carrier: Carrier,
    front: FrontTls,
) {
    let mut failing = false;
    loop {
        match listener.accept().await {
            Ok((tcp, peer)) => {
                failing = false;
                let whom = *whom.lock();
                if let Some(entered) = admit(&house, &tcp, peer, whom, carrier).await {
                    serve(&house, tcp, entered, whom, &front);
                }
            }
            Err(error) => {
                if !failing {
                    tracing::warn!(cache = %house.cache.name, error = %chain(&error), "cannot accept a client");
                }
                failing = true;
                sleep(REST).await;
            }
        }
    }
}

/// The firewall, and the number of clients.
async fn admit(
    house: &Arc<House>,
    tcp: &TcpStream,
    peer: SocketAddr,
    whom: For,
    carrier: Carrier,
) -> Option<Entered> {
    let through = Through {
        endpoint: match whom {
            For::One(endpoint) => endpoint,
            For::Named => Endpoint::Direct,
        },
        carrier,
    };
    loop {
        let orders = house.orders();
        if !orders.entry.admits(peer.ip()) {
            house.refused(Refusal::Firewall, &peer, "no firewall rule has its address");
            return None;
        }
        match house.roster.enter(peer, through, orders.entry.max_clients) {
            Room::Taken(entered) => return Some(entered),
            Room::Later => sleep(LATER).await,
            Room::Full => {
                house.refused(
                    Refusal::Clients,
                    &peer,
                    "there are as many clients as may be",
                );
                if carrier == Carrier::Plain {
                    // As the engines do it: what does not fit a new socket's buffer is not said.
                    let _unsaid = tcp.try_write(sentences::MAX_CLIENTS);
                }
                return None;
            }
        }
    }
}

fn serve(house: &Arc<House>, tcp: TcpStream, entered: Entered, whom: For, front: &FrontTls) {
    house.roster.totals.note_accepted();
    let (house, front) = (Arc::clone(house), front.clone());
    let tasks = house.tasks.clone();
    let seat = house.lanes.seat();
    let lane = seat.scheduler();
    let _on_lane = lane.as_ref().map(Handle::enter);
    let tcp = match tcp.into_std().and_then(TcpStream::from_std) {
        Ok(tcp) => tcp,
        Err(error) => {
            tracing::warn!(peer = %entered.peer, error = %chain(&error), "cannot serve a client");
            return;
        }
    };
    match entered.through().carrier {
        Carrier::Plain | Carrier::Tunnel => {
            let stream = FrontStream::plain(tcp);
            tasks.spawn_until_done("gateway connection", async move {
                connection::serve(house, entered, stream).await;
                drop(seat);
            });
        }
        Carrier::Tls => tasks.spawn_until_done("gateway connection", async move {
            if let Some(stream) = Box::pin(shake(&house, &entered, tcp, whom, &front)).await {
                drop(front);
                connection::serve(house, entered, stream).await;
            }
            drop(seat);
        }),
    }
}

async fn shake(
    house: &House,
    entered: &Entered,
    tcp: TcpStream,
    whom: For,
    front: &FrontTls,
) -> Option<FrontStream> {
    let minimum = house.orders().entry.door.minimum_tls;
    let shaken = tokio::select! {
        shaken = front.accept(tcp, minimum) => shaken,
        () = evicted(entered) => {
            let why = "it did not log in, and others came";
            house.refused(Refusal::Slow, &entered.peer, why);
            return None;
        }
        () = house.tasks.cancelled() => return None,
    };
    match shaken {
        Ok(stream) => {
            if whom == For::Named && is_geo(stream.server_name()) {
                entered.set_endpoint(Endpoint::Geo);
            }
            Some(stream)
        }
        Err(error) => {
            let why = chain(&error).to_string();
            house.refused(Refusal::Tls, &entered.peer, &why);
            None
        }
    }
}

/// Resolves when it has to make room.
async fn evicted(entered: &Entered) {
    poll_fn(|cx| {
        let _looked_at_later = entered.poll_changed(cx);
        if entered.is_evicted() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// Tells whether a name is one of a geo endpoint: `<cache>.geo.<zone>`.
fn is_geo(name: Option<&str>) -> bool {
    let mut labels = name.unwrap_or_default().split('.');
    labels
        .nth(1)
        .is_some_and(|label| label.eq_ignore_ascii_case("geo"))
}

/// Small writes leave at once, and a host that vanished is noticed. A listener passes it on to the
/// connections that it accepts (tcp(7)), and saves them the calls.
pub(crate) fn prepare<S: AsFd>(socket: &S) -> io::Result<()> {
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(15))
        .with_retries(4);
    let socket = SockRef::from(socket);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&keepalive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_label_tells_the_endpoint() {
        assert!(is_geo(Some("demo.geo.caches.example")) && is_geo(Some("demo.GEO.x")));
        for name in [
            None,
            Some(""),
            Some("geo"),
            Some("geo.x"),
            Some("demo.x.geo"),
        ] {
            assert!(!is_geo(name), "{name:?}");
        }
    }
}
