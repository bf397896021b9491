"""Firewall rules, access policies and their assignments."""

from world import GROUP, absent, refused


def steps(world):
    """Who may come in: rules, policies and their assignments, of a cache that nobody uses yet."""
    sdk, cache = world.sdk(), (GROUP, "sdk-east")
    rules = sdk.firewall_rules
    rule = rules.create_or_update(*cache, "office", {"start_ip": "10.0.0.1", "end_ip": "10.0.0.9"})
    assert (rule.name, rule.start_ip, rule.end_ip) == ("office", "10.0.0.1", "10.0.0.9"), rule
    rule = rules.create_or_update(*cache, "office", {"start_ip": "2001:db8::1", "end_ip": "2001:db8::2"})
    assert rules.get(*cache, "OFFICE").end_ip == "2001:db8::2" == rule.end_ip
    refused(lambda: rules.create_or_update(*cache, "r", {"start_ip": "10.0.0.9", "end_ip": "10.0.0.1"}),
            "lies before")
    refused(lambda: sdk.redis.begin_update(*cache, {"public_network_access": "Disabled"}).result(),
            "firewall rules")
    assert [one.name for one in rules.list(*cache)] == ["office"]
    rules.delete(*cache, "office")
    rules.delete(*cache, "office")
    assert list(rules.list(*cache)) == []

    refused(lambda: sdk.redis.begin_update(*cache, {"disable_access_key_authentication": True}).result(),
            "nobody could come in")
    updated = sdk.redis.begin_update(*cache, {"redis_configuration": {"aad_enabled": "true"},
                                              "minimum_tls_version": "1.2"}).result()
    assert updated.redis_configuration.aad_enabled == "true", updated
    assert updated.minimum_tls_version == "1.2", updated
    policies, assignments = sdk.access_policy, sdk.access_policy_assignment
    made = policies.begin_create_update(*cache, "my policy", {"permissions": "+@read ~a:*"}).result()
    assert (made.provisioning_state, made.type_properties_type) == ("Succeeded", "Custom"), made
    refused(lambda: policies.begin_create_update(*cache, "p", {"permissions": "+get on"}).result(), "`on`")
    refused(lambda: policies.begin_create_update(*cache, "Data Owner", {"permissions": "+get"}).result(),
            "built in")
    names = [one.name for one in policies.list(*cache)]
    assert names == ["Data Owner", "Data Contributor", "Data Reader", "my policy"], names
    given = assignments.begin_create_update(*cache, "anne", {
        "object_id": "6f1c4f30-0000-4000-8000-00000000000a", "object_id_alias": "Anne",
        "access_policy_name": "my policy"}).result()
    assert (given.provisioning_state, given.access_policy_name) == ("Succeeded", "my policy"), given
    assert [one.object_id_alias for one in assignments.list(*cache)] == ["Anne"]
    refused(lambda: policies.begin_delete(*cache, "my policy").result(), "anne")
    assignments.begin_delete(*cache, "anne").result()
    policies.begin_delete(*cache, "my policy").result()
    assert policies.get(*cache, "Data Reader").permissions.startswith("+@read")
    absent(lambda: assignments.get(*cache, "anne"))
    sdk.redis.begin_update(*cache, {"redis_configuration": {"aad_enabled": "false"}}).result()
