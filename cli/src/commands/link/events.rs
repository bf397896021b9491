//! `godwit link events`.

use std::time::Duration;

use clap::{Args, value_parser};
use client::replication::LinkEvent;
use model::CacheName;
use serde_json::Value;
use tokio::time::sleep;

use super::{Pair, linked};
use crate::{
    failure::Failure,
    output::{Form, line, table},
    session::Session,
    talk::Talk,
};

/// Between two looks.
const PERIOD: Duration = Duration::from_secs(1);
/// As many at one look.
const MOST: u16 = 1_000;

/// Show what happened on a link: full syncs, stalls, cuts, failovers, changes
///
/// The control plane keeps the last 1000 events of a link, and none for longer than 90 days. JSON
/// is an array; with --follow, one event a line.
///
/// Example: godwit link events demo-east --follow
#[derive(Debug, Args)]
pub(crate) struct Events {
    /// Either of its two caches
    cache: CacheName,
    /// Show the last so many
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    #[arg(value_parser = value_parser!(u16).range(1..=1000))]
    top: u16,
    /// Go on with new ones until interrupted
    #[arg(long, short)]
    follow: bool,
}

impl Events {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let pair = linked(session, &self.cache).await?;
        let (primary, other) = (&pair.primary, &pair.secondary.name);
        let management = &session.management;
        let first = management
            .link_events(primary, other, None, self.top)
            .await?;
        if !self.follow {
            if first.body.is_empty() && session.form == Form::Table {
                Talk.say("nothing has happened on this link yet");
                return Ok(());
            }
            return session.form.write(&first.json, || rows(&first.body));
        }
        write_each(session.form, &first.body, &first.json)?;
        let last = last_number(&first.body).unwrap_or(0);
        follow(session, &pair, last).await
    }
}

async fn follow(session: &Session, pair: &Pair, mut last: u64) -> Result<(), Failure> {
    let mut failing = false;
    loop {
        sleep(PERIOD).await;
        let asked = session
            .management
            .link_events(&pair.primary, &pair.secondary.name, Some(last), MOST)
            .await;
        match asked {
            Ok(more) => {
                failing = false;
                write_each(session.form, &more.body, &more.json)?;
                last = last_number(&more.body).unwrap_or(last).max(last);
            }
            Err(error) if error.is_outage() => {
                if !failing {
                    Talk.error(&format!("{error} (asking again)"));
                }
                failing = true;
            }
            Err(error) if error.is_not_found() => {
                return Err(Failure::not_found("the two caches are no longer linked"));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn last_number(events: &[LinkEvent]) -> Option<u64> {
    events.iter().map(|event| event.number).max()
}

fn write_each(form: Form, events: &[LinkEvent], json: &Value) -> Result<(), Failure> {
    match form {
        Form::Json => {
            for event in json.as_array().into_iter().flatten() {
                line(&event.to_string())?;
            }
        }
        Form::Table => {
            for event in events {
                let [time, shard, kind, text, by] = row(event);
                line(&format!("{time}  {shard:5}  {kind:17}  {text} ({by})"))?;
            }
        }
    }
    Ok(())
}

/// A table of events.
pub(super) fn rows(events: &[LinkEvent]) -> String {
    let header = ["TIME", "SHARD", "KIND", "WHAT", "TOLD BY"];
    table(header, events.iter().map(row))
}

fn row(event: &LinkEvent) -> [String; 5] {
    [
        event.time.clone(),
        event
            .shard
            .map_or_else(|| "-".to_owned(), |shard| shard.to_string()),
        event.kind.clone(),
        event.text.clone(),
        event.reported_by.clone(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_told_in_columns() {
        let event = LinkEvent {
            number: 7,
            time: "2026-03-01T12:00:00Z".to_owned(),
            kind: "FullSyncStarted".to_owned(),
            shard: Some(0),
            reported_by: "westus".to_owned(),
            text: "the journal was outrun".to_owned(),
        };
        let expected = "\
TIME                  SHARD  KIND             WHAT                    TOLD BY
2026-03-01T12:00:00Z  0      FullSyncStarted  the journal was outrun  westus";
        assert_eq!(rows(&[event]), expected);
    }
}
