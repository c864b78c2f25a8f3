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

_APP = "earvoice"
_POLICY = "earvoice.serve.cluster.scaling:LagPolicy"
_LOOPBACK = "127.0.0.1"
_HEALTH_S = 2.0

Load = Callable[[], Mapping[str, ServedModel]]


class RayLauncher:
    """See `replicas.Launcher`. `load` must be importable on every machine of the cluster."""

    def __init__(self, load: Load, settings: ServeSettings) -> None:
        self._load = load
        self._ray: RaySettings = settings.ray
        self._engine = settings.engine
        self._own = False  # the cluster was started here and ends with this process

    def begin(self) -> str:
        """Join the cluster, or start one of this machine. Errors: `EngineError`."""
        common: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
        address = self._ray.address
        try:
            self._own = not self._join(address or "auto", common, must=address is not None)
            if self._own:
                ray.init("local", include_dashboard=False, **common)
            serve.start(proxy_location="Disabled")
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            raise EngineError(f"Ray cannot be used: {_first_line(error)}") from error
        if self._ray.host is not None:
            return self._ray.host
        return _LOOPBACK if self._own else ray.util.get_node_ip_address()

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
            look_back_period_s=10.0,
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
        target = serve.RunTarget(application, name=_APP, route_prefix=None)
        try:
            serve.run_many([target], wait_for_applications_running=False)
        except (RayError, RayServeException, RuntimeError) as error:
            raise EngineError(f"Ray Serve refused: {_first_line(error)}") from error

    def trouble(self) -> str:
        """What Ray Serve says of the application."""
        status = serve.status().applications.get(_APP)
        if status is None:
            return "Ray Serve has no such application"
        said = [status.message, *(one.message for one in status.deployments.values())]
        return " ".join(" ".join(filter(None, said)).split()) or f"it is {status.status}"

    def end(self) -> None:
        """Take the replicas away, and the cluster if it is this server's own."""
        if not ray.is_initialized():
            return
        try:
            if not self._own:
                serve.delete(_APP)
        finally:
            ray.shutdown()

    def _join(self, address: str, common: Mapping[str, Any], *, must: bool) -> bool:
        """Whether there is a cluster and this process is in it now."""
        if address == "local":
            return False
        try:
            ray.init(address, **common)
        except ConnectionError:
            if must:
                raise
            return False
        return True


def ray_replicas(load: Load, settings: ServeSettings) -> Connect:
    """What a server is given in place of an engine's command."""

    def connect(owner: Owner) -> Replicas:
        launcher = RayLauncher(load, settings)
        return Replicas(launcher, settings.engine, owner, settings.ray.port)

    return connect


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
