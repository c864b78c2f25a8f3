"""Whose turn it is: many sessions, few models, steps in batches.

    inbox of a session   [audio][audio][update][audio][finish]
                          fed at once    ^ waits until what came before is processed

so an update takes effect at the same sample whether the machine is fast or slow, and a session
that is fed again after a fault says the same again.

Fairness. Who is furthest behind real time goes first; a recording that is fed faster than it is
spoken is ahead of real time and waits for those who speak. A step takes every session of one
model that is ready, at most `max_batch`; the models take turns by the same measure. The ends of
streams, which cannot be computed together, take turns with the batches: one after each.
"""

from __future__ import annotations

import contextlib
import statistics
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from earvoice.agent.glossary import Entry, Glossary
from earvoice.audio import Audio
from earvoice.errors import EarvoiceError, UsageError
from earvoice.events import Event, Finished
from earvoice.policies import PolicySpec
from earvoice.policies.choice import choose_policy
from earvoice.serve.settings import EngineSettings
from earvoice.session import Interpreter, Request, Resumable, Session, Sharing
from earvoice.units import SAMPLE_RATE, Samples, Seconds

ItemKind = Literal["audio", "update", "mark", "finish"]


@dataclass(frozen=True)
class Item:
    """One thing a client did. `audio`: float32 [W] at 16 kHz; `changes`: of an update.

    `mark`: a number that comes back when all before it is processed.
    """

    kind: ItemKind
    audio: Any = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    mark: int = 0


@dataclass(frozen=True)
class Snapshot:
    """A session up to its first `items` items and `index` events."""

    items: int
    index: int
    fed: Samples
    data: bytes


@dataclass(frozen=True)
class Output:
    """What a step did to one session.

    `index`: number of the first event within its session; `done_s`: audio processed.
    `error`: the session is over (`refused`: by its own request). `update_error`: it goes on.
    `rebuild`: it was in a batch that failed and has to be opened anew, from its last snapshot.
    `mark`: of the item of that kind.
    """

    session: int
    index: int = 0
    events: tuple[Event, ...] = ()
    done_s: Seconds = 0.0
    snapshot: Snapshot | None = None
    error: str | None = None
    refused: bool = False
    update_error: str | None = None
    rebuild: bool = False
    mark: int | None = None


@dataclass
class _Task:
    number: int
    model: str
    session: Session
    opened_s: Seconds
    began_s: Seconds  # audio already processed when it was opened here
    speaker: int | None  # number that sessions of the same audio have in common
    fed: Samples = 0
    items: int = 0
    index: int = 0
    saved: Samples = 0
    ready: bool = False
    alone: bool = False  # until it has caught up: one of a batch that failed
    inbox: deque[Item] = field(default_factory=deque)

    @property
    def done_s(self) -> Seconds:
        return max(0.0, self.fed / SAMPLE_RATE - self.session.lag_s)

    @property
    def ending(self) -> bool:
        """Whether nothing is left but the end."""
        return not self.ready and bool(self.inbox) and self.inbox[0].kind == "finish"

    def behind_s(self, now_s: Seconds) -> Seconds:
        """How far it is behind what real time has had it hear; negative if ahead."""
        return (now_s - self.opened_s) - (self.done_s - self.began_s)


