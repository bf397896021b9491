//! Whether the other half is there, as people are told it: not of every session that ends, but when
//! nobody has been there for a while.

use std::time::Duration;

use tokio::time::Instant;

/// A session that is followed by another within this time is no news.
const ALONE: Duration = Duration::from_secs(2);

/// What was seen, and what was told.
#[derive(Debug, Default)]
pub(super) struct Company {
    /// Somebody was there once.
    met: bool,
    alone_since: Option<Instant>,
    told: bool,
}

/// News for people.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CompanyNews {
    /// The other half went away.
    Left,
    /// It is back, after this time.
    Back(Duration),
}

impl Company {
    /// Looks whether somebody is `here`.
    pub(super) fn look(&mut self, here: bool, now: Instant) -> Option<CompanyNews> {
        if here {
            self.met = true;
            let since = self.alone_since.take();
            let back = std::mem::take(&mut self.told);
            return since
                .filter(|_| back)
                .map(|since| CompanyNews::Back(now.saturating_duration_since(since)));
        }
        let since = *self.alone_since.get_or_insert(now);
        let news = self.met && !self.told && now.saturating_duration_since(since) >= ALONE;
        self.told |= news;
        news.then_some(CompanyNews::Left)
    }

    /// Nobody is to be there.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_an_absence_that_lasts_is_told_and_its_end() {
        let start = Instant::now();
        let at = |s: u64| start + Duration::from_secs(s);
        let mut company = Company::default();
        assert_eq!(company.look(false, at(0)), None);
        assert_eq!(company.look(false, at(100)), None, "nobody was there yet");
        assert_eq!(company.look(true, at(101)), None);
        assert_eq!(company.look(false, at(102)), None);
        assert_eq!(company.look(true, at(103)), None, "soon back");
        assert_eq!(company.look(false, at(104)), None);
        assert_eq!(company.look(false, at(106)), Some(CompanyNews::Left));
        assert_eq!(company.look(false, at(107)), None, "told once");
        let back = CompanyNews::Back(Duration::from_secs(6));
        assert_eq!(company.look(true, at(110)), Some(back));
        assert_eq!(company.look(true, at(111)), None);
        assert_eq!(company.look(false, at(112)), None);
        company.forget();
        assert_eq!(company.look(false, at(200)), None);
    }
}
