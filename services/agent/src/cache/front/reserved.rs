//! Ports of doors that are closed: nobody else is to listen there before they are opened.

use std::net::SocketAddr;

use model::Doors;
use socket2::{Domain, Socket, Type};

/// A port that nobody else can bind, and where nobody listens: whoever connects is refused.
#[derive(Debug)]
pub(super) struct Reserved {
    _socket: Socket,
}

/// Reserves the ports that are closed when the cache listens `without_tls`, and `at_all`. One that
/// somebody else has is left to them: opening it will say so.
pub(super) fn closed(doors: Doors, without_tls: bool, at_all: bool) -> Vec<Reserved> {
    let plain = [doors.direct.plain(), doors.geo.plain()];
    let tls = [Some(doors.direct.tls()), Some(doors.geo.tls())];
    let plain = plain.into_iter().filter(|_| !(without_tls && at_all));
    let tls = tls.into_iter().filter(|_| !at_all);
    let closed = plain.chain(tls).flatten();
    closed.filter_map(reserve).collect()
}

/// Keeps a port from everybody else. A socket that does not say that its address may be used again keeps it, without listening.
pub(super) fn reserve(address: SocketAddr) -> Option<Reserved> {
    let reserved = Socket::new(Domain::for_address(address), Type::STREAM, None)
        .and_then(|socket| socket.bind(&address.into()).map(|()| socket));
    match reserved {
        Ok(socket) => Some(Reserved { _socket: socket }),
        Err(error) => {
            tracing::debug!(%address, %error, "a closed port is not kept from others");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};

    use model::Door;

    use super::*;

    /// Ports that are free.
    fn door() -> Door {
        let free = || {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            listener.local_addr().unwrap().port()
        };
        Door {
            ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            tls: free(),
            plain: Some(free()),
        }
    }

    #[test]
    fn a_closed_port_is_nobody_elses_until_it_is_let_go() {
        let doors = Doors {
            direct: door(),
            geo: door(),
        };
        let plain = doors.direct.plain().unwrap();
        let reserved = closed(doors, false, true);
        assert!(TcpListener::bind(plain).is_err());
        assert!(TcpStream::connect(plain).is_err());
        assert!(TcpListener::bind(doors.direct.tls()).is_ok());
        drop(reserved);
        assert!(TcpListener::bind(plain).is_ok());
    }

    #[test]
    fn every_port_of_a_cache_that_listens_nowhere_is_kept() {
        let doors = Doors {
            direct: door(),
            geo: door(),
        };
        assert_eq!(closed(doors, true, false).len(), 4);
        assert!(closed(doors, true, true).is_empty());
    }
}
