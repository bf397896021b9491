//! What the activity log notes of a request at the door.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, Method, StatusCode},
    response::Response,
};

use crate::{
    activity::{self, Asked, Refusal},
    listen::Arrival,
    plane::Plane,
    principal::Principal,
};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const ASYNC_OPERATION: HeaderName = HeaderName::from_static("azure-asyncoperation");
/// No correlation ID of a caller is longer than this.
const LONGEST_ID: usize = 80;

/// A request, as it came.
pub(super) struct Note {
    plane: Arc<Plane>,
    method: Method,
    path: String,
    correlation: String,
    asked: Asked,
    /// It is one that is told.
    told: Option<Arc<activity::Request>>,
}

impl Note {
    /// Notes a request before anything is done for it.
    pub(super) fn take(
        plane: &Arc<Plane>,
        request: &Request,
        id: &str,
        correlation: &str,
        client: Option<&str>,
    ) -> Self {
        let (method, path) = (request.method(), request.uri().path());
        let asked = Asked {
            from: from(request),
            method: method.to_string(),
            path: path.to_owned(),
            id: id.to_owned(),
            client_id: client.map(ToOwned::to_owned),
        };
        Self {
            told: activity::Request::begin(plane, method, path, correlation, asked.clone()),
            plane: Arc::clone(plane),
            method: method.clone(),
            path: path.to_owned(),
            correlation: correlation.to_owned(),
            asked,
        }
    }

    /// Whoever asks is known.
    pub(super) fn is_of(&self, principal: &Principal) {
        if let Some(told) = &self.told {
            told.is_of(principal);
        }
    }

    /// Serves the request.
    pub(super) async fn serve<T>(&self, serving: impl Future<Output = T>) -> T {
        match &self.told {
            Some(told) => told.serve(serving).await,
            None => serving.await,
        }
    }

    /// Tells what it was answered.
    pub(super) fn answered(self, response: &Response) {
        let refusal = response.extensions().get::<Refusal>().cloned();
        let status = response.status();
        if status == StatusCode::UNAUTHORIZED {
            // Where one signs in, answers have another shape.
            let unnamed = || Refusal {
                code: "SignInFailed".to_owned(),
                message: "Somebody could not sign in.".to_owned(),
            };
            activity::unauthenticated(
                &self.plane,
                &self.method,
                &self.path,
                &self.correlation,
                self.asked,
                (status.as_u16(), refusal.unwrap_or_else(unnamed)),
            );
            return;
        }
        // What is not served at all is no operation.
        let is_none = status == StatusCode::METHOD_NOT_ALLOWED
            || refusal
                .as_ref()
                .is_some_and(|refusal| refusal.code == "NotFound");
        if let Some(told) = self.told.filter(|_| !is_none) {
            let unnamed = || Refusal {
                code: status.as_str().to_owned(),
                message: status.to_string(),
            };
            let is_refused = status.is_client_error() || status.is_server_error();
            let refusal = is_refused.then(|| refusal.unwrap_or_else(unnamed));
            let follows = response.headers().contains_key(ASYNC_OPERATION);
            told.answered(status.as_u16(), refusal, follows);
        }
    }
}

/// The correlation ID that a caller gave, if it is one that can be kept.
pub(super) fn correlation(given: Option<&str>) -> Option<&str> {
    let good = |id: &&str| {
        (1..=LONGEST_ID).contains(&id.len())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    };
    given.filter(good)
}

/// From where a request comes: of a proxy on this machine, whatever it says.
fn from(request: &Request) -> Option<IpAddr> {
    let arrival = request.extensions().get::<Arrival>();
    let peer = arrival.and_then(|arrival| arrival.peer);
    let peer = peer.map(|address| address.ip().to_canonical());
    if peer.is_none_or(|peer| peer.is_loopback()) {
        forwarded(request.headers()).or(peer)
    } else {
        peer
    }
}

fn forwarded(headers: &HeaderMap) -> Option<IpAddr> {
    let mut all = headers.get_all(FORWARDED_FOR).iter();
    let last = all.next_back()?.to_str().ok()?;
    let address = last.rsplit(',').next()?.trim();
    let with_port = || address.parse().ok().map(|address: SocketAddr| address.ip());
    address
        .parse()
        .ok()
        .or_else(with_port)
        .map(|ip: IpAddr| ip.to_canonical())
}
