#!/usr/bin/env python3
"""When each alert fires: `promtool test rules` on a healthy installation in which one thing is different a case.

Two agents (a1, a2) and two HAProxies (h1, h2) are watched for 40 minutes, a sample each half minute. A case says which series
are different for the last ten of them, and which alerts fire at the end, each with the instance (and whatever else) that it
names; every other alert must be silent. An alert without a case is an error."""
import json
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ALERTS = os.path.join(ROOT, "haproxy/monitoring/alerts.yml")

MINUTE = 2  # in samples
CHANGE, ALL = 30 * MINUTE, 40 * MINUTE


def steady(per_sample):
    return f"0+{per_sample}x{ALL}"


def level(value):
    return f"{value}x{ALL}"


def then(before, after, samples=CHANGE):
    """One level until `samples` samples have passed, then another."""
    return f"{before}x{samples - 1} {after}x{ALL - samples}"


def rises(slow, fast, samples=CHANGE):
    """A counter that rises by `slow` a sample, after so many samples by `fast`."""
    return f"0+{slow}x{samples} {slow * samples + fast}+{fast}x{ALL - samples}"


def jumps(by, samples=CHANGE + 5 * MINUTE):
    return f"0x{samples} {by}x{ALL - samples}"


# 900 allowed and 100 denied in a sample by both agents together, and as many answers of the origins through both fronts.
HEALTHY = {}
for agent in ("a1", "a2"):
    own = f'job="spoa-rules",instance="{agent}"'
    HEALTHY |= {
        f"up{{{own}}}": level(1),
        f'spoa_rules_decisions_total{{{own},verdict="allow"}}': steady(440),
        f'spoa_rules_decisions_total{{{own},verdict="slow"}}': steady(10),
        f'spoa_rules_decisions_total{{{own},verdict="deny"}}': steady(50),
        f'spoa_rules_undecidable_total{{{own},reason="too_many_rules"}}': level(0),
        f"spoa_rules_connections_refused_total{{{own}}}": level(0),
        f"spoa_rules_rules_current{{{own}}}": level(1),
        f"spoa_rules_counters_full{{{own}}}": level(0),
        f'spoa_rules_counters_evicted_total{{{own},kind="used_up"}}': level(0),
        f'spoa_rules_counters_evicted_total{{{own},kind="other"}}': level(0),
        f'spoa_rules_decision_duration_seconds_bucket{{{own},le="0.001"}}': steady(500),
        f'spoa_rules_decision_duration_seconds_bucket{{{own},le="0.1"}}': steady(500),
        f'spoa_rules_decision_duration_seconds_bucket{{{own},le="+Inf"}}': steady(500),
        f'spoa_rules_feed_lines_total{{{own},result="taken"}}': steady(500),
        f'spoa_rules_feed_lines_total{{{own},result="skipped"}}': level(0),
        f"spoa_rules_feed_undecided_total{{{own}}}": level(0),
        f"spoa_rules_feed_connections{{{own}}}": level(1),
        f"spoa_rules_analytics_up{{{own}}}": level(1),
        f"spoa_rules_analytics_lost_total{{{own}}}": level(0),
    }
for front in ("h1", "h2"):
    own = f'job="haproxy",instance="{front}"'
    HEALTHY |= {
        f"up{{{own}}}": level(1),
        f'haproxy_server_status{{{own},proxy="agents",server="agent1",state="UP"}}': level(1),
        f'haproxy_server_status{{{own},proxy="agents",server="agent1",state="DOWN"}}': level(0),
        f'haproxy_server_status{{{own},proxy="agents",server="agent2",state="UP"}}': level(1),
        f'haproxy_server_status{{{own},proxy="agents",server="agent2",state="DOWN"}}': level(0),
        f'haproxy_server_status{{{own},proxy="origins",server="origin1",state="UP"}}': level(1),
        f'haproxy_server_status{{{own},proxy="origins",server="origin2",state="UP"}}': level(1),
        f'haproxy_backend_http_requests_total{{{own},proxy="origins"}}': steady(440),
        f'haproxy_backend_http_requests_total{{{own},proxy="slow_origins"}}': steady(10),
        f'haproxy_backend_http_responses_total{{{own},proxy="origins",code="2xx"}}': steady(435),
        f'haproxy_backend_http_responses_total{{{own},proxy="origins",code="5xx"}}': steady(5),
        f'haproxy_sticktable_used{{{own},name="bans",type="ipv6"}}': level(90),
        f'haproxy_sticktable_size{{{own},name="bans",type="ipv6"}}': level(102400),
        f'haproxy_sticktable_used{{{own},name="coarse",type="ipv6"}}': level(1000),
        f'haproxy_sticktable_size{{{own},name="coarse",type="ipv6"}}': level(1048576),
    }


def of(name, instance, *labels):
    """The series of the healthy installation with that name, instance and those labels."""
    found = [key for key in HEALTHY
             if key.startswith(name + "{") and f'instance="{instance}"' in key and all(label in key for label in labels)]
    assert len(found) == 1, (name, instance, labels, found)
    return found[0]


def per_sample(key):
    return int(HEALTHY[key].removeprefix("0+").split("x")[0])


