//! The agents' API. Its bodies are Godwit's own between its own programs, declared in `core/model` and
//! `shell/tls`; here is no more than that they are objects.

use super::operation::{Operation, Shape, get, post};

pub(super) fn operations() -> Vec<Operation> {
    let all = vec![
        post(
            "/agents/v1/report",
            "Agents_Report",
            "What an agent sees: `model::RegionObserved`",
        )
        .takes("AgentMessage")
        .ok("AgentMessage"),
        get(
            "/agents/v1/desired",
            "Agents_GetDesired",
            "What a region is to run: `model::RegionDesired`, or `model::RegionChanges`",
        )
        .query(&["region", "after", "waitMs", "changes"])
        .ok("AgentMessage")
        .answers(206, Shape::Json("AgentMessage"))
        .empty(204),
        post(
            "/agents/v1/promotions",
            "Agents_Promote",
            "The decision of a handoff: `model::PromotionRequest`",
        )
        .takes("AgentMessage")
        .ok("AgentMessage"),
        get(
            "/agents/v1/authority",
            "Agents_GetAuthority",
            "Who certifies agents",
        )
        .ok("AgentMessage"),
        post(
            "/agents/v1/certificates",
            "Agents_Certify",
            "A certificate for an agent: `tls::CertificateRequest`",
        )
        .takes("AgentMessage")
        .ok("AgentMessage"),
        post(
            "/agents/v1/server-certificates",
            "Agents_CertifyServer",
            "A certificate for clients: `tls::ServerCertificateRequest`",
        )
        .takes("AgentMessage")
        .ok("AgentMessage"),
        post(
            "/agents/v1/transfers/{transferId}",
            "Agents_SendTransfer",
            "A body that a client waits for, of any length",
        )
        .empty(200),
        post(
            "/agents/v1/transfers/{transferId}/refused",
            "Agents_RefuseTransfer",
            "Why no body comes",
        )
        .takes("AgentMessage")
        .empty(200),
    ];
    all.into_iter().map(Operation::unversioned).collect()
}
