"""What surrounds the caches: lists, tags, identity, what can be done, groups that go."""

from world import GROUP, premium, refused, until


def steps(world):
    """Of caches that are there, and of some of its own."""
    sdk = world.sdk()
    names = {operation.name for operation in sdk.operations.list()}
    for name in ("redis/write", "redis/linkedServers/write", "redis/privateEndpointConnections/write"):
        assert "Microsoft.Cache/" + name in names, name
    # Paths are matched, and names compared, without regard to case.
    assert sdk.redis.get(GROUP.upper(), "SDK-EAST").name == "sdk-east"
    assert sdk.redis.get(GROUP, "sdk-east").access_keys is None

    def update(**properties):
        return sdk.redis.begin_update(GROUP, "sdk-east", properties).result()

    assert update(tags={"a": "b", "c": "d"}).tags == {"a": "b", "c": "d"}
    assert update(tags={"e": "f"}).tags == {"e": "f"}
    given = update(identity={"type": "SystemAssigned"}).identity
    assert given.type == "SystemAssigned" and len(given.principal_id) == 36, given
    again = update(tags={"made-by": "sdk"})
    assert again.identity.principal_id == given.principal_id, again
    assert update(identity={"type": "None"}).identity is None
    wrong = refused(lambda: update(update_channel="Weekly"), "updateChannel")
    assert wrong.error.target == "properties.updateChannel", wrong.error


def group(world):
    """A group of a linked cache: it goes when that one is unlinked."""
    sdk = world.sdk()
    path = "/subscriptions/%s/resourcegroups/sdk-going?api-version=2024-11-01" % world.subscription
    world.ask("PUT", path, {"location": "westus"})
    creations = [sdk.redis.begin_create("sdk-going", name, premium("westus"))
                 for name in ("sdk-going", "sdk-alone")]
    other = [creation.result() for creation in creations][0]
    link = sdk.linked_server.begin_create(GROUP, "sdk-east", "sdk-going", {
        "linked_redis_cache_id": other.id, "linked_redis_cache_location": other.location,
        "server_role": "Secondary"})
    link.result()
    world.ask("DELETE", path)
    names = lambda: [cache.name for cache in sdk.redis.list_by_resource_group("sdk-going")]
    until("the cache that is not linked goes", lambda: names() == ["sdk-going"])
    assert world.get(path)["properties"]["provisioningState"] == "Deleting"
    assert sdk.redis.get("sdk-going", "sdk-going").provisioning_state == "Succeeded"
    refused(lambda: sdk.redis.begin_create("sdk-going", "sdk-late", premium("westus")), "being deleted")
    sdk.linked_server.begin_delete(GROUP, "sdk-east", "sdk-going").result()
    until("the group is gone", lambda: world.is_absent(path))
