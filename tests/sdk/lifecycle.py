"""Two caches from creation to deletion, through the unmodified management SDK.

Usage: lifecycle.py GODWIT ENGINE. The SDK is pointed at `godwit up`, nothing in it is changed; plain
http needs an authentication policy that does not insist on TLS, which the SDK takes as an argument.
"""

import base64
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

import redis
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.mgmt.redis import RedisManagementClient

GROUP = "sdk-group"
PATIENCE = 60


class Token(SansIOHTTPPolicy):
    """Sends the bearer token, over http as well."""

    def __init__(self, token):
        self.token = token

    def on_request(self, request):
        request.http_request.headers["Authorization"] = "Bearer " + self.token


class NoCredential:
    """The client wants a credential object; the policy above makes it unused."""

    def get_token(self, *scopes, **kwargs):
        raise AssertionError("the policy sends the token")


def until(what, ask):
    """Asks until it gives something true."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = ask()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("gave up: " + what)


def issuer(directory):
    """Somebody whose tokens are believed, with a key that nobody has signed anything with."""
    keys = os.path.join(directory, "keys.json")
    modulus = base64.urlsafe_b64encode(b"\xc1" + os.urandom(254) + b"\x01").decode().rstrip("=")
    with open(keys, "w") as file:
        json.dump({"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "k", "e": "AQAB",
                             "n": modulus}]}, file)
    return "https://issuer.test,jwks=" + keys


class Deployment:
    """A running `godwit up`."""

    def __init__(self, binary, engine, directory):
        self.data = os.path.join(directory, "data")
        self.log = open(os.path.join(directory, "up.log"), "w+")
        self.process = subprocess.Popen(
            [binary, "up", "--data", self.data, "--listen", "127.0.0.1:0", "--addresses", "ports",
             "--engine", engine, "--token-issuer", issuer(directory)],
            stderr=self.log, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        endpoint = os.path.join(self.data, "endpoint")
        until("godwit up is up", lambda: self.alive() and os.path.exists(endpoint))
        self.url = open(endpoint).read().strip()
        self.token = open(os.path.join(self.data, "token")).read().strip()
        self.subscription = self.get("/subscriptions?api-version=2022-12-01")["value"][0]["subscriptionId"]

    def alive(self):
        if self.process.poll() is not None:
            self.log.seek(0)
            raise AssertionError("godwit up ended: " + self.log.read())
        return True

    def ask(self, method, path, body=None):
        request = urllib.request.Request(self.url + path, method=method)
        request.add_header("Authorization", "Bearer " + self.token)
        if body is not None:
            request.add_header("Content-Type", "application/json")
            request.data = json.dumps(body).encode()
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def get(self, path):
        return self.ask("GET", path)

    def sdk(self, token=None):
        return RedisManagementClient(
            NoCredential(), self.subscription, base_url=self.url, polling_interval=1,
            authentication_policy=Token(token or self.token))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=120)
        self.log.seek(0)
        assert code == 0, (code, self.log.read())


def refused(call, *words):
    """Calls, expects an error of the service, and gives it."""
    try:
        call()
    except HttpResponseError as error:
        for word in words:
            assert word in str(error), (word, str(error))
        return error
    raise AssertionError("not refused: %s" % (words,))


def entrance(sdk):
    """Who may come in: rules, policies and their assignments, of a cache that nobody uses yet."""
    cache = (GROUP, "sdk-east")
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
    try:
        assignments.get(*cache, "anne")
        raise AssertionError("the assignment is still there")
    except ResourceNotFoundError:
        pass
    sdk.redis.begin_update(*cache, {"redis_configuration": {"aad_enabled": "false"}}).result()


def lifecycle(world):
    sdk = world.sdk()
    group = "/subscriptions/%s/resourcegroups/%s?api-version=2024-11-01" % (world.subscription, GROUP)
    world.ask("PUT", group, {"location": "eastus"})

    wrong = refused(lambda: list(world.sdk("not-the-token").redis.list_by_subscription()))
    assert wrong.status_code == 401, wrong

    def premium(location):
        return {"location": location, "sku": {"name": "Premium", "family": "P", "capacity": 1},
                "enable_non_ssl_port": True, "tags": {"made-by": "sdk"}}

    sdk.redis.check_name_availability({"name": "sdk-east", "type": "Microsoft.Cache/Redis"})
    creations = [sdk.redis.begin_create(GROUP, name, premium(location))
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

    entrance(sdk)

    def client(name):
        status = world.get("%s/runtimeStatus?api-version=2024-11-01" % sdk.redis.get(GROUP, name).id)
        key = sdk.redis.list_keys(GROUP, name).primary_key
        return redis.Redis(status["endpoint"]["host"], status["endpoint"]["port"], password=key)

    def writable(name):
        try:
            return client(name).set("probe", name)
        except redis.exceptions.RedisError:
            return False

    until("the fresh key works", lambda: writable("sdk-east"))

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

    client("sdk-east").set("written", "once")
    until("the write arrives", lambda: client("sdk-west").get("written") == b"once")
    assert not writable("sdk-west")

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
    assert client("sdk-west").get("written") == b"once" and writable("sdk-west")
    assert not writable("sdk-east")

    sdk.linked_server.begin_delete(GROUP, "sdk-west", "sdk-east").result()
    for one, other in (("sdk-west", "sdk-east"), ("sdk-east", "sdk-west")):
        try:
            sdk.linked_server.get(GROUP, one, other)
            raise AssertionError("the link is still there")
        except ResourceNotFoundError:
            pass
        assert writable(one) and client(one).get("written") == b"once"

    for name in ("sdk-east", "sdk-west"):
        sdk.redis.begin_delete(GROUP, name).result()
    assert list(sdk.redis.list_by_resource_group(GROUP)) == []


def main():
    binary, engine = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="godwit-sdk") as directory:
        world = Deployment(binary, engine, directory)
        try:
            lifecycle(world)
        finally:
            world.stop()
    print("azure-mgmt-redis drives godwit with %s: ok" % engine)


if __name__ == "__main__":
    main()
