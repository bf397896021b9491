//! Who asks the management API for something.

/// The identity of the deployment's own management token.
const OPERATOR: &str = "operator";

/// What kind of somebody asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PrincipalKind {
    /// Whoever holds the deployment's own management token: may do everything.
    Operator,
    /// A service principal that signed in with its secret: may do what its roles let it.
    ServicePrincipal,
}

/// Who asks, as the door found out. What they may do is beside it, in `Caller`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Principal {
    /// The object ID: a GUID for a service principal.
    pub(crate) id: String,
    /// The name, for people.
    pub(crate) name: String,
    /// What kind of somebody it is.
    pub(crate) kind: PrincipalKind,
}

impl Principal {
    /// Whoever holds the deployment's own management token.
    pub(crate) fn operator() -> Self {
        Self {
            id: OPERATOR.to_owned(),
            name: OPERATOR.to_owned(),
            kind: PrincipalKind::Operator,
        }
    }
}
