//! A person with the management API: makes two caches and a link, fails over, looks.

use std::{io, time::Duration};

use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    http::{Answer, TOKEN, ask},
    trace::Trace,
};

/// The two caches, with their regions.
pub(crate) const CACHES: [(&str, &str); 2] = [("east", "eastus"), ("west", "westus")];
const LIMIT: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(200);

/// A client of the management API, in the one subscription that there is.
pub(crate) struct Operator {
    pub(crate) trace: Trace,
    group: String,
}

impl Operator {
    /// Finds the subscription and makes a group, as soon as the control plane answers.
    pub(crate) async fn new(trace: Trace) -> Self {
        loop {
            let listed = call("GET", "/subscriptions?api-version=2022-12-01", Value::Null).await;
            if let Ok(answer) = listed
                && let Some(id) = answer.json()["value"][0]["subscriptionId"].as_str()
            {
                let group = format!("/subscriptions/{id}/resourceGroups/g");
                let body = json!({"location": "eastus"});
                let path = format!("{group}?api-version=2022-12-01");
                if call("PUT", &path, body).await.is_ok() {
                    return Self { trace, group };
                }
            }
            sleep(LOOK).await;
        }
    }

    fn cache(&self, cache: usize) -> String {
        let group = &self.group;
        format!(
            "{group}/providers/Microsoft.Cache/redis/{}",
            CACHES[cache].0
        )
    }

    fn link(&self, of: usize) -> String {
        format!("{}/linkedServers/{}", self.cache(of), CACHES[1 - of].0)
    }

    /// Makes both caches and waits until they run.
    pub(crate) async fn create(&self) {
        for (cache, (_, region)) in CACHES.iter().enumerate() {
            let body = json!({
                "location": region,
                "properties": {"sku": {"name": "Premium", "family": "P", "capacity": 1}},
            });
            let path = format!("{}?api-version=2024-11-01", self.cache(cache));
            until("a cache is created", || async {
                let put = call("PUT", &path, body.clone()).await;
                put.is_ok_and(|answer| answer.status.is_success())
            })
            .await;
        }
        for cache in 0..2 {
            let path = format!("{}?api-version=2024-11-01", self.cache(cache));
            until("a cache runs", || async {
                let got = call("GET", &path, Value::Null).await;
                got.is_ok_and(|got| got.json()["properties"]["provisioningState"] == "Succeeded")
            })
            .await;
        }
    }

    /// Asks that `primary` be the geo-primary: links, or fails over. Tells whether it was accepted.
    pub(crate) async fn put(&self, primary: usize, more: Value) -> bool {
        let other = 1 - primary;
        let mut properties = json!({
            "linkedRedisCacheId": self.cache(other),
            "linkedRedisCacheLocation": CACHES[other].1,
            "serverRole": "Secondary",
        });
        if let (Value::Object(all), Value::Object(more)) = (&mut properties, more) {
            all.extend(more);
        }
        let path = format!("{}?api-version=2024-11-01", self.link(primary));
        let put = call("PUT", &path, json!({"properties": properties})).await;
        let accepted = put.as_ref().is_ok_and(|answer| answer.status.is_success());
        let said = put.map_or_else(
            |error| error.to_string(),
            |answer| {
                format!(
                    "{} {}",
                    answer.status.as_u16(),
                    answer.json()["error"]["message"]
                )
            },
        );
        self.trace.note(format_args!(
            "asked that {} be geo-primary: {said}",
            CACHES[primary].0
        ));
        accepted
    }

    /// The link's phase and its present primary; `None` when nobody answers.
    pub(crate) async fn status(&self) -> Option<(String, String)> {
        let path = format!("{}/runtimeStatus?api-version=2024-11-01", self.link(0));
        let answer = call("GET", &path, Value::Null).await.ok()?;
        let json = answer.json();
        let text = |field: &str| json[field].as_str().map(str::to_owned);
        Some((text("phase")?, text("primary")?))
    }

    /// Waits until the link is in step, whoever is primary.
    pub(crate) async fn until_linked(&self) -> usize {
        let begun = Instant::now();
        loop {
            let status = self.status().await;
            if let Some((phase, primary)) = &status
                && phase == "Linked"
            {
                return usize::from(primary != CACHES[0].0);
            }
            assert!(
                begun.elapsed() < Duration::from_secs(300),
                "the link does not come to rest: {status:?}"
            );
            sleep(LOOK).await;
        }
    }
}

async fn call(method: &str, path: &str, body: Value) -> io::Result<Answer> {
    let body = if body.is_null() {
        Vec::new()
    } else {
        serde_json::to_vec(&body)?
    };
    timeout(LIMIT, ask(TOKEN, method, path, body)).await?
}

async fn until<F: Future<Output = bool>>(what: &str, mut test: impl FnMut() -> F) {
    let begun = Instant::now();
    while !test().await {
        assert!(begun.elapsed() < Duration::from_secs(120), "never: {what}");
        sleep(LOOK).await;
    }
}
