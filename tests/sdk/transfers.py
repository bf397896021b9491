"""Export, import and flush, of a cache that is not linked and of the two sides of a link."""

import os

from world import GROUP, refused


def steps(world):
    """Of a cache that is not linked: what was exported is there again after a flush and an import."""
    sdk, cache = world.sdk(), (GROUP, "sdk-east")
    client = world.client("sdk-east")
    client.set("exported", "yes")
    container = "file://" + world.transfers
    sdk.redis.begin_export_data(*cache, {"prefix": "sdk", "container": container, "format": "RDB"}).result()
    files = ["%s/%s" % (container, name) for name in sorted(os.listdir(world.transfers))]
    assert len(files) == 1 and "sdk" in files[0], files
    flushed = sdk.redis.begin_flush_cache(*cache).result()
    assert flushed.status == "Succeeded", flushed
    assert world.client("sdk-east").get("exported") is None
    sdk.redis.begin_import_data(*cache, {"files": files, "format": "RDB"}).result()
    assert world.client("sdk-east").get("exported") == b"yes"
    refused(lambda: sdk.redis.begin_import_data(*cache, {"files": ["ftp://x/y"]}).result(), "file:///")
    for name in os.listdir(world.transfers):
        os.remove(os.path.join(world.transfers, name))


def while_linked(world):
    """Exports from either side; no import into the geo-secondary, and no flush of it."""
    sdk = world.sdk()
    container = "file://" + world.transfers
    for name in ("sdk-east", "sdk-west"):
        sdk.redis.begin_export_data(GROUP, name, {"prefix": name, "container": container}).result()
    files = ["%s/%s" % (container, name) for name in sorted(os.listdir(world.transfers))]
    assert len(files) == 2, files
    refused(lambda: sdk.redis.begin_import_data(GROUP, "sdk-west", {"files": files[:1]}).result())
    refused(lambda: sdk.redis.begin_flush_cache(GROUP, "sdk-west").result())
