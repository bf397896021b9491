"""Metrics of a cache, as command lines ask for them."""

from world import GROUP, until


def steps(world):
    """Definitions, and a metric with values."""
    cache = world.sdk().redis.get(GROUP, "sdk-east").id
    provider = cache + "/providers/Microsoft.Insights/"
    definitions = world.get(provider + "metricDefinitions?api-version=2018-01-01")["value"]
    names = {definition["name"]["value"] for definition in definitions}
    for name in ("connectedclients", "usedmemory", "serverLoad", "cachehits", "totalkeys",
                 "GeoReplicationHealthy"):
        assert name in names, (name, sorted(names))

    def values():
        answer = world.get(provider + "metrics?api-version=2018-01-01&interval=PT1M"
                           "&metricnames=usedmemory&aggregation=Maximum")
        series = answer["value"][0]["timeseries"]
        return [point for one in series for point in one["data"] if point.get("maximum")]

    until("there are values", values)
