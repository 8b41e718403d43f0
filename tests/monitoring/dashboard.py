#!/usr/bin/env python3
"""The dashboard as a file: what Grafana would silently show wrong, and what Prometheus would refuse.

    dashboard.py                  checks it
    dashboard.py ask ADDRESS      asks a Prometheus for each series that dashboard and alerts name, label matchers included,
                                  and evaluates each expression; prints what is missing or refused
"""
import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDER = os.path.join(ROOT, "haproxy/monitoring")
WIDTH = 24
UNITS = {"short", "reqps", "cps", "s", "bytes", "percentunit"}
SELECTOR = re.compile(r"\b(?:spoa_rules_|haproxy_|process_|up\b)\w*(?:\{[^}]*\})?")


def load():
    with open(os.path.join(FOLDER, "dashboard.json"), encoding="utf-8") as file:
        return json.load(file)


def plain(expression):
    """As Grafana sends it, with all agents and HAProxies chosen."""
    return re.sub(r"\$(agent|haproxy)\b", ".+", expression.replace("$__rate_interval", "1m"))


def expressions(dashboard):
    return [(panel["title"], target["expr"]) for panel in dashboard["panels"] for target in panel.get("targets", [])]


def alert_expressions():
    with open(os.path.join(FOLDER, "alerts.yml"), encoding="utf-8") as file:
        text = file.read()
    return [(name, " ".join(expression.split()))
            for name, expression in re.findall(r"- alert: (\w+)\s+expr: \|?((?:.|\n)*?)\n +(?:for|labels):", text)]


def check_panels(panels):
    errors, taken = [], {}
    if len({panel["id"] for panel in panels}) != len(panels):
        errors.append("two panels have the same id")
    for panel in panels:
        title, place = panel["title"], panel["gridPos"]
        if place["x"] < 0 or place["x"] + place["w"] > WIDTH or place["w"] < 1 or place["h"] < 1:
            errors.append(f"{title}: outside of the {WIDTH} columns")
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                if taken.setdefault((x, y), title) != title:
                    errors.append(f"{title}: overlaps {taken[x, y]}")
                    break
        if panel["type"] == "row":
            continue
        if panel["fieldConfig"]["defaults"].get("unit") not in UNITS:
            errors.append(f"{title}: no unit, or one that is not in UNITS here")
        if not panel.get("description"):
            errors.append(f"{title}: no description")
        for part in [panel] + panel["targets"]:
            if part["datasource"] != {"type": "prometheus", "uid": "${datasource}"}:
                errors.append(f"{title}: a data source of its own")
        if not panel["targets"] or len({target["refId"] for target in panel["targets"]}) != len(panel["targets"]):
            errors.append(f"{title}: no expression, or two with one refId")
    titles = [panel["title"] for panel in panels]
    return errors + [f"{title}: twice" for title in set(titles) if titles.count(title) > 1]


def check_expressions(found):
    """promtool parses expressions in rules only."""
    rules = [{"record": f"panel:{i}", "expr": plain(expression)} for i, (_, expression) in enumerate(found)]
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:  # JSON is YAML
        json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, file)
        file.flush()
        result = subprocess.run(["promtool", "check", "rules", file.name], check=False, capture_output=True, text=True)
    return [] if result.returncode == 0 else [result.stdout + result.stderr]


def check_variables(dashboard, found):
    defined = {variable["name"] for variable in dashboard["templating"]["list"]} | {"__rate_interval"}
    return [f"{title}: ${name} is not defined" for title, expression in found
            for name in re.findall(r"\$\{?(\w+)", expression) if name not in defined]


def check():
    dashboard = load()
    found = expressions(dashboard)
    errors = check_panels(dashboard["panels"]) + check_variables(dashboard, found) + check_expressions(found)
    if errors:
        sys.exit("\n".join(errors))
    print(f"dashboard: {len(dashboard['panels'])} panels, {len(found)} expressions")


def query(address, expression):
    url = f"http://{address}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return json.load(answer)["data"]["result"]
    except urllib.error.HTTPError as error:
        return error.read().decode()


def ask(address):
    missing = []
    found = expressions(load()) + alert_expressions()
    selectors = {selector for _, expression in found for selector in SELECTOR.findall(plain(expression))}
    for selector in sorted(selectors):
        if query(address, f"count({selector})") == []:
            missing.append(f"no series: {selector}")
    for title, expression in found:
        result = query(address, plain(expression))
        if isinstance(result, str):
            missing.append(f"{title}: {result}")
    if missing or len(selectors) < 20:
        sys.exit("\n".join(missing) or "too few selectors were found")


if sys.argv[1:2] == ["ask"]:
    ask(sys.argv[2])
else:
    check()
