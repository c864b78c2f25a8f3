"""Sessions on several engines: pinned, moved when one dies or joins, and never out of step."""

import asyncio
import contextlib
import os
import signal
import socket
import time

import pytest

from earvoice.audio import Audio
from earvoice.serve.client import Client, ServerError
from earvoice.serve.cluster.replica import SECRET_BYTES, Dial, Replica, ReplicaError
from earvoice.serve.cluster.replicas import Replicas
from earvoice.serve.frames import FrameReader, pack_audio
from earvoice.serve.line import EngineError
from earvoice.serve.live import LiveSession
from earvoice.serve.protocol import Start
from earvoice.serve.settings import EngineSettings, ServeSettings
from earvoice.serve.wire import Message
from tests.serve.fake_engine import served
from tests.serve.replica_process import Launcher
from tests.serve.running import (
    collect,
    expected,
    paced,
    packets,
    running,
    sound,
    text_of,
)

ENGINE = EngineSettings(snapshot_s=0.5)


@contextlib.contextmanager
def on_replicas(count, **settings):
    """A server with so many replicas; `launcher` has their processes."""
    launcher = Launcher(count, ENGINE)
    with running(engines=lambda owner: Replicas(launcher, ENGINE, owner), **settings) as server:
        server.launcher, server.replicas = launcher, server.sessions.engine
        until(lambda: len(server.replicas.pids) == count)
        yield server


def until(condition, patience_s=20.0):
    deadline_s = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def sessions_of(server, pid):
    (found,) = [one for one in server.replicas._replicas if one.pid == pid]
    return set(found.sessions)


