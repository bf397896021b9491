//! Keys that differed are looked at again, in rounds.

use std::time::Duration;

use futures_util::future::try_join;
use tokio::time::{Instant, sleep};
use verify::{Clocks, Finding, Judgement, Key, Round, Rules, Suspect};

use super::{
    door::{Trouble, Visit, field},
    look::look,
    pace::Pace,
};
use crate::failure::Failure;

/// How long the geo-secondary may apply nothing while it has something to apply.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at how far it is.
const LOOK: Duration = Duration::from_millis(10);
/// After the first round; twice as long after each, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(25);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Where nobody may ask how far the geo-secondary is, it is given this long.
const BLIND_PAUSE: Duration = Duration::from_secs(1);

/// The two sides of one database.
pub(super) struct Both {
    pub(super) primary: Visit,
    pub(super) secondary: Visit,
}

/// What is known of the keys after enough rounds; those that turn out the same are left out.
pub(super) struct Settled {
    pub(super) findings: Vec<(Key, Finding)>,
    pub(super) bytes: u64,
}

/// Looks at keys of one database until each is known.
pub(super) async fn settle(
    both: &Both,
    pace: &Pace,
    keys: Vec<Key>,
    rules: Rules,
) -> Result<Settled, Trouble> {
    let mut settled = Settled {
        findings: Vec::new(),
        bytes: 0,
    };
    let mut open: Vec<Suspect> = keys.into_iter().map(Suspect::new).collect();
    let mut pause = FIRST_PAUSE;
    while !open.is_empty() {
        let names: Vec<Vec<u8>> = open.iter().map(|one| one.key.name.clone()).collect();
        pace.keys(names.len()).await;
        let before = look(&both.primary, pace, &names).await?;
        caught_up(both).await?;
        let secondary = look(&both.secondary, pace, &names).await?;
        let after = look(&both.primary, pace, &names).await?;
        let (first, second) = try_join(both.primary.time(), both.secondary.time()).await?;
        let clocks = Clocks {
            primary: first,
            secondary: second,
        };
        settled.bytes += before.bytes + secondary.bytes + after.bytes;
        let seen = before.seen.into_iter().zip(secondary.seen).zip(after.seen);
        let suspects = std::mem::take(&mut open);
        for (mut suspect, ((primary, secondary), primary_after)) in suspects.into_iter().zip(seen) {
            let round = Round {
                primary,
                secondary,
                primary_after,
                clocks,
            };
            match suspect.judge(&round, rules) {
                Judgement::Same => {}
                Judgement::Again => open.push(suspect),
                Judgement::Found(finding) => settled.findings.push((suspect.key, finding)),
            }
        }
        if !open.is_empty() {
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
    Ok(settled)
}

/// How far an engine is in its history, and as what.
struct Standing {
    role: String,
    history: String,
    offset: u64,
    in_touch: bool,
}

async fn standing(visit: &Visit) -> Result<Standing, Trouble> {
    let info = visit.info("replication").await?;
    let text = |name| field(&info, name).unwrap_or_default().to_owned();
    // A replica's own is what it has applied.
    let offset = field(&info, "slave_repl_offset").or_else(|| field(&info, "master_repl_offset"));
    let offset = offset.and_then(|offset| offset.parse().ok());
    Ok(Standing {
        role: text("role"),
        history: text("master_replid"),
        offset: offset.ok_or_else(|| visit.nonsense("INFO replication"))?,
        in_touch: field(&info, "master_link_status") == Some("up"),
    })
}

/// Waits until the geo-secondary has applied everything that the geo-primary has now.
async fn caught_up(both: &Both) -> Result<(), Trouble> {
    let goal = match standing(&both.primary).await {
        Ok(standing) => standing,
        Err(Trouble::NotAllowed(_)) => {
            sleep(BLIND_PAUSE).await;
            return Ok(());
        }
        Err(trouble) => return Err(trouble),
    };
    let mut last: Option<u64> = None;
    let mut since = Instant::now();
    loop {
        let now = match standing(&both.secondary).await {
            Ok(standing) => standing,
            Err(Trouble::NotAllowed(_)) => {
                sleep(BLIND_PAUSE).await;
                return Ok(());
            }
            Err(trouble) => return Err(trouble),
        };
        if goal.role != "master" || now.role == "master" {
            return Err(Trouble::Failed(roles_changed(both)));
        }
        let same_history = now.history == goal.history;
        if same_history && now.offset >= goal.offset {
            return Ok(());
        }
        if last != Some(now.offset) {
            last = Some(now.offset);
            since = Instant::now();
        }
        if since.elapsed() >= PATIENCE {
            return Err(Trouble::Failed(stalled(both, &goal, &now)));
        }
        sleep(LOOK).await;
    }
}

fn roles_changed(both: &Both) -> Failure {
    let (one, other) = (both.primary.door.called(), both.secondary.door.called());
    Failure::new(format!(
        "{one} or {other} has changed its role since the comparison began"
    ))
    .hint("begin anew when the link is Succeeded; a state file of the other direction is of no use")
}

fn stalled(both: &Both, goal: &Standing, now: &Standing) -> Failure {
    let called = both.secondary.door.called();
    let waited = PATIENCE.as_secs();
    let why = if now.history != goal.history {
        "it follows another history".to_owned()
    } else {
        let touch = if now.in_touch {
            ""
        } else {
            ", and its link is down"
        };
        format!(
            "{} bytes are missing{touch}",
            goal.offset.saturating_sub(now.offset)
        )
    };
    Failure::new(format!(
        "{called} has applied nothing for {waited} s and is not where the geo-primary was: {why}"
    ))
    .hint("`godwit link show` says what is wrong with the link")
}
