"""What lies in deploy/: the commands in it are spelled as they are, and the tools take it."""

import json
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from veclab.cli.serve import serve
from veclab.server.gate import OPEN

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
UNIT = (DEPLOY / "veclab.service").read_text()
MANIFEST = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))


def parsed(arguments):
    """The options of `veclab serve`, checked by the command itself."""
    return serve.make_context("serve", list(arguments)).params


def from_dockerfile(word):
    return json.loads(re.search(rf"^{word} (\[.*\])$", DOCKERFILE, re.M)[1])


def test_the_image_starts_the_command():
    program, command, *arguments = from_dockerfile("ENTRYPOINT")
    assert (program, command) == ("veclab", "serve")
    options = parsed([*arguments, *from_dockerfile("CMD")])
    assert (options["host"], options["port"]) == ("0.0.0.0", 8000)


def test_the_image_installs_extras_and_copies_files_that_there_are():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for extra in re.search(r"'\.\[(.*?)\]'", DOCKERFILE)[1].split(","):
        assert extra in project["optional-dependencies"]
    for line in re.findall(r"^COPY (?!--)(.*) \S+$", DOCKERFILE, re.M):
        for name in line.split():
            assert (ROOT / name).exists(), name


def test_the_unit_starts_the_command_and_gives_it_its_time():
    command = re.search(r"^ExecStart=(.*)$", UNIT, re.M)[1]
    options = parsed(shlex.split(command)[2:])
    assert int(re.search(r"TimeoutStopSec=(\d+)", UNIT)[1]) > options["shutdown"]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_systemd_takes_the_unit(tmp_path):
    there = UNIT.replace("/opt/veclab/bin/veclab", shutil.which("true"))
    unit = tmp_path / "veclab.service"
    unit.write_text(there)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_manifest_starts_the_command_and_asks_where_there_are_answers():
    deployment, service = MANIFEST
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    options = parsed([*from_dockerfile("ENTRYPOINT")[2:], *container["args"]])
    assert pod["terminationGracePeriodSeconds"] > options["shutdown"]
    assert container["ports"][0]["containerPort"] == options["port"]
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        assert container[probe]["httpGet"]["path"] in OPEN
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"] == labels == deployment["spec"]["selector"]["matchLabels"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert options["api_key_file"].is_relative_to(mounts["keys"])


@pytest.mark.skipif(not shutil.which("kubectl"), reason="needs kubectl")
def test_kubectl_reads_the_manifest(tmp_path):
    """As far as it goes without a cluster: the types and their fields."""
    for document in MANIFEST[:1]:
        file = tmp_path / "one.yaml"
        file.write_text(yaml.safe_dump(document))
        command = ["kubectl", "set", "image", "--local", "-f", str(file), "veclab=veclab:1"]
        done = subprocess.run([*command, "-o", "name"], capture_output=True, text=True)
        assert done.stdout.strip() == "deployment.apps/veclab", done.stderr
