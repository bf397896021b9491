//! What a figure is of.

use std::{fmt, str::FromStr};

macro_rules! figures {
    ($(#[doc = $doc:literal] $name:ident = $code:literal,)+) => {
        /// What is sampled. The numbers stand in files: none is ever used for something else.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Figure {
            $(#[doc = $doc] $name,)+
        }

        impl Figure {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The number that stands for it in files.
            #[must_use]
            pub const fn code(self) -> u8 {
                match self {
                    $(Self::$name => $code,)+
                }
            }

            /// The figure with this number.
            #[must_use]
            pub const fn of_code(code: u8) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)+
                    _ => None,
                }
            }

            const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }
        }
    };
}

figures! {
    /// `GeoReplicationHealthy` of the managed service, of a shard.
    GeoHealthy = 1,
    /// `GeoReplicationConnectivityLag`, in seconds.
    GeoConnectivityLag = 2,
    /// `GeoReplicationDataSyncOffset`, in bytes.
    GeoDataSyncOffset = 3,
    /// `GeoReplicationFullSyncEventStarted`: events.
    GeoFullSyncStarted = 4,
    /// `GeoReplicationFullSyncEventFinished`: events.
    GeoFullSyncFinished = 5,
    /// Connections of clients that a node's engine serves, without Godwit's own.
    Clients = 10,
    /// Those of them that came in with a token.
    TokenClients = 11,
    /// Bytes that went to a node's clients, in a second.
    BytesRead = 12,
    /// Bytes that came from them, in a second.
    BytesWritten = 13,
    /// Commands that a node's clients sent and its engine got, since the sample before.
    Commands = 14,
    /// The same, in a second.
    OperationsPerSecond = 15,
    /// Connections that came, in a second, by whether they are encrypted.
    ConnectionsCreated = 16,
    /// Connections that ended, in a second.
    ConnectionsClosed = 17,
    /// Memory that a node's engine counts as used, in bytes.
    UsedMemory = 20,
    /// The same, in percent of what it may use.
    UsedMemoryPercentage = 21,
    /// Memory of a node's process that is resident, in bytes.
    UsedMemoryRss = 22,
    /// Share of the time that the engine's one thread that executes commands was busy, in percent.
    ServerLoad = 23,
    /// Share of the host's processors that the engine's process had, in percent.
    ProcessorTime = 24,
    /// Reads that found their key, since the sample before.
    Hits = 25,
    /// Reads that did not, since the sample before.
    Misses = 26,
    /// Commands that get a value, since the sample before.
    Gets = 27,
    /// Commands that set one, since the sample before.
    Sets = 28,
    /// Keys in all databases.
    Keys = 29,
    /// Keys removed because memory was full, since the sample before.
    Evicted = 30,
    /// Keys removed because their time was over, since the sample before.
    Expired = 31,
    /// How long a shard's leading engine took to answer its agent, in microseconds.
    Latency = 40,
    /// What 99 of 100 of those answers took at most, in microseconds.
    LatencyP99 = 41,
    /// What went wrong, by kind.
    Errors = 50,
}

/// A kind of error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorKind {
    /// A replica became a shard's primary.
    Failover,
    /// Data were lost.
    Dataloss,
    /// Clients that leave more than 1,000,000 bytes of answers unread.
    UnresponsiveClients,
    /// Writing the append-only file failed.
    Aof,
    /// Writing a snapshot failed.
    Rdb,
    /// An import failed.
    Import,
    /// An export failed.
    Export,
    /// A token was not believed.
    TokenRefused,
    /// A connection ended with its token.
    TokenExpired,
}

impl ErrorKind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Failover,
        Self::Dataloss,
        Self::UnresponsiveClients,
        Self::Aof,
        Self::Rdb,
        Self::Import,
        Self::Export,
        Self::TokenRefused,
        Self::TokenExpired,
    ];

    /// The managed service's name for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Failover => "Failover",
            Self::Dataloss => "Dataloss",
            Self::UnresponsiveClients => "UnresponsiveClients",
            Self::Aof => "AOF",
            Self::Rdb => "RDB",
            Self::Import => "Import",
            Self::Export => "Export",
            Self::TokenRefused => "MicrosoftEntraAuthenticationFailure",
            Self::TokenExpired => "MicrosoftEntraTokenExpired",
        }
    }
}

/// The part of a shard that a figure is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// All of it.
    Whole,
    /// One node.
    Node {
        /// Its index in the shard.
        index: u8,
        /// It led the shard.
        leads: bool,
    },
    /// Connections that are encrypted, or those that are not.
    Connections {
        /// They are.
        encrypted: bool,
    },
    /// One kind of error.
    Error(ErrorKind),
}

/// What a figure is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series {
    /// What is sampled.
    pub figure: Figure,
    /// The shard's index.
    pub shard: u16,
    /// The part of the shard.
    pub part: Part,
}

impl Series {
    /// Of a whole shard.
    #[must_use]
    pub const fn of_shard(figure: Figure, shard: u16) -> Self {
        let part = Part::Whole;
        Self {
            figure,
            shard,
            part,
        }
    }
}

/// Written as `UsedMemory 0 1p`: the figure, the shard, and the part, which is a node (`1p`: node 1,
/// which leads; `0r`: node 0, which does not), `tls`, `plain`, a kind of error, or not there.
impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.figure.text(), self.shard)?;
        match self.part {
            Part::Whole => Ok(()),
            Part::Node { index, leads } => {
                write!(f, " {index}{}", if leads { 'p' } else { 'r' })
            }
            Part::Connections { encrypted } => {
                f.write_str(if encrypted { " tls" } else { " plain" })
            }
            Part::Error(kind) => write!(f, " {}", kind.name()),
        }
    }
}

/// A series that is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a series that this version knows")]
pub struct UnknownSeries;

impl FromStr for Series {
    type Err = UnknownSeries;

    fn from_str(text: &str) -> Result<Self, UnknownSeries> {
        let mut words = text.splitn(3, ' ');
        let figure = words.next().unwrap_or_default();
        let mut all = Figure::ALL.iter();
        let figure = all.find(|known| known.text() == figure);
        let shard = words.next().and_then(|shard| shard.parse().ok());
        let (Some(figure), Some(shard)) = (figure, shard) else {
            return Err(UnknownSeries);
        };
        let part = words.next().map_or(Ok(Part::Whole), part)?;
        Ok(Self {
            figure: *figure,
            shard,
            part,
        })
    }
}

fn part(text: &str) -> Result<Part, UnknownSeries> {
    match text {
        "tls" => return Ok(Part::Connections { encrypted: true }),
        "plain" => return Ok(Part::Connections { encrypted: false }),
        _ => {}
    }
    if let Some(kind) = ErrorKind::ALL.iter().find(|kind| kind.name() == text) {
        return Ok(Part::Error(*kind));
    }
    let (index, leads) = match (text.strip_suffix('p'), text.strip_suffix('r')) {
        (Some(index), _) => (index, true),
        (None, Some(index)) => (index, false),
        (None, None) => return Err(UnknownSeries),
    };
    let index = index.parse().map_err(|_not_a_number| UnknownSeries)?;
    Ok(Part::Node { index, leads })
}
