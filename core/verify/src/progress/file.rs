//! A comparison as a file: JSON with a version.

use serde::Deserialize;

use super::{Options, Progress, Subject};

/// Of the file's form, and of the digests in it.
pub(super) const VERSION: u32 = 1;

/// A file is not what a comparison may go on with.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// It is something else, or damaged.
    #[error("it is not the state of a comparison")]
    Foreign(#[source] serde_json::Error),
    /// Another version of Godwit wrote it.
    #[error("it has version {found}, and this Godwit goes on with version {VERSION}")]
    Version {
        /// What it has.
        found: u32,
    },
    /// It is of another link, or of the same in the other direction.
    #[error("it is of the link from {} to {}", found.primary, found.secondary)]
    Subject {
        /// What it is of.
        found: Box<Subject>,
    },
    /// It was begun with other options.
    #[error("it was begun with {option} {found}")]
    Option {
        /// Which.
        option: &'static str,
        /// What it had.
        found: String,
    },
}

#[derive(Deserialize)]
struct Head {
    version: u32,
}

impl Progress {
    /// The file.
    pub fn to_file(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// Reads the file of the same comparison.
    pub fn from_file(
        bytes: &[u8],
        subject: &Subject,
        options: &Options,
    ) -> Result<Self, ResumeError> {
        let head: Head = serde_json::from_slice(bytes).map_err(ResumeError::Foreign)?;
        if head.version != VERSION {
            return Err(ResumeError::Version {
                found: head.version,
            });
        }
        let read: Self = serde_json::from_slice(bytes).map_err(ResumeError::Foreign)?;
        if read.subject != *subject {
            return Err(ResumeError::Subject {
                found: Box::new(read.subject),
            });
        }
        let (tolerance, first) = (read.options.tolerance_ms, read.options.first);
        if tolerance != options.tolerance_ms {
            return Err(ResumeError::Option {
                option: "--tolerance",
                found: format!("{tolerance}ms"),
            });
        }
        if first != options.first {
            return Err(ResumeError::Option {
                option: "--first",
                found: first.to_string(),
            });
        }
        Ok(read)
    }
}
