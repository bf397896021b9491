"""Reboots, patch schedules, upgrade notifications."""

import datetime

from world import GROUP, absent, refused, until


def steps(world):
    """Of a cache that is not linked yet."""
    sdk, cache = world.sdk(), (GROUP, "sdk-east")
    schedules = sdk.patch_schedules
    absent(lambda: schedules.get(*cache, "default"))
    made = schedules.create_or_update(*cache, "default", {"schedule_entries": [
        {"day_of_week": "Weekend", "start_hour_utc": 3, "maintenance_window": datetime.timedelta(hours=6)}]})
    days = [entry.day_of_week for entry in made.schedule_entries]
    assert days == ["Saturday", "Sunday"], days
    assert made.schedule_entries[0].maintenance_window == datetime.timedelta(hours=6), made
    assert len(list(schedules.list_by_redis_resource(*cache))) == 1
    refused(lambda: schedules.create_or_update(*cache, "default", {"schedule_entries": [
        {"day_of_week": "Monday", "start_hour_utc": 24}]}))
    schedules.delete(*cache, "default")
    schedules.delete(*cache, "default")
    absent(lambda: schedules.get(*cache, "default"))
    assert list(sdk.redis.list_upgrade_notifications(*cache, history=5000)) is not None

    world.client("sdk-east").set("rebooted", "yes")
    accepted = sdk.redis.force_reboot(*cache, {"reboot_type": "PrimaryNode"})
    assert accepted.message, accepted

    def has_it():
        try:
            return world.client("sdk-east").get("rebooted") == b"yes" and world.writable("sdk-east")
        except Exception:
            return False

    until("it is back with its data", has_it)
    status = "%s/runtimeStatus?api-version=2024-11-01" % sdk.redis.get(*cache).id
    until("the reboot is over", lambda: world.get(status)["maintenance"]["order"] is None)
