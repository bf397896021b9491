//! The names of the commits at which a test can have the control plane die.

use model::LinkPhase;

/// The commit that removes a link.
pub(super) const REMOVED: &str = "Removed";

/// The commit by which a link comes to this phase.
pub(super) fn name(phase: &LinkPhase) -> &'static str {
    match phase {
        LinkPhase::Creating => "Creating",
        LinkPhase::Syncing => "Syncing",
        LinkPhase::Linked => "Linked",
        LinkPhase::HandingOff { .. } => "HandingOff",
        LinkPhase::Forcing { .. } => "Forcing",
        LinkPhase::Promoting => "Promoting",
        LinkPhase::UnlinkingPrimary => "UnlinkingPrimary",
        LinkPhase::UnlinkingSecondary => "UnlinkingSecondary",
    }
}
