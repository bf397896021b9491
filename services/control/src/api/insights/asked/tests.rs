use super::*;
use crate::view::Restriction;

const NOON: u64 = 1_772_366_400_000;

fn pairs(query: &str) -> query::Asked {
    let uri = format!("/x?{query}").parse().unwrap();
    let axum::extract::Query(pairs) = axum::extract::Query::try_from_uri(&uri).unwrap();
    query::Asked::from_pairs(pairs)
}

fn ask(query: &str) -> Result<MetricQuery, ApiError> {
    read(&pairs(query), Timestamp(NOON))
}

fn refused(query: &str) -> String {
    let refused = ask(query).err().unwrap_or_else(|| panic!("{query}"));
    assert_eq!(refused.code, "BadRequest", "{query}");
    refused.message
}

/// Minutes before noon, minutes after it, and the step.
fn range(query: &str) -> (u64, i64, u64) {
    let range = ask(query).unwrap().range;
    let minute = NOON / 60_000;
    let to = i64::try_from(range.to).unwrap() - i64::try_from(minute).unwrap();
    (minute - range.from, to, range.step)
}

#[test]
fn a_time_span_may_be_encoded_twice_and_is_cut_to_what_is_kept() {
    assert_eq!(range(""), (60, 1, 1));
    let once = "timespan=2026-03-01T11%3A30%3A00Z%2F2026-03-01T11%3A59%3A10Z";
    assert_eq!(range(once), (30, 0, 1));
    let twice = "timespan=2026-03-01T11%253A30%253A00Z%2F2026-03-01T12%253A00%253A00Z";
    assert_eq!(range(twice), (30, 0, 1));
    let plain = "timespan=2026-03-01T12:00:00+01:00/2026-03-01T12:00:00";
    assert_eq!(range(plain), (60, 0, 1));
    assert_eq!(range("timespan=PT1H&interval=pt5m"), (60, 1, 5));
    assert_eq!(range("timespan=PT90M&interval=PT1M"), (90, 1, 1));
    assert_eq!(range("timespan=P2D&interval=PT1M"), (2_880, 1, 1));
    let year = "timespan=2025-03-01T00:00:00Z/2026-04-01T00:00:00Z&interval=P1D";
    assert_eq!(range(year), (30 * 1_440 + 720, 1, 1_440));
}

#[test]
fn steps_are_as_short_as_what_is_kept() {
    let month = "timespan=P30D";
    assert_eq!(range(month).2, 60, "nobody asked for minutes");
    let why = refused("timespan=P30D&interval=PT5M");
    assert!(why.contains("2 days") && why.contains("PT1H"), "{why}");
    let adjusted = "timespan=P30D&interval=PT5M&AutoAdjustTimegrain=true";
    assert_eq!(ask(adjusted).unwrap().range.grain, "PT1H");
    let full = ask("timespan=P30D&interval=FULL").unwrap().range;
    assert_eq!((full.grain, full.from % 60), ("FULL", 0));
    let why = refused("interval=PT2M");
    assert!(why.contains("PT1M, PT5M, PT15M, PT30M, PT1H, PT6H, PT12H, P1D, FULL"));
}

#[test]
fn names_are_read_in_any_case() {
    let names = |query: &str| -> Vec<String> {
        let metrics = ask(query).unwrap().metrics;
        metrics.iter().map(|metric| metric.name.clone()).collect()
    };
    let both = ["GeoReplicationHealthy", "cachehits"];
    assert_eq!(names("MetricNames=geoReplicationHealthy,CACHEHITS"), both);
    assert_eq!(
        names("metricnames=georeplicationhealthy%252Ccachehits"),
        both
    );
    assert_eq!(names("metricnames=cachehits3"), ["cachehits3"]);
    let all = names("");
    assert!(all.len() > 40 && !all.contains(&"cachehits3".to_owned()));
    let ways = ask("aggregation=average,maximum").unwrap().aggregations;
    assert_eq!(ways, Some(vec![Aggregation::Average, Aggregation::Maximum]));
}

#[test]
fn a_filter_is_for_metrics_that_have_its_dimensions() {
    let asked = ask("metricnames=errors&$filter=ErrorType%20eq%20'*'&rollupby=ErrorType").unwrap();
    assert_eq!(
        asked.filter.restrictions,
        [(Dimension::ErrorType, Restriction::Any)]
    );
    assert_eq!(asked.filter.rolled_up, [Dimension::ErrorType]);
    let why = refused("metricnames=errors,cachehits&$filter=ErrorType%20eq%20'*'");
    assert!(
        why.contains("Metric: cachehits") && why.contains("supported ones are: ShardId"),
        "{why}"
    );
    let lenient = "metricnames=cachehits&$filter=ErrorType%20eq%20'*'&ValidateDimensions=false";
    assert!(ask(lenient).is_ok());
    assert!(refused("metricnames=LatencyP99&$filter=ShardId%20eq%20'*'").contains("none"));
    assert!(
        ask("$filter=ShardId%20eq%20'*'").is_ok(),
        "of all metrics, those that have it"
    );
}

#[test]
fn the_rest_is_read_or_refused() {
    let asked = ask("top=3&orderby=sum%20desc&resultType=Metadata").unwrap();
    assert_eq!(asked.top, 3);
    let by_sum = Order {
        by: Aggregation::Total,
        direction: Direction::Descending,
    };
    assert_eq!(asked.order, Some(by_sum));
    assert!(asked.metadata_alone);
    assert!(ask("metricnamespace=microsoft.cache%252FRedis&resultType=Data").is_ok());
    for (query, why) in [
        ("timespan=yesterday", "start/end"),
        ("timespan=P-1D", "start/end"),
        (
            "timespan=2026-03-01T12:00:00Z/2026-03-01T11:00:00Z",
            "start/end",
        ),
        ("aggregation=Median", "Average"),
        (
            "metricnames=moonlight",
            "Valid metrics: GeoReplicationHealthy,",
        ),
        ("$filter=Moon%20eq%20'1'", "ShardId"),
        ("top=0", "1 to 1000"),
        ("top=many", "1 to 1000"),
        ("orderby=moon%20desc", "sum desc"),
        ("orderby=sum%20sideways", "sum desc"),
        ("resultType=Picture", "Metadata"),
        ("metricnamespace=Microsoft.Compute", "Microsoft.Cache/redis"),
        ("rollupby=moon", "ShardId"),
    ] {
        let refused = refused(query);
        assert!(refused.contains(why), "{query}: {refused}");
    }
}
