"""Two caches from creation to deletion, through the unmodified management SDK.

Usage: lifecycle.py GODWIT ENGINE. What is said of one subject at length is in that subject's file.
"""

import sys
import tempfile
import time

import access
import maintenance
import metrics
import private_endpoints
import scaling
import surroundings
import transfers
from world import GROUP, Deployment, absent, premium, refused, until


def lifecycle(world):
    sdk = world.sdk()
    group = "/subscriptions/%s/resourcegroups/%s?api-version=2024-11-01" % (world.subscription, GROUP)
    world.ask("PUT", group, {"location": "eastus"})

    wrong = refused(lambda: list(world.sdk("not-the-token").redis.list_by_subscription()))
    assert wrong.status_code == 401, wrong

    sdk.redis.check_name_availability({"name": "sdk-east", "type": "Microsoft.Cache/Redis"})
    creations = [sdk.redis.begin_create(GROUP, name, premium(location, tags={"made-by": "sdk"}))
                 for name, location in (("sdk-east", "eastus"), ("sdk-west", "West US"))]
    east, west = (creation.result() for creation in creations)
    assert east.provisioning_state == "Succeeded" and east.sku.name == "Premium", east
    assert west.location == "West US" and west.tags == {"made-by": "sdk"}, west
    refused(lambda: sdk.redis.check_name_availability(
        {"name": "SDK-EAST", "type": "Microsoft.Cache/Redis"}), "NameNotAvailable")
    assert sorted(c.name for c in sdk.redis.list_by_subscription()) == ["sdk-east", "sdk-west"]
    assert len(list(sdk.redis.list_by_resource_group(GROUP))) == 2

    keys = sdk.redis.list_keys(GROUP, "sdk-east")
    assert len(keys.primary_key) == 44 and keys.primary_key != keys.secondary_key
    fresh = sdk.redis.regenerate_key(GROUP, "sdk-east", {"key_type": "Primary"})
    assert fresh.primary_key != keys.primary_key and fresh.secondary_key == keys.secondary_key

    surroundings.steps(world)
    access.steps(world)
    private_endpoints.steps(world)

    until("the fresh key works", lambda: world.writable("sdk-east"))
    transfers.steps(world)
    scaling.steps(world)
    maintenance.steps(world)

    def link(primary, secondary):
        other = sdk.redis.get(GROUP, secondary)
        return sdk.linked_server.begin_create(GROUP, primary, secondary, {
            "linked_redis_cache_id": other.id, "linked_redis_cache_location": other.location,
            "server_role": "Secondary"})

    made = link("sdk-east", "sdk-west").result()
    assert made.provisioning_state == "Succeeded" and made.server_role == "Secondary", made
    assert made.primary_host_name.startswith("sdk-east."), made
    assert made.geo_replicated_primary_host_name.startswith("sdk-west.geo."), made
    mirror = sdk.linked_server.get(GROUP, "sdk-west", "sdk-east")
    assert mirror.server_role == "Primary", mirror
    assert [one.name for one in sdk.linked_server.list(GROUP, "sdk-east")] == ["sdk-west"]
    assert sdk.redis.get(GROUP, "sdk-east").linked_servers[0].id.endswith("/linkedServers/sdk-west")

    world.client("sdk-east").set("written", "once")
    until("the write arrives", lambda: world.client("sdk-west").get("written") == b"once")
    assert not world.writable("sdk-west")

    private_endpoints.while_linked(world)
    transfers.while_linked(world)
    metrics.steps(world)
    refused(lambda: sdk.redis.begin_delete(GROUP, "sdk-east").result(), "link")
    refused(lambda: sdk.redis.begin_update(
        GROUP, "sdk-east", {"sku": {"name": "Premium", "family": "P", "capacity": 2}}).result(), "link")
    same = sdk.redis.begin_update(GROUP, "sdk-east", {
        "sku": {"name": "Premium", "family": "P", "capacity": 1}, "tags": {"a": "b"}}).result()
    assert same.tags == {"a": "b"}, same

    swapped = link("sdk-west", "sdk-east").result()
    assert swapped.provisioning_state == "Succeeded" and swapped.server_role == "Secondary", swapped
    assert swapped.primary_host_name.startswith("sdk-west."), swapped
    assert sdk.linked_server.get(GROUP, "sdk-east", "sdk-west").server_role == "Primary"
    assert world.client("sdk-west").get("written") == b"once" and world.writable("sdk-west")
    assert not world.writable("sdk-east")

    sdk.linked_server.begin_delete(GROUP, "sdk-west", "sdk-east").result()
    for one, other in (("sdk-west", "sdk-east"), ("sdk-east", "sdk-west")):
        absent(lambda: sdk.linked_server.get(GROUP, one, other))
        assert world.writable(one) and world.client(one).get("written") == b"once"

    surroundings.group(world)
    for deletion in [sdk.redis.begin_delete(GROUP, name) for name in ("sdk-east", "sdk-west")]:
        deletion.result()
    assert list(sdk.redis.list_by_resource_group(GROUP)) == []


def main():
    binary, engine = sys.argv[1:]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="godwit-sdk") as directory:
        world = Deployment(binary, engine, directory)
        try:
            lifecycle(world)
        finally:
            world.stop()
    print("azure-mgmt-redis drives godwit with %s: ok (%.0f s)" % (engine, time.monotonic() - began))


if __name__ == "__main__":
    main()
