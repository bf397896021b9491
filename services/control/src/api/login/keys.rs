//! The keys that sign tokens: which one signs, which are believed, and when there is another.
//!
//! A key signs for a week. The next one is published before it signs, and the one before is believed
//! until the last token that it signed is over. All of it happens when somebody signs in: where nobody
//! does there is no key, and no key goes.

use model::Timestamp;
use serde_json::Value;
use tokens::{OwnKeys, TokenKey, key_set};

use super::Refusal;
use crate::{
    api::{
        ApiError,
        decide::{Plan, decide},
    },
    plane::Plane,
    records::SigningKeyRecord,
    store::{Change, State, Versioned},
};

/// How long a token is good for, in seconds.
pub(super) const TOKEN_SECONDS: u64 = 3600;
const HOUR_MS: u64 = 60 * 60 * 1000;
/// How long a key signs.
const SIGNS_MS: u64 = 7 * 24 * HOUR_MS;
/// How long the next key is published before it signs. Whoever checks tokens asks for keys every
/// ten minutes.
const AHEAD_MS: u64 = HOUR_MS;
/// How long a key is believed after the last moment at which it may have signed.
const LINGERS_MS: u64 = TOKEN_SECONDS * 1000 + HOUR_MS;

/// What is to be done with keys that were made at these moments, the oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Turn {
    /// The one that signs; `None`: there is none.
    signer: Option<usize>,
    /// Another one is to be made.
    next: bool,
    /// So many of the oldest ones are believed no more.
    over: usize,
}

fn turn(made: &[Timestamp], now: Timestamp) -> Turn {
    let ready = |at: &Timestamp| at.plus_ms(AHEAD_MS) <= now;
    // The first key of all signs at once.
    let signer = made.iter().rposition(ready).unwrap_or(0);
    let is_over = |successor: &Timestamp| successor.plus_ms(AHEAD_MS + LINGERS_MS) <= now;
    let over = made.iter().skip(1).take_while(|at| is_over(at)).count();
    let newest = made.last();
    Turn {
        signer: newest.map(|_| signer),
        next: newest.is_none_or(|at| at.plus_ms(SIGNS_MS - AHEAD_MS) <= now),
        over,
    }
}

/// The keys, the oldest first.
fn sorted(state: &State) -> Vec<&Versioned<SigningKeyRecord>> {
    let mut keys: Vec<_> = state.signing_keys.iter().collect();
    keys.sort_by_key(|key| (key.created, key.id.clone()));
    keys
}

/// The key that signs now. Makes the next one when it is time, and forgets those that are over.
pub(super) async fn signer(plane: &Plane) -> Result<TokenKey, Refusal> {
    let broken = |error: tokens::SigningError| {
        tracing::error!(%error, "Failed to have a key for tokens");
        Refusal::broken()
    };
    let fresh = SigningKeyRecord {
        id: plane.dice.guid(),
        created: plane.clock.now(),
        private: TokenKey::generate().map_err(broken)?,
    };
    let record = decide(plane, |state| Ok::<_, ApiError>(plan(state, &fresh))).await?;
    TokenKey::new(record.id, &record.private).map_err(broken)
}

fn plan(state: &State, fresh: &SigningKeyRecord) -> Plan<SigningKeyRecord> {
    let keys = sorted(state);
    let made: Vec<_> = keys.iter().map(|key| key.created).collect();
    let turn = turn(&made, fresh.created);
    let signer = turn.signer.and_then(|at| keys.get(at));
    let signer = signer.map_or_else(|| fresh.clone(), |key| SigningKeyRecord::clone(key));
    if !turn.next && turn.over == 0 {
        return Plan::Answer(signer);
    }
    let gone = keys.iter().copied().take(turn.over);
    let mut change = gone.fold(Change::new(), |change, key| change.remove(key));
    if turn.next {
        tracing::info!(key = fresh.id, "Made a key for tokens");
        // Of two that sign in at the same time one makes it.
        change = match keys.last().copied() {
            Some(newest) => change.expect(newest),
            None => change,
        };
        change = change.insert(fresh);
    }
    Plan::Commit(change, signer)
}

/// The public halves of the keys that are believed, as a JSON Web Key Set.
pub(super) fn published(state: &State) -> Value {
    let keys = sorted(state).into_iter();
    let public = keys.filter_map(|key| match TokenKey::new(&key.id, &key.private) {
        Ok(key) => Some(key.public()),
        Err(error) => {
            tracing::error!(key = key.id, %error, "A stored key for tokens is of no use");
            None
        }
    });
    key_set(&public.collect::<Vec<_>>())
}

/// The keys of one state, ready to be asked about tokens.
#[derive(Default)]
pub(crate) struct Believed(
    parking_lot::Mutex<Option<(crate::store::Table<SigningKeyRecord>, OwnKeys)>>,
);

impl Believed {
    /// Those of `state`; `None`: there are none.
    pub(super) fn of(&self, state: &State) -> Option<OwnKeys> {
        let mut known = self.0.lock();
        if let Some((table, keys)) = &*known
            && table.same(&state.signing_keys)
        {
            return Some(keys.clone());
        }
        let keys = OwnKeys::read(&published(state)).ok()?;
        *known = Some((state.signing_keys.clone(), keys.clone()));
        Some(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn at(hours: u64) -> Timestamp {
        NOW.plus_ms(hours * HOUR_MS)
    }

    #[test]
    fn the_first_key_signs_at_once() {
        let none = turn(&[], NOW);
        assert_eq!((none.signer, none.next, none.over), (None, true, 0));
        let first = turn(&[NOW], NOW);
        assert_eq!((first.signer, first.next, first.over), (Some(0), false, 0));
    }

    #[test]
    fn the_next_key_is_published_before_it_signs_and_the_last_believed_after_that() {
        let week = 7 * 24;
        assert!(!turn(&[at(0)], Timestamp(at(week - 1).0 - 1)).next);
        assert!(turn(&[at(0)], at(week - 1)).next);
        let both = [at(0), at(week - 1)];
        for (hour, signer, over) in [
            (week - 1, 0, 0),
            (week, 1, 0),
            (week + 1, 1, 0),
            (week + 2, 1, 1),
        ] {
            let turn = turn(&both, at(hour));
            assert_eq!((turn.signer, turn.over), (Some(signer), over), "{hour}");
            assert!(!turn.next);
        }
        // The last token that the old key can have signed ends before the key goes.
        let last_signed = at(week).0 - 1;
        let ends = last_signed + TOKEN_SECONDS * 1000 + tokens::LEEWAY_MS;
        assert_eq!(turn(&both, Timestamp(ends)).over, 0);
    }

    #[test]
    fn a_key_that_nobody_used_for_long_signs_until_the_next_one_is_known() {
        let both = [at(0), at(1000)];
        assert_eq!(turn(&both[..1], at(1000)).signer, Some(0));
        assert_eq!(turn(&both, at(1000)).signer, Some(0));
        assert_eq!(turn(&both, at(1001)).signer, Some(1));
        let three = [at(0), at(1000), at(2000)];
        assert_eq!(turn(&three, at(2000)).over, 1);
        assert_eq!(turn(&three, at(3000)).over, 2);
    }

    #[test]
    fn a_clock_that_went_back_takes_no_key_away() {
        let both = [at(100), at(200)];
        let turn = turn(&both, at(0));
        assert_eq!((turn.signer, turn.next, turn.over), (Some(0), false, 0));
    }
}
