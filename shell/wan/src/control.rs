//! The same as the handle, over HTTP: `GET /status`, and a POST for each thing that can be done.
//!
//! Every answer is the status. There is no authentication, so it listens on loopback alone.

use std::{io, net::SocketAddr, num::NonZeroU64, time::Duration};

use axum::{
    Json, Router,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::{MethodRouter, get, post},
};
use runtime::tasks::Tasks;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::{BindError, Direction, Wan, Weather};

/// The weather, as it is set and seen. What is left out is none of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Settings {
    latency_ms: u64,
    jitter_ms: u64,
    rate_bytes_per_second: Option<NonZeroU64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    address: SocketAddr,
    to: SocketAddr,
    settings: Settings,
    /// Directions that stand still.
    stopped: Vec<String>,
    refusing: bool,
    to_server_bytes: u64,
    to_client_bytes: u64,
    connections_open: u64,
    connections: u64,
    connections_refused: u64,
    cuts: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CutAfter {
    bytes: u64,
    direction: Option<String>,
    #[serde(default)]
    again: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OneWay {
    direction: String,
    for_ms: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stall {
    for_ms: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct To {
    address: SocketAddr,
}

/// Listens on `address` for whoever wants to control `wan`; gives the address it got.
pub async fn serve(tasks: &Tasks, address: SocketAddr, wan: Wan) -> Result<SocketAddr, BindError> {
    let failed = |source| BindError {
        what: "those who control the WAN",
        address,
        source,
    };
    if !address.ip().is_loopback() {
        let why = "it is not a loopback address";
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, why)));
    }
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    tasks.spawn("wan control", async move {
        if let Err(error) = axum::serve(listener, routes(wan)).await {
            tracing::error!(%error, "nothing controls the WAN any more");
        }
    });
    Ok(bound)
}

fn routes(wan: Wan) -> Router {
    Router::new()
        .route("/status", get(status))
        .route("/settings", post(settings))
        .route("/to", post(to))
        .route("/cut", act(Wan::cut))
        .route("/cut-after", post(cut_after))
        .route("/cut-no-more", act(Wan::cut_no_more))
        .route("/stall", post(stall))
        .route("/one-way", post(one_way))
        .route("/release", act(Wan::release))
        .route("/refuse", act(|wan| wan.refuse(true)))
        .route("/accept", act(|wan| wan.refuse(false)))
        .with_state(wan)
}

/// A POST without parameters.
fn act(act: impl Fn(&Wan) + Clone + Send + Sync + 'static) -> MethodRouter<Wan> {
    post(async move |State(wan): State<Wan>| {
        act(&wan);
        seen(&wan)
    })
}

async fn status(State(wan): State<Wan>) -> Json<Status> {
    seen(&wan)
}

async fn settings(State(wan): State<Wan>, Json(settings): Json<Settings>) -> Json<Status> {
    wan.set(Weather {
        latency: Duration::from_millis(settings.latency_ms),
        jitter: Duration::from_millis(settings.jitter_ms),
        rate: settings.rate_bytes_per_second,
    });
    seen(&wan)
}

async fn to(State(wan): State<Wan>, Query(to): Query<To>) -> Json<Status> {
    wan.lead_to(to.address);
    seen(&wan)
}

async fn cut_after(State(wan): State<Wan>, Query(cut): Query<CutAfter>) -> Response {
    let direction = cut
        .direction
        .as_deref()
        .map_or(Ok(Direction::ToClient), str::parse);
    match direction {
        Ok(direction) if cut.again => wan.cut_every(direction, cut.bytes),
        Ok(direction) => wan.cut_after(direction, cut.bytes),
        Err(why) => return (StatusCode::BAD_REQUEST, why).into_response(),
    }
    seen(&wan).into_response()
}

async fn stall(State(wan): State<Wan>, Query(stall): Query<Stall>) -> Json<Status> {
    wan.stall(stall.for_ms.map(Duration::from_millis));
    seen(&wan)
}

async fn one_way(State(wan): State<Wan>, Query(one_way): Query<OneWay>) -> Response {
    match one_way.direction.parse() {
        Ok(stopped) => wan.one_way(stopped, one_way.for_ms.map(Duration::from_millis)),
        Err(why) => {
            let why: String = why;
            return (StatusCode::BAD_REQUEST, why).into_response();
        }
    }
    seen(&wan).into_response()
}

fn seen(wan: &Wan) -> Json<Status> {
    let (weather, carried) = (wan.weather(), wan.carried());
    let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let stopped = Direction::BOTH
        .into_iter()
        .filter(|way| wan.is_stopped(*way));
    Json(Status {
        address: wan.address(),
        to: wan.to(),
        settings: Settings {
            latency_ms: ms(weather.latency),
            jitter_ms: ms(weather.jitter),
            rate_bytes_per_second: weather.rate,
        },
        stopped: stopped.map(|way| way.to_string()).collect(),
        refusing: wan.is_refusing(),
        to_server_bytes: carried.to_server,
        to_client_bytes: carried.to_client,
        connections_open: carried.open,
        connections: carried.connections,
        connections_refused: carried.refused,
        cuts: carried.cuts,
    })
}
