//! One timer for all that a connection waits for.

use std::{
    future::Future as _,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::time::{Instant, Sleep, sleep_until};

/// A timer that is there while it is needed, and set again only when it has to ring earlier.
#[derive(Debug, Default)]
pub(crate) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Tells whether `at` is past; else has the task woken then, or earlier.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, at: Option<Instant>) -> bool {
        let Some(at) = at else {
            return false;
        };
        loop {
            let sleep = match &mut self.0 {
                Some(sleep) if sleep.deadline() <= at => sleep,
                Some(sleep) => {
                    sleep.as_mut().reset(at);
                    sleep
                }
                None => self.0.insert(Box::pin(sleep_until(at))),
            };
            match sleep.as_mut().poll(cx) {
                Poll::Pending => return false,
                Poll::Ready(()) if sleep.deadline() >= at => {
                    self.0 = None;
                    return true;
                }
                // It was set for something that came in time.
                Poll::Ready(()) => sleep.as_mut().reset(at),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, time::Duration};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_rings_when_the_last_word_said_so() {
        let mut alarm = Alarm::default();
        let begin = Instant::now();
        let at = |seconds| Some(begin + Duration::from_secs(seconds));
        for first in [at(1), at(9), None] {
            let early = poll_fn(|cx| Poll::Ready(alarm.poll(cx, first))).await;
            assert!(!early);
        }
        let rings = |alarm: &mut Alarm, cx: &mut Context<'_>| match alarm.poll(cx, at(5)) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        };
        poll_fn(|cx| rings(&mut alarm, cx)).await;
        assert_eq!(begin.elapsed(), Duration::from_secs(5));
    }
}