async def streams(server, sounds, model, disturb):
    """What each client was told, while something is done to the replicas in mid-stream."""
    done = asyncio.Event()

    async def audio(samples):
        cut = packets(samples)
        async for packet in paced(cut[: len(cut) // 2], 0.06):
            yield packet
        await done.wait()
        async for packet in paced(cut[len(cut) // 2 :], 0.01):
            yield packet

    async def disturbed():
        await asyncio.to_thread(disturb)
        done.set()

    clients = [Client(server.url, start=Start(model=model)) for _ in sounds]
    said = [
        collect(client, audio(samples)) for client, samples in zip(clients, sounds, strict=True)
    ]
    *said, _ = await asyncio.gather(*said, disturbed())
    return said, clients


def check(said, clients, sounds, model):
    for stamped, client, samples in zip(said, clients, sounds, strict=True):
        assert text_of(item.event for item in stamped) == text_of(expected(samples, model))
        assert client.counts.lost_events == client.counts.repeated_events == 0
        assert client.counts.reconnects == 0


def test_a_killed_replica_s_sessions_go_on_on_the_other():
    sounds = [sound(2.5, seed=n) for n in range(8)]
    with on_replicas(2) as server:
        shares = []

        def kill():
            until(lambda: len(server.replicas._home) == len(sounds))
            time.sleep(0.5)
            doomed, other = server.replicas.pids
            shares.append((len(sessions_of(server, doomed)), len(sessions_of(server, other))))
            os.kill(doomed, signal.SIGKILL)
            until(lambda: len(sessions_of(server, other)) == len(sounds))

        said, clients = asyncio.run(streams(server, sounds, "drafts", kill))
        assert shares == [(4, 4)]
        assert not server.replicas._home  # nothing is kept of sessions that are over
    check(said, clients, sounds, "drafts")


def test_a_replica_that_joins_is_given_its_share():
    sounds = [sound(2.5, seed=n) for n in range(6)]
    with on_replicas(1) as server:

        def join():
            until(lambda: len(server.replicas._home) == len(sounds))
            server.launcher.add()
            until(lambda: len(server.replicas.pids) == 2)
            first, second = server.replicas.pids
            until(lambda: len(sessions_of(server, second)) == 3)
            assert len(sessions_of(server, first)) == 3

        said, clients = asyncio.run(streams(server, sounds, "plain", join))
    check(said, clients, sounds, "plain")


def test_sessions_that_could_not_be_rebuilt_cheaply_stay_where_they_are():
    sounds = [sound(3.0, seed=n) for n in range(2)]
    with on_replicas(1) as server:

        def join():
            until(lambda: len(server.sessions.live) == len(sounds))
            until(lambda: all(session.heard_s > 1.1 for session in server.sessions.live))
            server.launcher.add()
            until(lambda: len(server.replicas.pids) == 2)
            time.sleep(0.2)
            assert not sessions_of(server, server.replicas.pids[1])

        said, clients = asyncio.run(streams(server, sounds, "forgetful", join))
    check(said, clients, sounds, "forgetful")


def test_without_any_replica_sessions_wait_for_the_next():
    sounds = [sound(2.0, seed=n) for n in range(3)]
    with on_replicas(1) as server:

        def replace():
            until(lambda: len(server.replicas._home) == len(sounds))
            time.sleep(0.3)
            os.kill(server.replicas.pids[0], signal.SIGKILL)
            until(lambda: not server.replicas.up)
            time.sleep(0.3)
            server.launcher.add()

        said, clients = asyncio.run(streams(server, sounds, "plain", replace))
    check(said, clients, sounds, "plain")


def test_a_replica_that_hangs_is_given_up():
    sounds = [sound(3.0, seed=n) for n in range(4)]
    engine = EngineSettings(snapshot_s=0.5, hang_s=1.5)
    launcher = Launcher(2, engine)
    with running(
        engines=lambda owner: Replicas(launcher, engine, owner), engine={"hang_s": 1.5}
    ) as server:
        server.replicas = server.sessions.engine
        until(lambda: len(server.replicas.pids) == 2)

        def stop():
            until(lambda: len(server.replicas._home) == len(sounds))
            time.sleep(0.3)
            hung = server.replicas.pids[0]
            os.kill(hung, signal.SIGSTOP)
            until(lambda: hung not in server.replicas.pids)

        said, clients = asyncio.run(streams(server, sounds, "plain", stop))
    check(said, clients, sounds, "plain")


def test_a_model_that_fails_ends_its_session_only_and_is_forgotten():
    with on_replicas(2) as server:

        async def run():
            start = Start(model="failing")
            return await asyncio.gather(
                collect(Client(server.url, start=start), packets(sound(0.5) + 0.95)),
                collect(Client(server.url, start=start), paced(packets(sound(1)), 0.02)),
                return_exceptions=True,
            )

        bad, good = asyncio.run(run())
        assert isinstance(bad, ServerError)
        assert bad.code == "model_error"
        assert text_of(item.event for item in good) == text_of(expected(sound(1)))
        assert not server.replicas._home


def test_who_does_not_know_the_secret_is_no_replica():
    with on_replicas(1) as server:
        dial = server.launcher.dial
        for greeting in (b"", b"x" * 10, b"x" * 68, b"\0" * 5000, dial.secret.encode()[:-1] + b"!"):
            with socket.create_connection((dial.host, dial.port)) as stranger:
                stranger.sendall(greeting)
                stranger.shutdown(socket.SHUT_WR)
                stranger.settimeout(10)
                with contextlib.suppress(ConnectionResetError):
                    assert stranger.recv(1) == b""
        assert len(server.replicas.pids) == 1
        assert dial.secret not in repr(dial)


def test_none_that_comes_up_is_an_error_that_says_why():
    class Nobody:
        def engine_up(self, sessions):
            pass

    launcher = Launcher(0, ENGINE)
    replicas = Replicas(launcher, EngineSettings(start_s=0.1), Nobody())
    with pytest.raises(EngineError, match="none was started"):
        asyncio.run(replicas.start())


class Idle(Replica):
    """One whose engine does nothing, so that its end does not end this process."""

    def _serve(self, models, settings):
        pass


def test_a_replica_is_healthy_while_it_is_connected():
    with socket.create_server(("127.0.0.1", 0)) as waiting:
        dial = Dial("127.0.0.1", waiting.getsockname()[1], "s" * SECRET_BYTES)
        replica = Idle(served, "{}", dial)
        there, _ = waiting.accept()
        with there:
            assert there.recv(100) == b"s" * SECRET_BYTES + os.getpid().to_bytes(4)
            replica.check_health()
            assert replica.record_autoscaling_stats() == {"lag_s": 0.0, "busy": 0.0}
    until(lambda: replica._sock.recv(1) == b"")
    for _ in range(3):
        with pytest.raises(ReplicaError, match="hung up"):
            replica.check_health()
    replica._sock.close()


def test_a_snapshot_older_than_what_is_kept_is_passed_over():
    sent = []
    reader = FrameReader("f32le", 16_000, 1)
    session = LiveSession(1, "plain", {}, reader, ServeSettings(), sent.append, 0.0)
    for number in range(3):
        session.hear(pack_audio(1600 * number, Audio.of(sound(0.1))))
    for items, body in ((2, b"new"), (1, b"of a replica it has left")):
        place = {"items": items, "index": items, "fed": 1600 * items}
        session.saved(Message("snapshot", 1, place, body))
    sent.clear()
    session.open()
    assert [message.kind for message in sent] == ["open", "audio"]
    assert sent[0].body == b"new"
