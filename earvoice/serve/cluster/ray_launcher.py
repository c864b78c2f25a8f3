"""Ray Serve as the launcher of replicas. The only file that imports Ray; `--ray` imports it.

Ray Serve decides on which machine a replica runs, starts another for one that died, and how many
there are. Its proxies are not used: what goes over them would be a request each, and a session is
a stream for hours.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from typing import Any

# Read when Ray is imported: nothing of this server is told to anyone.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve.config import AutoscalingConfig, AutoscalingPolicy
from ray.serve.exceptions import RayServeException

from earvoice.serve.cluster.replica import Dial, Replica
from earvoice.serve.cluster.replicas import Replicas
from earvoice.serve.engine import ServedModel
from earvoice.serve.engines import Connect, Owner
from earvoice.serve.line import EngineError
from earvoice.serve.settings import RaySettings, ServeSettings
from earvoice.units import Seconds

_POLICY = "earvoice.serve.cluster.scaling:LagPolicy"
_LOOPBACK = "127.0.0.1"
_MAX_LETTERS = 400
"""Of what Ray Serve says of a failure; the cause comes last."""
_HEALTH_S: Seconds = 2.0
_LOOK_BACK_S: Seconds = 15.0
"""Lag is averaged over so long; replicas tell Ray Serve every 10 s."""

Load = Callable[[], Mapping[str, ServedModel]]


class RayLauncher:
    """See `replicas.Launcher`. `load` must be importable on every machine of the cluster.

    To be made in the main thread before a server takes the signals, because Ray takes them too.
    Joins a cluster, or starts one of this machine. Errors: `EngineError`.
    """

    def __init__(self, load: Load, settings: ServeSettings) -> None:
        self._load = load
        self._ray: RaySettings = settings.ray
        self._engine = settings.engine
        try:
            self._own = _join(self._ray.address)  # ends with this process
            serve.start(proxy_location="Disabled")
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            raise EngineError(f"Ray cannot be used: {_first_line(error)}") from error
        reached = _LOOPBACK if self._own else ray.util.get_node_ip_address()
        self.host: str = self._ray.host or reached

    def deploy(self, dial: Dial) -> None:
        """One application with the replicas; in place of one that an earlier server left."""
        policy = AutoscalingPolicy(
            policy_function=_POLICY, policy_kwargs={"scale_lag_s": self._ray.scale_lag_s}
        )
        scaling = AutoscalingConfig(
            min_replicas=self._ray.replicas,
            initial_replicas=self._ray.replicas,
            max_replicas=self._ray.max_replicas,
            upscale_delay_s=self._ray.scale_up_s,
            downscale_delay_s=self._ray.scale_down_s,
            look_back_period_s=_LOOK_BACK_S,
            policy=policy,
        )
        deployment = serve.deployment(
            name="engine",
            autoscaling_config=scaling,
            ray_actor_options={"num_cpus": self._ray.cpus, "num_gpus": self._ray.gpus},
            health_check_period_s=_HEALTH_S,
            health_check_timeout_s=self._engine.hang_s,
            graceful_shutdown_timeout_s=1.0,
            graceful_shutdown_wait_loop_s=0.1,
        )(Replica)
        application = deployment.bind(self._load, self._engine.model_dump_json(), dial)
        target = serve.RunTarget(application, name=self._ray.app, route_prefix=None)
        try:
            serve.run_many([target], wait_for_applications_running=False)
        except (RayError, RayServeException, RuntimeError) as error:
            raise EngineError(f"Ray Serve refused: {_first_line(error)}") from error

    def trouble(self) -> str:
        """What Ray Serve says of the application."""
        status = serve.status().applications.get(self._ray.app)
        if status is None:
            return "Ray Serve has no such application"
        said = [status.message, *(one.message for one in status.deployments.values())]
        words = " ".join(" ".join(filter(None, said)).split())
        return words[-_MAX_LETTERS:] or f"the application is {status.status}"

    def end(self) -> None:
        """Take the replicas away, and the cluster if it is this server's own."""
        if not ray.is_initialized():
            return
        try:
            if not self._own:
                serve.delete(self._ray.app)
        finally:
            ray.shutdown()


def ray_replicas(load: Load, settings: ServeSettings) -> Connect:
    """What a server is given in place of an engine's command. Errors: `EngineError`."""
    launcher = RayLauncher(load, settings)

    def connect(owner: Owner) -> Replicas:
        return Replicas(launcher, settings.engine, owner, settings.ray.port)

    return connect


def _join(address: str | None) -> bool:
    """Join a cluster. Returns whether it was started here. Errors: those of Ray."""
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address != "local":
        try:
            ray.init(address or "auto", **quiet)
            return False
        except ConnectionError:
            if address is not None:
                raise
    ray.init("local", include_dashboard=False, **quiet)
    return True


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
