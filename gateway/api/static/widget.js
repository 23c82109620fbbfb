// The widget reloads its content every minute; without JavaScript it shows the age of its values.
async function reload() {
  const response = await fetch(location.href);
  if (!response.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  document.getElementById("main").replaceChildren(...page.getElementById("main").childNodes);
}

setInterval(() => document.hidden || reload().catch(() => {}), 60_000);
