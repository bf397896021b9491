//! An agent and the control plane: orders, reports, leases, the decision of a handoff.

use std::{io, sync::Arc, time::Duration};

use model::{
    GeoRole, PromotionAnswer, PromotionRequest, RegionDesired, RegionObserved, ReportAnswer,
};
use tokio::time::{sleep, timeout};

use super::Agent;
use crate::http::{AGENT_TOKEN, ask};

/// How long a report may be old, and an answer may take.
const PERIOD: Duration = Duration::from_millis(500);
const LIMIT: Duration = Duration::from_secs(5);
const LONG_POLL: Duration = Duration::from_secs(20);

impl Agent {
    /// Follows the control plane.
    pub(super) async fn obey(self: Arc<Self>) {
        loop {
            let after = self
                .setup
                .disk
                .0
                .lock()
                .desired
                .as_ref()
                .map(|d| d.generation);
            let after = after.map_or_else(String::new, |after| format!("&after={after}"));
            let path = format!(
                "/agents/v1/desired?region={}&wait_ms=20000{after}",
                self.setup.region
            );
            let asked = ask(AGENT_TOKEN, "GET", &path, Vec::new());
            match timeout(LONG_POLL + LIMIT, asked).await {
                Ok(Ok(answer)) if answer.status == 200 => {
                    if let Ok(desired) = serde_json::from_slice(&answer.body) {
                        self.adopt(desired);
                    }
                }
                Ok(Ok(answer)) if answer.status == 204 => {}
                Ok(Ok(_) | Err(_)) | Err(_) => sleep(PERIOD).await,
            }
        }
    }

    fn adopt(&self, desired: RegionDesired) {
        let mut files = self.setup.disk.0.lock();
        let known = files.desired.as_ref();
        if known.is_some_and(|known| known.generation > desired.generation) {
            return;
        }
        let Some(cache) = desired.caches.first() else {
            return;
        };
        assert!(cache.epoch >= files.epoch, "the epoch goes back");
        self.setup.trace.note(format_args!(
            "{} is told {} {:?}",
            self.setup.region,
            cache.epoch,
            cache.role.kind()
        ));
        files.epoch = cache.epoch;
        files.desired = Some(desired);
        drop(files);
        self.nudge.notify_one();
    }

    /// Reports, and takes leases from the answers.
    pub(super) async fn report(self: Arc<Self>) {
        loop {
            let generation = self
                .setup
                .disk
                .0
                .lock()
                .desired
                .as_ref()
                .map(|d| d.generation);
            let observed = self.state.lock().observed.clone();
            let report = RegionObserved {
                region: self.setup.region.parse().expect("a region"),
                generation: generation.unwrap_or_default(),
                relay_address: Some(([127, 0, 0, 1], super::RELAY).into()),
                engine: "Valkey server v=8.0.1".parse().ok(),
                installed: None,
                problem: None,
                caches: observed.into_iter().collect(),
                events: Vec::new(),
            };
            let body = serde_json::to_vec(&report).unwrap_or_default();
            let sent = self.clock();
            let asked = ask(AGENT_TOKEN, "POST", "/agents/v1/report", body);
            if let Ok(Ok(answer)) = timeout(LIMIT, asked).await
                && let Ok(answer) = serde_json::from_slice::<ReportAnswer>(&answer.body)
            {
                let mut state = self.state.lock();
                for lease in &answer.leases {
                    state.lease.renew(lease, sent);
                }
                drop(state);
                self.nudge.notify_one();
            }
            // Late is as good as news.
            let _late = timeout(PERIOD, self.news.notified()).await;
        }
    }

    /// Asks for the decision once the shard has applied its barrier.
    pub(super) async fn ask_for_the_decision(&self, barrier: psync::Position) {
        let Some(order) = self.order() else { return };
        let GeoRole::Taking { link, attempt, .. } = order.role else {
            return;
        };
        if self.state.lock().answered == Some(attempt) {
            return;
        }
        let request = PromotionRequest {
            link,
            attempt,
            barriers: vec![barrier],
        };
        let answer = self.promote(&request).await;
        if let Ok(answer) = answer {
            let promoted = answer.promoted;
            self.setup.trace.note(format_args!(
                "{} hears of attempt {attempt}: {promoted}",
                self.setup.region
            ));
            self.state.lock().answered = Some(attempt);
        }
    }

    async fn promote(&self, request: &PromotionRequest) -> io::Result<PromotionAnswer> {
        let body = serde_json::to_vec(request)?;
        let asked = ask(AGENT_TOKEN, "POST", "/agents/v1/promotions", body);
        let answer = timeout(LIMIT, asked).await.map_err(io::Error::from)??;
        Ok(serde_json::from_slice(&answer.body)?)
    }
}
