use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use client::Management;
use model::Secret;
use rcgen::generate_simple_self_signed;
use runtime::{chain, clock::Clock, dice::Dice, durable, tasks::Tasks};
use tls::HostNames;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};

use super::Certificates;
use crate::{
    ApiCertificate, Config,
    harness::{TOKEN, config},
    plane::Plane,
    run,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// A control plane that serves.
struct Served {
    address: SocketAddr,
    https: SocketAddr,
    authority: String,
    tasks: Tasks,
}

impl Served {
    async fn start(data: &Path) -> Self {
        let mut config = config(data);
        config.api.https = Some("127.0.0.1:0".parse().unwrap());
        let control = run::build(config, Clock, Dice::from_seed(1)).await.unwrap();
        let (address, https) = (control.address(), control.https().unwrap());
        let tasks = Tasks::new();
        tasks.spawn_until_done("control", control.run(tasks.child()));
        let authority = durable::read_if_there(&data.join("ca.pem")).unwrap();
        Self {
            address,
            https,
            authority: String::from_utf8(authority.unwrap()).unwrap(),
            tasks,
        }
    }

    async fn ask(&self, url: &str) -> Result<(), String> {
        let token = Secret::new(TOKEN);
        let client = Management::trusting(url, token, Some(&self.authority)).unwrap();
        let answer = client.subscriptions().await;
        answer.map(drop).map_err(|error| chain(&error).to_string())
    }

    async fn stop(self) {
        assert!(self.tasks.stop(Duration::from_secs(10)).await);
    }
}

async fn said(address: SocketAddr, text: &str) -> String {
    let mut tcp = TcpStream::connect(address).await.unwrap();
    tcp.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = tcp.read_to_string(&mut answer);
    timeout(PATIENCE, read).await.unwrap().unwrap();
    answer
}

#[tokio::test]
async fn one_address_takes_http_and_https_and_the_other_https_alone() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(dir.path()).await;
    let (here, there) = (served.address, served.https);
    for url in [
        format!("http://{here}"),
        format!("https://{here}"),
        format!("https://localhost:{}", here.port()),
        format!("https://{there}"),
    ] {
        served.ask(&url).await.unwrap();
    }
    let plain = format!("GET /subscriptions HTTP/1.1\r\nhost: {there}\r\n\r\n");
    let answer = said(there, &plain).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(answer.contains("HttpsRequired"), "{answer}");
    let unknown = served.ask("https://127.0.0.2:1").await.unwrap_err();
    assert!(unknown.contains("nothing listens"), "{unknown}");
    served.stop().await;
}

#[tokio::test]
async fn nobody_trusts_it_who_was_not_given_the_authority() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(dir.path()).await;
    let other = tempfile::tempdir().unwrap();
    let other = Served::start(other.path()).await;
    let url = format!("https://{}", served.https);
    let error = other.ask(&url).await.unwrap_err();
    assert!(error.contains("certificate"), "{error}");
    other.stop().await;
    served.stop().await;
}

#[tokio::test]
async fn clients_that_say_nothing_keep_nobody_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(dir.path()).await;
    let mut silent = Vec::new();
    for address in [served.address, served.https] {
        for beginning in [&b""[..], b"\x16\x03\x01", b"GET / HT"] {
            let mut tcp = TcpStream::connect(address).await.unwrap();
            tcp.write_all(beginning).await.unwrap();
            silent.push(tcp);
        }
    }
    served
        .ask(&format!("https://{}", served.https))
        .await
        .unwrap();
    served
        .ask(&format!("http://{}", served.address))
        .await
        .unwrap();
    // Nor does the end wait for them.
    served.stop().await;
}

async fn plane(config: Config) -> Arc<Plane> {
    let control = run::build(config, Clock, Dice::from_seed(1)).await;
    control.unwrap().into_plane()
}

fn write(files: &ApiCertificate, name: &str) {
    let made = generate_simple_self_signed([name.to_owned()]).unwrap();
    durable::write_durable(&files.certificate, made.cert.pem().as_bytes()).unwrap();
    let key = made.signing_key.serialize_pem();
    durable::write_durable(&files.key, key.as_bytes()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_operators_files_are_shown_and_taken_up_again_when_they_change() {
    let dir = tempfile::tempdir().unwrap();
    let files = ApiCertificate {
        certificate: dir.path().join("chain.pem"),
        key: dir.path().join("key.pem"),
    };
    let plane = plane(config(&dir.path().join("data"))).await;
    let build = || Certificates::new(&plane, HostNames::here(), Some(files.clone()));
    let missing = build().await.err().unwrap();
    assert!(chain(&missing).to_string().contains("chain.pem"));
    write(&files, "one.example");
    let key = durable::read_if_there(&files.key).unwrap().unwrap();
    durable::write_durable(&files.key, b"odd").unwrap();
    let odd = build().await.err().unwrap();
    assert!(chain(&odd).to_string().contains("key.pem"), "{odd:?}");
    durable::write_durable(&files.key, &key).unwrap();

    let certificates = build().await.unwrap();
    let front = certificates.front();
    let names = || front.certificate().unwrap().names().join(", ");
    assert_eq!(names(), "DNS:one.example");
    let tasks = Tasks::new();
    tasks.spawn("certificate", certificates.follow(Arc::clone(&plane)));
    // What is of no use changes nothing.
    durable::write_durable(&files.key, b"odd").unwrap();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(names(), "DNS:one.example");
    write(&files, "two.example");
    let exchanged = async {
        while names() != "DNS:two.example" {
            sleep(Duration::from_secs(1)).await;
        }
    };
    timeout(Duration::from_secs(600), exchanged).await.unwrap();
    assert!(tasks.stop(PATIENCE).await);
}

#[tokio::test]
async fn an_own_certificate_is_for_the_names_that_the_operator_gives() {
    let dir = tempfile::tempdir().unwrap();
    let plane = plane(config(dir.path())).await;
    let mut names = HostNames::here();
    names.add("godwit.example").unwrap();
    let certificates = Certificates::new(&plane, names, None).await.unwrap();
    let shown = certificates.front().certificate().unwrap();
    assert!(shown.names().contains(&"DNS:godwit.example".to_owned()));
    assert!(shown.names().contains(&"DNS:localhost".to_owned()));
    assert!(shown.validity().covers(Clock.now()));
}
