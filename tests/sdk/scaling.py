"""Sizes and persistence of a cache that is not linked."""

from world import GROUP, premium


def steps(world):
    """It keeps its data. It is one of its own: databases that a larger size brought stay, and a link
    needs as many on both sides."""
    sdk, cache = world.sdk(), (GROUP, "sdk-scaled")
    sdk.redis.begin_create(*cache, premium("eastus")).result()
    world.client("sdk-scaled").set("scaled", "yes")

    def update(**properties):
        return sdk.redis.begin_update(*cache, properties).result()

    def sku(capacity):
        return {"name": "Premium", "family": "P", "capacity": capacity}

    larger = update(sku=sku(2))
    assert (larger.sku.capacity, larger.provisioning_state) == (2, "Succeeded"), larger
    assert world.client("sdk-scaled").get("scaled") == b"yes"
    assert update(sku=sku(1)).sku.capacity == 1
    assert world.client("sdk-scaled").get("scaled") == b"yes"

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
    assert world.client("sdk-scaled").get("scaled") == b"yes"
    sdk.redis.begin_delete(*cache).result()
