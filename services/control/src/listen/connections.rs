//! Serves HTTP on the connections of a listener.

use std::{future::Future, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::Request, serve::Listener};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use runtime::tasks::Tasks;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Semaphore,
};
use tower::ServiceExt as _;

use super::Arrival;

/// How long a connection may take for the head of a request, from the end of the one before: longer
/// than clients keep idle connections (90 s), so that none meets a closed one.
const HEAD: Duration = Duration::from_secs(95);
/// More than the head of any request has.
const BUFFER: usize = 64 << 10;
/// Connections from elsewhere at a time. Those from this machine are not counted: agents and command
/// lines of `godwit up` must come in whatever the network does.
const CONNECTIONS: usize = 512;

/// A connection that was accepted: the future opens it, `None` if it does not come in.
pub(crate) struct Accepted<F> {
    /// From where it is; `None` where that is no Internet address.
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) opening: F,
}

/// Accepts connections until `tasks` is cancelled, has `open` make streams of them, and answers
/// requests with `service`. Requests in hand are answered, in `tasks`.
pub(crate) async fn serve<L, F, S>(
    mut listener: L,
    open: impl Fn(L::Io, L::Addr) -> Accepted<F>,
    service: Router,
    tasks: Tasks,
) where
    L: Listener,
    F: Future<Output = Option<(S, Arrival)>> + Send + 'static,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let (io, address) = tokio::select! {
            accepted = listener.accept() => accepted,
            () = tasks.cancelled() => return,
        };
        let Accepted { peer, opening } = open(io, address);
        let is_here = peer.is_none_or(|peer| peer.ip().is_loopback());
        let place = match Arc::clone(&places).try_acquire_owned() {
            _ if is_here => None,
            Ok(place) => Some(place),
            Err(_taken) => {
                tracing::debug!(
                    ?peer,
                    "Closed a connection: there are too many from elsewhere"
                );
                continue;
            }
        };
        let (service, inner) = (service.clone(), tasks.clone());
        tasks.spawn_until_done("connection", async move {
            let _place = place;
            let opened = tokio::select! {
                opened = opening => opened,
                () = inner.cancelled() => return,
            };
            if let Some((stream, arrival)) = opened {
                attend(stream, arrival, service, &inner).await;
            }
        });
    }
}

async fn attend<S>(stream: S, arrival: Arrival, service: Router, tasks: &Tasks)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let answer = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(arrival);
        let request: Request = request.map(Body::new);
        service.clone().oneshot(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(BUFFER);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), answer));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = tasks.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "A connection ended with an error");
    }
}
