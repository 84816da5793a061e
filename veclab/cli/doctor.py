"""`veclab doctor`: what this installation has, and what to do about what it lacks."""

from __future__ import annotations

import sys

import click

from veclab.cli.console import echo, json_option, print_json, styled

_COLORS = {"ok": "green", "note": "yellow", "problem": "red"}


@click.command()
@click.option(
    "--network/--no-network",
    default=False,
    show_default=True,
    help="Also ask the model hub and the endpoint whether they answer.",
)
@json_option
def doctor(network: bool, as_json: bool) -> None:
    """Check this installation: processor, engines, models, cache, disk, keys.

    Nothing is downloaded or written, and without --network nothing is sent. Exit code 1 if there is
    a problem.
    """
    from veclab.doctor.checks import examine

    checks = list(examine(network))
    if as_json:
        print_json({"checks": [check.to_dict() for check in checks]})
    else:
        width = max(len(check.name) for check in checks)
        for check in checks:
            state = styled(f"{check.state:<7}", _COLORS[check.state])
            echo(f"{check.name:>{width}}  ", state, f"  {check.found}")
            if check.to_do:
                echo(" " * (width + 11), f"-> {check.to_do}")
    if any(check.state == "problem" for check in checks):
        sys.exit(1)
