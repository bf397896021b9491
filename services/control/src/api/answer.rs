//! Answers: JSON with the content type that every client looks for.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde::Serialize;

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// An answer with a body.
pub(super) fn json_response(status: StatusCode, body: &impl Serialize) -> Response {
    let bytes = serde_json::to_vec(body).expect("answers are made of maps with string keys");
    json_bytes(status, bytes)
}

/// An answer with a body that is written already.
pub(super) fn json_bytes(status: StatusCode, bytes: Vec<u8>) -> Response {
    let mut response = (status, Body::from(bytes)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    response
}

/// 200 with a body.
pub(super) fn ok(body: &impl Serialize) -> Response {
    json_response(StatusCode::OK, body)
}

/// A list.
pub(super) fn list(values: Vec<serde_json::Value>) -> Response {
    ok(&serde_json::json!({ "value": values }))
}

/// An answer with a body and more headers.
pub(super) fn with_headers(mut response: Response, headers: HeaderMap) -> Response {
    response.headers_mut().extend(headers);
    response
}

/// An answer without a body.
pub(super) fn empty(status: StatusCode, headers: HeaderMap) -> Response {
    (status, headers).into_response()
}
