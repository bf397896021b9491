//! The sockets: a pair of one UDP and one TCP socket for each address.

mod tcp;
mod udp;

use std::{io, net::SocketAddr, sync::Arc};

use runtime::{dice::Dice, tasks::Tasks};
use tokio::net::{TcpListener, UdpSocket};

use crate::{served::Served, tally::Tally};

/// How often a port is looked for that is free for both.
const ATTEMPTS: usize = 16;

/// A pair of sockets that nothing answers at yet.
pub(crate) struct Bound {
    udp: UdpSocket,
    tcp: TcpListener,
    pub(crate) address: SocketAddr,
}

/// Takes an address for UDP and TCP; with port 0, one that is free for both.
pub(crate) async fn bind(address: SocketAddr) -> io::Result<Bound> {
    let mut tried = 1;
    loop {
        let tcp = TcpListener::bind(address).await?;
        let taken = tcp.local_addr()?;
        match UdpSocket::bind(taken).await {
            Ok(udp) => {
                return Ok(Bound {
                    udp,
                    tcp,
                    address: taken,
                });
            }
            Err(error)
                if error.kind() == io::ErrorKind::AddrInUse
                    && address.port() == 0
                    && tried < ATTEMPTS =>
            {
                tried += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

impl Bound {
    /// Answers until the tasks are cancelled.
    pub(crate) fn serve(
        self,
        tasks: &Tasks,
        served: &Served,
        answers_per_second: u32,
        dice: &Dice,
        tally: &Arc<Tally>,
    ) {
        let limiter = udp::limiter(answers_per_second, dice);
        tasks.spawn(
            "dns udp",
            udp::run(self.udp, served.clone(), limiter, Arc::clone(tally)),
        );
        tasks.spawn(
            "dns tcp",
            tcp::run(self.tcp, served.clone(), Arc::clone(tally), tasks.child()),
        );
    }
}
