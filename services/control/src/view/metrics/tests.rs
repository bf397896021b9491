use std::collections::BTreeSet;

use model::{Cell, ErrorKind, Figure, Figures, Part, Series};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{history::Spans, records::tests::cache};

fn node(figure: Figure, index: u8, leads: bool) -> Series {
    Series {
        figure,
        shard: 0,
        part: Part::Node { index, leads },
    }
}

/// One hit and three misses a minute at the node that leads, and as many keys as minutes passed at
/// both.
fn spans(minutes: u64) -> Spans {
    let of = |minute: u64| -> Figures {
        let error = Series {
            figure: Figure::Errors,
            shard: 0,
            part: Part::Error(ErrorKind::Failover),
        };
        let created = |encrypted| Series {
            figure: Figure::ConnectionsCreated,
            shard: 0,
            part: Part::Connections { encrypted },
        };
        [
            (node(Figure::Hits, 1, true), Cell::whole(1)),
            (node(Figure::Misses, 1, true), Cell::whole(3)),
            (node(Figure::Hits, 0, false), Cell::whole(0)),
            (node(Figure::Keys, 1, true), Cell::whole(minute)),
            (node(Figure::Keys, 0, false), Cell::whole(minute)),
            (error, Cell::whole(minute % 2)),
            (created(true), Cell::whole(2)),
            (created(false), Cell::whole(5)),
        ]
        .into_iter()
        .collect()
    };
    (0..minutes).map(|minute| (minute, of(minute))).collect()
}

fn query(name: &str, step: u64, minutes: u64) -> MetricQuery {
    MetricQuery {
        metrics: vec![find(name).unwrap()],
        aggregations: None,
        range: Range {
            from: 0,
            to: minutes,
            step,
            grain: "PT5M",
        },
        filter: Filter::default(),
        top: 10,
        order: None,
        metadata_alone: false,
    }
}

fn series(asked: &MetricQuery, minutes: u64) -> Value {
    let answer = metrics_json(&cache("east", "eastus"), asked, &spans(minutes));
    answer["value"][0]["timeseries"].clone()
}

fn any(dimension: Dimension) -> (Dimension, Restriction) {
    (dimension, Restriction::Any)
}

#[test]
fn the_catalog_is_what_the_managed_service_has() {
    let names: BTreeSet<&str> = catalog()
        .iter()
        .map(|metric| metric.name.as_str())
        .collect();
    assert_eq!(names.len(), catalog().len(), "no name is used twice");
    let wanted = "GeoReplicationHealthy GeoReplicationConnectivityLag GeoReplicationDataSyncOffset \
        GeoReplicationFullSyncEventStarted GeoReplicationFullSyncEventFinished \
        connectedclients usedmemory usedmemorypercentage usedmemoryRss serverLoad percentProcessorTime \
        cacheRead cacheWrite cachehits cachemisses cachemissrate getcommands setcommands \
        totalcommandsprocessed operationsPerSecond totalkeys evictedkeys expiredkeys cacheLatency \
        LatencyP99 errors allconnectedclients allusedmemory allusedmemorypercentage allusedmemoryRss \
        allserverLoad allpercentprocessortime allcacheRead allcacheWrite allcachehits allcachemisses \
        allgetcommands allsetcommands alltotalcommandsprocessed alloperationsPerSecond alltotalkeys \
        allevictedkeys allexpiredkeys ConnectedClientsUsingAADToken allConnectionsCreatedPerSecond \
        allConnectionsClosedPerSecond";
    for name in wanted.split_whitespace() {
        assert!(names.contains(name), "{name}");
    }
    let of_shards = names.len() - wanted.split_whitespace().count();
    assert_eq!(of_shards, 160, "sixteen metrics of ten shards");
    assert!(names.contains("cachehits0") && names.contains("percentProcessorTime9"));
}

