"""No variables of Services: RENDEZVOUS_PORT would be an unknown key of the configuration."""

from rendered_objects import template


def check(workload, objects):
    if template(workload)["spec"].get("enableServiceLinks") is not False:
        yield "has enableServiceLinks"
