"""What requests are about: mostly things that are there, so that they get past the first refusal.

Loaded by schemathesis. The names come from fuzz.py, which has made them; the caches that requests may
make are few, since each one has engines.
"""

import json
import os
import random

import schemathesis

KNOWN = json.loads(os.environ["FUZZ_KNOWN"])
# Of a hundred requests, so many are about something that is not there.
STRANGE = 8
# Parameters of paths, and what there is.
POOLS = {
    "subscriptionId": [KNOWN["subscription"]],
    "resourceGroupName": KNOWN["groups"],
    "name": KNOWN["caches"],
    "linkedServerName": KNOWN["caches"],
    "ruleName": ["office", "home"],
    "accessPolicyName": ["reports", "Data Owner"],
    "accessPolicyAssignmentName": ["anne", "bob"],
}


def chosen(seed, pool):
    return pool[seed % len(pool)]


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    if not path_parameters:
        return path_parameters
    # The generated values decide, so that the seed does.
    dice = random.Random(repr(sorted(path_parameters.items())))
    result = dict(path_parameters)
    for name, pool in POOLS.items():
        if name in result and dice.randrange(100) >= STRANGE:
            result[name] = dice.choice(pool)
    return result


@schemathesis.hook
def filter_case(context, case):
    """Leaves the caches and groups of this run alone, and makes no others."""
    path, parameters = case.operation.path, case.path_parameters or {}
    makes = case.method == "PUT"
    removes = case.method == "DELETE"
    if path.endswith("/redis/{name}") and (makes or removes):
        return parameters.get("name") in KNOWN["spare"] if removes else (
            parameters.get("name") in KNOWN["caches"] + KNOWN["spare"])
    if path.endswith("/resourceGroups/{resourceGroupName}") and removes:
        return parameters.get("resourceGroupName") == "nothing"
    return True


@schemathesis.hook
def map_body(context, body):
    """Has links be about a cache that is there."""
    if isinstance(body, dict) and isinstance(body.get("properties"), dict):
        properties = body["properties"]
        if "linkedRedisCacheId" in properties:
            dice = random.Random(repr(properties))
            if dice.randrange(100) >= STRANGE:
                other = dice.choice(KNOWN["caches"])
                properties["linkedRedisCacheId"] = KNOWN["cache_id"].replace("{name}", other)
    return body
