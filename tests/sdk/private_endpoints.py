"""Private endpoints: asked for, approved, used while nothing is public, refused while linked."""

import redis

from world import GROUP, absent, refused


def steps(world):
    """Of two caches that are not linked yet; they are left as they were."""
    sdk, cache = world.sdk(), (GROUP, "sdk-east")
    [resource] = sdk.private_link_resources.list_by_redis_cache(*cache)
    assert (resource.group_id, resource.required_members) == ("redisCache", ["redisCache"]), resource
    assert resource.required_zone_names[0].startswith("privatelink."), resource

    endpoints = sdk.private_endpoint_connections

    def put(name, status, *which):
        return endpoints.begin_put(*(which or cache), name, {
            "private_link_service_connection_state": {"status": status, "description": "for the SDK"}})

    asked = put("office", "Pending").result()
    state = asked.private_link_service_connection_state
    assert (state.status, state.description) == ("Pending", "for the SDK"), asked
    approved = put("office", "Approved").result()
    assert approved.provisioning_state == "Succeeded", approved
    assert [one.name for one in endpoints.list(*cache)] == ["office"]
    shown = sdk.redis.get(*cache)
    assert [one.name for one in shown.private_endpoint_connections] == ["office"], shown

    sdk.redis.begin_update(*cache, {"public_network_access": "Disabled"}).result()
    path = "%s/privateEndpointConnections/office?api-version=2024-11-01" % shown.id
    of = world.get(path)["properties"]
    key = sdk.redis.list_keys(*cache).primary_key
    inside = redis.Redis(of["address"], of["plainPort"], password=key)
    assert inside.set("probe", "private")
    refused(lambda: sdk.firewall_rules.create_or_update(
        *cache, "r", {"start_ip": "10.0.0.1", "end_ip": "10.0.0.2"}), "Disabled")
    sdk.redis.begin_update(*cache, {"public_network_access": "Enabled"}).result()
    endpoints.delete(*cache, "office")
    endpoints.delete(*cache, "office")
    absent(lambda: endpoints.get(*cache, "office"))


def while_linked(world):
    """Of two linked caches: refused on either."""
    sdk = world.sdk()
    for name in ("sdk-east", "sdk-west"):
        refusal = refused(lambda: sdk.private_endpoint_connections.begin_put(GROUP, name, "late", {
            "private_link_service_connection_state": {"status": "Approved"}}).result(),
            "Unlink the two, add the private endpoint, then link them again.")
        assert refusal.status_code == 400, refusal
