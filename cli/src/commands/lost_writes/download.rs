//! `godwit lost-writes download`.

use std::{
    fs::{File, OpenOptions},
    io::{self, IsTerminal as _, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use clap::Args;
use runtime::{
    chain,
    durable::{durable_rename, remove_if_there},
};
use serde_json::json;

use super::{ReceiptName, find};
use crate::{
    failure::Failure,
    output::{Form, bytes, line},
    progress::Transfer,
    session::Session,
    talk::Talk,
};

/// Download lost writes: the commands as they were, in RESP, or the names of their keys
///
/// The commands are what an engine's append-only file holds, and contain values; the file is
/// readable by you alone. With --keys: for each key an array of its database and its name, in RESP.
///
/// Examples:
///   godwit lost-writes download demo-east-7
///   godwit lost-writes download demo-east-7 --to - | redis-cli --pipe
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Download {
    /// The receipt, as `lost-writes list` names it
    receipt: ReceiptName,
    /// The file to make, or `-` for standard output [default: the receipt's name with `.aof` or
    /// `.keys` behind it]
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// The names of the keys instead of the commands
    #[arg(long)]
    keys: bool,
}

impl Download {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let ending = if self.keys { "keys" } else { "aof" };
        let to = self
            .to
            .clone()
            .unwrap_or_else(|| PathBuf::from(format!("{}.{ending}", self.receipt)));
        let piped = to == Path::new("-");
        if piped && io::stdout().is_terminal() {
            return Err(Failure::usage(
                "standard output is a terminal, and lost writes contain values",
            )
            .hint("name a file with --to"));
        }
        if !piped && to.exists() {
            return Err(Failure::usage(format!("{} is there already", to.display()))
                .hint("name another file with --to"));
        }
        if piped {
            let mut out = io::stdout();
            self.copy(session, &mut out).await?;
            out.flush()?;
            return Ok(());
        }
        let part = PathBuf::from(format!("{}.part", to.display()));
        let copied = self.save(session, &part, &to).await;
        if copied.is_err() {
            // What has come of it is of no use to anybody.
            let _ = remove_if_there(&part);
        }
        let size = copied?;
        let shown = to.display();
        Talk.say(&format!("{} are in {shown}", bytes(size)));
        match session.form {
            Form::Table => Ok(()),
            Form::Json => line(
                &json!({"receipt": self.receipt.to_string(), "file": to, "bytes": size})
                    .to_string(),
            ),
        }
    }

    async fn save(&self, session: &Session, part: &Path, to: &Path) -> Result<u64, Failure> {
        let failed = |error: io::Error| Failure::new(format!("write {}: {error}", part.display()));
        let mut file: File = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(part)
            .map_err(failed)?;
        let size = self.copy(session, &mut file).await?;
        file.sync_all().map_err(failed)?;
        durable_rename(part, to).map_err(|error| Failure::new(chain(&error).to_string()))?;
        Ok(size)
    }

    async fn copy(&self, session: &Session, out: &mut impl Write) -> Result<u64, Failure> {
        let held = find(session, &self.receipt).await?;
        let management = &session.management;
        let name = &held.receipt.name;
        let (mut content, expected) = if self.keys {
            (management.receipt_keys(&held.cache, name).await?, None)
        } else {
            let content = management.receipt_content(&held.cache, name).await?;
            (content, Some(held.receipt.file_bytes))
        };
        let title = format!("downloading `{name}`");
        let bar = Transfer::new(&title, expected.unwrap_or(0));
        let mut size = 0;
        while let Some(piece) = content.chunk().await? {
            out.write_all(&piece)?;
            size += piece.len() as u64;
            bar.advance(piece.len());
        }
        match expected {
            Some(expected) if expected != size => Err(Failure::new(format!(
                "{size} bytes of `{name}` came, and there should be {expected}"
            ))),
            Some(_) | None => Ok(size),
        }
    }
}
