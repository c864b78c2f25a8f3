"""What the server allows. Every limit of a session is published in its first message."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from earvoice.config import Config, Count, Positive, Share

RATES_HZ = (8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
ENCODINGS = ("s16le", "f32le")
MAX_CHANNELS = 2


class Limits(Config):
    """Bounds of one session, as the first message says them."""

    max_message_bytes: Count = 262_144
    """A larger message closes the connection with 1009 before it is read whole."""
    max_frame_s: Positive = 10.0
    """Audio in one binary message."""
    max_lag_s: Annotated[float, Field(ge=2.0)] = 30.0
    """Audio received and not yet processed; above it the server stops reading the socket. Less
    than 2 s could be less than a model waits for before its next step."""
    idle_s: Positive = 30.0
    """Without audio and ping."""
    max_session_s: Positive = 14_400.0
    resume_window_s: Positive = 60.0
    """How long a session waits for its client after a broken connection."""
    write_stall_s: Positive = 30.0
    """A client that does not read for so long is disconnected."""
    max_kept_events: Count = 20_000
    """Events kept for a resume; without acks older ones are dropped once sent."""
    max_control_per_s: Count = 20


class EngineSettings(Config):
    """How sessions share the models."""

    max_batch: Count = 64
    """Sessions in one step; 1 serves them one at a time."""
    snapshot_s: Positive = 15.0
    """Audio between two snapshots of a session, which bound what a new engine must hear again."""
    replay_s: Positive = 300.0
    """Audio kept where a model gives no snapshots; a longer session ends with its engine."""
    hang_s: Positive = 30.0
    """An engine that does not answer for so long is killed and replaced."""
    start_s: Positive = 120.0
    """How long an engine may take to load its models."""


class RoomSettings(Config):
    """Rooms and their audiences."""

    max_rooms: Count = 32
    max_viewers: Count = 2000
    """Of all rooms; they do not count as connections of an address."""
    max_captions: Count = 20_000
    """Kept of every text for those who come late; the oldest go first."""
    keep_s: Positive = 900.0
    """How long a room without a speaker is kept, with what was said in it."""


class RaySettings(Config):
    """Replicas of the engine on a Ray cluster, with `earvoice serve --ray`."""

    address: str | None = None
    """The cluster: `auto`, `local` or HOST:PORT; without it the one this machine is in, or a
    new one of this machine alone."""
    app: str = "earvoice"
    """The application's name in the cluster; of two servers in one cluster each has its own."""
    host: str | None = None
    """How replicas reach this machine; without it as Ray does, in a cluster of its own by
    127.0.0.1."""
    port: Annotated[int, Field(ge=0, le=65_535)] = 0
    """Where replicas are waited for; 0: any free one."""
    replicas: Count = 2
    """At first, and at least."""
    max_replicas: Count = 8
    cpus: Share = 1.0
    """Of every replica."""
    gpus: Share = 0.0
    scale_lag_s: Positive = 2.0
    """Another replica while the sessions of one lag so far behind."""
    scale_up_s: Share = 10.0
    """How long they must, each time."""
    scale_down_s: Share = 300.0
    """How long one replica fewer must have been enough."""

    @model_validator(mode="after")
    def _check(self) -> RaySettings:
        if self.max_replicas < self.replicas:
            raise ValueError(
                f"max_replicas is {self.max_replicas}, it must be replicas or more, "
                f"which is {self.replicas}"
            )
        return self


class ServeSettings(Config):
    """The server. `earvoice serve --config FILE` reads it from YAML."""

    max_sessions: Count = 64
    admit_lag_s: Positive = 5.0
    """No new session while the median lag of the others is above this, counted only as far as real
    time would have had them heard."""
    ack_s: Positive = 0.5
    """How often received samples and lag are told."""
    drain_s: Share = 30.0
    """After SIGTERM sessions have so long to end."""
    handshake_s: Positive = 10.0
    """From the open connection to its first message."""
    max_connections_per_address: Count = 256
    origins: tuple[str, ...] = ()
    """Origins of pages allowed besides the server's own."""
    max_upload_bytes: Count = 26_214_400
    """Of a file for `/v1/audio/...`."""
    speech_chunk_s: Positive = 0.96
    """What simulstream's HTTP processor is asked to be given at once."""
    public_url: str | None = None
    """How an audience reaches this server, such as `https://talks.example`; for its links."""
    rooms: RoomSettings = RoomSettings()
    limits: Limits = Limits()
    engine: EngineSettings = EngineSettings()
    ray: RaySettings = RaySettings()
