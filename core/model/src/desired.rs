//! What the control plane asks of a region's agent. Agents keep the last one on disk and go on
//! with it when the control plane is gone.

use std::net::SocketAddr;

use psync::Position;
use serde::{Deserialize, Serialize};

use crate::{
    CacheId, CacheUid, EngineSettings, Epoch, FrontDoor, LinkId, Region, ReplicationSettings,
    Secret, ShardIndex, StoreId, TokenIssuer, TransferOrder,
};

/// Everything that a region's agent is to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionDesired {
    /// The store that says so. An agent follows the first store it met and no other.
    pub store: StoreId,
    /// The store's revision that this was derived from. Agents refuse a lower one.
    pub generation: u64,
    /// The DNS zone of every endpoint's name.
    #[serde(default)]
    pub zone: String,
    /// Whose tokens let clients in.
    #[serde(default)]
    pub issuers: Vec<TokenIssuer>,
    /// The region's caches, in the order of their uid. A cache that the agent knows and that is
    /// not listed is left alone: only `presence: Absent` removes one.
    pub caches: Vec<CacheDesired>,
}

/// One cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheDesired {
    /// Its incarnation.
    pub uid: CacheUid,
    /// Its name and place.
    pub id: CacheId,
    /// Counts changes of specification and keys; echoed in `CacheObserved::revision`.
    pub revision: u64,
    /// The epoch of `role`. Agents persist it and refuse a lower one.
    pub epoch: Epoch,
    /// Present or to be removed.
    pub presence: Presence,
    /// What it is to the geo-replication.
    pub role: GeoRole,
    /// How its link moves bytes, and with whom; `None` when it is not linked.
    #[serde(default)]
    pub replication: Option<ReplicationDesired>,
    /// Shards; 1 without clustering.
    pub shards: u16,
    /// Replicas of each shard's primary.
    pub replicas: u8,
    /// Settings of every engine.
    pub settings: EngineSettings,
    /// The access keys, either of which lets a client in.
    pub keys: AccessKeys,
    /// Who may come in, and where.
    #[serde(default)]
    pub door: FrontDoor,
    /// What to do with its data set, once.
    #[serde(default)]
    pub transfer: Option<TransferOrder>,
}

/// The link of a cache, whatever the cache's role in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicationDesired {
    /// The region of the other cache: nobody else's agent may be the other half.
    pub peer: Region,
    /// The other cache.
    pub peer_cache: CacheId,
    /// The link's settings.
    pub settings: ReplicationSettings,
}

/// A cache's two access keys, either of which lets a client in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKeys {
    /// The first.
    pub primary: Secret,
    /// The second.
    pub secondary: Secret,
}

/// Whether a cache is to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Presence {
    /// Its engines run.
    Present,
    /// Its engines are to be stopped and its files removed.
    Absent,
}

/// What a cache is to the geo-replication.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum GeoRole {
    /// Not linked: takes writes.
    Alone,
    /// Geo-primary: takes writes and serves the outbound half.
    Primary {
        /// The link.
        link: LinkId,
        /// How it came by the role; decides when its engines may be promoted.
        standing: Standing,
        /// Start empty when every node of a shard is gone, once for each epoch that is named here.
        /// `None`: the other side may hold the only copy, so hold still and say so.
        accept_empty: Option<Epoch>,
    },
    /// Geo-primary in a handoff: fence, then send the barrier.
    Yielding {
        /// The link.
        link: LinkId,
        /// The handoff; a barrier of another attempt is worth nothing.
        attempt: u64,
    },
    /// Geo-secondary: follows.
    Secondary {
        /// The link.
        link: LinkId,
        /// The relay of the geo-primary's agent; `None` while that agent has not reported.
        source: Option<SocketAddr>,
        /// What to see to before it follows.
        #[serde(default)]
        rejoin: Rejoin,
    },
    /// Geo-secondary in a handoff: follows, and asks for the decision once every shard has applied
    /// its barrier.
    Taking {
        /// The link.
        link: LinkId,
        /// The handoff.
        attempt: u64,
        /// As in `Secondary`.
        source: Option<SocketAddr>,
    },
}

