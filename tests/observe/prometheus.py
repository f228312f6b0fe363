"""A Prometheus that runs, asked over HTTP; and what its expressions are made of."""

import json
import math
import re
import urllib.parse
import urllib.request


class Prometheus:
    def __init__(self, url):
        self.url = url

    def ask(self, path, **parameters):
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
        """The values that are numbers, now."""
        found = [float(series["value"][1]) for series in self.ask("query", query=expression)["result"]]
        return [value for value in found if math.isfinite(value)]

    def over_time(self, expression, start, end, step):
        return self.ask("query_range", query=expression, start=start, end=end, step=step)["result"]

    def rules(self):
        """Groups of rules, as it has loaded them."""
        return self.ask("rules", type="alert")["groups"]


# As Grafana would put them in, with "All" chosen; a rate over fifteen scrapes of ours.
VARIABLES = {"$namespace": ".*", "$job": ".*", "$instance": ".*", "$__rate_interval": "15s", "$__range": "5m"}


def filled(expression):
    """An expression with its variables put in."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


def targets(dashboard):
    """Each panel's title and what it asks, variables put in."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel, target, filled(target["expr"])


GROUPING = r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)"
WORDS = {"and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring", "inf", "nan"}


def selectors(expression):
    """Each metric that an expression names, with its matchers: [("up", '{job="x"}'), …]."""
    bare = re.sub(GROUPING, " ", expression)
    found = re.findall(r"(?<![\w:])([a-zA-Z_:][\w:]*)\s*(\{(?:[^\"}]|\"[^\"]*\")*\})?(?!\s*\()(?![\w:])", re.sub(r"\[[^\]]*\]", "", bare))
    return [(name, matchers) for name, matchers in found if name.lower() not in WORDS]


def one_by_one(matchers):
    """Matchers with each alternative of a plain `a|b|c` alone, so that one that matches nothing is found."""
    parts = re.findall(r'(\w+)(=~|=|!=|!~)"([^"]*)"', matchers)
    choices = [[]]
    for label, how, value in parts:
        plain = how == "=~" and re.fullmatch(r"\w+(\|\w+)+", value)
        ways = [f'{label}="{one}"' for one in value.split("|")] if plain else [f'{label}{how}"{value}"']
        choices = [choice + [way] for choice in choices for way in ways]
    return ["{" + ",".join(choice) + "}" for choice in choices]
