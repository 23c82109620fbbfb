// An event page that is open while the event goes on: what it says is read again when the event has a new revision.
import { follow } from "./stream.js";

const main = document.getElementById("main");
let waiting = null;

async function renew() {
  waiting = null;
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("main");
  if (fresh) {
    main.replaceChildren(...fresh.childNodes);
    document.title = page.title;
  }
}

function soon() {
  waiting ??= setTimeout(() => renew().catch(() => {}), 1500 + Math.random() * 1500);
}

follow({
  values: () => {},
  event: (event) => event.id === main.dataset.event && soon(),
  again: soon,
  say: () => {},
});
