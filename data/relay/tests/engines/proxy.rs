//! A WAN that can be cut, at a byte or at once, and that can damage a byte.

use std::{
    collections::VecDeque,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use parking_lot::Mutex;
use runtime::tasks::Tasks;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_util::sync::CancellationToken;

#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    to: SocketAddr,
    up: bool,
    /// The next connections end behind so many bytes towards the inbound.
    cuts: VecDeque<usize>,
    /// The next connection damages the byte at this index towards the inbound.
    damage_at: Option<usize>,
    connections: u64,
    /// Bytes that passed towards the inbound.
    passed: u64,
    token: CancellationToken,
    stall: watch::Sender<bool>,
}

impl Proxy {
    pub(crate) async fn start(tasks: &Tasks, to: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let proxy = Self {
            address: listener.local_addr().unwrap(),
            state: Arc::new(Mutex::new(State {
                to,
                up: true,
                cuts: VecDeque::new(),
                damage_at: None,
                connections: 0,
                passed: 0,
                token: CancellationToken::new(),
                stall: watch::Sender::new(false),
            })),
        };
        let (serving, group) = (proxy.clone(), tasks.clone());
        tasks.spawn("proxy", async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                group.spawn("proxied", async move { serving.carry(stream).await });
            }
        });
        proxy
    }

    /// Ends all connections now; new ones are let through.
    pub(crate) fn cut(&self) {
        let mut state = self.state.lock();
        std::mem::take(&mut state.token).cancel();
    }

    /// Connections stay open and carry nothing, until they end.
    pub(crate) fn stall(&self) {
        self.state.lock().stall.send_replace(true);
    }

    /// New connections carry again; those that stalled stay so.
    pub(crate) fn unstall(&self) {
        self.state.lock().stall = watch::Sender::new(false);
    }

    /// Ends all connections and lets none through until [`Proxy::up`].
    pub(crate) fn down(&self) {
        self.state.lock().up = false;
        self.cut();
    }

    pub(crate) fn up(&self) {
        self.state.lock().up = true;
    }

    pub(crate) fn cut_next_after(&self, bytes: usize) {
        self.state.lock().cuts = VecDeque::from([bytes]);
    }

    /// Each of the next connections ends behind so many bytes.
    pub(crate) fn cut_each_after(&self, bytes: &[usize]) {
        self.state.lock().cuts = bytes.iter().copied().collect();
    }

    pub(crate) fn damage_next_at(&self, index: usize) {
        self.state.lock().damage_at = Some(index);
    }

    /// Bytes that passed towards the inbound so far.
    pub(crate) fn passed(&self) -> u64 {
        self.state.lock().passed
    }

    /// New connections lead there.
    pub(crate) fn lead_to(&self, to: SocketAddr) {
        self.state.lock().to = to;
    }

    pub(crate) fn connections(&self) -> u64 {
        self.state.lock().connections
    }

    async fn carry(&self, mut inbound: TcpStream) {
        let (to, token, mut stall, cut_after, damage_at) = {
            let mut state = self.state.lock();
            if !state.up {
                return;
            }
            state.connections += 1;
            (
                state.to,
                state.token.clone(),
                state.stall.subscribe(),
                state.cuts.pop_front(),
                state.damage_at.take(),
            )
        };
        let Ok(mut outbound) = TcpStream::connect(to).await else {
            return;
        };
        let (mut from_inbound, mut to_inbound) = inbound.split();
        let (mut from_outbound, mut to_outbound) = outbound.split();
        let back = async {
            let mut buffer = vec![0; 65536];
            let mut passed = 0;
            while let Ok(count) = from_outbound.read(&mut buffer).await {
                let left = cut_after.map_or(count, |at| (at - passed).min(count));
                if let Some(at) = damage_at
                    && (passed..passed + left).contains(&at)
                {
                    buffer[at - passed] ^= 0x20;
                }
                if count == 0 || to_inbound.write_all(&buffer[..left]).await.is_err() {
                    return;
                }
                passed += left;
                self.state.lock().passed += left as u64;
                if cut_after == Some(passed) {
                    return;
                }
            }
        };
        let stalled = tokio::select! {
            biased;
            asked = stall.wait_for(|stall| *stall) => asked.is_ok(),
            () = token.cancelled() => false,
            () = back => false,
            _ = copy(&mut from_inbound, &mut to_outbound) => false,
        };
        if stalled {
            token.cancelled().await;
        }
    }
}
