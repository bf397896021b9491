"""Sizes and persistence of a cache that is not linked."""

from world import GROUP


def steps(world):
    """It keeps its data, and is left as it was."""
    sdk, cache = world.sdk(), (GROUP, "sdk-east")
    world.client("sdk-east").set("scaled", "yes")

    def update(**properties):
        return sdk.redis.begin_update(*cache, properties).result()

    def sku(capacity):
        return {"name": "Premium", "family": "P", "capacity": capacity}

    larger = update(sku=sku(2))
    assert (larger.sku.capacity, larger.provisioning_state) == (2, "Succeeded"), larger
    assert world.client("sdk-east").get("scaled") == b"yes"
    assert update(sku=sku(1)).sku.capacity == 1
    # Databases that a larger size brought stay: the cache that it is to be linked with needs as many.
    for capacity in (2, 1):
        other = sdk.redis.begin_update(GROUP, "sdk-west", {"sku": sku(capacity)}).result()
        assert other.sku.capacity == capacity, other
    assert world.client("sdk-east").get("scaled") == b"yes"

    secret = "c2VjcmV0"
    storage = "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=%s;EndpointSuffix=x" % secret
    kept = update(redis_configuration={
        "rdb_backup_enabled": "true", "rdb_backup_frequency": "60",
        "rdb_storage_connection_string": storage})
    shown = kept.redis_configuration
    assert shown.rdb_backup_enabled.lower() == "true" and shown.rdb_backup_frequency == "60", shown
    assert secret not in str(shown.as_dict()) and "[key hidden]" in str(shown.as_dict()), shown
    off = update(redis_configuration={"rdb_backup_enabled": "false"})
    assert off.redis_configuration.rdb_backup_enabled.lower() == "false", off
    assert world.client("sdk-east").get("scaled") == b"yes"
