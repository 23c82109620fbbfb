// One live stream per browser: the tab that holds the lock listens and broadcasts to the other tabs. A stream closes
// while the tab is hidden, resumes from the last commit it saw, and reports when everything has to be read again.
// Preliminary marks are all that hold now. A new stream begins without any, and without a stream nobody knows them.

const PATH = "/api/v1/live";
const HIDDEN_TIMEOUT = 30_000; // ms

export function follow({ onValues, onEvent, onStale, onState, onMarks = () => {} }) {
  const channel = new BroadcastChannel("piekwacht-live");
  let last = null;
  let source = null;
  let releaseLock = null;
  let state = "connecting";
  let marks = [];
  let hiddenTimer = null;
  let lockRequest = null;

  function dispatch(message) {
    if (message.id) last = message.id;
    if (message.kind === "observation") onValues(message.data);
    else if (message.kind === "event") onEvent(message.data);
    else if (message.kind === "preliminary") setMarks(message.data);
    else if (message.kind === "stale" || message.kind === "not_read") readAgain(message.kind);
    else if (message.kind === "state") setState(message.data);
    else if (message.kind === "hello" && source) {
      channel.postMessage({ kind: "state", data: state });
      channel.postMessage({ kind: "preliminary", data: marks });
    }
  }

  function setMarks(next) {
    if (!next.length && !marks.length) return;
    marks = next;
    onMarks(marks);
  }

  function setState(name) {
    if (name !== "live") setMarks([]);
    onState((state = name));
  }

  function readAgain(kind) {
    if (kind === "stale") setMarks([]);
    onStale();
  }

  function broadcast(message) {
    channel.postMessage(message);
    dispatch(message);
  }

  function listen() {
    source = new EventSource(last ? `${PATH}?lastEventId=${last}` : PATH);
    let lost = false;
    source.onopen = () => {
      broadcast({ kind: "state", data: "live" });
      if (lost && !last) broadcast({ kind: "stale" });
      lost = false;
    };
    source.onerror = () => {
      lost = true;
      broadcast({ kind: "state", data: "lost" });
      if (source?.readyState === EventSource.CLOSED) setTimeout(() => source && listen(), 3000 + Math.random() * 3000);
    };
    // not_read: a part of the commit is missing, which everybody has to read again
    for (const kind of ["observation", "event", "preliminary", "stale", "not_read"])
      source.addEventListener(kind, (message) => broadcast({ kind, id: message.lastEventId, data: JSON.parse(message.data) }));
  }

  function close() {
    source?.close();
    source = null;
    lockRequest?.abort();
    releaseLock?.();
    releaseLock = lockRequest = null;
  }

  function open() {
    if (source || lockRequest) return;
    if (!navigator.locks) return listen();
    lockRequest = new AbortController();
    navigator.locks
      .request("piekwacht-live", { signal: lockRequest.signal }, () => {
        listen();
        return new Promise((resolve) => (releaseLock = resolve));
      })
      .catch(() => {});
    channel.postMessage({ kind: "hello" });
  }

  channel.onmessage = (message) => dispatch(message.data);
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiddenTimer);
    if (document.hidden) {
      hiddenTimer = setTimeout(() => {
        close();
        setState("resting");
      }, HIDDEN_TIMEOUT);
    } else if (state === "resting") {
      setState("connecting");
      open();
      onStale();
    }
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => event.persisted && (open(), onStale()));
  onState(state);
  open();
}

export function stateWriter(texts) {
  const output = document.getElementById("state");
  return (name) => {
    output.textContent = texts[name] ?? "";
    output.classList.toggle("live", name === "live");
  };
}
