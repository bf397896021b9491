//! Agents meet over loopback: the right ones get a stream, all others get a reason.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::IoSlice;

use model::Region;
use tls::{Identity, PeerIdentity, Protocol, TlsError, TlsStream, testing};
use tokio::{
    io::{AsyncReadExt as _, AsyncWrite as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

type Accepted = Result<(TlsStream, PeerIdentity), TlsError>;
type Connected = Result<TlsStream, TlsError>;

fn region(name: &str) -> Region {
    name.parse().unwrap()
}

/// Two ends of a connection over loopback.
async fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dialled = TcpStream::connect(listener.local_addr().unwrap());
    let (accepted, dialled) = tokio::join!(listener.accept(), dialled);
    (accepted.unwrap().0, dialled.unwrap())
}

/// `client` dials `server`, expecting the agent of `expected`.
async fn meet(server: &Identity, client: &Identity, expected: &str) -> (Accepted, Connected) {
    let (near, far) = tcp().await;
    let expected = region(expected);
    tokio::join!(
        server.accept(near),
        client.connect(far, &expected, Protocol::Relay)
    )
}

/// Bytes go both ways.
async fn talk(one: &mut TlsStream, other: &mut TlsStream) {
    let mut bytes = [0; 4];
    one.write_all(b"ping").await.unwrap();
    one.flush().await.unwrap();
    other.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"ping");
    other.write_all(b"pong").await.unwrap();
    other.flush().await.unwrap();
    one.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"pong");
}

#[tokio::test]
async fn agents_of_one_deployment_know_each_other() {
    let authority = testing::authority();
    let east = testing::identity(&authority, &region("eastus"));
    let west = testing::identity(&authority, &region("westus"));
    for (server, client) in [(&east, &west), (&west, &east)] {
        let (accepted, connected) = meet(server, client, server.region().as_str()).await;
        let (mut near, peer) = accepted.unwrap();
        assert_eq!(peer.region, *client.region());
        let mut far = connected.unwrap();
        talk(&mut near, &mut far).await;
        assert_eq!(
            near.tcp().local_addr().unwrap(),
            far.tcp().peer_addr().unwrap()
        );
    }
}

#[tokio::test]
async fn an_agent_of_another_region_is_not_talked_to() {
    let authority = testing::authority();
    let west = testing::identity(&authority, &region("westus"));
    let north = testing::identity(&authority, &region("northus"));
    let (accepted, connected) = meet(&west, &north, "eastus").await;
    let error = connected.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("is the agent of `westus`, expected `eastus`"),
        "{text}"
    );
    assert_eq!(error.presented().unwrap(), "the agent of `westus`");
    let told = accepted.unwrap_err().to_string();
    assert!(
        told.contains("expected the agent of another region"),
        "{told}"
    );
}

#[tokio::test]
async fn agents_of_two_deployments_refuse_each_other() {
    let east = testing::identity(&testing::authority(), &region("eastus"));
    let west = testing::identity(&testing::authority(), &region("westus"));
    let (accepted, connected) = meet(&east, &west, "eastus").await;
    let text = connected.unwrap_err().to_string();
    assert!(
        text.contains("was issued by another control plane"),
        "{text}"
    );
    let told = accepted.unwrap_err().to_string();
    assert!(told.contains("issued by another control plane"), "{told}");
}

#[tokio::test]
async fn without_a_certificate_nothing_is_accepted_or_dialled() {
    let vacant = Identity::vacant(region("eastus"));
    let (near, far) = tcp().await;
    let accepted = vacant.accept(near).await;
    let connected = vacant
        .connect(far, &region("westus"), Protocol::Relay)
        .await;
    for error in [
        accepted.map(drop).unwrap_err(),
        connected.map(drop).unwrap_err(),
    ] {
        assert!(matches!(error, TlsError::NoIdentity { .. }), "{error}");
    }
    let certified = testing::certified(&testing::authority(), &region("eastus"));
    vacant.clone().replace(certified.clone());
    assert_eq!(vacant.expires(), Some(certified.validity().until));
}

#[tokio::test]
async fn a_renewed_certificate_leaves_connections_alone() {
    let authority = testing::authority();
    let east = testing::identity(&authority, &region("eastus"));
    let west = testing::identity(&authority, &region("westus"));
    let (accepted, connected) = meet(&east, &west, "eastus").await;
    let (mut near, _peer) = accepted.unwrap();
    let mut far = connected.unwrap();
    // Another authority, so that old and new cannot be taken for each other.
    let next = testing::authority();
    east.replace(testing::certified(&next, &region("eastus")));
    talk(&mut near, &mut far).await;
    let (_, refused) = meet(&east, &west, "eastus").await;
    assert!(refused.is_err());
    west.replace(testing::certified(&next, &region("westus")));
    let (accepted, connected) = meet(&east, &west, "eastus").await;
    let (mut near_again, _peer) = accepted.unwrap();
    talk(&mut near_again, &mut connected.unwrap()).await;
    talk(&mut far, &mut near).await;
}

#[tokio::test]
async fn many_bytes_arrive_as_they_were_sent() {
    let authority = testing::authority();
    let east = testing::identity(&authority, &region("eastus"));
    let west = testing::identity(&authority, &region("westus"));
    let (accepted, connected) = meet(&east, &west, "eastus").await;
    let (mut near, _peer) = accepted.unwrap();
    let mut far = connected.unwrap();
    let header: Vec<u8> = (0..16).collect();
    let body: Vec<u8> = (0..=u8::MAX).cycle().take(3 << 20).collect();
    let sending = async {
        let mut parts = &mut [IoSlice::new(&header), IoSlice::new(&body)][..];
        assert!(near.is_write_vectored());
        while !parts.is_empty() {
            let sent = near.write_vectored(parts).await.unwrap();
            IoSlice::advance_slices(&mut parts, sent);
        }
        near.shutdown().await.unwrap();
    };
    let mut received = Vec::new();
    let (read, ()) = tokio::join!(far.read_to_end(&mut received), sending);
    assert_eq!(read.unwrap(), header.len() + body.len());
    assert!(received[..16] == header && received[16..] == body);
}

#[tokio::test]
async fn who_dials_says_what_is_spoken() {
    let authority = testing::authority();
    let east = testing::identity(&authority, &region("eastus"));
    let west = testing::identity(&authority, &region("westus"));
    for protocol in Protocol::ALL {
        let (near, far) = tcp().await;
        let expected = region("eastus");
        let (accepted, connected) =
            tokio::join!(east.accept(near), west.connect(far, &expected, protocol));
        let (mut near, peer) = accepted.unwrap();
        assert_eq!(peer.protocol, protocol);
        talk(&mut near, &mut connected.unwrap()).await;
    }
}
