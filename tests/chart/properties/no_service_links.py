"""Service links are off. They would define RENDEZVOUS_PORT, which the server rejects as an unknown configuration key."""

from rendered_objects import template


def check(workload, objects):
    if template(workload)["spec"].get("enableServiceLinks") is not False:
        yield "has enableServiceLinks"