class Scheduler:
    """Sessions of several models. Not thread-safe; `clock` gives seconds that never go back.

    `own`: the models' own policies; what a client's policy leaves out is as in its model's.
    `trying` is told the session that is computed alone next, and 0 after it: who it was if the
    process dies of it. It is told from the first session on that is opened to be `alone`.
    """

    def __init__(
        self,
        models: Mapping[str, Interpreter],
        settings: EngineSettings,
        clock: Callable[[], Seconds],
        own: Mapping[str, PolicySpec | None] | None = None,
        trying: Callable[[int], None] | None = None,
    ) -> None:
        self._models = models
        self._own = own or {}
        self._trying = trying
        self._careful = False
        self._settings = settings
        self._clock = clock
        self._tasks: dict[int, _Task] = {}
        self.last_batch = 0

    @property
    def busy(self) -> bool:
        """Whether `step` has something to do."""
        return any(task.ready or task.inbox for task in self._tasks.values())

    @property
    def lag_s(self) -> Seconds:
        """The median lag, counted only as far as real time would have had it heard.

        So neither a recording that is fed faster than it is spoken nor a silent client counts.
        """
        now_s = self._clock()
        lags = [
            max(0.0, min(task.session.lag_s, task.behind_s(now_s))) for task in self._tasks.values()
        ]
        return statistics.median(lags) if lags else 0.0

    def open(
        self,
        number: int,
        model: str,
        request: Mapping[str, Any],
        snapshot: Snapshot | None = None,
        *,
        alone: bool = False,
        speaker: int | None = None,
    ) -> Output:
        """Begin a session, or go on with one from where a snapshot was taken.

        `alone`: in no batch until it has caught up, because it was in one that failed.
        `speaker`: sessions of one model that say the same one here are fed the same audio; it is
        encoded once for them, where the model can.
        """
        self._careful = self._careful or alone
        try:
            interpreter = self._interpreter(model)
            asked = _request(request, self._own.get(model))
            if snapshot is None:
                session = interpreter.open(asked)
            elif isinstance(interpreter, Resumable):
                session = interpreter.restore(asked, snapshot.data)
            else:
                raise UsageError(f"model {model!r} takes no snapshots")
        except EarvoiceError as error:
            return Output(number, error=str(error), refused=True)
        except Exception as error:  # noqa: BLE001 - a model's fault must not end the others
            return Output(number, error=type(error).__name__)
        task = _Task(number, model, session, self._clock(), 0.0, speaker, alone=alone)
        if snapshot is not None:
            task.ready = True  # a chunk may have waited when it was saved
            task.fed = task.saved = snapshot.fed
            task.items, task.index = snapshot.items, snapshot.index
            task.began_s = task.done_s
        self._tasks[number] = task
        if speaker is not None and isinstance(interpreter, Sharing):
            interpreter.share(self._sessions_of(model, speaker))
        return Output(number, task.index, done_s=task.done_s)

    def add(self, number: int, item: Item) -> None:
        """Put an item into a session's inbox; nothing for a session that is over."""
        task = self._tasks.get(number)
        if task is not None:
            task.inbox.append(item)

    def close(self, number: int) -> None:
        """Drop a session."""
        self._tasks.pop(number, None)

    def step(self) -> list[Output]:
        """What sessions were told, then one batch of one model and the end of one stream."""
        outputs: list[Output] = []
        for task in list(self._tasks.values()):
            outputs += self._pull(task)
        return [*outputs, *self._batch(), *self._end()]

    @contextlib.contextmanager
    def _told(self, number: int) -> Iterator[None]:
        """While a session is computed alone (0: several are)."""
        if not number or not self._careful or self._trying is None:
            yield
            return
        self._trying(number)
        try:
            yield
        finally:
            self._trying(0)

    def _sessions_of(self, model: str, speaker: int) -> list[Session]:
        tasks = self._tasks.values()
        return [task.session for task in tasks if (task.model, task.speaker) == (model, speaker)]

    def _batch(self) -> list[Output]:
        ready = [task for task in self._tasks.values() if task.ready]
        self.last_batch = 0
        if not ready:
            return []
        now_s = self._clock()
        ready.sort(key=lambda task: -task.behind_s(now_s))
        first = ready[0]
        batch = [task for task in ready if task.model == first.model and not task.alone]
        batch = [first] if first.alone else batch[: self._settings.max_batch]
        self.last_batch = len(batch)
        with self._told(first.number if len(batch) == 1 else 0):
            return self._advance(self._models[first.model], batch)

    def _end(self) -> list[Output]:
        """Finish one stream that has nothing before its end, the one furthest behind."""
        ending = [task for task in self._tasks.values() if task.ending]
        if not ending:
            return []
        now_s = self._clock()
        task = max(ending, key=lambda task: task.behind_s(now_s))
        task.inbox.popleft()
        task.items += 1
        self.last_batch = max(1, self.last_batch)
        try:
            with self._told(task.number):
                return [self._said(task, task.session.finish())]
        except Exception as error:  # noqa: BLE001 - a model's fault must not end the others
            return [self._failed(task, error)]

    def _pull(self, task: _Task) -> list[Output]:
        """Feed what waits, up to an update or the end, which wait until it is processed."""
        outputs: list[Output] = []
        while task.inbox:
            item = task.inbox[0]
            if item.kind == "finish" or (item.kind != "audio" and task.ready):
                break
            task.inbox.popleft()
            task.items += 1
            try:
                outputs += self._take(task, item)
            except Exception as error:  # noqa: BLE001
                outputs.append(self._failed(task, error))
                break
        return outputs

    def _take(self, task: _Task, item: Item) -> list[Output]:
        if item.kind == "audio":
            samples = np.asarray(item.audio, dtype=np.float32)
            task.session.feed(Audio.of(samples))
            task.fed += samples.size
            task.ready = True
            return []
        if item.kind == "mark":
            return [Output(task.number, task.index, done_s=task.done_s, mark=item.mark)]
        try:
            changes = dict(item.changes)
            if "policy" in changes:
                changes["policy"] = choose_policy(self._own.get(task.model), changes["policy"])
            if "glossary" in changes:
                changes["glossary"] = _glossary(changes["glossary"])
            # One of which nothing is left was overtaken by the next; see `LiveSession`.
            return [self._said(task, task.session.update(**changes) if changes else [])]
        except EarvoiceError as error:
            return [Output(task.number, task.index, done_s=task.done_s, update_error=str(error))]

    def _advance(self, interpreter: Interpreter, batch: list[_Task]) -> list[Output]:
        before = [task.session.lag_s for task in batch]
        try:
            said = interpreter.advance([task.session for task in batch])
        except Exception as error:  # noqa: BLE001 - a model's fault must not end the others
            if len(batch) == 1:
                return [self._failed(batch[0], error)]
            # Whose fault it was shows when each is advanced alone; and none of them can be
            # trusted now, because the step broke off somewhere in the middle.
            for task in batch:
                self.close(task.number)
            return [Output(task.number, task.index, rebuild=True) for task in batch]
        outputs: list[Output] = []
        for task, lag_s, events in zip(batch, before, said, strict=True):
            task.ready = bool(events) or task.session.lag_s != lag_s
            task.alone = task.alone and task.ready
            if task.ready:
                outputs.append(self._said(task, events, self._snapshot_of(interpreter, task)))
        return outputs

    def _snapshot_of(self, interpreter: Interpreter, task: _Task) -> bool:
        due = task.fed - task.saved >= self._settings.snapshot_s * SAMPLE_RATE
        return due and isinstance(interpreter, Resumable)

    def _said(self, task: _Task, events: list[Event], snapshot: bool = False) -> Output:
        index = task.index
        task.index += len(events)
        taken: Snapshot | None = None
        if events and isinstance(events[-1], Finished):
            del self._tasks[task.number]
        elif snapshot:
            taken = self._save(task)
        return Output(task.number, index, tuple(events), task.done_s, taken)

    def _save(self, task: _Task) -> Snapshot | None:
        interpreter = self._models[task.model]
        if not isinstance(interpreter, Resumable):
            raise UsageError(f"model {task.model!r} takes no snapshots")
        task.saved = task.fed
        try:
            data = interpreter.save(task.session)
        except Exception:  # noqa: BLE001 - it is replayed instead, and nothing else is touched
            return None
        return Snapshot(task.items, task.index, task.fed, data)

    def _failed(self, task: _Task, error: Exception) -> Output:
        self.close(task.number)
        # Only the kind: the words of an exception may quote what was said.
        return Output(task.number, task.index, done_s=task.done_s, error=type(error).__name__)

    def _interpreter(self, model: str) -> Interpreter:
        if model not in self._models:
            raise UsageError(f"model is {model!r}, it must be one of {', '.join(self._models)}")
        return self._models[model]


def _request(options: Mapping[str, Any], own: PolicySpec | None) -> Request:
    policy = options.get("policy")
    return Request(
        src_lang=options["src_lang"],
        tgt_lang=options["tgt_lang"],
        policy=None if policy is None else choose_policy(own, policy),
        transcript=bool(options.get("transcript", False)),
        glossary=_glossary(options["glossary"]) if options.get("glossary") else None,
    )


def _glossary(pairs: Iterable[tuple[str, str]]) -> Glossary:
    return Glossary(Entry(source, target) for source, target in pairs)
