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
PERMISSIONS = ["+get allkeys", "+@read ~a:*", "+@all -@dangerous allkeys", "+nothing", "+@read"]


def dice_of(values):
    """The generated values decide, so that the seed does."""
    return random.Random(repr(values))


def is_cache(operation):
    return operation.path.endswith("/redis/{name}")


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    if not path_parameters:
        return path_parameters
    dice = dice_of(sorted(path_parameters.items()))
    result = dict(path_parameters)
    for name, pool in POOLS.items():
        if name in result and dice.randrange(100) >= STRANGE:
            result[name] = dice.choice(pool)
    method = context.operation.method.upper()
    if is_cache(context.operation) and method in ["PUT", "DELETE"]:
        # What is made and removed is what nobody else asks for.
        result["name"] = dice.choice(KNOWN["spare"] if method == "DELETE" else KNOWN["caches"] + KNOWN["spare"])
    if context.operation.path.endswith("/resourceGroups/{resourceGroupName}") and method == "DELETE":
        result["resourceGroupName"] = "nothing"
    return result


@schemathesis.hook
def filter_case(context, case):
    """Leaves the caches and the group of this run alone, and makes no others."""
    parameters = case.path_parameters or {}
    method = case.method.upper()
    if is_cache(case.operation) and method in ["PUT", "DELETE"]:
        known = KNOWN["spare"] if method == "DELETE" else KNOWN["caches"] + KNOWN["spare"]
        return parameters.get("name") in known
    if case.operation.path.endswith("/resourceGroups/{resourceGroupName}") and method == "DELETE":
        return parameters.get("resourceGroupName") not in KNOWN["groups"]
    return True


@schemathesis.hook
def map_body(context, body):
    """Has most bodies mean something: schemas cannot say that an address lies behind another one."""
    if not isinstance(body, dict) or not isinstance(body.get("properties"), dict):
        return body
    properties = body["properties"]
    dice = dice_of(properties)
    if dice.randrange(100) < STRANGE:
        return body
    if isinstance(properties.get("linkedRedisCacheId"), str):
        other = dice.choice(KNOWN["caches"])
        properties["linkedRedisCacheId"] = KNOWN["cache_id"].replace("{name}", other)
    if isinstance(properties.get("startIP"), str):
        properties.update(startIP="10.0.0.%d" % dice.randrange(9), endIP="10.0.0.9")
    if isinstance(properties.get("permissions"), str):
        properties["permissions"] = dice.choice(PERMISSIONS)
    if isinstance(properties.get("replicasPerMaster"), int):
        properties.pop("replicasPerPrimary", None)
    properties.pop("shardCount", None)
    return body
