//! Long lists, a page at a time (`arm.md` 1.1): `nextLink` leads to the next page and is left out on
//! the last one.

use axum::http::Uri;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::{
    ApiError,
    caller::Caller,
    query::{Asked, bad_query},
};

/// Entries on a page, at most.
const PAGE: usize = 500;
/// The query parameter by which a page begins where the one before ended.
const SKIP: &str = "$skiptoken";

/// A page of a list that a caller asks for.
pub(super) struct Page<'a> {
    caller: &'a Caller,
    uri: &'a Uri,
    /// Entries after this one, by their keys.
    after: Option<String>,
    size: usize,
}

impl<'a> Page<'a> {
    /// Reads `$skiptoken` and `$top`, which makes pages shorter.
    pub(super) fn asked(caller: &'a Caller, uri: &'a Uri, asked: &Asked) -> Result<Self, ApiError> {
        let size = match asked.get("$top").map(str::parse::<usize>) {
            None => PAGE,
            Some(Ok(top)) if top > 0 => top.min(PAGE),
            Some(Ok(_) | Err(_)) => {
                return Err(bad_query("`$top` takes a whole number from 1."));
            }
        };
        Ok(Self {
            caller,
            uri,
            after: asked.get(SKIP).map(str::to_owned),
            size,
        })
    }

    /// The page of a list whose entries come in the order of their keys.
    pub(super) fn of<T>(
        &self,
        entries: impl Iterator<Item = T>,
        key: impl Fn(&T) -> String,
        show: impl Fn(&T) -> Value,
    ) -> Value {
        let after = self.after.as_deref();
        let mut rest = entries
            .skip_while(|entry| after.is_some_and(|after| key(entry).as_str() <= after))
            .peekable();
        let mut value = Vec::new();
        let mut last = None;
        for entry in rest.by_ref().take(self.size) {
            value.push(show(&entry));
            last = Some(key(&entry));
        }
        let mut body = json!({ "value": value });
        if let (Some(last), true) = (last, rest.peek().is_some()) {
            body["nextLink"] = json!(self.next(&last));
        }
        body
    }

    fn next(&self, last: &str) -> String {
        let query = self.uri.query().unwrap_or_default();
        let is_skip = |pair: &&str| {
            let name = pair.split('=').next().unwrap_or_default();
            !name.is_empty() && !matches!(name.to_ascii_lowercase().as_str(), SKIP | "%24skiptoken")
        };
        let kept = query.split('&').filter(is_skip).map(str::to_owned);
        let token = utf8_percent_encode(last, NON_ALPHANUMERIC);
        let pairs: Vec<_> = kept.chain([format!("{SKIP}={token}")]).collect();
        let (base, path) = (&self.caller.base, self.uri.path());
        format!("{base}{path}?{}", pairs.join("&"))
    }
}
