"""Signing in through the unmodified identity library, and what it lets one do, over https.

Usage: login.py GODWIT ENGINE. Nothing of the SDK is replaced here: a client secret, the deployment's URL
and the certificate of its authority are all that it is told.
"""

import json
import os
import subprocess
import sys
import tempfile

from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.identity import ClientSecretCredential
from azure.mgmt.redis import RedisManagementClient

from lifecycle import Deployment, until

GROUP = "login-group"


class World(Deployment):
    def __init__(self, binary, engine, directory):
        super().__init__(binary, engine, directory)
        self.binary = binary
        self.https = self.url.replace("http:", "https:")
        authority = os.path.join(self.data, "ca.pem")
        until("the authority's certificate is there", lambda: os.path.exists(authority))
        os.environ["REQUESTS_CA_BUNDLE"] = authority

    def godwit(self, *arguments):
        command = [self.binary, *arguments, "--data", self.data, "--output", "json"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, (arguments, done.stderr)
        return json.loads(done.stdout) if done.stdout.strip() else None

    def client(self, principal, secret=None):
        credential = ClientSecretCredential(
            principal["tenantId"], principal["appId"], secret or principal["secret"],
            authority=self.https, disable_instance_discovery=True)
        return RedisManagementClient(
            credential, self.subscription, base_url=self.https, polling_interval=1,
            credential_scopes=[self.https + "/.default"])


def denied(call, *words):
    try:
        call()
    except HttpResponseError as error:
        assert error.status_code == 403, error
        for word in ("AuthorizationFailed",) + words:
            assert word in str(error), (word, str(error))
        return
    raise AssertionError("not denied")


def login(world):
    group = "/subscriptions/%s/resourcegroups/%s?api-version=2024-11-01" % (world.subscription, GROUP)
    world.ask("PUT", group, {"location": "eastus"})
    maker = world.godwit("sp", "create", "maker", "--role", "Contributor")
    reader = world.godwit("sp", "create", "reader", "--role", "Reader", "--group", GROUP)

    sdk = world.client(maker)
    made = sdk.redis.begin_create(GROUP, "login-cache", {
        "location": "eastus", "sku": {"name": "Basic", "family": "C", "capacity": 0}}).result()
    assert made.provisioning_state == "Succeeded", made
    assert len(sdk.redis.list_keys(GROUP, "login-cache").primary_key) == 44

    reading = world.client(reader)
    assert reading.redis.get(GROUP, "login-cache").name == "login-cache"
    assert [one.name for one in reading.redis.list_by_subscription()] == ["login-cache"]
    denied(lambda: reading.redis.list_keys(GROUP, "login-cache"), reader["objectId"], "listKeys")
    denied(lambda: reading.redis.begin_delete(GROUP, "login-cache"))
    denied(lambda: list(reading.redis.list_by_resource_group("another")))

    try:
        list(world.client(reader, "wrong").redis.list_by_subscription())
        raise AssertionError("a wrong secret signed in")
    except ClientAuthenticationError as error:
        assert "no such client" in str(error), error

    world.godwit("sp", "delete", "reader", "--yes")
    try:
        reading.redis.get(GROUP, "login-cache")
        raise AssertionError("the token outlived its principal")
    except ClientAuthenticationError as error:
        assert error.status_code == 401, error
    sdk.redis.begin_delete(GROUP, "login-cache").result()


def main():
    binary, engine = sys.argv[1:]
    with tempfile.TemporaryDirectory() as directory:
        world = World(binary, engine, directory)
        try:
            login(world)
        except BaseException:
            world.log.seek(0)
            print(world.log.read(), file=sys.stderr)
            # In order: nothing of it is to go on when its directory is gone.
            world.process.terminate()
            world.process.wait()
            raise
        world.stop()
    print("sdk login over https on %s: ok" % engine)


main()
