use axum::http::StatusCode;
use model::{Cell, Figure, LinkObserved, Part, SampledPart, SampledReport, Series, ShardStanding};
use serde_json::{Value, json};

use crate::harness::{Answer, World, agent_request};

const INSIGHTS: &str = "providers/Microsoft.Insights";

impl World {
    async fn metrics(&self, cache: &str, query: &str) -> Answer {
        let path = format!(
            "{}/{INSIGHTS}/metrics?api-version=2018-01-01{query}",
            self.cache(cache)
        );
        self.get(&path).await
    }

    /// The metric's points with values, once there are any.
    async fn sampled(&self, cache: &str, query: &str) -> Vec<Value> {
        let sampled = async || {
            let answer = self.metrics(cache, query).await;
            assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
            let data = &answer.body["value"][0]["timeseries"][0]["data"];
            let has_value = |point: &&Value| point.as_object().unwrap().len() > 1;
            let points = data.as_array().into_iter().flatten().filter(has_value);
            let points: Vec<Value> = points.cloned().collect();
            (!points.is_empty()).then_some(points)
        };
        self.eventually("samples", sampled).await
    }
}

#[tokio::test]
async fn each_side_has_its_own_metrics_and_no_zeros_for_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let (world, east, _west) = World::with_link(dir.path()).await;
    east.set(|b| {
        b.half = LinkObserved {
            offsets: model::OffsetsObserved {
                received: Some(psync::Offset(114)),
                applied: Some(psync::Offset(100)),
                ..model::OffsetsObserved::default()
            },
            ..LinkObserved::default()
        }
    });
    let query = "&metricnames=GeoReplicationHealthy&aggregation=Maximum&interval=PT1M";
    let healthy = world.sampled("west", query).await;
    assert_eq!(healthy[0]["maximum"], 1.0);
    let names: Vec<String> = world.metrics("west", "").await.body["value"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|metric| !metric["timeseries"].as_array().unwrap().is_empty())
        .map(|metric| metric["name"]["value"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        names,
        [
            "GeoReplicationHealthy",
            "GeoReplicationConnectivityLag",
            "GeoReplicationFullSyncEventStarted",
            "GeoReplicationFullSyncEventFinished"
        ]
    );
    let offset = "&metricnames=GeoReplicationDataSyncOffset&aggregation=Maximum,Average";
    let is_behind = async || {
        let behind = world.sampled("east", offset).await;
        let told = behind.iter().any(|point| point["maximum"] == 14.0);
        told.then_some(())
    };
    world.eventually("an offset of 14 bytes", is_behind).await;
    let absent = world.metrics("east", query).await;
    assert_eq!(absent.body["value"][0]["timeseries"], json!([]));
    assert_eq!(absent.body["resourceregion"], "eastus");
    world.stop().await;
}

#[tokio::test]
async fn a_query_may_split_and_sum_up_as_az_sends_it() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, west) = World::with_link(dir.path()).await;
    west.set(|b| b.secondary = Some(ShardStanding::Cut));
    let started = "&metricnames=GeoReplicationFullSyncEventStarted&aggregation=Count";
    let events = world.sampled("west", started).await;
    assert!(events[0]["count"].is_number(), "{events:?}");
    let minute = |offset_ms: i64| {
        let now = i64::try_from(world.plane.clock.now().0).unwrap();
        let at = jiff::Timestamp::from_millisecond(now + offset_ms).unwrap();
        at.to_string().replace(':', "%253A")
    };
    let twice = format!(
        "&timespan={}/{}&interval=PT1M&metricnames=GeoReplicationConnectivityLag&top=10&$filter=ShardId%20eq%20'*'",
        minute(-600_000),
        minute(60_000),
    );
    let answer = world.metrics("west", &twice).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let series = &answer.body["value"][0]["timeseries"][0];
    assert_eq!(
        series["metadatavalues"],
        json!([{"name": {"value": "shardid", "localizedValue": "shardid"}, "value": "0"}])
    );
    let points = series["data"].as_array().unwrap();
    assert!((10..=12).contains(&points.len()), "{points:?}");
    assert!(points.iter().any(|point| point["average"].is_number()));
    let at = points[0]["timeStamp"].as_str().unwrap();
    assert!(at.ends_with(":00Z"), "{at}");
    world.stop().await;
}

#[tokio::test]
async fn bad_queries_are_refused_in_the_service_s_way() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    let refused = world.metrics("east", "&metricnames=moonlight").await;
    assert_eq!(
        (refused.status, refused.code()),
        (StatusCode::BAD_REQUEST, "BadRequest")
    );
    assert!(
        refused
            .message()
            .contains("Valid metrics: GeoReplicationHealthy,"),
        "{}",
        refused.message()
    );
    let nobody = world.metrics("nobody", "").await;
    assert_eq!(nobody.code(), "ResourceNotFound");
    // A cache without a link has no series at all.
    let alone = world.metrics("east", "").await;
    let all = alone.body["value"].as_array().unwrap();
    assert!(all.len() > 40);
    assert!(all.iter().all(|metric| metric["timeseries"] == json!([])));
    world.stop().await;
}

