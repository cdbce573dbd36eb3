"""An MCP server that is a process of ours: what it is started with, its pipes, and its end.

Its end is that of its process group: nothing that it started outlives it.
"""

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client._transport import TransportStreams
from mcp.shared.message import SessionMessage
from mcp_types import INTERNAL_ERROR, ErrorData, JSONRPCError, jsonrpc_message_adapter

from chassis.logs import log
from runtime_mcp.upstreams.config import StdioServerConfig
from runtime_mcp.upstreams.stdio.lines import LONGEST, Line, Lines, OutputLog

READ_BYTES = 64 * 1024
AFTER_CLOSE_SECONDS = 2.0
AFTER_SIGTERM_SECONDS = 2.0
TOO_LARGE = object()
"""In place of an answer's data; nothing that comes over a pipe is this object."""


class ServerProcess:
    """
    Args:
        server: its name, for the log.
        environment: all that it gets.

    Attributes:
        ended: set when it writes no more.
        exit_reason: how it ended.
        lines_read: how many it wrote.
    """

    def __init__(
        self, server: str, config: StdioServerConfig, environment: Mapping[str, str]
    ) -> None:
        self._server = server
        self._config = config
        self._environment = environment
        self._output = OutputLog(server)
        self.ended = asyncio.Event()
        self.exit_reason = "it has not ended"
        self.lines_read = 0

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[TransportStreams]:
        """Its messages, while it runs.

        Raises:
            OSError: it cannot be started.
        """
        process = await asyncio.create_subprocess_exec(
            self._config.command,
            *self._config.args,
            env=dict(self._environment),
            cwd=self._config.cwd,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            start_new_session=True,
        )
        # Nothing is awaited between its start and this: what is cancelled there would leave it.
        try:
            received, reads = anyio.create_memory_object_stream[SessionMessage | Exception](0)
            writes, outgoing = anyio.create_memory_object_stream[SessionMessage](0)
            async with anyio.create_task_group() as tasks, received, reads, writes, outgoing:
                tasks.start_soon(self._read_stdout, process, received)
                tasks.start_soon(self._write_stdin, process, outgoing)
                tasks.start_soon(self._read_stderr, process)
                try:
                    yield reads, writes
                finally:
                    tasks.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await end(process)

    async def _read_stdout(
        self, process: Process, received: MemoryObjectSendStream[SessionMessage | Exception]
    ) -> None:
        lines = Lines(self._config.max_result_bytes)
        assert process.stdout is not None  # noqa: S101 - it is a PIPE
        try:
            while read := await process.stdout.read(READ_BYTES):
                for line in lines.of(read):
                    self.lines_read += 1
                    message = self._message(line)
                    if message is not None:
                        await received.send(message)
            # A process that closed its pipe ends in a moment. Its exit code is known before the
            # calls under way fail, for their error names it.
            await has_ended(process, 0.2)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            pass
        finally:
            code = process.returncode
            self.exit_reason = "it says no more" if code is None else f"exit code {code}"
            self.ended.set()
            received.close()

    def _message(self, line: Line) -> SessionMessage | None:
        if line.is_too_long:
            number = line.id_of_message()
            log.warning("upstream_line_too_large", server=self._server, answers=number)
            if number is None:
                return None
            wrong = ErrorData(code=INTERNAL_ERROR, message="too large", data=TOO_LARGE)
            return SessionMessage(JSONRPCError(jsonrpc="2.0", id=number, error=wrong))
        try:
            return SessionMessage(jsonrpc_message_adapter.validate_json(line.text, by_name=False))
        except ValueError:
            self._output.write(line.text)
            return None

    async def _write_stdin(
        self, process: Process, outgoing: MemoryObjectReceiveStream[SessionMessage]
    ) -> None:
        assert process.stdin is not None  # noqa: S101 - it is a PIPE
        with suppress(OSError):
            async for message in outgoing:
                text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
                process.stdin.write(text.encode() + b"\n")
                await process.stdin.drain()

    async def _read_stderr(self, process: Process) -> None:
        assert process.stderr is not None  # noqa: S101 - it is a PIPE
        lines = Lines(LONGEST)
        with suppress(OSError):
            while read := await process.stderr.read(READ_BYTES):
                for line in lines.of(read):
                    self._output.write(line.text)


async def end(process: Process) -> None:
    """Ends a process and all of its group: closes its input, then SIGTERM, then SIGKILL."""
    if process.stdin is not None:
        process.stdin.close()
    if not await has_ended(process, AFTER_CLOSE_SECONDS):
        signal_group(process, signal.SIGTERM)
        await has_ended(process, AFTER_SIGTERM_SECONDS)
    # What it started may be there without it.
    signal_group(process, signal.SIGKILL)
    await has_ended(process, AFTER_SIGTERM_SECONDS)
    # A grandchild in a group of its own may hold the pipes; asyncio has no other way to let go.
    transport = getattr(process, "_transport", None)
    if transport is not None:
        transport.close()


async def has_ended(process: Process, seconds: float) -> bool:
    """Not by `wait`, which waits for the pipes, too, and a child of the process may hold them."""
    deadline = asyncio.get_running_loop().time() + seconds
    while process.returncode is None:
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(0.01)
    return True


def signal_group(process: Process, signal_: signal.Signals) -> None:
    # The group is there as long as one of it is, and its number is that of the first.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal_)
