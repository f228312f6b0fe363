"""A client of a running Prometheus, and a parser of its expressions."""

import json
import math
import re
import urllib.parse
import urllib.request


class Prometheus:
    def __init__(self, url):
        self.url = url

    def get(self, path, **parameters):
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters, doseq=True)}"
        try:
            with urllib.request.urlopen(url, timeout=20) as reply:
                answer = json.load(reply)
        except urllib.error.HTTPError as error:
            answer = json.load(error)
        if answer["status"] != "success":
            raise ValueError(answer["error"])
        return answer["data"]

    def values(self, expression):
        """The current values that are numbers."""
        found = [float(series["value"][1]) for series in self.get("query", query=expression)["result"]]
        return [value for value in found if math.isfinite(value)]

    def over_time(self, expression, start, end, step):
        return self.get("query_range", query=expression, start=start, end=end, step=step)["result"]

    def rules(self):
        """The groups of rules that Prometheus has loaded."""
        return self.get("rules", type="alert")["groups"]


# The values that Grafana inserts if "All" is selected. A rate covers fifteen scrapes of this test.
VARIABLES = {"$namespace": ".*", "$job": ".*", "$instance": ".*", "$__rate_interval": "15s", "$__range": "5m"}


def with_variables(expression):
    """The expression with the values of its variables."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


def targets(dashboard):
    """Each panel with each of its targets and the expression of the target, with variables inserted."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel, target, with_variables(target["expr"])


GROUPING = r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)"
WORDS = {"and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring", "inf", "nan"}


def selectors(expression):
    """The metrics of an expression with their matchers: [("up", '{job="x"}'), …]."""
    bare = re.sub(GROUPING, " ", expression)
    found = re.findall(r"(?<![\w:])([a-zA-Z_:][\w:]*)\s*(\{(?:[^\"}]|\"[^\"]*\")*\})?(?!\s*\()(?![\w:])", re.sub(r"\[[^\]]*\]", "", bare))
    return [(name, matchers) for name, matchers in found if name.lower() not in WORDS]


def single_matchers(matchers):
    """The matchers with each alternative of a plain `a|b|c` on its own, to find one that matches nothing."""
    parts = re.findall(r'(\w+)(=~|=|!=|!~)"([^"]*)"', matchers)
    choices = [[]]
    for label, how, value in parts:
        plain = how == "=~" and re.fullmatch(r"\w+(\|\w+)+", value)
        ways = [f'{label}="{one}"' for one in value.split("|")] if plain else [f'{label}{how}"{value}"']
        choices = [choice + [way] for choice in choices for way in ways]
    return ["{" + ",".join(choice) + "}" for choice in choices]
