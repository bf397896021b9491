//! The query of a request: names in any case, the last of equal ones counts.

use std::collections::BTreeMap;

use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};

use super::ApiError;

/// The values by their names in lower case.
#[derive(Debug)]
pub(super) struct Asked(BTreeMap<String, String>);

impl Asked {
    pub(super) fn from_pairs(pairs: Vec<(String, String)>) -> Self {
        let lower = |(name, value): (String, String)| (name.to_ascii_lowercase(), value);
        Self(pairs.into_iter().map(lower).collect())
    }

    /// A value that is there and says something.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name).map(|value| value.trim());
        value.filter(|value| !value.is_empty())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let pairs = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let Query(pairs) = pairs.map_err(|error| bad_query(&format!("{}.", error.body_text())))?;
        Ok(Self::from_pairs(pairs))
    }
}

/// The refusal of a query.
pub(super) fn bad_query(why: &str) -> ApiError {
    ApiError::bad_request("InvalidQuery", why)
}