A1, H1 = "a1", "h1"
AGENT1 = of("haproxy_server_status", H1, 'server="agent1"', 'state="UP"')
AGENT2 = of("haproxy_server_status", H1, 'server="agent2"', 'state="UP"')
ORIGIN1 = of("haproxy_server_status", H1, 'server="origin1"')
ORIGIN2 = of("haproxy_server_status", H1, 'server="origin2"')
FORWARDED = of("haproxy_backend_http_requests_total", H1, 'proxy="origins"')
ALLOWED = of("spoa_rules_decisions_total", A1, '"allow"')
SLOWED = of("spoa_rules_decisions_total", A1, '"slow"')
DENIED = of("spoa_rules_decisions_total", A1, '"deny"')
FAST = of("spoa_rules_decision_duration_seconds_bucket", A1, "0.001")
FEED = of("spoa_rules_feed_connections", A1)
UNDECIDED = of("spoa_rules_feed_undecided_total", A1)
NO_FEED = {of("spoa_rules_feed_lines_total", agent, '"taken"'): level(0) for agent in ("a1", "a2")}

# What is different: series and values; then the alerts that fire at the end.
CASES = {
    "all is well": ({}, []),
    "an agent is down": ({of("up", A1): then(1, 0)}, ["SpoaRulesAgentDown a1"]),
    "an agent was down for half a minute": ({of("up", A1): then(1, 0, CHANGE + 9 * MINUTE + 1)}, []),
    "HAProxy is down": ({of("up", H1): then(1, 0)}, []),
    "a front sees neither agent": ({AGENT1: then(1, 0), AGENT2: then(1, 0)}, ["SpoaRulesNoAgentForHaproxy h1"]),
    "a front has but the backup": ({AGENT1: then(1, 0)}, ["SpoaRulesBackupAgentInUse h1"]),
    "a front has no backup": ({AGENT2: then(1, 0)}, []),
    "a tenth is not asked about": ({UNDECIDED: rises(0, 100)}, ["SpoaRulesUndecided"]),
    "one in a hundred is not": ({UNDECIDED: rises(0, 10)}, []),
    "the feed knows better than the counts": ({FORWARDED: rises(440, 550)}, []),
    "no feed, and a tenth is not asked about": (NO_FEED | {FORWARDED: rises(440, 550)}, ["SpoaRulesUndecided"]),
    "no feed, and some are on their way": (NO_FEED | {FORWARDED: rises(440, 450)}, []),
    "no feed, and more decided than forwarded": (NO_FEED | {ALLOWED: rises(440, 600)}, []),
    "no feed, and nobody is asked": (
        NO_FEED | {key: rises(per_sample(key), 0) for key in HEALTHY if key.startswith("spoa_rules_decisions_total")},
        ["SpoaRulesUndecided"]),
    "no traffic": (
        {key: rises(per_sample(key), 0) for key in HEALTHY if "_total{" in key and HEALTHY[key].startswith("0+")}
        | {FEED: then(1, 0)}, []),
    "too many connections": ({of("spoa_rules_connections_refused_total", A1): jumps(3)}, ["SpoaRulesConnectionsRefused a1"]),
    "rules.db is broken": ({of("spoa_rules_rules_current", A1): then(1, 0)}, ["SpoaRulesReloadFailed a1"]),
    "65 rules for a request": (
        {of("spoa_rules_undecidable_total", A1): jumps(1)}, ["SpoaRulesUndecidable a1 too_many_rules"]),
    "bans are forgotten": ({of("spoa_rules_counters_evicted_total", A1, '"used_up"'): jumps(2)}, ["SpoaRulesPromisesBroken a1"]),
    "counters are forgotten": (
        {of("spoa_rules_counters_evicted_total", A1, '"other"'): jumps(9)}, ["SpoaRulesCountersEvicted a1"]),
    "no space for counters": ({of("spoa_rules_counters_full", A1): then(0, 1)}, ["SpoaRulesCountersFileFull a1"]),
    "2 % are slow": ({FAST: rises(500, 490)}, ["SpoaRulesSlow a1"]),
    "five in a thousand are slow": ({FAST: rises(500, 498)}, []),
    "refusals grow fivefold": ({DENIED: rises(50, 450)}, ["SpoaRulesRefusalsJump"]),
    "refusals double": ({DENIED: rises(50, 110)}, []),
    "the ban table fills up": (
        {of("haproxy_sticktable_used", H1, '"bans"'): then(90, 102000)}, ["SpoaRulesBansTableNearlyFull h1 bans"]),
    "the coarse table fills up": (
        {of("haproxy_sticktable_used", H1, '"coarse"'): then(90, 1000000)}, ["SpoaRulesBansTableNearlyFull h1 coarse"]),
    "no feed": ({FEED: then(1, 0)}, ["SpoaRulesFeedNotConnected a1"]),
    "no feed, and no traffic at that agent": (
        {FEED: then(1, 0), DENIED: rises(50, 0), ALLOWED: rises(440, 0), SLOWED: rises(10, 0),
         FORWARDED: rises(440, 0), of("haproxy_backend_http_requests_total", H1, '"slow_origins"'): rises(10, 0)}, []),
    "a line is skipped": ({of("spoa_rules_feed_lines_total", A1, '"skipped"'): jumps(1)}, ["SpoaRulesFeedLinesSkipped a1"]),
    "analytics.db is locked": ({of("spoa_rules_analytics_up", A1): then(1, 0)}, ["SpoaRulesAnalyticsBehind a1"]),
    "and has been for days": ({of("spoa_rules_analytics_lost_total", A1): jumps(1)}, ["SpoaRulesAnalyticsLost a1"]),
    "no origin": ({ORIGIN1: then(1, 0), ORIGIN2: then(1, 0)}, ["OriginsDown h1"]),
    "one origin of two": ({ORIGIN1: then(1, 0)}, []),
    "the origins fail": (
        {of("haproxy_backend_http_responses_total", H1, '"5xx"'): rises(5, 50)}, ["OriginErrors h1"]),
}


