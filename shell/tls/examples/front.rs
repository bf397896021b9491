//! A front to try clients on: `cargo run -p tls --example front -- DIRECTORY`.
//!
//! Listens on two ports of 127.0.0.1, from TLS 1.2 up and from 1.3 up, says which, writes `ca.pem` to
//! the directory, and answers whatever comes with `+PONG`. It exchanges its certificate every five
//! seconds.
#![expect(clippy::unwrap_used, reason = "an example may panic")]
#![expect(clippy::print_stdout, reason = "that is what it is run for")]

use std::{path::PathBuf, time::Duration};

use model::TlsVersion;
use runtime::{durable, tasks::Tasks};
use tls::{FrontTls, testing};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::Builder,
    time::sleep,
};

fn main() {
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(run());
}

async fn run() {
    let directory = PathBuf::from(std::env::args_os().nth(1).unwrap());
    let authority = testing::authority();
    let ca = directory.join("ca.pem");
    durable::write_durable(&ca, authority.certificate_pem().as_bytes()).unwrap();
    let front = testing::front(&authority);
    let tasks = Tasks::new();
    for minimum in [TlsVersion::V1_2, TlsVersion::V1_3] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        println!("{minimum:?} {address}");
        tasks.spawn(
            "listen",
            listen(listener, front.clone(), minimum, tasks.clone()),
        );
    }
    loop {
        sleep(Duration::from_secs(5)).await;
        front.set_certificate(testing::server_certificate(&authority));
    }
}

async fn listen(listener: TcpListener, front: FrontTls, minimum: TlsVersion, tasks: Tasks) {
    loop {
        let (tcp, _) = listener.accept().await.unwrap();
        tasks.spawn("connection", answer(tcp, front.clone(), minimum));
    }
}

async fn answer(tcp: TcpStream, front: FrontTls, minimum: TlsVersion) {
    let mut stream = match front.accept(tcp, minimum).await {
        Ok(stream) => stream,
        Err(error) => {
            println!("{error}");
            return;
        }
    };
    let came = (stream.version(), stream.server_name().map(str::to_owned));
    println!("{came:?}");
    let mut bytes = [0; 4096];
    while let Ok(1..) = stream.read(&mut bytes).await {
        if stream.write_all(b"+PONG\r\n").await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}
