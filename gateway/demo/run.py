"""The demo: start everything in order, watch, stop everything in reverse order."""

import contextlib
import signal
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psycopg
from rich.console import Console
from rich.live import Live

from alerting.sql import load_queries
from alerting.subscriptions.push_message import create_vapid_key
from gateway.demo import config, live_world, nodes, public_log, reconciliation, stations, terminal
from gateway.demo.inspector_login import InspectorLogin, create_login
from gateway.demo.mailbox_page import MailboxPage
from gateway.demo.mobile_world import plan_mobile_worlds
from gateway.demo.past import Past
from gateway.demo.receivers import Mailbox, ReceivedNotification, Webhook
from gateway.demo.state import DemoState, load_state
from gateway.demo.world import StationWorld
from gateway.errors import StartError
from gateway.store.migrate import migrate
from gateway.system.child_process import Child, is_port_open
from gateway.system.embedded_servers import Broker, Postgres

_QUERIES = load_queries(Path(__file__).with_name("queries.sql"))
_HOST = "127.0.0.1"
_AGENT_RESTART_INTERVAL = 5.0  # s


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command line of `piekwacht demo`."""

    port: int = 8080
    nodes: int = 12
    speed: float = 1.0
    replay: Path | None = None
    data_dir: Path | None = None
    duration: float | None = None
    history_hours: float = 48.0
    seed: int = 20
    mobile: bool = False

    @property
    def live(self) -> bool:
        """Whether the simulation runs in real time, from now."""
        return self.replay is None and self.speed == 1


def run(options: Options) -> int:
    """Run until Ctrl-C or `duration`; then print the reconciliation as one line of JSON. Returns the exit code."""
    if is_port_open(_HOST, options.port):
        raise StartError(f"port {options.port} is in use: give another with --port")
    with open_folder(options.data_dir) as folder, ExitStack() as stack:
        demo = Demo(options, folder, stack)
        demo.start()
        demo.watch()
        result = demo.finish()
    print(result.to_json(), flush=True)  # noqa: T201 - the command's own output
    return 0 if result.lost == result.duplicates == 0 else 1


@contextlib.contextmanager
def open_folder(data_dir: Path | None) -> Iterator[Path]:
    """The demo's folder; without `data_dir` one that is removed afterwards. Raises StartError."""
    if data_dir is not None:
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StartError(f"cannot use {data_dir}: {error.strerror}; give another --data-dir") from None
        yield data_dir.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="piekwacht-demo-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # PostgreSQL runs as `nobody` if we are root
        yield Path(folder)


