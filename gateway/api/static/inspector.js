// The inspector pages, live. The inbox is read again when a plume changes; the page of a plume only says that it
// changed, so that nothing moves under a thumb and no text that somebody is writing is lost.
import { follow } from "./stream.js";

const main = document.getElementById("main");
const inbox = document.getElementById("inbox");
const changed = document.getElementById("changed");
let timer = null;

async function read() {
  timer = null;
  const response = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!response.ok || response.redirected) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  if (inbox) {
    const replacement = page.getElementById("inbox");
    if (replacement && !inbox.contains(document.activeElement)) inbox.replaceChildren(...replacement.childNodes);
  } else if (changed && page.getElementById("main")?.dataset.revision !== main.dataset.revision) {
    changed.hidden = false;
  }
}

const schedule = () => {
  timer ??= setTimeout(() => read().catch(() => {}), 1000 + Math.random() * 1000);
};

follow({
  onValues: () => {},
  onEvent: (event) => (inbox || event.plume === main.dataset.plume) && schedule(),
  onStale: schedule,
  onState: () => {},
});
// what colleagues answer is not in the live feed
setInterval(() => !document.hidden && schedule(), 30_000);
