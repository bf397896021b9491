//! Patch schedules: windows of the week, in UTC, as the managed service has them.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::Timestamp;

const MS_PER_HOUR: u64 = 3_600_000;
const MS_PER_DAY: u64 = 24 * MS_PER_HOUR;
const MS_PER_WEEK: u64 = 7 * MS_PER_DAY;
/// 1970-01-05 was a Monday.
const FIRST_MONDAY_MS: u64 = 4 * MS_PER_DAY;
/// The shortest window: an upgrade that is begun is ended, and many caches may share the host.
pub const SHORTEST_WINDOW: Duration = Duration::from_secs(3_600);
/// The longest window: until that of the next day begins.
pub const LONGEST_WINDOW: Duration = Duration::from_secs(24 * 3_600);

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Day {
    /// The first.
    Monday,
    /// The second.
    Tuesday,
    /// The third.
    Wednesday,
    /// The fourth.
    Thursday,
    /// The fifth.
    Friday,
    /// The sixth.
    Saturday,
    /// The seventh.
    Sunday,
}

impl Day {
    /// The days in their order.
    pub const ALL: [Self; 7] = [
        Self::Monday,
        Self::Tuesday,
        Self::Wednesday,
        Self::Thursday,
        Self::Friday,
        Self::Saturday,
        Self::Sunday,
    ];

    /// The days that a word of the API means: a day's name, `Everyday` or `Weekend`, in any case.
    #[must_use]
    pub fn named(word: &str) -> Option<Vec<Self>> {
        if word.eq_ignore_ascii_case("Everyday") {
            return Some(Self::ALL.to_vec());
        }
        if word.eq_ignore_ascii_case("Weekend") {
            return Some(vec![Self::Saturday, Self::Sunday]);
        }
        let named = |day: &Self| day.to_string().eq_ignore_ascii_case(word);
        Self::ALL.into_iter().find(named).map(|day| vec![day])
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// One window of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PatchWindow {
    /// The day on which it begins.
    pub day: Day,
    /// The hour at which it begins, in UTC, from 0 to 23.
    pub start_hour: u8,
    /// How long it is, in minutes.
    pub minutes: u16,
}

/// A window cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// There is none at all.
    #[error("a schedule has at least one window")]
    None,
    /// Two begin on the same day.
    #[error("{0} has two windows, and a day has at most one")]
    Twice(Day),
}

/// The windows of a week, each day at most once, in the order of the days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchSchedule(Vec<PatchWindow>);

impl PatchSchedule {
    /// A schedule of these windows.
    ///
    /// # Errors
    ///
    /// When there is none, or a day has two.
    pub fn new(mut windows: Vec<PatchWindow>) -> Result<Self, WindowError> {
        windows.sort();
        if windows.is_empty() {
            return Err(WindowError::None);
        }
        let mut pairs = windows.iter().zip(windows.iter().skip(1));
        match pairs.find(|(one, next)| one.day == next.day) {
            Some((twice, _)) => Err(WindowError::Twice(twice.day)),
            None => Ok(Self(windows)),
        }
    }

    /// Its windows.
    #[must_use]
    pub fn windows(&self) -> &[PatchWindow] {
        &self.0
    }

    /// Tells whether a window is open at a moment. A window that begins late in a day goes on into
    /// the next one.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        let into =
            |window: &PatchWindow| (of_week(now) + MS_PER_WEEK - window.begins()) % MS_PER_WEEK;
        self.0.iter().any(|window| into(window) < window.length())
    }

    /// When the next window begins; the present moment while one is open.
    #[must_use]
    pub fn next(&self, now: Timestamp) -> Timestamp {
        if self.is_open(now) {
            return now;
        }
        let until =
            |window: &PatchWindow| (window.begins() + MS_PER_WEEK - of_week(now)) % MS_PER_WEEK;
        now.plus_ms(self.0.iter().map(until).min().unwrap_or(0))
    }
}

impl PatchWindow {
    /// Milliseconds from the beginning of the week.
    fn begins(&self) -> u64 {
        let day = Day::ALL.iter().position(|day| *day == self.day);
        let day = u64::try_from(day.unwrap_or(0)).unwrap_or(0);
        day * MS_PER_DAY + u64::from(self.start_hour) * MS_PER_HOUR
    }

    fn length(&self) -> u64 {
        u64::from(self.minutes) * 60_000
    }
}

impl fmt::Display for PatchWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hours, minutes) = (self.minutes / 60, self.minutes % 60);
        write!(
            f,
            "{} from {:02}:00 UTC for {hours} h",
            self.day, self.start_hour
        )?;
        if minutes > 0 {
            write!(f, " {minutes} min")?;
        }
        Ok(())
    }
}

/// Milliseconds since Monday, 00:00 UTC.
fn of_week(at: Timestamp) -> u64 {
    (at.0 + MS_PER_WEEK - FIRST_MONDAY_MS) % MS_PER_WEEK
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tuesday, 2026-12-01, 15:00 UTC.
    const TUESDAY: Timestamp = Timestamp(1_796_137_200_000);

    fn window(day: Day, start_hour: u8, minutes: u16) -> PatchWindow {
        PatchWindow {
            day,
            start_hour,
            minutes,
        }
    }

    fn schedule(windows: &[PatchWindow]) -> PatchSchedule {
        PatchSchedule::new(windows.to_vec()).unwrap()
    }

    fn hours(count: u64) -> Timestamp {
        TUESDAY.plus_ms(count * MS_PER_HOUR)
    }

    #[test]
    fn a_window_is_open_from_its_hour_for_its_length() {
        let evening = schedule(&[window(Day::Tuesday, 16, 90)]);
        assert!(!evening.is_open(TUESDAY));
        assert_eq!(evening.next(TUESDAY), hours(1));
        assert!(evening.is_open(hours(1)));
        assert!(evening.is_open(hours(1).plus_ms(90 * 60_000 - 1)));
        let over = hours(1).plus_ms(90 * 60_000);
        assert!(!evening.is_open(over));
        assert_eq!(evening.next(over), hours(1 + 7 * 24));
    }

    #[test]
    fn a_window_goes_on_over_midnight_and_over_the_end_of_the_week() {
        let late = schedule(&[window(Day::Monday, 23, 24 * 60)]);
        assert!(late.is_open(TUESDAY));
        let sunday = schedule(&[window(Day::Sunday, 22, 5 * 60)]);
        let monday_two = Timestamp(TUESDAY.0 - 37 * MS_PER_HOUR);
        assert!(sunday.is_open(monday_two));
        assert!(!sunday.is_open(monday_two.plus_ms(MS_PER_HOUR)));
    }

    #[test]
    fn words_for_several_days_are_those_days() {
        assert_eq!(Day::named("everyday").unwrap().len(), 7);
        let weekend = vec![Day::Saturday, Day::Sunday];
        assert_eq!(Day::named("Weekend"), Some(weekend));
        assert_eq!(Day::named("FRIDAY"), Some(vec![Day::Friday]));
        assert_eq!(Day::named("Someday"), None);
    }

    #[test]
    fn a_day_has_at_most_one_window() {
        let twice = vec![window(Day::Friday, 1, 60), window(Day::Friday, 9, 60)];
        assert_eq!(
            PatchSchedule::new(twice),
            Err(WindowError::Twice(Day::Friday))
        );
        assert_eq!(PatchSchedule::new(vec![]), Err(WindowError::None));
    }

    #[test]
    fn windows_are_told_in_words() {
        let told = window(Day::Saturday, 2, 330).to_string();
        assert_eq!(told, "Saturday from 02:00 UTC for 5 h 30 min");
    }
}
