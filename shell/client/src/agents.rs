//! The agents' side of the control plane: report what is seen, learn what is wanted, ask for
//! certificates and for the decision of a handoff.

use std::{fmt, io, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use model::{
    PromotionAnswer, PromotionRequest, Region, RegionDesired, RegionObserved, ReportAnswer,
    SampledReport, Secret,
};
use reqwest::{Body, Method, StatusCode};
use serde::Serialize;
use tls::{CertificateRequest, IssuedCertificate, KnownAuthority, ServerCertificateRequest};
use tokio::sync::mpsc;

use crate::{
    BuildError, RequestError,
    connection::{Answer, Connection},
};

/// A report or a decision that takes longer is as good as lost.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// The longest that a transfer may take, from its first byte to the answer.
const TRANSFER_LIMIT: Duration = Duration::from_secs(3600);
/// How much longer than it was asked to a long poll may take.
const POLL_GRACE: Duration = Duration::from_secs(5);

/// A client for an agent. Clones share their connections.
#[derive(Clone)]
pub struct Agents(Connection);

impl Agents {
    /// A client of the control plane at `url`, with the agents' token.
    pub fn new(url: &str, token: Secret) -> Result<Self, BuildError> {
        Self::trusting(url, token, None)
    }

    /// The same; over https `authority` is trusted beside the system's authorities: a certificate in
    /// PEM, such as the deployment's own.
    pub fn trusting(url: &str, token: Secret, authority: Option<&str>) -> Result<Self, BuildError> {
        Connection::new(url, token, authority).map(Self)
    }

    /// Tells the control plane what the agent of a region sees; the answer has its leases, and what
    /// is asked of it.
    pub async fn report(&self, observed: &RegionObserved) -> Result<ReportAnswer, RequestError> {
        let path = "/agents/v1/report";
        self.0
            .ask(Method::POST, path, &[], Some(observed), ANSWER_LIMIT)
            .await?
            .json()
    }

    /// Tells the control plane figures of caches. After an error they may have arrived all the same:
    /// told again, they are kept once.
    pub async fn tell_figures(&self, report: &SampledReport) -> Result<(), RequestError> {
        let path = "/agents/v1/figures";
        self.0
            .ask(Method::POST, path, &[], Some(report), ANSWER_LIMIT)
            .await?;
        Ok(())
    }

    /// Asks what `region` is to run. Answers as soon as that differs from what the generation
    /// `after` had, and at once when there is no `after`; `None` when nothing changed for `wait`.
    pub async fn desired(
        &self,
        region: &Region,
        after: Option<u64>,
        wait: Duration,
    ) -> Result<Option<RegionDesired>, RequestError> {
        let answer = self.ask_desired(region, after, wait, false).await?;
        if answer.status == StatusCode::NO_CONTENT {
            return Ok(None);
        }
        answer.json().map(Some)
    }

    /// Asks what `region` is to run instead of `known`: as [`Agents::desired`], and only what differs
    /// is sent where that can be.
    pub async fn desired_after(
        &self,
        region: &Region,
        known: &RegionDesired,
        wait: Duration,
    ) -> Result<Option<RegionDesired>, RequestError> {
        let after = Some(known.generation);
        let answer = self.ask_desired(region, after, wait, true).await?;
        match answer.status {
            StatusCode::NO_CONTENT => Ok(None),
            StatusCode::PARTIAL_CONTENT => {
                let mut desired = known.clone();
                if desired.take_in(answer.json()?) {
                    return Ok(Some(desired));
                }
                self.desired(region, None, Duration::ZERO).await
            }
            _ => answer.json().map(Some),
        }
    }

    async fn ask_desired(
        &self,
        region: &Region,
        after: Option<u64>,
        wait: Duration,
        changes: bool,
    ) -> Result<Answer, RequestError> {
        let after = after.map(|generation| generation.to_string());
        let wait_ms = wait.as_millis().to_string();
        let mut query = vec![("region", region.as_str()), ("wait_ms", wait_ms.as_str())];
        if let Some(after) = &after {
            query.push(("after", after));
        }
        if changes {
            query.push(("changes", "true"));
        }
        let path = "/agents/v1/desired";
        self.0
            .ask(Method::GET, path, &query, None::<&()>, wait + POLL_GRACE)
            .await
    }

    /// Asks which authority certifies the agents.
    pub async fn authority(&self) -> Result<KnownAuthority, RequestError> {
        let path = "/agents/v1/authority";
        self.0
            .ask(Method::GET, path, &[], None::<&()>, ANSWER_LIMIT)
            .await?
            .json()
    }

    /// Asks for a certificate for the key that made the request.
    pub async fn certificate(
        &self,
        request: &CertificateRequest,
    ) -> Result<IssuedCertificate, RequestError> {
        let path = "/agents/v1/certificates";
        self.0
            .ask(Method::POST, path, &[], Some(request), ANSWER_LIMIT)
            .await?
            .json()
    }

    /// Asks for a certificate to show to clients, for the key that made the request.
    pub async fn server_certificate(
        &self,
        request: &ServerCertificateRequest,
    ) -> Result<IssuedCertificate, RequestError> {
        let path = "/agents/v1/server-certificates";
        self.0
            .ask(Method::POST, path, &[], Some(request), ANSWER_LIMIT)
            .await?
            .json()
    }

    /// Asks for the decision of a handoff in which every shard has applied its barrier. After an
    /// error the decision may have been made all the same: ask again until there is an answer.
    pub async fn promote(
        &self,
        request: &PromotionRequest,
    ) -> Result<PromotionAnswer, RequestError> {
        let path = "/agents/v1/promotions";
        self.0
            .ask(Method::POST, path, &[], Some(request), ANSWER_LIMIT)
            .await?
            .json()
    }

    /// Sends what was asked for as the transfer `id`, as it comes out of `body`. An error in there
    /// breaks the transfer off, so that nobody takes a part for the whole.
    pub async fn transfer(
        &self,
        id: &str,
        body: mpsc::Receiver<io::Result<Bytes>>,
    ) -> Result<(), RequestError> {
        let path = format!("/agents/v1/transfers/{id}");
        let body = stream::unfold(body, async |mut body| {
            let next = body.recv().await?;
            Some((next, body))
        });
        let body = Body::wrap_stream(body);
        self.0.send(&path, body, TRANSFER_LIMIT).await?;
        Ok(())
    }

    /// Says why what was asked for as the transfer `id` does not come.
    pub async fn refuse_transfer(&self, id: &str, why: &str) -> Result<(), RequestError> {
        let path = format!("/agents/v1/transfers/{id}/refused");
        let refusal = Refusal { why };
        self.0
            .ask(Method::POST, &path, &[], Some(&refusal), ANSWER_LIMIT)
            .await?;
        Ok(())
    }
}

#[derive(Serialize)]
struct Refusal<'a> {
    why: &'a str,
}

impl fmt::Debug for Agents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Agents").field(&self.0.base()).finish()
    }
}
