//! What is carried, how late, how fast, and how it ends.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    io::ErrorKind,
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroU64,
    time::Duration,
};

use runtime::{dice::Dice, tasks::Tasks};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep, timeout},
};
use wan::{Carried, Direction, Wan, Weather, control};

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const PATIENCE: Duration = Duration::from_secs(30);

/// A WAN with one server behind it.
struct Rig {
    tasks: Tasks,
    server: TcpListener,
    wan: Wan,
}

impl Rig {
    async fn new(weather: Weather) -> Self {
        let (tasks, server) = (Tasks::new(), TcpListener::bind(LOOPBACK).await.unwrap());
        let to = server.local_addr().unwrap();
        let dice = Dice::from_seed(1);
        let wan = Wan::start(&tasks, LOOPBACK, to, weather, dice).unwrap();
        Self { tasks, server, wan }
    }

    /// A client and the server's end of its connection.
    async fn connect(&self) -> (TcpStream, TcpStream) {
        let client = TcpStream::connect(self.wan.address()).await.unwrap();
        let (server, _) = patiently(self.server.accept()).await.unwrap();
        (client, server)
    }

    async fn until(&self, what: &str, holds: impl Fn(Carried) -> bool) {
        let begun = Instant::now();
        while !holds(self.wan.carried()) {
            assert!(
                begun.elapsed() < PATIENCE,
                "{what}: {:?}",
                self.wan.carried()
            );
            sleep(Duration::from_millis(2)).await;
        }
    }
}

async fn patiently<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.unwrap()
}

/// Everything up to the end, and whether that was a reset.
async fn read_to_end(stream: &mut TcpStream) -> (Vec<u8>, bool) {
    let (mut all, mut buffer) = (Vec::new(), vec![0; 65536]);
    loop {
        match patiently(stream.read(&mut buffer)).await {
            Ok(0) => return (all, false),
            Ok(count) => all.extend_from_slice(&buffer[..count]),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
                return (all, true);
            }
        }
    }
}