#[tokio::test]
async fn the_definitions_name_units_and_ways_to_sum_up() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    let path = format!("{}/{INSIGHTS}/metricDefinitions", world.cache("east"));
    let answer = world.get(&path).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let shown = answer.body["value"].as_array().unwrap();
    assert_eq!(shown.len(), crate::view::catalog().len());
    let lag = &shown[1];
    assert_eq!(
        lag["name"]["localizedValue"],
        "Geo-replication Connectivity Lag"
    );
    assert_eq!(lag["unit"], "Seconds");
    assert_eq!(
        lag["supportedAggregationTypes"],
        json!(["Average", "Minimum", "Maximum"])
    );
    let of_virtual_machines = format!("{path}?metricnamespace=Microsoft.Compute");
    assert_eq!(world.get(&of_virtual_machines).await.code(), "BadRequest");
    let namespaces = format!("{}/{INSIGHTS}/metricNamespaces", world.cache("east"));
    let namespaces = world.get(&namespaces).await.body;
    assert_eq!(namespaces["value"][0]["name"], "Microsoft.Cache/redis");
    world.stop().await;
}

/// A report of hits of a cache, at the node that leads, in the present minute.
fn hits(world: &World, region: &str, cache: &str, hits: u64) -> SampledReport {
    let state = world.plane.store.state();
    let record = state
        .caches
        .iter()
        .find(|record| record.id.name.as_str() == cache);
    let series = Series {
        figure: Figure::Hits,
        shard: 0,
        part: Part::Node {
            index: 0,
            leads: true,
        },
    };
    SampledReport {
        region: region.parse().unwrap(),
        boot: 7,
        parts: vec![SampledPart {
            sequence: hits,
            cache: record.unwrap().uid.clone(),
            minute: world.plane.clock.now().0 / 60_000,
            figures: [(series, Cell::whole(hits))].into_iter().collect(),
        }],
    }
}

#[tokio::test]
async fn what_agents_sample_is_answered_once_and_shown_to_prometheus() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_caches(dir.path()).await;
    let tell = async |report: &SampledReport| {
        let body = axum::body::Body::from(serde_json::to_vec(report).unwrap());
        let request = agent_request("POST", "/agents/v1/figures", body);
        world.send(request).await.status
    };
    for report in [
        hits(&world, "eastus", "east", 3),
        hits(&world, "eastus", "east", 4),
    ] {
        assert_eq!(tell(&report).await, StatusCode::NO_CONTENT);
        assert_eq!(tell(&report).await, StatusCode::NO_CONTENT, "told again");
    }
    // Nobody speaks for another region's cache, and there is no such region.
    let foreign = hits(&world, "westus", "east", 100);
    assert_eq!(tell(&foreign).await, StatusCode::NO_CONTENT);
    let nowhere = hits(&world, "northus", "east", 100);
    assert_eq!(tell(&nowhere).await, StatusCode::NOT_FOUND);
    let query = "&metricnames=cachehits,cachehits0,allcachehits&interval=FULL";
    let answer = world.metrics("east", query).await;
    for metric in answer.body["value"].as_array().unwrap() {
        let data = &metric["timeseries"][0]["data"];
        assert_eq!(data[0]["total"], 7.0, "{metric}");
    }
    let west = world.metrics("west", query).await;
    assert_eq!(west.body["value"][0]["timeseries"], json!([]));
    let page = world.get("/metrics").await;
    let line = "godwit_cache_hits_total{cache=\"east\",region=\"eastus\",shard=\"0\"} 7.0\n";
    assert!(page.body.as_str().unwrap().contains(line));
    world.stop().await;
}

#[tokio::test]
async fn prometheus_reads_the_control_plane_with_the_management_token() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _east, _west) = World::with_link(dir.path()).await;
    world
        .until("the link is healthy", || {
            crate::metrics::render(&world.plane)
                .contains("godwit_control_link_healthy{primary=\"east\",secondary=\"west\"} 1.0\n")
        })
        .await;
    let page = world.get("/metrics").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(
        page.header("content-type")
            .starts_with("application/openmetrics-text")
    );
    let text = page.body.as_str().unwrap();
    for line in [
        "godwit_build_info{service=\"control\",version=\"",
        "godwit_control_caches 2.0\n",
        "godwit_control_links 1.0\n",
        "godwit_control_authority_expiry_timestamp_seconds ",
        "godwit_control_agent_report_age_seconds{region=\"eastus\"} ",
        "# EOF\n",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let document = include_str!("../../../../../docs/metrics.md");
    let names = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    for name in names.filter_map(|line| line.split(' ').next()) {
        assert!(
            document.contains(&format!("`{name}")),
            "{name} is not documented"
        );
    }
    let stranger = axum::http::Request::builder()
        .uri("/metrics")
        .body(axum::body::Body::empty())
        .unwrap();
    assert_eq!(world.send(stranger).await.status, StatusCode::UNAUTHORIZED);
    world.stop().await;
}
