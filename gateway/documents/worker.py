"""Documents for the API: a child process makes them, one at a time.

To lay out the pages takes seconds of computing, which must not delay the live feed, and some 300 MB, which the child
gives back when it ends. To load the libraries takes as long as to make a dossier, so a child stays for the next job.
It ends if no job comes for five minutes, or after a number of jobs, which bounds its memory.
"""

import asyncio
import gc
import os
import signal
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress

import msgspec
from msgspec import Struct

from gateway.documents.errors import DocumentError
from gateway.errors import GatewayError
from gateway.system.child_process import make_parent_death_hook

LENGTH_BYTES = 8  # before a job and before an answer: the number of its bytes, big-endian
_MAKE_SECONDS = 120.0  # until a child is killed
_WAIT_SECONDS = 60.0  # that a request waits for the document before it
_IDLE_SECONDS = 300.0  # until a child without a job ends
_MAX_JOBS = 20  # of one child
_MAX_ANSWER_BYTES = 1 << 30
_ERROR_LINES = 5  # of a child that remain in memory


class DocumentAnswer(Struct, frozen=True, kw_only=True):
    """Answer of the child: a file with its name, or why it cannot be made."""

    file_name: str = ""
    content: bytes = b""
    error: str = ""


class DocumentWorker:
    """Makes documents in a child process of one module, such as `gateway.dossier`; `noun`: what it makes."""

    def __init__(self, module: str, noun: str) -> None:
        self._module, self._noun = module, noun
        self._turn = asyncio.Lock()
        self._child: _Child | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._ending: set[asyncio.Task[None]] = set()

    async def make(self, job: bytes) -> DocumentAnswer:
        """Return the answer to a job. Raises DocumentError if it cannot be made, or if others take too long."""
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                await self._turn.acquire()
        except TimeoutError:
            raise DocumentError(f"other {self._noun}s are being made; try again in a minute") from None
        try:
            return await self._make(job)
        finally:
            self._turn.release()

    async def aclose(self) -> None:
        """End the child."""
        self._stop_timer()
        child, self._child = self._child, None
        if child is not None:
            await child.aclose()
        await asyncio.gather(*self._ending)

    async def _make(self, job: bytes) -> DocumentAnswer:
        self._stop_timer()
        child, self._child = self._child, None
        if child is None or not child.is_usable:
            if child is not None:
                await child.aclose()
            child = await _Child.start(self._module)
        try:
            async with asyncio.timeout(_MAKE_SECONDS):
                answer = await child.ask(job)
        except BaseException as error:
            await child.aclose()
            if isinstance(error, TimeoutError):
                raise DocumentError(f"the {self._noun} was not ready after {_MAKE_SECONDS:.0f} s") from None
            raise
        self._child = child
        self._idle_timer = asyncio.get_running_loop().call_later(_IDLE_SECONDS, self._end_idle_child)
        if answer.error:
            raise DocumentError(answer.error)
        return answer

    def _end_idle_child(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            task = asyncio.create_task(child.aclose())
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    def _stop_timer(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None


class _Child:
    """A process that answers jobs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process, self._jobs = process, 0
        self._errors: deque[str] = deque(maxlen=_ERROR_LINES)
        self._error_reader = asyncio.create_task(self._read_errors())

    @classmethod
    async def start(cls, module: str) -> "_Child":
        """Start the process in a separate session, so that its children end with it."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            preexec_fn=make_parent_death_hook(os.getpid()),
            start_new_session=True,
        )
        return cls(process)

    @property
    def is_usable(self) -> bool:
        """Whether it runs and may get another job."""
        return self._process.returncode is None and self._jobs < _MAX_JOBS

    async def ask(self, job: bytes) -> DocumentAnswer:
        """Give it a job and wait for the answer. Raises DocumentError with its last line if it ends instead."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise DocumentError("the program that makes it has no pipes")
        self._jobs += 1
        with suppress(ConnectionError):  # it has ended: the answer below is missing, too
            stdin.write(len(job).to_bytes(LENGTH_BYTES, "big") + job)
            await stdin.drain()
        try:
            length = int.from_bytes(await stdout.readexactly(LENGTH_BYTES), "big")
            if length > _MAX_ANSWER_BYTES:
                raise DocumentError(f"the document has {length} bytes, more than {_MAX_ANSWER_BYTES}")
            content = await stdout.readexactly(length)
        except asyncio.IncompleteReadError:
            await self._process.wait()
            await self._error_reader
            reason = f"the program that makes it ended with {self._process.returncode}"
            raise DocumentError(self._errors[-1] if self._errors else reason) from None
        return msgspec.msgpack.decode(content, type=DocumentAnswer)

    async def aclose(self) -> None:
        """End it at once, with every process that holds its pipes."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        await self._error_reader
        if self._process.stdin is not None:
            self._process.stdin.close()

    async def _read_errors(self) -> None:
        """Read the pipe, so that it never fills; the last lines are the reason of an end."""
        if self._process.stderr is not None:
            async for line in self._process.stderr:
                if text := line.decode(errors="replace").strip():
                    self._errors.append(text)


def answer_jobs(make: Callable[[bytes], DocumentAnswer]) -> int:
    """Answer every job from standard input; return the exit code. The child's `__main__` calls it.

    It ends when its input does. A document that cannot be made is an answer with one sentence.
    """
    gc.freeze()
    while length := sys.stdin.buffer.read(LENGTH_BYTES):
        job = sys.stdin.buffer.read(int.from_bytes(length, "big"))
        gc.disable()  # a dossier is a million objects that live until its end
        answer = msgspec.msgpack.encode(_answer(make, job))
        sys.stdout.buffer.write(len(answer).to_bytes(LENGTH_BYTES, "big") + answer)
        sys.stdout.buffer.flush()
        del answer
        gc.collect()
    return 0


def _answer(make: Callable[[bytes], DocumentAnswer], job: bytes) -> DocumentAnswer:
    try:
        return make(job)
    except GatewayError as error:
        return DocumentAnswer(error=str(error))
