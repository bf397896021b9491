//! Datagrams and connections.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream, UdpSocket},
    time::Duration,
};

use crate::deployment::{Deployment, names};

/// For an answer that has to come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A question for the address of a name, by hand.
pub(crate) fn question(id: u16, name: &str) -> Vec<u8> {
    let mut bytes = id.to_be_bytes().to_vec();
    bytes.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label.as_bytes());
    }
    bytes.extend([0, 0, 1, 0, 1]);
    bytes
}

/// ID, code, and the last four bytes: the address, when there is one.
pub(crate) fn gist(answer: &[u8]) -> (u16, u8, [u8; 4]) {
    let id = u16::from_be_bytes([answer[0], answer[1]]);
    let last = *answer.last_chunk::<4>().unwrap();
    let told = u16::from_be_bytes([answer[6], answer[7]]) > 0;
    (id, answer[3] & 15, if told { last } else { [0; 4] })
}

pub(crate) fn over_udp(server: SocketAddr, asked: &[u8]) -> Vec<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.send_to(asked, server).unwrap();
    let mut answer = vec![0; 4_096];
    let (length, from) = socket.recv_from(&mut answer).unwrap();
    assert_eq!(from, server);
    answer.truncate(length);
    answer
}

fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap().to_be_bytes();
    [&length[..], message].concat()
}

fn connect(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn next(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer).unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_are_answered_in_datagrams_and_on_connections() {
    let world = Deployment::start(names(1, "192.0.2.1")).await;
    let server = world.server().await;
    world.until_generation(server.address, 1).await;
    let east = question(7, "east.redis.example");
    assert_eq!(
        gist(&over_udp(server.address, &east)),
        (7, 0, [192, 0, 2, 1])
    );

    let mut stream = connect(server.address);
    // Both in one piece, and the second one in two.
    let both = [framed(&east), framed(&question(8, "none.redis.example"))].concat();
    let (first, rest) = both.split_at(both.len() - 5);
    stream.write_all(first).unwrap();
    assert_eq!(gist(&next(&mut stream)), (7, 0, [192, 0, 2, 1]));
    stream.write_all(rest).unwrap();
    assert_eq!(gist(&next(&mut stream)), (8, 3, [0; 4]));
    // Whoever has asked everything still hears the last answer.
    stream.write_all(&framed(&east)).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(gist(&next(&mut stream)), (7, 0, [192, 0, 2, 1]));
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_no_questions_is_not_kept() {
    let world = Deployment::start(names(1, "192.0.2.1")).await;
    let server = world.server().await;
    let mut response = question(7, "east.redis.example");
    response[2] = 0x80;
    for nonsense in [framed(b""), framed(&response), framed(&[0; 11])] {
        let mut stream = connect(server.address);
        stream.write_all(&nonsense).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap(), 0, "{nonsense:?}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_does_not_get_every_connection() {
    let world = Deployment::start(names(1, "192.0.2.1")).await;
    let server = world.server().await;
    world.until_generation(server.address, 1).await;
    let east = framed(&question(7, "east.redis.example"));
    let mut held = Vec::new();
    loop {
        let mut stream = connect(server.address);
        if stream.write_all(&east).is_err() || stream.read(&mut [0]).unwrap_or(0) == 0 {
            break;
        }
        held.push(stream);
    }
    // What asked for the generation may not be quite gone yet.
    assert!((30..=32).contains(&held.len()), "{}", held.len());
    drop(held);
    // Places are free again; the last ones to go may still be on their way out.
    loop {
        let mut stream = connect(server.address);
        if stream.write_all(&east).is_ok() && stream.read(&mut [0]).is_ok_and(|read| read > 0) {
            break;
        }
    }
    server.stop().await;
}