/// Name, unit, usual way to sum up, dimensions.
const DEFINED: &str = "\
GeoReplicationHealthy Count Average ShardId
GeoReplicationConnectivityLag Seconds Average ShardId
GeoReplicationDataSyncOffset Bytes Average ShardId
GeoReplicationFullSyncEventStarted Count Count ShardId
GeoReplicationFullSyncEventFinished Count Count ShardId
connectedclients Count Maximum ShardId
usedmemory Bytes Maximum ShardId
usedmemorypercentage Percent Maximum ShardId
usedmemoryRss Bytes Maximum ShardId
serverLoad Percent Maximum ShardId
percentProcessorTime Percent Maximum ShardId
cacheRead BytesPerSecond Maximum ShardId
cacheWrite BytesPerSecond Maximum ShardId
cachehits Count Total ShardId
cachemisses Count Total ShardId
cachemissrate Percent Total ShardId
getcommands Count Total ShardId
setcommands Count Total ShardId
totalcommandsprocessed Count Total ShardId
operationsPerSecond Count Maximum ShardId
totalkeys Count Maximum ShardId
evictedkeys Count Total ShardId
expiredkeys Count Total ShardId
cacheLatency Count Average ShardId
LatencyP99 Count Average -
errors Count Maximum ShardId,ErrorType
allusedmemory Bytes Maximum ShardId,Port,Primary
allcachehits Count Total ShardId,Port,Primary
ConnectedClientsUsingAADToken Count Maximum ShardId,Port,Primary
allConnectionsCreatedPerSecond CountPerSecond Maximum ShardId,Primary,Ssl
allConnectionsClosedPerSecond CountPerSecond Maximum ShardId,Primary,Ssl
cachehits0 Count Total -";

