//! Standard error: what a person is told and asked beside the data.

use std::io::{self, IsTerminal as _, Write as _};

use crate::failure::Failure;

/// The voice of the binary. Nobody listening is fine.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Talk;

impl Talk {
    /// Says something that is not data.
    #[expect(clippy::unused_self, reason = "whoever may talk is handed the voice")]
    pub(crate) fn say(&self, text: &str) {
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// Says what went wrong while things go on.
    pub(crate) fn error(&self, text: &str) {
        self.say(&format!("error: {text}"));
    }

    /// Says what may be wrong, or will be.
    pub(crate) fn warn(&self, text: &str) {
        self.say(&format!("warning: {text}"));
    }

    /// Asks for a yes. `Ok(false)`: they do not want it.
    pub(crate) fn confirm(&self, warning: &str, question: &str) -> Result<bool, Failure> {
        need_somebody(warning)?;
        self.say(warning);
        let _ = write!(io::stderr(), "{question} [y/N] ");
        let answer = read_answer()?.to_ascii_lowercase();
        Ok(matches!(answer.as_str(), "y" | "yes"))
    }

    /// Asks for a name to be typed, where a yes would be too quick. `Ok(false)`: they typed another.
    pub(crate) fn confirm_name(
        &self,
        warning: &str,
        question: &str,
        name: &str,
    ) -> Result<bool, Failure> {
        need_somebody(warning)?;
        let _ = write!(io::stderr(), "{warning}\n{question} ");
        Ok(read_answer()? == name)
    }
}

fn need_somebody(warning: &str) -> Result<(), Failure> {
    if io::stdin().is_terminal() && io::stderr().is_terminal() {
        return Ok(());
    }
    let failure = Failure::usage(format!("{warning}, and nobody is there to confirm it"));
    Err(failure.hint("add --yes to go on without being asked"))
}

fn read_answer() -> Result<String, Failure> {
    let mut answer = String::new();
    io::stdin()
        .read_line(&mut answer)
        .map_err(|error| Failure::new(format!("read the answer: {error}")))?;
    Ok(answer.trim().to_owned())
}
