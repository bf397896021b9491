//! Questions in datagrams.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use runtime::dice::Dice;
use tokio::{
    net::UdpSocket,
    time::{Instant, sleep},
};

use crate::{
    answer::{Over, answer},
    rate::{Limiter, Verdict},
    served::Served,
    tally::{Tally, Transport, Withheld},
};

/// A question that is larger is not whole, and is answered as such.
const LARGEST: usize = 4_096;
/// After a failure that is not about one datagram.
const REST: Duration = Duration::from_millis(20);

pub(super) fn limiter(answers_per_second: u32, dice: &Dice) -> Limiter {
    Limiter::new(answers_per_second, dice.number(), Instant::now())
}

pub(super) async fn run(
    socket: UdpSocket,
    served: Served,
    mut limiter: Limiter,
    tally: Arc<Tally>,
) {
    let mut buffer = vec![0; LARGEST];
    loop {
        let (length, from) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            Err(error) => {
                // What an earlier answer met (nobody there any more) is reported here, too.
                tracing::debug!(%error, "Receiving a question failed");
                sleep(REST).await;
                continue;
            }
        };
        let asked = buffer.get(..length).unwrap_or_default();
        let Some(bytes) = reply(&served, &mut limiter, &tally, asked, from) else {
            continue;
        };
        if let Err(error) = socket.send_to(&bytes, from).await {
            tracing::debug!(%error, client = %from, "An answer did not go out");
        }
    }
}

fn reply(
    served: &Served,
    limiter: &mut Limiter,
    tally: &Tally,
    asked: &[u8],
    from: SocketAddr,
) -> Option<Vec<u8>> {
    // Nobody asks from there: it is a forged sender, or one that cannot be answered.
    if from.port() == 0 {
        return None;
    }
    let present = served.present();
    let zone = present.as_deref().map(|generation| &generation.zone);
    let Some(reply) = answer(zone, asked, Over::Udp) else {
        tally.note_withheld(Withheld::NoQuestion);
        return None;
    };
    tally.note(Transport::Udp, &reply);
    match limiter.count(from.ip(), &reply.subject, Instant::now()) {
        Verdict::Send => Some(reply.bytes),
        Verdict::Shorten => {
            tally.note_withheld(Withheld::Shortened);
            answer(zone, asked, Over::UdpShort).map(|short| short.bytes)
        }
        Verdict::Drop => {
            tally.note_withheld(Withheld::Dropped);
            None
        }
    }
}
