//! `patchSchedules`: a cache has one, `default`, or none.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use model::{
    CacheRecord, Day, LONGEST_WINDOW, Lifecycle, PatchSchedule, PatchWindow, SHORTEST_WINDOW,
};

use super::Names;
use crate::{
    api::{
        ApiError, answer,
        body::Fields,
        caches::being_deleted,
        decide::{Plan, decide},
        find::find_cache,
    },
    plane::Plane,
    store::Change,
    view::{duration_of, schedule_json},
};

/// The name of the one schedule that a cache can have.
const DEFAULT: &str = "default";
/// What answers carry and clients send back.
const READ_ONLY: [&str; 5] = ["id", "name", "type", "location", "systemData"];
/// A window that nobody gave a length, in minutes.
const USUAL_MINUTES: u16 = 5 * 60;
/// More entries than a week has days, in any spelling.
const MOST_ENTRIES: usize = 32;

type Schedule = Path<(String, String, String, String)>;

pub(super) async fn list(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name)): Names,
) -> Result<Response, ApiError> {
    let state = plane.store.state();
    let cache = find_cache(&state, &subscription, &group, &name)?;
    Ok(answer::list(schedule_json(cache).into_iter().collect()))
}

pub(super) async fn show(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name, schedule)): Schedule,
) -> Result<Response, ApiError> {
    let state = plane.store.state();
    let cache = find_cache(&state, &subscription, &group, &name)?;
    let shown = schedule_json(cache).filter(|_| is_default(&schedule));
    match shown {
        Some(shown) => Ok(answer::ok(&shown)),
        None => Err(nothing(cache, &schedule)),
    }
}

pub(super) async fn put(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name, schedule)): Schedule,
    body: Fields,
) -> Result<Response, ApiError> {
    let wanted = read(body)?;
    let (status, shown) = decide(&plane, |state| {
        let cache = find_cache(state, &subscription, &group, &name)?;
        if cache.lifecycle == Lifecycle::Deleting {
            return Err(being_deleted(cache));
        }
        if !is_default(&schedule) {
            let schedule: String = schedule.chars().take(80).collect();
            return Err(ApiError::bad_request(
                "InvalidResourceName",
                format!("A cache has one patch schedule, `default`; there can be none named `{schedule}`."),
            ));
        }
        let status = match cache.maintenance.schedule {
            Some(_) => StatusCode::OK,
            None => StatusCode::CREATED,
        };
        let mut next = CacheRecord::clone(cache);
        next.maintenance.schedule = Some(wanted.clone());
        let shown = schedule_json(&next);
        Ok(Plan::Commit(
            Change::new().replace(cache, &next),
            (status, shown),
        ))
    })
    .await?;
    Ok(answer::json_response(status, &shown.unwrap_or_default()))
}

pub(super) async fn delete(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name, schedule)): Schedule,
) -> Result<Response, ApiError> {
    let status = decide(&plane, |state| {
        let cache = find_cache(state, &subscription, &group, &name)?;
        if cache.maintenance.schedule.is_none() || !is_default(&schedule) {
            return Ok(Plan::Answer(StatusCode::NO_CONTENT));
        }
        if cache.lifecycle == Lifecycle::Deleting {
            return Err(being_deleted(cache));
        }
        let mut next = CacheRecord::clone(cache);
        next.maintenance.schedule = None;
        let change = Change::new().replace(cache, &next);
        Ok(Plan::Commit(change, StatusCode::OK))
    })
    .await?;
    Ok(answer::empty(status, HeaderMap::new()))
}

fn is_default(schedule: &str) -> bool {
    schedule.eq_ignore_ascii_case(DEFAULT)
}

fn nothing(cache: &CacheRecord, schedule: &str) -> ApiError {
    let shown: String = schedule.chars().take(80).collect();
    let resource = format!(
        "Microsoft.Cache/Redis/{}/patchSchedules/{shown}",
        cache.id.name
    );
    ApiError::no_resource(&resource, &cache.id.group)
}

fn read(mut body: Fields) -> Result<PatchSchedule, ApiError> {
    const TAKES: &str = "an object with `scheduleEntries`";
    body.skip(&READ_ONLY);
    let properties = body.object("properties")?;
    let mut properties = properties.ok_or_else(|| body.missing("properties", TAKES))?;
    body.finish()?;
    let entries = properties.objects("scheduleEntries")?;
    let entries = entries.ok_or_else(|| {
        properties.missing(
            "scheduleEntries",
            "a list of entries with `dayOfWeek` and `startHourUtc`",
        )
    })?;
    if entries.len() > MOST_ENTRIES {
        let why = format!(
            "it has {} entries, and a day has at most one",
            entries.len()
        );
        return Err(properties.refused("scheduleEntries", why));
    }
    let mut windows = Vec::new();
    for entry in entries {
        windows.extend(entry_windows(entry)?);
    }
    let schedule = PatchSchedule::new(windows);
    let schedule = schedule.map_err(|error| properties.refused("scheduleEntries", error))?;
    properties.finish()?;
    Ok(schedule)
}

/// The windows of an entry: `Everyday` and `Weekend` are several.
fn entry_windows(mut entry: Fields) -> Result<Vec<PatchWindow>, ApiError> {
    const DAYS: &str = "Monday to Sunday, Everyday or Weekend";
    let word = entry.text("dayOfWeek")?;
    let word = word.ok_or_else(|| entry.missing("dayOfWeek", DAYS))?;
    let days = Day::named(&word)
        .ok_or_else(|| entry.refused("dayOfWeek", format!("`{word}` is no day; use {DAYS}")))?;
    let hour = entry.whole("startHourUtc")?;
    let hour = hour.ok_or_else(|| entry.missing("startHourUtc", "an hour of the day, 0 to 23"))?;
    let start_hour = match u8::try_from(hour) {
        Ok(hour) if hour < 24 => hour,
        Ok(_) | Err(_) => {
            return Err(entry.refused("startHourUtc", format!("`{hour}` is no hour; use 0 to 23")));
        }
    };
    let minutes = match entry.text("maintenanceWindow")? {
        None => USUAL_MINUTES,
        Some(text) => minutes(&text).ok_or_else(|| {
            let (short, long) = (SHORTEST_WINDOW.as_secs() / 3_600, LONGEST_WINDOW.as_secs() / 3_600);
            let why = format!("`{text}` is not a length in ISO 8601 of {short} to {long} hours in whole minutes, such as PT5H");
            entry.refused("maintenanceWindow", why)
        })?,
    };
    entry.finish()?;
    let window = |day| PatchWindow {
        day,
        start_hour,
        minutes,
    };
    Ok(days.into_iter().map(window).collect())
}

fn minutes(text: &str) -> Option<u16> {
    let length = duration_of(text)?;
    let whole = length.as_secs() % 60 == 0 && length.subsec_nanos() == 0;
    let fits = (SHORTEST_WINDOW..=LONGEST_WINDOW).contains(&length);
    (whole && fits).then(|| u16::try_from(length.as_secs() / 60).ok())?
}
