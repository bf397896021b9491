//! What the control plane asks for once: bodies of lost writes and of keys, and that they are
//! discarded.

mod written_since;

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Read as _},
    path::PathBuf,
    sync::{Arc, Weak},
};

use bytes::Bytes;
use model::{Asked, CacheUid, EventKind, Wanted};
use parking_lot::Mutex;
use relay::{Event, ShardKey};
use runtime::{chain, tasks::Tasks};
use tokio::{
    sync::{Semaphore, mpsc},
    task::spawn_blocking,
};

use super::receipt_file::Content;
use crate::cache::Host;

/// Errands that are remembered, so that each is done once.
const REMEMBERED: usize = 1024;
/// Bodies that go out at the same time.
const AT_ONCE: usize = 4;
/// Bytes of a piece of a body, and pieces that wait for the network.
const PIECE: usize = 256 << 10;
const WAITING: usize = 4;

/// Does what is asked for, beside the reports.
#[derive(Clone)]
pub(crate) struct Errands {
    host: Weak<Host>,
    tasks: Tasks,
    known: Arc<Mutex<VecDeque<String>>>,
    turns: Arc<Semaphore>,
}

/// Makes the pieces of a body, on a thread that may block.
type Work = Box<dyn FnOnce(&mut Body) -> io::Result<()> + Send>;

impl Errands {
    pub(crate) fn new(host: &Arc<Host>, tasks: &Tasks) -> Self {
        Self {
            host: Arc::downgrade(host),
            tasks: tasks.child(),
            known: Arc::default(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// Begins what was not begun before.
    pub(crate) fn take(&self, asked: Vec<Asked>) {
        for asked in asked {
            if !is_plain(&asked.id) {
                tracing::warn!("something was asked for under an id that is none");
                continue;
            }
            let mut known = self.known.lock();
            if known.contains(&asked.id) {
                continue;
            }
            known.push_back(asked.id.clone());
            if known.len() > REMEMBERED {
                known.pop_front();
            }
            drop(known);
            let errands = self.clone();
            self.tasks.spawn("errand", async move {
                errands.run(asked).await;
            });
        }
    }

    async fn run(&self, asked: Asked) {
        let (Some(host), Ok(_turn)) = (self.host.upgrade(), self.turns.acquire().await) else {
            return;
        };
        let sent = match find(&host, &asked).await {
            Ok(work) => {
                let (body, pieces) = Body::new();
                let sending = host.client.transfer(&asked.id, pieces);
                let (sent, ()) = tokio::join!(sending, produce(body, work));
                sent
            }
            Err(why) => {
                tracing::info!(id = asked.id, "refused what was asked for: {why}");
                host.client.refuse_transfer(&asked.id, &why).await
            }
        };
        if let Err(error) = sent {
            tracing::warn!(id = asked.id, error = %chain(&error), "what was asked for did not arrive");
            if error.is_outage() {
                // It is asked for again when somebody waits still.
                self.known.lock().retain(|id| *id != asked.id);
            }
        }
    }
}

fn is_plain(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !id.is_empty() && id.len() <= 100 && id.bytes().all(plain)
}

/// Finds what is asked for, or says why it does not come.
async fn find(host: &Arc<Host>, asked: &Asked) -> Result<Work, String> {
    let uid = &asked.cache;
    match &asked.what {
        Wanted::LostWrites { receipt } => file(host, uid, receipt, Content::Commands),
        Wanted::LostKeys { receipt } => file(host, uid, receipt, Content::Keys),
        Wanted::Discard { receipt } => {
            discard(host, uid, receipt)?;
            Ok(Box::new(|_: &mut Body| Ok(())))
        }
        Wanted::WrittenSince { shard, position } => {
            written_since::find(host, uid, *shard, *position).await
        }
    }
}

fn file(host: &Host, uid: &CacheUid, receipt: &str, content: Content) -> Result<Work, String> {
    let path = host.lost.of(uid).file(receipt, content);
    let path = path.ok_or_else(|| format!("there are no lost writes {receipt} here any more"))?;
    let file = File::open(&path).map_err(|error| format!("open {}: {error}", path.display()))?;
    Ok(Box::new(move |body: &mut Body| read(file, body)))
}

fn read(mut file: File, body: &mut Body) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let count = file.read(&mut piece)?;
        if count == 0 {
            return Ok(());
        }
        body.push(piece.get(..count).unwrap_or_default())?;
    }
}

/// What is gone already is as good as discarded.
fn discard(host: &Host, uid: &CacheUid, name: &str) -> Result<(), String> {
    let discarded = host.lost.of(uid).discard(name);
    let discarded = discarded.map_err(|error| chain(&error).to_string())?;
    if let Some(receipt) = discarded {
        let text = format!("the lost writes {name} are discarded: {}", receipt.amount());
        tracing::info!("{text}");
        host.board.tell(Event {
            key: ShardKey {
                link: receipt.link,
                shard: receipt.shard,
            },
            kind: EventKind::LostWritesDiscarded,
            text,
        });
    }
    Ok(())
}

/// A body on its way out.
struct Body {
    pieces: mpsc::Sender<io::Result<Bytes>>,
    waiting: Vec<u8>,
}

impl Body {
    fn new() -> (Self, mpsc::Receiver<io::Result<Bytes>>) {
        let (pieces, taken) = mpsc::channel(WAITING);
        let waiting = Vec::new();
        (Self { pieces, waiting }, taken)
    }

    /// Blocks while the network does not take it.
    fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= PIECE {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let piece = Bytes::from(std::mem::take(&mut self.waiting));
        self.pieces
            .blocking_send(Ok(piece))
            .map_err(|_nobody_waits| io::ErrorKind::BrokenPipe.into())
    }

    /// An error once nobody waits for the body any more.
    fn go_on(&self) -> io::Result<()> {
        if self.pieces.is_closed() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    }
}

async fn produce(mut body: Body, work: Work) {
    let done = spawn_blocking(move || {
        let made = work(&mut body).and_then(|()| body.flush());
        if let Err(error) = made
            && !body.pieces.is_closed()
        {
            tracing::warn!(error = %chain(&error), "what was asked for cannot be read to its end");
            // The pieces before it are not the whole.
            let _nobody_waits = body.pieces.blocking_send(Err(error));
        }
    });
    let _ends = done.await;
}

/// The journal of a shard.
fn journal(host: &Host, uid: &CacheUid, shard: u16) -> PathBuf {
    host.directory.link(uid, shard).join("journal")
}
