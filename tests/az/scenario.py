"""A life of two caches, told by the unmodified az over https.

Usage: scenario.py GODWIT ENGINE, in the environment that az is installed in. az is pointed at
`godwit up` as at any other cloud: registered by its URL, signed in to as a service principal. Nothing of
az is changed, and nothing outside of a directory of its own is written.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

GROUP = "az-group"
PATIENCE = 120


class Failed(Exception):
    """What az says when it does not do what it was asked."""


class World:
    """A running `godwit up`, and az beside it."""

    def __init__(self, binary, engine, directory):
        self.binary = binary
        self.directory = directory
        self.data = os.path.join(directory, "data")
        self.backups = os.path.join(directory, "backups")
        os.mkdir(self.backups)
        self.log = open(os.path.join(directory, "up.log"), "w+")
        self.process = subprocess.Popen(
            [binary, "up", "--data", self.data, "--listen", "127.0.0.1:0", "--no-dns",
             "--addresses", "ports", "--engine", engine, "--transfer-directory", self.backups],
            stderr=self.log, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        endpoint = os.path.join(self.data, "endpoint")
        end = time.monotonic() + PATIENCE
        while not os.path.exists(endpoint):
            assert self.process.poll() is None and time.monotonic() < end, self.said()
            time.sleep(0.05)
        self.url = open(endpoint).read().strip().replace("http:", "https:")
        self.config = os.path.join(directory, "azure")

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def godwit(self, *arguments):
        command = [self.binary, *arguments, "--data", self.data, "--output", "json"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, (arguments, done.stderr)
        return json.loads(done.stdout) if done.stdout.strip() else None

    def as_user(self, name):
        """From now on az is somebody else, with a configuration of their own."""
        self.config = os.path.join(self.directory, "azure-" + name)

    def az(self, *arguments):
        """Runs az; what it prints is JSON."""
        started = time.monotonic()
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": self.directory,
            "AZURE_CONFIG_DIR": self.config,
            "AZURE_CORE_COLLECT_TELEMETRY": "no",
            "AZURE_CORE_ONLY_SHOW_ERRORS": "yes",
            # All that has to be trusted.
            "REQUESTS_CA_BUNDLE": os.path.join(self.data, "ca.pem"),
        }
        command = [sys.executable, "-m", "azure.cli", *arguments, "--output", "json"]
        done = subprocess.run(command, capture_output=True, text=True, env=environment,
                              stdin=subprocess.DEVNULL)
        shown = arguments[:arguments.index("--password")] if "--password" in arguments else arguments
        words = " ".join(word for word in shown if not word.startswith("--"))[:100]
        print("%6.1f s  az %s" % (time.monotonic() - started, words), flush=True)
        if done.returncode != 0:
            raise Failed(done.stderr)
        return json.loads(done.stdout) if done.stdout.strip() else None

    def register(self):
        """Tells az that there is such a cloud, once for each of its configurations."""
        self.az("cloud", "register", "--name", "Godwit", "--endpoint-resource-manager", self.url)
        self.az("cloud", "set", "--name", "Godwit")
        self.az("config", "set", "core.instance_discovery=false")

    def sign_in(self, principal):
        return self.az("login", "--service-principal", "--username", principal["appId"],
                       "--password", principal["secret"], "--tenant", principal["tenantId"])

    def ask(self, cache, key, *command):
        """Asks a cache, as its clients do."""
        client = shutil.which("valkey-cli") or shutil.which("redis-cli")
        done = subprocess.run(
            [client, "--tls", "--cacert", os.path.join(self.data, "ca.pem"), "-h", "127.0.0.1", "-p",
             str(cache["sslPort"]), "--no-auth-warning", "-a", key, *command],
            capture_output=True, text=True)
        assert done.returncode == 0, (command, done.stderr)
        return done.stdout.strip()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=PATIENCE)
        assert code == 0, (code, self.said())


def refused(call, *words):
    try:
        call()
    except Failed as error:
        for word in words:
            assert word in str(error), (word, str(error))
        return
    raise AssertionError("not refused: %s" % (words,))


def signing_in(world, owner):
    world.register()
    wrong = dict(owner, secret="wrong")
    refused(lambda: world.sign_in(wrong), "no such client with this secret")
    subscriptions = world.sign_in(owner)
    assert [one["name"] for one in subscriptions] == ["Godwit"], subscriptions
    account = world.az("account", "show")
    assert account["environmentName"] == "Godwit", account
    assert account["user"] == {"name": owner["appId"], "type": "servicePrincipal"}, account
    return account["id"]


def caches(world):
    made = world.az("group", "create", "--name", GROUP, "--location", "eastus")
    assert made["properties"]["provisioningState"] == "Succeeded", made
    assert world.az("group", "exists", "--name", GROUP) is True
    for name, place in (("az-east", "eastus"), ("az-west", "West US")):
        made = world.az("redis", "create", "--name", name, "--resource-group", GROUP, "--location", place,
                        "--sku", "Premium", "--vm-size", "P1")
        assert made["provisioningState"] == "Succeeded", made
    listed = world.az("redis", "list")
    assert sorted(one["name"] for one in listed) == ["az-east", "az-west"], listed
    shown = world.az("redis", "show", "--name", "az-east", "--resource-group", GROUP)
    assert shown["location"] == "East US" and shown["sku"]["name"] == "Premium", shown
    updated = world.az("redis", "update", "--name", "az-east", "--resource-group", GROUP,
                       "--set", "tags.team=a")
    assert updated["tags"] == {"team": "a"}, updated

    keys = ("--name", "az-east", "--resource-group", GROUP)
    before = world.az("redis", "list-keys", *keys)
    after = world.az("redis", "regenerate-keys", *keys, "--key-type", "Primary")
    assert len(before["primaryKey"]) == 44 and after["primaryKey"] != before["primaryKey"]
    assert after["secondaryKey"] == before["secondaryKey"]


def firewall(world):
    rules = ("redis", "firewall-rules")
    cache = ("--name", "az-east", "--resource-group", GROUP)
    made = world.az(*rules, "create", *cache, "--rule-name", "office", "--start-ip", "10.0.0.1",
                    "--end-ip", "10.0.0.9")
    assert made["startIp"] == "10.0.0.1", made
    assert len(world.az(*rules, "list", *cache)) == 1
    world.az(*rules, "delete", *cache, "--rule-name", "office")
    assert world.az(*rules, "list", *cache) == []


def transfers(world):
    """Out to a folder, everything gone, and back in."""
    cache = ("--name", "az-east", "--resource-group", GROUP)
    shown, keys = world.az("redis", "show", *cache), world.az("redis", "list-keys", *cache)
    ask = lambda *command: world.ask(shown, keys["primaryKey"], *command)
    assert ask("SET", "kept", "yes") == "OK"
    world.az("redis", "export", *cache, "--container", "file://" + world.backups, "--prefix", "nightly",
             "--file-format", "RDB")
    assert os.listdir(world.backups) == ["nightly.rdb"], os.listdir(world.backups)
    world.az("redis", "flush", *cache, "--yes")
    assert ask("DBSIZE") == "0"
    world.az("redis", "import", *cache, "--files", "file://%s/nightly.rdb" % world.backups,
             "--file-format", "RDB", "--yes")
    assert ask("GET", "kept") == "yes"


def link(world, primary, secondary):
    made = world.az("redis", "server-link", "create", "--name", primary, "--resource-group", GROUP,
                    "--server-to-link", secondary, "--replication-role", "Secondary")
    assert made["provisioningState"] == "Succeeded", made
    for own, other, role in ((primary, secondary, "Secondary"), (secondary, primary, "Primary")):
        shown = world.az("redis", "server-link", "show", "--name", own, "--resource-group", GROUP,
                         "--linked-server-name", other)
        assert shown["serverRole"] == role, shown


def links(world):
    link(world, "az-east", "az-west")
    listed = world.az("redis", "server-link", "list", "--name", "az-east", "--resource-group", GROUP)
    assert [one["name"] for one in listed] == ["az-west"], listed
    refused(lambda: world.az("redis", "delete", "--name", "az-east", "--resource-group", GROUP, "--yes"),
            "linked")
    # The other way round is the failover.
    link(world, "az-west", "az-east")

    west = world.az("redis", "show", "--name", "az-west", "--resource-group", GROUP)
    metrics = world.az("monitor", "metrics", "list", "--resource", west["id"], "--metrics",
                       "GeoReplicationDataSyncOffset", "--interval", "PT1M")
    names = [one["name"]["value"] for one in metrics["value"]]
    assert names == ["GeoReplicationDataSyncOffset"], metrics


def roles(world, owner, subscription):
    """Somebody who may only read, and only there."""
    reader = world.godwit("sp", "create", "reader")
    given = world.az("role", "assignment", "create", "--assignee-object-id", reader["objectId"],
                     "--assignee-principal-type", "ServicePrincipal", "--role", "Reader", "--scope",
                     "/subscriptions/%s/resourceGroups/%s" % (subscription, GROUP))
    assert given["principalId"] == reader["objectId"], given
    world.as_user("reader")
    world.register()
    world.sign_in(reader)
    cache = ("--name", "az-east", "--resource-group", GROUP)
    assert world.az("redis", "show", *cache)["name"] == "az-east"
    for denied in (("redis", "list-keys", *cache), ("redis", "delete", *cache, "--yes"),
                   ("group", "create", "--name", "another", "--location", "eastus")):
        refused(lambda: world.az(*denied), "AuthorizationFailed", reader["objectId"])
    world.godwit("sp", "delete", "reader", "--yes")
    refused(lambda: world.az("redis", "show", *cache), "sign in again")
    world.as_user("owner")


def goodbye(world):
    world.az("redis", "server-link", "delete", "--name", "az-west", "--resource-group", GROUP,
             "--linked-server-name", "az-east")
    world.az("redis", "delete", "--name", "az-west", "--resource-group", GROUP, "--yes")
    assert [one["name"] for one in world.az("redis", "list", "--resource-group", GROUP)] == ["az-east"]
    world.az("group", "delete", "--name", GROUP, "--yes")
    assert world.az("group", "exists", "--name", GROUP) is False


def main():
    binary, engine = sys.argv[1:]
    with tempfile.TemporaryDirectory() as directory:
        world = World(binary, engine, directory)
        try:
            owner = world.godwit("sp", "create", "az", "--role", "Owner")
            world.as_user("owner")
            subscription = signing_in(world, owner)
            caches(world)
            firewall(world)
            transfers(world)
            links(world)
            roles(world, owner, subscription)
            goodbye(world)
        except BaseException:
            print(world.said(), file=sys.stderr)
            # In order: nothing of it is to go on when its directory is gone.
            world.process.terminate()
            world.process.wait()
            raise
        world.stop()
    print("az did all of it, on %s" % engine)


main()