#[test]
fn each_definition_says_how_it_is_counted() {
    let all = definitions_json(&cache("east", "eastus"));
    let told = |name: &str| {
        let found = all.iter().find(|one| one["name"]["value"] == name);
        let found = found.unwrap_or_else(|| panic!("{name}"));
        let dimensions: Vec<_> = found["dimensions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|dimension| dimension["value"].as_str().unwrap())
            .collect();
        (
            found["unit"].as_str().unwrap(),
            found["primaryAggregationType"].as_str().unwrap(),
            dimensions.join(","),
        )
    };
    for line in DEFINED.lines() {
        let [name, unit, usual, dimensions] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let dimensions = dimensions.trim_matches('-').to_owned();
        assert_eq!(told(name), (unit, usual, dimensions), "{name}");
    }
    for one in &all {
        let kept = one["metricAvailabilities"].as_array().unwrap();
        assert_eq!(kept[0], json!({"timeGrain": "PT1M", "retention": "P2D"}));
        assert_eq!(kept[7], json!({"timeGrain": "P1D", "retention": "P30D"}));
        assert!(!one["displayDescription"].as_str().unwrap().is_empty());
    }
}

#[test]
fn a_metric_of_the_cache_is_that_of_the_nodes_that_lead() {
    let keys = series(&query("totalkeys", 5, 10), 10);
    assert_eq!(keys.as_array().unwrap().len(), 1);
    let data = &keys[0]["data"];
    assert_eq!(
        data[0],
        json!({"timeStamp": "1970-01-01T00:00:00Z", "maximum": 4.0})
    );
    assert_eq!(
        data[1],
        json!({"timeStamp": "1970-01-01T00:05:00Z", "maximum": 9.0})
    );
    let mut every = query("alltotalkeys", 10, 10);
    every.filter.restrictions = vec![any(Dimension::Port), any(Dimension::Primary)];
    let nodes = series(&every, 10);
    let shown: Vec<String> = nodes
        .as_array()
        .unwrap()
        .iter()
        .map(|one| format!("{} {}", one["metadatavalues"], one["data"][0]["maximum"]))
        .collect();
    assert_eq!(shown.len(), 2, "{shown:?}");
    assert!(shown[0].contains("\"15000\"") && shown[0].contains("\"false\""));
    assert!(shown[1].contains("\"15001\"") && shown[1].contains("\"true\""));
    assert_eq!(
        series(&query("totalkeys0", 10, 10), 10)[0]["data"][0]["maximum"],
        9.0
    );
    assert_eq!(series(&query("totalkeys1", 10, 10), 10), json!([]));
    assert_eq!(
        series(&query("GeoReplicationHealthy", 5, 10), 10),
        json!([])
    );
}

#[test]
fn the_miss_rate_is_that_of_the_step_as_a_whole() {
    for step in [1, 5, 10] {
        let rate = series(&query("cachemissrate", step, 10), 10);
        let data = rate[0]["data"].as_array().unwrap();
        assert!(data.iter().all(|point| point["total"] == 75.0), "{data:?}");
    }
    // Nothing was looked up in the last five minutes.
    let mut asked = query("cachemissrate", 5, 10);
    asked.range.to = 15;
    let rate = series(&asked, 10);
    assert_eq!(
        rate[0]["data"][2],
        json!({"timeStamp": "1970-01-01T00:10:00Z"})
    );
}

#[test]
fn filters_restrict_and_tell_apart_and_the_first_come_first() {
    let mut asked = query("errors", 10, 10);
    let only = Restriction::OneOf(vec!["failover".to_owned()]);
    asked.filter.restrictions = vec![
        (Dimension::ErrorType, only),
        (Dimension::ShardId, Restriction::OneOf(vec!["0".to_owned()])),
    ];
    let found = series(&asked, 10);
    assert_eq!(
        found[0]["metadatavalues"],
        json!([
            {"name": {"value": "errortype", "localizedValue": "errortype"}, "value": "Failover"},
            {"name": {"value": "shardid", "localizedValue": "shardid"}, "value": "0"},
        ])
    );
    asked.filter.rolled_up = vec![Dimension::ShardId];
    assert_eq!(
        series(&asked, 10)[0]["metadatavalues"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    asked.filter.restrictions = vec![(
        Dimension::ErrorType,
        Restriction::NoneOf(vec!["Failover".to_owned()]),
    )];
    assert_eq!(series(&asked, 10), json!([]));

    let mut created = query("allConnectionsCreatedPerSecond", 10, 10);
    created.filter.restrictions = vec![any(Dimension::Ssl)];
    created.top = 1;
    let first = |asked: &MetricQuery| {
        let found = series(asked, 10);
        assert_eq!(found.as_array().unwrap().len(), 1);
        found[0]["metadatavalues"][0]["value"].clone()
    };
    assert_eq!(first(&created), "false");
    created.order = Some(Order {
        by: Aggregation::Total,
        direction: Direction::Ascending,
    });
    assert_eq!(first(&created), "true");
    created.metadata_alone = true;
    assert!(series(&created, 10)[0].get("data").is_none());
}

proptest! {
    /// Whatever the step, its points are what all samples in it come to.
    #[test]
    fn steps_are_what_their_samples_come_to(
        samples in prop::collection::vec((0_u64..240, 0_u32..1_000_000), 1..200),
        step in prop::sample::select(vec![1_u64, 5, 15, 30, 60, 240]),
    ) {
        let mut spans = Spans::new();
        for (minute, value) in &samples {
            let cell = Cell::whole(u64::from(*value));
            spans.entry(*minute).or_default().add(node(Figure::Sets, 0, true), cell);
        }
        let mut asked = query("setcommands", step, 240);
        asked.aggregations = Some(Aggregation::ALL.to_vec());
        let answer = metrics_json(&cache("east", "eastus"), &asked, &spans);
        let data = answer["value"][0]["timeseries"][0]["data"].clone();
        let data = data.as_array().unwrap();
        prop_assert_eq!(data.len() as u64, 240 / step);
        for (point, from) in data.iter().zip((0_u64..).map(|n| n * step)) {
            let mut direct = Cell::default();
            for (minute, value) in &samples {
                if (from..from + step).contains(minute) {
                    direct.add(Cell::whole(u64::from(*value)));
                }
            }
            for way in Aggregation::ALL {
                let shown = &point[way.name().to_ascii_lowercase()];
                if direct.count == 0 {
                    prop_assert!(shown.is_null());
                } else {
                    prop_assert_eq!(shown.as_f64(), Some(way.of(&direct)));
                }
            }
        }
    }
}
