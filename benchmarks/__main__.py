"""Measure our service and its peers in one run and print one table."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import (
    ceiling,
    generator,
    install,
    our_servers,
    peer_servers,
    results,
    selfcheck,
    summary,
    table,
)
from benchmarks.paths import HERE, LATEST, PEERS, PLOT, RESULTS, TABLE
from benchmarks.plan import FULL, QUICK
from benchmarks.run import SCENARIOS, Outcome, run, say
from benchmarks.servers import Server

SERVERS: tuple[type[Server], ...] = (
    our_servers.Ours,
    our_servers.OursWithServers,
    peer_servers.Nchan,
    peer_servers.SseStarlette,
    peer_servers.BetterSse,
    peer_servers.NestJs,
    peer_servers.FlaskSse,
    peer_servers.DjangoEventstream,
)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    names = [server.name for server in SERVERS]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        epilog="A full run takes three quarters of an hour and writes docs/benchmarks.json, its "
        "table and the plot; any other writes benchmarks/results/partial.json. Peers are installed "
        "below benchmarks/.peers/ (PyPI, npm; nginx, Redis and PostgreSQL from Debian, as root). "
        "Two cores are needed, idle ones if the figures are to mean anything.",
    )
    parser.add_argument("--quick", action="store_true", help="one round, smaller crowds")
    parser.add_argument(
        "--only", nargs="+", choices=names, metavar="SERVER", help=f"of: {', '.join(names)}"
    )
    parser.add_argument(
        "--scenarios",
        nargs="+",
        choices=list(SCENARIOS),
        metavar="GROUP",
        help=f"of: {', '.join(SCENARIOS)}",
    )
    parser.add_argument("--rounds", type=int, help="rounds per server; 3 by default")
    parser.add_argument("--output", type=Path, help="where to write the results (JSON)")
    parser.add_argument("--show", type=Path, help="print the table of a results file, and end")
    parser.add_argument("--summary", type=Path, help="print the README's short table of one")
    parser.add_argument("--plot", type=Path, help="draw a results file, and end")
    return parser.parse_args()


def installed(wanted: list[Server]) -> list[Server]:
    """Install the servers. Return those that were installed, and report why the others failed."""
    ready = []
    for server in wanted:
        say(f"installing {server.label}")
        try:
            server.install()
        except (install.InstallError, OSError) as error:
            say(f"    left out: {error}")
        else:
            ready.append(server)
    return ready


def plot(source: Path, target: Path) -> None:
    """Draw ``source`` with matplotlib, which is installed in an environment of its own."""
    place = install.venv("plot", HERE / "plot_requirements.txt")
    install.run([place / "python", HERE / "plot.py", source, target])
    say(f"plot: {target}")


def main() -> int:
    """Do what the command line asks. Return the exit code: 1 if something failed."""
    arguments = parse_arguments()
    if arguments.show:
        print(table.markdown(json.loads(arguments.show.read_text())))
        return 0
    if arguments.summary:
        print(summary.markdown(json.loads(arguments.summary.read_text())))
        return 0
    PEERS.mkdir(exist_ok=True)
    if arguments.plot:
        plot(arguments.plot, PLOT)
        return 0
    generator.raise_file_limit()
    plan = QUICK if arguments.quick else FULL
    if arguments.rounds:
        plan = dataclasses.replace(plan, rounds=arguments.rounds)
    is_full = not (arguments.quick or arguments.only or arguments.scenarios)
    servers = installed([cls() for cls in SERVERS if cls.name in (arguments.only or [cls.name])])
    say("the generator: does it see faults, and what is its ceiling?")
    selfcheck.check()
    limits = ceiling.measure()
    target = arguments.output or (LATEST if is_full else RESULTS / "partial.json")

    def keep(outcomes: Sequence[Outcome]) -> None:
        # After each server: a run that is interrupted after half an hour leaves its results.
        results.save(results.collect(outcomes, plan, limits), target)

    outcomes = run(servers, plan, arguments.scenarios or list(SCENARIOS), on_outcome=keep)
    found = results.collect(outcomes, plan, limits)
    print(table.markdown(found))
    say(f"results: {target}")
    if is_full:
        TABLE.write_text(f"# The comparison, whole\n\n{table.markdown(found)}\n")
        plot(target, PLOT)
    return 1 if any(server["failures"] for server in found["servers"].values()) else 0


if __name__ == "__main__":
    sys.exit(main())