/// Bytes whose place can be told from their value.
fn numbered(count: u32) -> Vec<u8> {
    (0..count / 4).flat_map(u32::to_le_bytes).collect()
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn at_rate(rate: u64) -> Weather {
    Weather {
        rate: NonZeroU64::new(rate),
        ..Weather::default()
    }
}

#[tokio::test]
async fn each_way_takes_the_latency_and_jitter_keeps_the_order() {
    let rig = Rig::new(Weather {
        latency: ms(30),
        jitter: ms(20),
        rate: None,
    })
    .await;
    let (mut client, mut server) = rig.connect().await;
    let data = numbered(40_000);
    let begun = Instant::now();
    let (mut received, mut back) = (vec![0; data.len()], [0]);
    let sending = async {
        for piece in data.chunks(400) {
            client.write_all(piece).await.unwrap();
            sleep(ms(1)).await;
        }
    };
    let receiving = async {
        server.read_exact(&mut received[..1]).await.unwrap();
        assert!(begun.elapsed() >= ms(30), "{:?}", begun.elapsed());
        server.read_exact(&mut received[1..]).await.unwrap();
    };
    patiently(async { tokio::join!(sending, receiving) }).await;
    assert!(received == data, "other bytes, or in another order");
    let begun = Instant::now();
    server.write_all(b"!").await.unwrap();
    patiently(client.read_exact(&mut back)).await.unwrap();
    assert!(begun.elapsed() >= ms(30), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn connecting_takes_a_round_trip() {
    let weather = Weather {
        latency: ms(30),
        ..Weather::default()
    };
    let rig = Rig::new(weather).await;
    let begun = Instant::now();
    let (mut client, mut server) = rig.connect().await;
    client.write_all(b"!").await.unwrap();
    patiently(server.read_exact(&mut [0])).await.unwrap();
    assert!(begun.elapsed() >= ms(90), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn connections_share_the_rate() {
    let rig = Rig::new(at_rate(4_000_000)).await;
    let ((mut one, mut one_end), (mut two, mut two_end)) =
        (rig.connect().await, rig.connect().await);
    let begun = Instant::now();
    let data = numbered(1_000_000);
    let (to_one, to_two) = (data.clone(), data.clone());
    let (sent, first, second) = patiently(async {
        let sending = async {
            let (one, two) = tokio::join!(one_end.write_all(&to_one), two_end.write_all(&to_two));
            one.and(two)
                .and(one_end.shutdown().await)
                .and(two_end.shutdown().await)
        };
        tokio::join!(sending, read_to_end(&mut one), read_to_end(&mut two))
    })
    .await;
    sent.unwrap();
    assert!(first.0 == data && second.0 == data, "other bytes");
    // Two million bytes at four million a second; what timers allow beforehand is 2 ms.
    assert!(begun.elapsed() >= ms(490), "{:?}", begun.elapsed());
    assert_eq!(rig.wan.carried().to_client, 2_000_000);
}

#[tokio::test]
async fn an_unlimited_wan_carries_much() {
    let rig = Rig::new(Weather::default()).await;
    let (mut client, mut server) = rig.connect().await;
    let data = numbered(32 << 20);
    let sending = async {
        server.write_all(&data).await.unwrap();
        server.shutdown().await.unwrap();
    };
    let ((), (received, reset)) =
        patiently(async { tokio::join!(sending, read_to_end(&mut client)) }).await;
    assert!(received == data && !reset, "other bytes");
}

#[tokio::test]
async fn a_full_way_stops_the_sender() {
    let rig = Rig::new(at_rate(100_000)).await;
    let (client, _server) = rig.connect().await;
    let piece = vec![0; 65536];
    let mut sent = 0;
    // A sender that cannot write for a while is stopped; a slow machine only makes it less.
    while timeout(ms(300), client.writable()).await.is_ok() {
        sent += client.try_write(&piece).unwrap_or(0);
        assert!(sent < 16 << 20, "nothing stops the sender");
    }
    assert!(sent > 0);
}

#[tokio::test]
async fn an_end_is_passed_on_in_each_direction() {
    let rig = Rig::new(Weather::default()).await;
    let (mut client, mut server) = rig.connect().await;
    client.write_all(b"question").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(
        read_to_end(&mut server).await,
        (b"question".to_vec(), false)
    );
    server.write_all(b"answer").await.unwrap();
    server.shutdown().await.unwrap();
    assert_eq!(read_to_end(&mut client).await, (b"answer".to_vec(), false));
    rig.until("the connection is over", |carried| carried.open == 0)
        .await;
}

#[tokio::test]
async fn a_reset_is_passed_on() {
    let rig = Rig::new(Weather::default()).await;
    let (client, mut server) = rig.connect().await;
    client.set_zero_linger().unwrap();
    drop(client);
    assert_eq!(read_to_end(&mut server).await, (vec![], true));
}

#[tokio::test]
async fn a_cut_resets_both_ends_of_every_connection() {
    let rig = Rig::new(Weather::default()).await;
    let mut pairs = [rig.connect().await, rig.connect().await];
    for (client, server) in &mut pairs {
        client.write_all(b"x").await.unwrap();
        patiently(server.read_exact(&mut [0])).await.unwrap();
    }
    rig.wan.cut();
    for (client, server) in &mut pairs {
        assert_eq!(read_to_end(client).await, (vec![], true));
        assert_eq!(read_to_end(server).await, (vec![], true));
    }
    rig.until("they are over", |carried| carried.open == 0)
        .await;
    assert_eq!(
        (rig.wan.carried().cuts, rig.wan.carried().connections),
        (1, 2)
    );
    let (mut client, mut server) = rig.connect().await;
    client.write_all(b"again").await.unwrap();
    patiently(server.read_exact(&mut [0; 5])).await.unwrap();
}

#[tokio::test]
async fn a_cut_comes_at_its_byte() {
    let rig = Rig::new(Weather::default()).await;
    let data = numbered(4 << 20);
    for at in [1, 12_345, 65_536, 3_000_001] {
        rig.wan.cut_after(Direction::ToClient, at);
        let (mut client, mut server) = rig.connect().await;
        client.write_all(b"does not count").await.unwrap();
        let (_reset, (received, reset)) =
            patiently(async { tokio::join!(server.write_all(&data), read_to_end(&mut client)) })
                .await;
        assert!(reset, "cut after {at}");
        assert_eq!(received.len() as u64, at);
        assert!(data.starts_with(&received), "other bytes");
    }
    assert_eq!(rig.wan.carried().cuts, 4);
    assert_eq!(rig.wan.carried().to_client, 1 + 12_345 + 65_536 + 3_000_001);
}

#[tokio::test]
async fn cuts_come_again_until_they_are_taken_back() {
    let rig = Rig::new(Weather::default()).await;
    rig.wan.cut_every(Direction::ToServer, 1_000);
    let data = numbered(10_000);
    for _ in 0..5 {
        let (mut client, mut server) = rig.connect().await;
        let (_reset, (received, reset)) =
            patiently(async { tokio::join!(client.write_all(&data), read_to_end(&mut server)) })
                .await;
        assert_eq!((received.len(), reset), (1_000, true));
    }
    rig.wan.cut_no_more();
    let (mut client, mut server) = rig.connect().await;
    client.write_all(&data).await.unwrap();
    client.shutdown().await.unwrap();
    assert!(read_to_end(&mut server).await == (data, false));
    assert_eq!(rig.wan.carried().cuts, 5);
}

#[tokio::test]
async fn one_way_stands_still_and_loses_nothing() {
    let rig = Rig::new(Weather::default()).await;
    let (mut client, mut server) = rig.connect().await;
    rig.wan.one_way(Direction::ToClient, None);
    assert!(rig.wan.is_stopped(Direction::ToClient) && !rig.wan.is_stopped(Direction::ToServer));
    server.write_all(b"kept").await.unwrap();
    for _ in 0..20 {
        client.write_all(b"through").await.unwrap();
        patiently(server.read_exact(&mut [0; 7])).await.unwrap();
    }
    assert_eq!(
        client.try_read(&mut [0]).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    assert_eq!(rig.wan.carried().to_client, 0);
    rig.wan.release();
    let mut kept = [0; 4];
    patiently(client.read_exact(&mut kept)).await.unwrap();
    assert_eq!(&kept, b"kept");
}

#[tokio::test]
async fn a_stall_ends_by_itself_or_when_released() {
    let rig = Rig::new(Weather::default()).await;
    let (mut client, mut server) = rig.connect().await;
    let begun = Instant::now();
    rig.wan.stall(Some(ms(120)));
    client.write_all(b"a").await.unwrap();
    patiently(server.read_exact(&mut [0])).await.unwrap();
    assert!(begun.elapsed() >= ms(120), "{:?}", begun.elapsed());

    rig.wan.stall(None);
    let before = rig.wan.carried();
    client.write_all(b"b").await.unwrap();
    server.write_all(b"c").await.unwrap();
    sleep(ms(50)).await;
    assert_eq!(rig.wan.carried(), before);
    rig.wan.release();
    patiently(server.read_exact(&mut [0])).await.unwrap();
    patiently(client.read_exact(&mut [0])).await.unwrap();
    assert_eq!(rig.wan.carried().open, 1);
}

#[tokio::test]
async fn refused_connections_end_at_once_and_open_ones_go_on() {
    let rig = Rig::new(Weather::default()).await;
    let (mut client, mut server) = rig.connect().await;
    rig.wan.refuse(true);
    // The reset may come before the client has noticed that it is connected.
    match TcpStream::connect(rig.wan.address()).await {
        Ok(mut refused) => assert_eq!(read_to_end(&mut refused).await, (vec![], true)),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
    }
    rig.until("one is refused", |carried| carried.refused == 1)
        .await;
    client.write_all(b"!").await.unwrap();
    patiently(server.read_exact(&mut [0])).await.unwrap();
    rig.wan.refuse(false);
    rig.connect().await;
    assert_eq!(rig.wan.carried().connections, 2);
}

#[tokio::test]
async fn a_server_that_is_not_there_resets_the_client() {
    let rig = Rig::new(Weather::default()).await;
    let nobody = TcpListener::bind(LOOPBACK).await.unwrap();
    rig.wan.lead_to(nobody.local_addr().unwrap());
    drop(nobody);
    let mut client = TcpStream::connect(rig.wan.address()).await.unwrap();
    assert_eq!(read_to_end(&mut client).await, (vec![], true));
    rig.wan.lead_to(rig.server.local_addr().unwrap());
    rig.connect().await;
}

#[tokio::test]
async fn it_ends_with_its_tasks() {
    let rig = Rig::new(Weather::default()).await;
    let (mut client, mut server) = rig.connect().await;
    assert!(rig.tasks.stop(PATIENCE).await);
    assert_eq!(read_to_end(&mut client).await, (vec![], true));
    assert_eq!(read_to_end(&mut server).await, (vec![], true));
    assert!(TcpStream::connect(rig.wan.address()).await.is_err());
}

/// Sends a request; the code and the body of the answer.
async fn ask(control: SocketAddr, request: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(control).await.unwrap();
    let head = format!(
        "{request} HTTP/1.1\r\nHost: wan\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    patiently(stream.read_to_string(&mut answer)).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let code = head.split(' ').nth(1).unwrap().parse().unwrap();
    (code, body.to_owned())
}

#[tokio::test]
async fn everything_can_be_done_over_http() {
    let rig = Rig::new(Weather::default()).await;
    let control = control::serve(&rig.tasks, LOOPBACK, rig.wan.clone())
        .await
        .unwrap();
    let good = async |request: &str, body: &str, expected: &str| {
        let (code, answer) = ask(control, request, body).await;
        assert_eq!(code, 200, "{request}: {answer}");
        assert!(answer.contains(expected), "{request}: {answer}");
    };
    let (mut client, mut server) = rig.connect().await;
    let settings = r#"{"latencyMs":1,"jitterMs":2,"rateBytesPerSecond":3000000}"#;
    good("POST /settings", settings, settings).await;
    good("POST /settings", "{}", r#""rateBytesPerSecond":null"#).await;
    assert_eq!(rig.wan.weather(), Weather::default());
    good(
        "POST /one-way?direction=to-client",
        "",
        r#""stopped":["to-client"]"#,
    )
    .await;
    good(
        "POST /stall?for_ms=600000",
        "",
        r#""stopped":["to-server","to-client"]"#,
    )
    .await;
    good("POST /release", "", r#""stopped":[]"#).await;
    good("POST /refuse", "", r#""refusing":true"#).await;
    good("POST /accept", "", r#""refusing":false"#).await;
    good("POST /cut-after?bytes=3", "", r#""cuts":0"#).await;
    server.write_all(b"12345").await.unwrap();
    assert_eq!(read_to_end(&mut client).await, (b"123".to_vec(), true));
    good(
        "GET /status",
        "",
        r#""toClientBytes":3,"connectionsOpen":0,"connections":1,"connectionsRefused":0,"cuts":1"#,
    )
    .await;
    good(
        "POST /cut-after?bytes=3&direction=to-server&again=true",
        "",
        "",
    )
    .await;
    good("POST /cut-no-more", "", "").await;
    good("POST /cut", "", r#""cuts":2"#).await;
    good("POST /to?address=127.0.0.1:9", "", r#""to":"127.0.0.1:9""#).await;
}

#[tokio::test]
async fn what_is_not_understood_over_http_is_refused() {
    let rig = Rig::new(Weather::default()).await;
    let control = control::serve(&rig.tasks, LOOPBACK, rig.wan.clone())
        .await
        .unwrap();
    for (request, body) in [
        ("POST /settings", r#"{"latency":1}"#),
        ("POST /settings", r#"{"rateBytesPerSecond":0}"#),
        ("POST /one-way?direction=up", ""),
        ("POST /cut-after", ""),
        ("POST /stall?for_ms=-1", ""),
        ("GET /cut", ""),
        ("POST /nothing", ""),
    ] {
        let (code, answer) = ask(control, request, body).await;
        assert!((400..500).contains(&code), "{request}: {code} {answer}");
    }
    assert_eq!((rig.wan.weather(), rig.wan.carried()), Default::default());
    let anywhere = "0.0.0.0:0".parse().unwrap();
    assert!(
        control::serve(&rig.tasks, anywhere, rig.wan.clone())
            .await
            .is_err()
    );
}
