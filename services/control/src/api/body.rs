//! Request bodies, read field by field: an unknown field or a wrong type is refused by name.

use std::collections::BTreeMap;

use axum::{
    body::to_bytes,
    extract::{FromRequest, Request},
    http::StatusCode,
};
use serde_json::{Map, Value};
use tokio::time::{Duration, timeout};

use super::ApiError;

/// No request of the management API needs more.
const LIMIT: usize = 1 << 20;
/// A body that takes longer is not coming.
const PATIENCE: Duration = Duration::from_secs(30);

/// Reads a body of up to `limit` bytes.
pub(super) async fn read(request: Request, limit: usize) -> Result<Vec<u8>, ApiError> {
    let body = to_bytes(request.into_body(), limit);
    let late = |_late| {
        ApiError::new(
            StatusCode::REQUEST_TIMEOUT,
            "RequestTimeout",
            "The request's body did not arrive in time.",
        )
    };
    let bytes = timeout(PATIENCE, body).await.map_err(late)?;
    let bytes = bytes.map_err(|_too_long_or_cut| {
        ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLarge",
            format!("The request's body is cut off or longer than {limit} bytes."),
        )
    })?;
    Ok(bytes.to_vec())
}

/// Says where a JSON text goes wrong.
pub(super) fn malformed(error: &serde_json::Error) -> ApiError {
    ApiError::bad_request(
        "InvalidRequestContent",
        format!("The request's body is not valid JSON: {error}."),
    )
}

/// The fields of an object, to be taken one by one. `null` is as good as absent, and the case of
/// names does not matter.
#[derive(Debug, Clone)]
pub(super) struct Fields {
    /// The path of the object, with a dot at its end unless it is the body itself.
    at: String,
    map: Map<String, Value>,
}

impl<S: Sync> FromRequest<S> for Fields {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let bytes = read(request, LIMIT).await?;
        let at = String::new();
        if bytes.is_empty() {
            let map = Map::new();
            return Ok(Self { at, map });
        }
        let body = serde_json::from_slice(&bytes).map_err(|error| malformed(&error))?;
        if let Value::Object(map) = body {
            return Ok(Self { at, map });
        }
        Err(ApiError::body(format!(
            "The request's body is {}; it takes an object.",
            kind(&body)
        )))
    }
}

impl Fields {
    fn take(&mut self, name: &str) -> Option<Value> {
        self.given(name).filter(|value| !value.is_null())
    }

    /// A field as it came, `null` included.
    pub(super) fn given(&mut self, name: &str) -> Option<Value> {
        let key = self
            .map
            .keys()
            .find(|key| key.eq_ignore_ascii_case(name))?
            .clone();
        self.map.remove(&key)
    }

    /// The refusal of a value of another type.
    pub(super) fn wrong(&self, name: &str, found: &Value, takes: &str) -> ApiError {
        ApiError::body(format!(
            "The field `{}{name}` is {}; it takes {takes}.",
            self.at,
            kind(found)
        ))
    }

    /// The refusal of a value that is of the right type.
    pub(super) fn refused(&self, name: &str, why: impl std::fmt::Display) -> ApiError {
        ApiError::body(format!(
            "The field `{}{name}` cannot be taken: {why}.",
            self.at
        ))
    }

    /// The refusal of a body in which `name` is missing.
    pub(super) fn missing(&self, name: &str, takes: &str) -> ApiError {
        ApiError::body(format!(
            "The field `{}{name}` is missing; it takes {takes}.",
            self.at
        ))
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(name, &other, "a text")),
        }
    }

    /// A text that is one of `allowed`, whatever its case; in the spelling of `allowed`.
    pub(super) fn one_of(
        &mut self,
        name: &str,
        allowed: &[&'static str],
    ) -> Result<Option<&'static str>, ApiError> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        let found = allowed.iter().find(|word| word.eq_ignore_ascii_case(&text));
        let Some(found) = found else {
            let shown: String = text.chars().take(80).collect();
            return Err(ApiError::body(format!(
                "The field `{}{name}` is `{}`; it takes {}.",
                self.at,
                shown.escape_debug(),
                allowed.join(" or ")
            )));
        };
        Ok(Some(found))
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(other) => Err(self.wrong(name, &other, "true or false")),
        }
    }

    pub(super) fn whole(&mut self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        match value.as_i64() {
            Some(number) => Ok(Some(number)),
            None => Err(self.wrong(name, &value, "a whole number")),
        }
    }

    pub(super) fn object(&mut self, name: &str) -> Result<Option<Self>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Self {
                at: format!("{}{name}.", self.at),
                map,
            })),
            Some(other) => Err(self.wrong(name, &other, "an object")),
        }
    }

    /// The fields of a value that was given as an object.
    pub(super) fn inner(&self, name: &str, value: Value) -> Result<Self, ApiError> {
        let Value::Object(map) = value else {
            return Err(self.wrong(name, &value, "an object"));
        };
        let at = format!("{}{name}.", self.at);
        Ok(Self { at, map })
    }

    /// A map of texts; numbers and truth values are taken as texts, `null`s are left out.
    pub(super) fn texts(
        &mut self,
        name: &str,
    ) -> Result<Option<BTreeMap<String, String>>, ApiError> {
        let Some(object) = self.object(name)? else {
            return Ok(None);
        };
        let mut texts = BTreeMap::new();
        for (key, value) in &object.map {
            let text = match value {
                Value::Null => continue,
                Value::String(text) => text.clone(),
                Value::Bool(_) | Value::Number(_) => value.to_string(),
                Value::Array(_) | Value::Object(_) => {
                    return Err(object.wrong(key, value, "a text"));
                }
            };
            texts.insert(key.clone(), text);
        }
        Ok(Some(texts))
    }

    pub(super) fn text_list(&mut self, name: &str) -> Result<Option<Vec<String>>, ApiError> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let texts = value.as_array().and_then(|items| {
            let texts = items.iter().map(|item| item.as_str().map(str::to_owned));
            texts.collect::<Option<Vec<_>>>()
        });
        match texts {
            Some(texts) => Ok(Some(texts)),
            None => Err(self.wrong(name, &value, "a list of texts")),
        }
    }

    pub(super) fn whole_list(&mut self, name: &str) -> Result<Option<Vec<i64>>, ApiError> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let numbers = value.as_array().and_then(|items| {
            let numbers = items.iter().map(Value::as_i64);
            numbers.collect::<Option<Vec<_>>>()
        });
        match numbers {
            Some(numbers) => Ok(Some(numbers)),
            None => Err(self.wrong(name, &value, "a list of whole numbers")),
        }
    }

    /// A list of objects.
    pub(super) fn objects(&mut self, name: &str) -> Result<Option<Vec<Self>>, ApiError> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let Value::Array(items) = value else {
            return Err(self.wrong(name, &value, "a list of objects"));
        };
        let item = |(index, item)| self.inner(&format!("{name}[{index}]"), item);
        let objects: Result<_, _> = items.into_iter().enumerate().map(item).collect();
        objects.map(Some)
    }

    /// Passes over fields that answers carry and that clients send back.
    pub(super) fn skip(&mut self, names: &[&str]) {
        for name in names {
            self.take(name);
        }
    }

    /// Refuses whatever was not taken.
    pub(super) fn finish(self) -> Result<(), ApiError> {
        let left = self.map.iter().find(|(_, value)| !value.is_null());
        let Some((name, _)) = left else {
            return Ok(());
        };
        let shown: String = name.chars().take(80).collect();
        Err(ApiError::body(format!(
            "The field `{}{}` is not known; check its spelling.",
            self.at,
            shown.escape_debug()
        )))
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