# Starts: a sample each 15 s, as in prometheus.yml. Forwarded by h1, decided by a1, lines of its feed and undecided ones among
# them; then whether SpoaRulesUndecided is pending or firing at any time. 100 requests a sample; _: not read yet.
STARTS = {
    "both at once": ("0+100x60", "0+100x60", "0+100x60", "0x60", False),
    "HAProxy was read first": ("0+100x60", "_ 100+100x60", "_ 100+100x60", "_ 0x60", False),
    "and the agent as it began": ("0 100+100x60", "0 0 100+100x60", "0 0 100+100x60", "0x60", False),
    "the first requests come, and the agent is read earlier": ("0x20 100+100x40", "0x20 7+100x40", "0x20 7+100x40", "0x60", False),
    "the agent is started again": ("0+100x60", "0+100x30 10+100x30", "0+100x30 10+100x30", "0x60", False),
    "and not read once": ("0+100x60", "0+100x30 _ 10+100x30", "0+100x30 _ 10+100x30", "0x60", False),
    "a tenth is undecided from the start": ("0+100x60", "0+90x60", "0+100x60", "0+10x60", True),
    "no feed: both at once": ("0+100x60", "0+100x60", "0x60", "0x60", False),
    "no feed: HAProxy was read first": ("0+100x60", "_ 100+100x60", "_ 0x60", "_ 0x60", False),
    "no feed: and the agent as it began": ("0 100+100x60", "0 0 100+100x60", "0x60", "0x60", False),
    "no feed: a tenth is undecided from the start": ("0+100x60", "0+90x60", "0x60", "0x60", True),
}


def start_tests():
    agent, front = 'job="spoa-rules",instance="a1"', 'job="haproxy",instance="h1"'
    for name, (forwarded, decided, lines, undecided, alerts) in STARTS.items():
        found = 'count(last_over_time(ALERTS{alertname="SpoaRulesUndecided"}[15m]))'
        yield {
            "name": name, "interval": "15s",
            "input_series": [
                {"series": f'haproxy_backend_http_requests_total{{{front},proxy="origins"}}', "values": forwarded},
                {"series": f'spoa_rules_decisions_total{{{agent},verdict="allow"}}', "values": decided},
                {"series": f'spoa_rules_feed_lines_total{{{agent},result="taken"}}', "values": lines},
                {"series": f"spoa_rules_feed_undecided_total{{{agent}}}", "values": undecided}],
            # Pending and firing are two series.
            "promql_expr_test": [{"expr": found, "eval_time": "885s",
                                  "exp_samples": [{"labels": "{}", "value": 2}] if alerts else []}]}


def expected(alerts):
    samples = []
    for alert in alerts:
        name, *more = alert.split()
        labels = {"alertname": name}
        for value in more:
            labels["instance" if value in (A1, H1) else "reason" if name.endswith("Undecidable") else "name"] = value
        samples.append({"labels": "{" + ",".join(f'{k}="{v}"' for k, v in labels.items()) + "}", "value": 1})
    return samples


def main():
    with open(ALERTS, encoding="utf-8") as file:
        defined = re.findall(r"- alert: (\w+)", file.read())
    covered = {alert.split()[0] for _, alerts in CASES.values() for alert in alerts}
    missing = [name for name in defined if name not in covered]
    if missing or not defined:
        sys.exit(f"alerts without a case: {missing}")
    tests = [{
        "name": name, "interval": "30s",
        "input_series": [{"series": key, "values": changes.get(key, values)} for key, values in HEALTHY.items()],
        "promql_expr_test": [{
            "expr": 'max by (alertname, instance, name, reason) (ALERTS{alertstate="firing"})', "eval_time": "40m",
            "exp_samples": expected(alerts)}],
    } for name, (changes, alerts) in CASES.items()]
    tests += start_tests()
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:  # JSON is YAML
        json.dump({"rule_files": [ALERTS], "evaluation_interval": "15s", "tests": tests}, file)
        file.flush()
        result = subprocess.run(["promtool", "test", "rules", file.name], check=False, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(result.stdout + result.stderr)
    print(f"alerts: {len(defined)} alerts, {len(CASES)} cases, {len(STARTS)} starts")


main()
