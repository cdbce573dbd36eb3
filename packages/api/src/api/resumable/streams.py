"""Streams that a reader may come back to, and say what it has seen.

An `EventSource` comes back by itself after seconds, and is waited for; for any other reader the
gateway call is closed within one.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from api.resumable.live_stream import LiveStream
from api.resumable.registry import RemoteStream, SharedStreams, StreamRegistry
from api.streaming.open import Blocks, StreamRequest, UnresumableStream
from chassis.admission import Admission
from chassis.errors import Draining
from chassis.http.disconnect import wait_until_disconnect


class ResumableStreams:
    """See `Streams`.

    Args:
        registry: the streams of this process.
        admission: says when streams have to end.
        shared: those of all replicas, where there are several.
    """

    def __init__(
        self, registry: StreamRegistry, admission: Admission, shared: SharedStreams | None = None
    ) -> None:
        self._registry = registry
        self._admission = admission
        self._shared = shared
        admission.when_grace_is_over(
            lambda: registry.stop(Draining("the grace of the shutdown is over"))
        )

    @property
    def running(self) -> int:
        """See `Streams.running`."""
        return self._registry.running

    @asynccontextmanager
    async def opened(self, asked: StreamRequest) -> AsyncGenerator[Blocks]:
        """See `Streams.opened`."""
        after = asked.seen or 0
        found = await self._find(asked, after)
        if isinstance(found, RemoteStream) and self._shared is not None:
            with self._admission.admitted():
                ends = self._admission.grace_is_over
                yield self._shared.follow(found.run, after, asked.trace, ends)
            return
        stream = found if isinstance(found, LiveStream) else self._start(asked)
        with stream.read() as reader:
            await wait_until_disconnect(
                asked.request, self._admission, stream.opened, patience=asked.patience
            )
            if stream.error is not None and not stream.has_begun and not stream.was_sent:
                raise stream.error
            stream.was_sent = True
            reader.linger = asked.linger
            yield stream.follow(after)

    async def aclose(self) -> None:
        """See `Streams.aclose`."""
        await self._registry.aclose()

    async def _find(self, asked: StreamRequest, after: int) -> LiveStream | RemoteStream | None:
        """The one stream, of all replicas, that is meant and goes on after this event.

        Raises:
            IdempotencyKeyReused: the stream of this name has another body.
        """
        if asked.seen is None and not asked.has_name:
            return None
        remote: list[RemoteStream] = []
        if self._shared is not None:
            remote = await self._shared.find(asked.key, after)
        # What is known here is looked at last: another request may have begun it in the meantime.
        known = self._registry.of(asked.key)
        runs = {one.run for one in known}
        meant: list[LiveStream | RemoteStream] = [
            *(one for one in known if one.may_be_meant(after)),
            *(one for one in remote if one.run not in runs),
        ]
        return meant[0] if len(meant) == 1 and meant[0].is_kept_from(after) else None

    def _start(self, asked: StreamRequest) -> LiveStream:
        """
        Raises:
            UnresumableStream: a new, paid call is not what a client that comes back asks for.
        """
        if asked.seen is not None:
            raise UnresumableStream
        stream = self._registry.start(asked.key, asked.events, asked.trace)
        if self._shared is not None:
            self._shared.share(stream)
        return stream
