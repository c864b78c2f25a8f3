"""The examples of deploy/ are legal, and agree with the server they start."""

import argparse
from pathlib import Path

import pytest
import yaml

from earvoice.cli import serve
from earvoice.config import parse
from earvoice.serve.settings import ServeSettings

DEPLOY = Path(__file__).parents[2] / "deploy"


def settings_of(text):
    return parse(yaml.safe_load(text), ServeSettings, "settings")


def options(args):
    """What the command line makes of them."""
    parser = argparse.ArgumentParser()
    serve.add_parser(parser.add_subparsers())
    return parser.parse_args(["serve", "--host", "0.0.0.0", *args])


def test_the_compose_file_lets_sessions_end():
    service = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))["services"]["earvoice"]
    settings = settings_of((DEPLOY / "serve.yaml").read_text("utf-8"))
    assert float(service["stop_grace_period"].removesuffix("s")) > settings.drain_s
    args = options(service["command"])
    assert args.token_file
    assert args.tls_cert
    mounted = {volume.split(":")[1] for volume in service["volumes"]}
    wanted = {str(path) for path in (args.config, args.token_file, args.tls_cert, args.tls_key)}
    assert wanted == mounted


def test_the_kubernetes_example_probes_and_drains():
    text = (DEPLOY / "kubernetes.yaml").read_text("utf-8")
    config, deployment, service = yaml.safe_load_all(text)
    settings = settings_of(config["data"]["serve.yaml"])
    pod = deployment["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > settings.drain_s
    (container,) = pod["containers"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/ready"
    assert container["livenessProbe"]["httpGet"]["path"] == "/health"
    assert options(container["args"]).insecure
    startup = container["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= settings.engine.start_s
    (port,) = container["ports"]
    assert service["spec"]["ports"][0]["targetPort"] == port["name"]
    names = {volume["name"] for volume in pod["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == names


def test_the_image_starts_what_there_is():
    lines = (DEPLOY / "Dockerfile").read_text("utf-8").splitlines()
    (command,) = [line for line in lines if line.startswith("CMD")]
    args = options(yaml.safe_load(command.removeprefix("CMD ")))
    assert args.token_file
    assert any(line == "USER 10001" for line in lines)


@pytest.mark.parametrize("file", ["serve.yaml", "compose.yaml", "kubernetes.yaml", "Dockerfile"])
def test_an_example_names_no_machine_of_anyones(file):
    text = (DEPLOY / file).read_text("utf-8")
    hosts = {"127.0.0.1", "0.0.0.0", "talks.example"}
    urls = [part for part in text.replace("'", " ").split() if "://" in part]
    assert all(any(host in url for host in hosts) for url in urls)
