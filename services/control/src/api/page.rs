//! Lists in pages: `$top`, `$skipToken` and `nextLink`, as the managed service's clients follow them.
//!
//! A page begins behind the last record that the page before showed, in the order of their keys, and
//! not at a number: whatever is made or goes meanwhile, a record that is there from the first page to
//! the last is shown exactly once.
//!
//! Without `$top` a page has as many as a control plane is made for. Not every client follows: the
//! managed service's PowerShell looks for a cache by its name in the first page and no other.

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
    response::Response,
};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Value, json};
use tokio::task::yield_now;

use super::{
    ApiError, answer,
    caller::Caller,
    query::{Asked, bad_query},
};

/// As many are in a page when nobody says how many, and at most: some 15 MB of caches.
const MOST: usize = 10_000;
/// What tells where a page begins.
const SKIP: &str = "$skipToken";
/// After as many, others have their turn.
const AT_ONCE: usize = 250;

/// The page that a request asks for.
#[derive(Debug)]
pub(super) struct Page {
    top: Option<usize>,
    /// The name of the last one that was shown, as its key has it.
    pub(super) after: Option<String>,
    /// Scheme and host that the caller used.
    base: String,
    path: String,
    query: String,
}

/// The records of a page.
#[derive(Debug)]
pub(super) struct Cut<T> {
    shown: Vec<T>,
    is_last: bool,
}

impl<S: Send + Sync> FromRequestParts<S> for Page {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let asked = Asked::from_request_parts(parts, state).await?;
        let caller = Caller::from_request_parts(parts, state).await?;
        let top = asked.get("$top").map(top).transpose()?;
        Ok(Self {
            top,
            after: asked.get("$skiptoken").map(str::to_owned),
            base: caller.base,
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
        })
    }
}

fn top(text: &str) -> Result<usize, ApiError> {
    let number: Option<usize> = text.parse().ok().filter(|top| *top > 0);
    let number = number.ok_or_else(|| bad_query("`$top` takes a number from 1."))?;
    Ok(number.min(MOST))
}

impl Page {
    /// The records of the page, of those that come behind `after`.
    pub(super) fn cut<T>(&self, mut records: impl Iterator<Item = T>) -> Cut<T> {
        let most = self.top.unwrap_or(MOST);
        let shown = records.by_ref().take(most).collect();
        Cut {
            shown,
            is_last: records.next().is_none(),
        }
    }

    /// The page. `name` gives what stands for a record in `after`.
    pub(super) async fn show<T>(
        &self,
        records: Cut<T>,
        name: impl Fn(&T) -> String,
        shown: impl Fn(&T) -> Value,
    ) -> Response {
        let last = records.shown.last().filter(|_| !records.is_last);
        let next = last.map(|last| self.next(&name(last)));
        // Written one by one: what a record is made of while it is shown is several times its text.
        let mut body = br#"{"value":["#.to_vec();
        for (index, record) in records.shown.iter().enumerate() {
            if index > 0 {
                body.push(b',');
            }
            if index % AT_ONCE == AT_ONCE - 1 {
                yield_now().await;
            }
            write(&mut body, &shown(record));
        }
        body.push(b']');
        if let Some(next) = next {
            body.extend_from_slice(br#","nextLink":"#);
            write(&mut body, &next.into());
        }
        body.push(b'}');
        answer::json_bytes(StatusCode::OK, body)
    }

    /// The same, as a value.
    pub(super) fn value<T>(
        &self,
        records: &Cut<T>,
        name: impl Fn(&T) -> String,
        shown: impl Fn(&T) -> Value,
    ) -> Value {
        let values: Vec<_> = records.shown.iter().map(shown).collect();
        let mut body = json!({ "value": values });
        if let (false, Some(last)) = (records.is_last, records.shown.last()) {
            body["nextLink"] = self.next(&name(last)).into();
        }
        body
    }

    /// The URL of the page behind `after`: all that was asked for, from there.
    fn next(&self, after: &str) -> String {
        let is_kept = |pair: &&str| {
            let name = pair.split('=').next().unwrap_or_default();
            let name = percent_decode_str(name).decode_utf8_lossy();
            !name.is_empty() && !name.eq_ignore_ascii_case(SKIP)
        };
        let kept: Vec<&str> = self.query.split('&').filter(is_kept).collect();
        let after = utf8_percent_encode(after, NON_ALPHANUMERIC);
        format!(
            "{}{}?{}&{SKIP}={after}",
            self.base,
            self.path,
            kept.join("&")
        )
    }
}

fn write(body: &mut Vec<u8>, value: &Value) {
    serde_json::to_writer(body, value).expect("answers are made of maps with string keys");
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    #[tokio::test]
    async fn a_page_has_no_more_than_it_may() {
        let mut page = Page {
            top: None,
            after: None,
            base: "http://h".to_owned(),
            path: "/p".to_owned(),
            query: "api-version=v&%24skiptoken=before&$filter=f".to_owned(),
        };
        for (top, there, shown, next) in [
            (None, MOST, MOST, None),
            (
                None,
                MOST + 1,
                MOST,
                Some("http://h/p?api-version=v&$filter=f&$skipToken=9%2E9999"),
            ),
            (Some(2), 2, 2, None),
            (
                Some(2),
                3,
                2,
                Some("http://h/p?api-version=v&$filter=f&$skipToken=9%2E1"),
            ),
            (Some(2), 0, 0, None),
        ] {
            page.top = top;
            let name = |n: &usize| format!("9.{n}");
            let answer = page.show(page.cut(0..there), name, |n| (*n).into()).await;
            let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body["value"].as_array().unwrap().len(), shown);
            assert_eq!(body.get("nextLink").and_then(Value::as_str), next);
        }
    }

    #[test]
    fn nobody_gets_more_than_there_are_in_a_page() {
        assert_eq!(top("3").unwrap(), 3);
        assert_eq!(top("99999999").unwrap(), MOST);
        for bad in ["0", "-1", "", "many", "99999999999999999999"] {
            assert_eq!(top(bad).unwrap_err().code, "InvalidQuery", "{bad}");
        }
    }
}
