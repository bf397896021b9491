//! `godwit lost-writes discard`.

use clap::Args;

use super::{ReceiptName, find};
use crate::{failure::Failure, output::Form, quantity::counted, session::Session, talk::Talk};

/// Remove lost writes for good, once nobody needs them any more
///
/// Example: godwit lost-writes discard demo-east-7
#[derive(Debug, Args)]
pub(crate) struct Discard {
    /// The receipt, as `lost-writes list` names it
    receipt: ReceiptName,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

impl Discard {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let held = find(session, &self.receipt).await?;
        let name = &self.receipt;
        let commands = counted(held.receipt.commands, "command", "commands");
        let keys = counted(held.receipt.keys, "key", "keys");
        let warning = format!(
            "`{name}` is the only copy of {commands} on {keys}, and it is removed for good"
        );
        if !self.yes && !Talk.confirm(&warning, &format!("Discard `{name}`?"))? {
            return Err(Failure::new("nothing was discarded"));
        }
        let management = &session.management;
        management
            .discard_receipt(&held.cache, &held.receipt.name)
            .await?;
        Talk.say(&format!("`{name}` is discarded"));
        match session.form {
            Form::Table => Ok(()),
            Form::Json => session.form.write(&held.json, String::new),
        }
    }
}
