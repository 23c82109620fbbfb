// The page of one event or plume: reloads its content when an event of the plume has a new revision.
import { follow } from "./stream.js";

const main = document.getElementById("main");
let timer = null;

async function reload() {
  timer = null;
  const response = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!response.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const replacement = page.getElementById("main");
  if (replacement) {
    main.replaceChildren(...replacement.childNodes);
    document.title = page.title;
  }
}

function scheduleReload() {
  timer ??= setTimeout(() => reload().catch(() => {}), 1500 + Math.random() * 1500);
}

follow({
  onValues: () => {},
  onEvent: (event) => (event.id === main.dataset.event || (event.plume && event.plume === main.dataset.plume)) && scheduleReload(),
  onStale: scheduleReload,
  onState: () => {},
});