class Demo:
    """Everything that runs, in the order in which it was started.

    After `start`: `dsn` of the database, `mailbox_url` of the page with the mails, `login` of the inspector.
    """

    def __init__(self, options: Options, folder: Path, stack: ExitStack) -> None:
        self._options, self._folder, self._stack = options, folder, stack
        self._console = Console(stderr=True)
        self._stop_requested = threading.Event()
        self._received: list[ReceivedNotification] = []
        self._agents: dict[str, Child] = {}
        self._agent_restarts: dict[str, float] = {}  # earliest next one, monotonic seconds
        self._gateway: Child | None = None
        self.login: InspectorLogin | None = None

    def start(self) -> None:
        """Past, broker, database, schema, registry, mailbox, gateway, nodes."""
        for signal_number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signal_number, lambda *_: self._stop_requested.set())
        demo_stations = stations.choose_stations(self._options.nodes, self._options.replay)
        self._nodes = nodes.create_nodes(demo_stations, self._folder / "nodes")
        hours = self._options.history_hours if self._options.live else 0.0
        self._past = Past(self._folder, self._nodes, hours=hours, seed=self._options.seed)
        self._past.start(self._stack)
        mobile_worlds = plan_mobile_worlds() if self._options.mobile else []
        mobile_nodes = nodes.create_mobile_nodes([table for table, _ in mobile_worlds], self._folder / "nodes")
        self._print("starting broker and database ...")
        broker = self._stack.enter_context(Broker(self._folder))
        postgres = self._stack.enter_context(Postgres(self._folder))
        self.dsn = postgres.create_database("piekwacht")
        migrate(self.dsn)
        mailbox = self._stack.enter_context(Mailbox(self._received.append))
        self.mailbox_url = self._stack.enter_context(MailboxPage(lambda: list(self._received))).url
        webhook = self._stack.enter_context(Webhook(self._received.append))
        signer = nodes.load_or_create_key(self._folder / "gateway.key", "gateway.ijmond")
        sensors = self._describe_sensors(demo_stations, [world for _, world in mobile_worlds])
        self._nodes = [*self._nodes, *mobile_nodes]
        nodes.write_agent_settings(self._nodes, sensors, broker.settings, signer.verifier)
        before_now = timedelta(hours=hours) if self._options.live else nodes.HEAD_START
        first_reading = datetime.now(UTC) - before_now - timedelta(hours=2)  # no reading is earlier
        config.enrol_nodes(self.dsn, self._nodes, since=first_reading)
        self.login = create_login(self.dsn, config.AREA)
        self._config_path = config.write_settings(
            self._folder / "piekwacht.toml",
            dsn=self.dsn,
            broker=broker.settings,
            key_file=self._folder / "gateway.key",
            api_port=self._options.port,
            smtp_port=mailbox.port,
            webhook=webhook.url,
            public_log=public_log.start_public_log(
                self._stack, self._folder / "public-log", f"{_HOST}:{self._options.port}"
            ),
            replay=not self._options.live,
            vapid_key=self._load_vapid_key(),
        )
        self._past.allow_storing()
        self._print(f"starting the gateway ({broker.program}, PostgreSQL) ...")
        if hours:
            self._print(f"storing {hours:g} hours of readings from before the demo ...")
        self._gateway = self._start_gateway()
        self._gateway.wait_until(lambda: self._past.is_stored() and self._is_ingesting(), timeout=180)
        self._agents = {node.id: self._stack.enter_context(node.start()) for node in self._nodes}
        for line in self._describe_addresses():
            self._print(line)
        self._started_at = time.monotonic()

    def _describe_sensors(
        self, demo_stations: Sequence[stations.DemoStation], mobile_worlds: Sequence[StationWorld]
    ) -> list[str]:
        speed, seed = self._options.speed, self._options.seed
        moving = nodes.describe_simulated_sensors(mobile_worlds, seed=seed + len(demo_stations), speed=speed)
        if self._options.replay is not None:
            return nodes.describe_replay_sensors(demo_stations, self._options.replay, speed) + moving
        tables = [station.table for station in demo_stations]
        worlds = live_world.plan_live_world(tables, stations.read_site(), seed)
        return nodes.describe_simulated_sensors(worlds, seed=seed, speed=speed) + moving

    def watch(self) -> None:
        """Show the state until a signal or `duration`; restart a gateway or a node that ended."""
        with contextlib.ExitStack() as stack:
            live = None
            if self._console.is_terminal:
                live = stack.enter_context(Live(console=self._console, screen=True, auto_refresh=False))
            shown_count = 0
            while not self._stop_requested.wait(0.5) and not self._is_over():
                self._restart_gateway()
                self._restart_agents()
                if live is not None:
                    size = self._console.size
                    screen = terminal.render(self.load_state(), width=size.width, height=size.height)
                    live.update(screen, refresh=True)
                received = self._received[shown_count:]
                shown_count += len(received)
                for notification in received if live is None else []:
                    self._print_notification(notification)

    def finish(self) -> reconciliation.Reconciliation:
        """Let the nodes send their remaining readings, let alerting finish, stop everything, and reconcile."""
        self._print("stopping the nodes; they hand over what they still hold ...")
        for agent in self._agents.values():
            agent.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 30
        while any(agent.is_running for agent in self._agents.values()) and time.monotonic() < deadline:
            self._restart_gateway()
            time.sleep(0.1)
        for agent in self._agents.values():
            agent.stop()
        self._wait_for_deliveries(timeout=10)
        logs = {node.id: node.readings_log for node in self._nodes}
        result = reconciliation.reconcile(self.dsn, logs, live=self._options.live, past=self._past.logs())
        if self._gateway is not None:
            self._gateway.stop()
        return result

    def _load_vapid_key(self) -> Path:
        """Return the key of notices in browsers; made at the first start in this folder."""
        path = self._folder / "vapid.pem"
        if not path.exists():
            create_vapid_key(path)
        return path

    def _is_ingesting(self) -> bool:
        """Whether the gateway is subscribed: messages sent earlier would wait for a repetition."""
        try:
            metrics = httpx.get(f"http://{_HOST}:{self._options.port}/metrics", timeout=2).text
        except httpx.HTTPError:
            return False
        return "piekwacht_ingest_connected 1.0" in metrics

    def _start_gateway(self) -> Child:
        command: list[str | Path] = [sys.executable, "-m", "gateway", "up", "--config", self._config_path]
        return self._stack.enter_context(Child("the gateway", command, log=self._folder / "gateway.log"))

    def _restart_gateway(self) -> None:
        if self._gateway is not None and not self._gateway.is_running:
            self._print(f"the gateway ended ({self._gateway.read_log_tail(1)}); starting it again")
            self._gateway = self._start_gateway()

    def _restart_agents(self) -> None:
        """Start nodes again that ended, not more often than every 5 s: their settings or the disk may be at fault."""
        now = time.monotonic()
        for node in self._nodes:
            agent = self._agents[node.id]
            if not agent.is_running and now >= self._agent_restarts.get(node.id, 0):
                self._print(f"node {node.id} ended ({agent.read_log_tail(1)}); starting it again")
                self._agents[node.id] = self._stack.enter_context(node.start())
                self._agent_restarts[node.id] = now + _AGENT_RESTART_INTERVAL

    def _wait_for_deliveries(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            while time.monotonic() < deadline:
                ((waiting_count,),) = connection.execute(_QUERIES["count_waiting_deliveries"]).fetchall()
                if waiting_count == 0:
                    return
                time.sleep(0.1)

    def load_state(self) -> DemoState:
        """Return what a screen shows now."""
        return load_state(self.dsn, address=self.address, received=list(self._received), login=self.login)

    @property
    def address(self) -> str:
        """The address of the site, without a slash at its end."""
        return f"http://{_HOST}:{self._options.port}"

    def _describe_addresses(self) -> list[str]:
        lines = [
            f"map: {self.address}/",
            f"mailbox: {self.mailbox_url}",
            f"API: {self.address}/api/v1/stations",
            f"metrics: {self.address}/metrics",
        ]
        if self._options.mobile:
            lines.insert(1, f"rides of the car and the drone: {self.address}/tracks")
        if self.login is not None:
            login = self.login
            lines += [
                f"inspector: {self.address}/inspector  name {login.name}  password {login.password}",
                f"the inspector's code now: {login.code_at(datetime.now(UTC))}; for an authenticator app: {login.uri}",
            ]
        return lines

    def _print_notification(self, notification: ReceivedNotification) -> None:
        """A mail with its text: without a terminal there is no other place to read it."""
        self._print(f"{notification.channel}: {notification.title}")
        if notification.channel == "e-mail":
            self._console.print(
                textwrap.indent(notification.body, "    "), highlight=False, markup=False, soft_wrap=True
            )

    def _is_over(self) -> bool:
        return self._options.duration is not None and time.monotonic() - self._started_at > self._options.duration

    def _print(self, line: str) -> None:
        self._console.print(f"piekwacht: {line}", highlight=False, markup=False, soft_wrap=True)
