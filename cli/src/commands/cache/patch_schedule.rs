//! `godwit cache patch-schedule …`.

use clap::Subcommand;
use client::maintenance::PatchEntry;
use model::{CacheName, Day};

use crate::{
    failure::Failure,
    output::{Form, table},
    quantity::duration,
    session::Session,
    talk::Talk,
};

#[derive(Debug, Subcommand)]
pub(crate) enum PatchSchedule {
    /// Show the windows of a cache's patch schedule
    Show {
        /// The cache's name
        cache: CacheName,
    },
    /// Let a newer engine be brought in by itself in these windows, and in no others
    ///
    /// A window is DAY@HOUR or DAY@HOUR/LENGTH, in UTC: a day of the week, `everyday` or `weekend`, an hour from 0 to 23,
    /// and a length from 1h to 24h [default: 5h].
    ///
    /// Example: godwit cache patch-schedule set demo-east weekend@2 wednesday@3/2h
    #[command(verbatim_doc_comment)]
    Set {
        /// The cache's name
        cache: CacheName,
        /// The windows
        #[arg(required = true, value_parser = window)]
        windows: Vec<Window>,
    },
    /// Let nothing be brought in by itself any more
    Remove {
        /// The cache's name
        cache: CacheName,
    },
}

/// A window as it is typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window(PatchEntry);

fn window(text: &str) -> Result<Window, String> {
    let rule = || "write DAY@HOUR or DAY@HOUR/LENGTH, such as saturday@2/5h".to_owned();
    let (day, rest) = text.split_once('@').ok_or_else(rule)?;
    Day::named(day).ok_or_else(|| format!("`{day}` is no day of the week; {}", rule()))?;
    let (hour, length) = match rest.split_once('/') {
        Some((hour, length)) => (hour, Some(length)),
        None => (rest, None),
    };
    let hour: u8 = hour.parse().map_err(|_not_a_number| rule())?;
    if hour > 23 {
        return Err(format!("{hour} is no hour of the day, 0 to 23"));
    }
    let length = length.map(length_of).transpose()?;
    Ok(Window(PatchEntry {
        day_of_week: day.to_owned(),
        start_hour_utc: hour,
        maintenance_window: length,
    }))
}

fn length_of(text: &str) -> Result<String, String> {
    let seconds = duration(text)?.as_secs();
    if seconds % 60 != 0 || !(3_600..=86_400).contains(&seconds) {
        return Err("a window is 1h to 24h long, in whole minutes".to_owned());
    }
    Ok(format!("PT{}M", seconds / 60))
}

pub(super) async fn run(command: PatchSchedule, session: &Session) -> Result<(), Failure> {
    let management = &session.management;
    match command {
        PatchSchedule::Show { cache } => show(session, &cache).await,
        PatchSchedule::Set {
            cache: name,
            windows,
        } => {
            let cache = session.find(&name).await?.body;
            let entries: Vec<_> = windows.into_iter().map(|Window(entry)| entry).collect();
            management.put_patch_schedule(&cache.id, &entries).await?;
            Talk.say(&format!(
                "a newer engine is brought to `{name}` in these windows alone"
            ));
            show(session, &name).await
        }
        PatchSchedule::Remove { cache: name } => {
            let cache = session.find(&name).await?.body;
            management.delete_patch_schedule(&cache.id).await?;
            let upgrade = session.command(&format!("cache upgrade {name}"));
            Talk.say(&format!(
                "`{name}` has no patch schedule: a newer engine is brought in by `{upgrade}`"
            ));
            Ok(())
        }
    }
}

async fn show(session: &Session, name: &CacheName) -> Result<(), Failure> {
    let cache = session.find(name).await?.body;
    let schedules = session.management.patch_schedules(&cache.id).await?;
    if schedules.body.is_empty() && session.form == Form::Table {
        let upgrade = session.command(&format!("cache upgrade {name}"));
        Talk.say(&format!(
            "`{name}` has no patch schedule: a newer engine is brought in by `{upgrade}`"
        ));
        return Ok(());
    }
    session.form.write(&schedules.json, || {
        let schedules = schedules.body.iter();
        let entries = schedules.flat_map(|schedule| &schedule.properties.schedule_entries);
        let rows = entries.map(|entry| {
            let length = entry.maintenance_window.as_deref().unwrap_or("PT5H");
            [
                entry.day_of_week.clone(),
                format!("{:02}:00", entry.start_hour_utc),
                length.trim_start_matches("PT").to_lowercase(),
            ]
        });
        table(["DAY", "FROM (UTC)", "LENGTH"], rows)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_read_as_people_write_them() {
        let Window(entry) = window("Saturday@02/90m").unwrap();
        assert_eq!(entry.start_hour_utc, 2);
        assert_eq!(entry.maintenance_window.as_deref(), Some("PT90M"));
        assert_eq!(window("weekend@0").unwrap().0.maintenance_window, None);
        for wrong in [
            "saturday",
            "someday@1",
            "sunday@24",
            "sunday@1/30m",
            "sunday@x",
        ] {
            assert!(window(wrong).is_err(), "{wrong}");
        }
    }
}