impl GeoRole {
    /// The link, when there is one.
    #[must_use]
    pub fn link(&self) -> Option<&LinkId> {
        match self {
            Self::Alone => None,
            Self::Primary { link, .. }
            | Self::Yielding { link, .. }
            | Self::Secondary { link, .. }
            | Self::Taking { link, .. } => Some(link),
        }
    }

    /// The role without its particulars.
    #[must_use]
    pub fn kind(&self) -> RoleKind {
        match self {
            Self::Alone => RoleKind::Alone,
            Self::Primary { .. } => RoleKind::Primary,
            Self::Yielding { .. } => RoleKind::Yielding,
            Self::Secondary { .. } => RoleKind::Secondary,
            Self::Taking { .. } => RoleKind::Taking,
        }
    }
}

impl CacheDesired {
    /// What a geo-secondary is to be once its request for the promotion, with these barriers, is
    /// answered with yes: what the next desired state says, or an earlier epoch's part of it.
    ///
    /// The record makes the asker its primary at the next epoch, and the answer to a request that
    /// was answered before is yes only while it still does. `None`: the cache asked for nothing.
    #[must_use]
    pub fn promoted(&self, attempt: u64, barriers: &[Position]) -> Option<Self> {
        let role = self.role.promoted(attempt, barriers)?;
        Some(Self {
            epoch: self.epoch.next(),
            role,
            ..self.clone()
        })
    }
}

impl GeoRole {
    /// As [`CacheDesired::promoted`].
    #[must_use]
    pub fn promoted(&self, asked: u64, barriers: &[Position]) -> Option<Self> {
        match self {
            Self::Taking { link, attempt, .. } if *attempt == asked => Some(Self::Primary {
                link: link.clone(),
                standing: Standing::AtBarrier {
                    attempt: asked,
                    barriers: barriers.to_vec(),
                },
                accept_empty: None,
            }),
            Self::Taking { .. }
            | Self::Alone
            | Self::Primary { .. }
            | Self::Yielding { .. }
            | Self::Secondary { .. } => None,
        }
    }
}

/// What a geo-secondary has to see to before it follows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Rejoin {
    /// Nothing: the other side has all that this one has.
    #[default]
    Freely,
    /// The other side took over by force: take no write, and keep what it does not have first.
    AfterForce {
        /// The epoch at which it took over. A shard that has seen to it once is done with it.
        at: Epoch,
        /// Where each shard of it stood then, by shard index; `None`: not known yet, so hold still.
        forks: Option<Vec<Position>>,
        /// A person has said to go on although some of it cannot be saved.
        unsaved_accepted: bool,
    },
}

/// A role without its particulars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RoleKind {
    /// Not linked.
    Alone,
    /// Geo-primary.
    Primary,
    /// Geo-primary in a handoff.
    Yielding,
    /// Geo-secondary.
    Secondary,
    /// Geo-secondary in a handoff.
    Taking,
}

/// How a geo-primary came by its role.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Standing {
    /// It was the primary when the link was made.
    Founder,
    /// It took over in a handoff, with every shard at its barrier.
    AtBarrier {
        /// The handoff.
        attempt: u64,
        /// Where each shard must stand before it is promoted, by shard index.
        barriers: Vec<Position>,
    },
    /// It takes the role back with what it has, because the side that was to take over lost what it
    /// had before it took a write.
    AsFound,
    /// It took over with what it had applied, without the other side's consent, which may have more.
    Forced {
        /// The epoch that began with it.
        at: Epoch,
        /// Where its shards stood, by shard index; `None` until its agent has said so.
        forks: Option<Vec<Position>>,
    },
}

impl Standing {
    /// The barrier of one shard, when there is one.
    #[must_use]
    pub fn barrier(&self, shard: ShardIndex) -> Option<Position> {
        match self {
            Self::AtBarrier { barriers, .. } => barriers.get(usize::from(shard.0)).copied(),
            Self::Founder | Self::AsFound | Self::Forced { .. } => None,
        }
    }
}

/// The geo-secondary's agent asks for the decision of a handoff: every shard has applied its
/// barrier.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PromotionRequest {
    /// The link.
    pub link: LinkId,
    /// The handoff.
    pub attempt: u64,
    /// The barriers, by shard index.
    pub barriers: Vec<Position>,
}

/// The answer to a [`PromotionRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromotionAnswer {
    /// The promotion is decided. Otherwise the handoff has ended without it.
    pub promoted: bool,
}
