"""Peer: Node-RED with npm's `pg`. Installed by npm into a temporary folder; the flow is written here.

Its MQTT node acknowledges a message before the flow has seen it, so a kill loses what the flow still holds. The flow
collects messages for a fifth of a second and inserts them by one statement, which skips readings whose time is stored.
"""

import json
import shutil
import subprocess
from pathlib import Path

from gateway.errors import StartError
from gateway.mqtt.settings import BrokerSettings

SCHEMA = """
CREATE TABLE script_observation (node text, property text, observed_at timestamptz, value double precision,
    PRIMARY KEY (node, property, observed_at));
"""
_PACKAGES = ("node-red@4", "pg@8")
_SETTINGS = """
module.exports = {{
  uiPort: {port}, uiHost: "127.0.0.1", flowFile: "flows.json", userDir: __dirname, httpAdminRoot: false,
  functionGlobalContext: {{ pool: new (require("pg").Pool)({{ host: "{socket}", user: "postgres",
                                                             database: "{database}", max: 1 }}) }},
}}
"""
_FUNCTION = """
const waiting = context.get("waiting") || [];
context.set("waiting", waiting);
waiting.push(msg.payload);
if (context.get("timer")) return null;
context.set("timer", true);
setTimeout(async () => {
  context.set("timer", false);
  const nodes = [], properties = [], times = [], values = [];
  for (const text of waiting.splice(0)) {
    const batch = JSON.parse(text.slice(0, text.indexOf("\\n")));
    for (const [name, column] of Object.entries(batch.values))
      column.forEach((value, i) => {
        nodes.push(batch.node); properties.push(name);
        times.push(batch.t0 + batch.dt[i]); values.push(value);
      });
  }
  try {
    await global.get("pool").query(
      "INSERT INTO script_observation SELECT n, p, to_timestamp(t / 1000), v FROM unnest" +
      "($1::text[], $2::text[], $3::float8[], $4::float8[]) AS u(n, p, t, v) ON CONFLICT DO NOTHING",
      [nodes, properties, times, values]);
  } catch (error) { node.error(error.message); }
}, 200);
return null;
"""


def install(folder: Path) -> None:
    """Install Node-RED into this folder. Raises StartError if npm is missing or cannot."""
    npm = shutil.which("npm")
    if npm is None:
        raise StartError("no npm on PATH: install Node.js to compare with Node-RED")
    command = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(folder), *_PACKAGES]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise StartError(f"npm cannot install Node-RED: {' '.join(result.stderr.split())[-200:]}")


def write_flow(folder: Path, database: tuple[str, str], broker: BrokerSettings, session: str, topic: str) -> list[str]:
    """Write settings and flow into the folder where Node-RED is installed; return the command that starts it.

    `database`: folder of its socket, and its name.
    """
    socket, name = database
    settings = folder / "settings.js"
    settings.write_text(_SETTINGS.format(port=0, socket=socket, database=name))
    broker_node = {
        "id": "broker",
        "type": "mqtt-broker",
        "broker": broker.host,
        "port": str(broker.port),
        "clientid": session,
        "autoConnect": True,
        "protocolVersion": "4",
        "keepalive": "600",  # s; the measurement halts the process
        "cleansession": False,
    }
    mqtt_in = {
        "id": "in",
        "type": "mqtt in",
        "z": "tab",
        "topic": topic,
        "qos": "1",
        "datatype": "utf8",
        "broker": "broker",
        "inputs": 0,
        "wires": [["store"]],
    }
    function = {"id": "store", "type": "function", "z": "tab", "func": _FUNCTION, "outputs": 1, "wires": [[]]}
    flow = [{"id": "tab", "type": "tab", "label": "peers"}, broker_node, mqtt_in, function]
    (folder / "flows.json").write_text(json.dumps(flow))
    return [str(folder / "node_modules/.bin/node-red"), "--settings", str(settings), "--userDir", str(folder)]
