// One live stream a browser: the tab that holds the lock listens, the others hear it through a channel. A stream rests
// while nobody looks, goes on from the last commit it saw, and says when everything should be read again.

const PATH = "/api/v1/live";
const REST = 30_000; // ms out of sight before the stream is given up

export function follow({ values, event, again, say }) {
  const channel = new BroadcastChannel("piekwacht-live");
  let last = null;
  let source = null;
  let release = null;
  let state = "connecting";
  let resting = null;
  let waiting = null; // for the lock

  function hear(message) {
    if (message.id) last = message.id;
    if (message.kind === "observation") values(message.data);
    else if (message.kind === "event") event(message.data);
    else if (message.kind === "stale") again();
    else if (message.kind === "state") say((state = message.data));
    else if (message.kind === "hello" && source) channel.postMessage({ kind: "state", data: state });
  }

  function tell(message) {
    channel.postMessage(message);
    hear(message);
  }

  function listen() {
    source = new EventSource(last ? `${PATH}?lastEventId=${last}` : PATH);
    let lost = false;
    source.onopen = () => {
      tell({ kind: "state", data: "live" });
      if (lost && !last) tell({ kind: "stale" });
      lost = false;
    };
    source.onerror = () => {
      lost = true;
      tell({ kind: "state", data: "lost" });
      if (source?.readyState === EventSource.CLOSED) setTimeout(() => source && listen(), 3000 + Math.random() * 3000);
    };
    for (const kind of ["observation", "event", "stale"])
      source.addEventListener(kind, (message) => tell({ kind, id: message.lastEventId, data: JSON.parse(message.data) }));
  }

  function close() {
    source?.close();
    source = null;
    waiting?.abort();
    release?.();
    release = waiting = null;
  }

  function open() {
    if (source || waiting) return;
    if (!navigator.locks) return listen();
    waiting = new AbortController();
    navigator.locks
      .request("piekwacht-live", { signal: waiting.signal }, () => {
        listen();
        return new Promise((resolve) => (release = resolve));
      })
      .catch(() => {});
    channel.postMessage({ kind: "hello" });
  }

  channel.onmessage = (message) => hear(message.data);
  document.addEventListener("visibilitychange", () => {
    clearTimeout(resting);
    if (document.hidden) {
      resting = setTimeout(() => {
        close();
        say((state = "resting"));
      }, REST);
    } else if (state === "resting") {
      say((state = "connecting"));
      open();
      again();
    }
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", (shown) => shown.persisted && (open(), again()));
  say(state);
  open();
}

export function sayIn(words) {
  const place = document.getElementById("state");
  return (name) => {
    place.textContent = words[name] ?? "";
    place.classList.toggle("live", name === "live");
  };
}
