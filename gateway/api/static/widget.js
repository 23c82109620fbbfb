// The small window reads itself again each minute; without JavaScript it says how old it is.
async function renew() {
  const answer = await fetch(location.href);
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  document.getElementById("main").replaceChildren(...page.getElementById("main").childNodes);
}

setInterval(() => document.hidden || renew().catch(() => {}), 60_000);
