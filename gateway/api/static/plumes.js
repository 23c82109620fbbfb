// Plumes in the browser, by the rules of the server (alerting/plume.py): events with one plume id are one row, and the
// leading event is the most severe, then the one whose property comes first in the registry, then the highest.
import { element } from "./figures.js";

const SEVERITIES = ["minor", "moderate", "severe", "extreme"];

export const isOpen = (event) => event.kind === "peak" && !event.end && event.change !== "voided";

export function groupIntoPlumes(events, order) {
  const position = (event) => (order.includes(event.observedProperty) ? order.indexOf(event.observedProperty) : order.length);
  const byRank = (a, b) =>
    (a.change === "voided") - (b.change === "voided") ||
    SEVERITIES.indexOf(b.severity) - SEVERITIES.indexOf(a.severity) ||
    position(a) - position(b) ||
    b.excess - a.excess ||
    Date.parse(a.onset) - Date.parse(b.onset) ||
    (a.id < b.id ? -1 : 1);
  const groups = new Map();
  for (const event of events) {
    const id = event.plume ?? event.id;
    if (!groups.has(id)) groups.set(id, []);
    groups.get(id).push(event);
  }
  return [...groups].map(([id, members]) => describePlume(id, members.sort(byRank))).sort((a, b) => (a.onset < b.onset ? 1 : -1));
}

function describePlume(id, events) {
  const valid = events.filter((event) => event.change !== "voided");
  const counted = valid.length ? valid : events;
  const open = valid.some(isOpen);
  const byOnset = [...counted].sort((a, b) => Date.parse(a.onset) - Date.parse(b.onset));
  return {
    id,
    events,
    state: valid.length === 0 ? "voided" : open ? "ongoing" : "over",
    onset: byOnset[0].onset,
    end: open ? null : counted.map((event) => event.end ?? event.peakAt).sort().at(-1),
    stations: [...new Set([events[0].station, ...byOnset.map((event) => event.station)])],
    properties: [...new Set(counted.map((event) => event.observedProperty))],
  };
}

// The list item of a plume, as the server writes it. `boot`: the data of the page; `format`: that of figures.js.
export function peakRow(plume, { boot, format, stationName }) {
  const words = boot.words;
  const [leading] = plume.events;
  const nameOf = (id) => boot.names[id] ?? id;
  const others = plume.stations.length - 1;
  const station = others ? `${stationName(plume.stations[0])} ${(others === 1 ? boot.otherStations[0] : boot.otherStations[1]).replace("{number}", others)}` : stationName(plume.stations[0]);
  const parts = [nameOf(leading.observedProperty), words[leading.severity]];
  const ratio = format.isRawSignal(leading.unit) ? "" : format.ratio(leading);
  if (ratio) parts.push(ratio);
  parts.push(plume.end ? `${format.timeOfDay(plume.onset)}, ${format.duration(plume.onset, plume.end)}` : `${words.since} ${format.timeOfDay(plume.onset)}`);
  const row = element(
    "li",
    { className: `peak ${leading.severity}${plume.state === "ongoing" ? "" : " over"}` },
    element("a", { href: `${boot.home}plumes/${encodeURIComponent(plume.id)}`, textContent: station }),
    element("strong", {}, `${format.peak(leading)} `, element("span", { className: "averaging", textContent: boot.averagings[leading.peakAveraging] })),
    element("span", { className: "what", textContent: parts.join(" · ") }),
  );
  row.dataset.id = plume.id;
  if (plume.properties.length > 1) row.append(element("span", { className: "what", textContent: `${words.also}: ${plume.properties.slice(1).map(nameOf).join(", ")}` }));
  const notified = boot.notified[plume.id];
  if (notified) row.append(element("span", { className: "what told", textContent: notified }));
  return row;
}

// The live feed has no notifications: some seconds after an event, and each minute while a plume goes on, it reads them.
// Returns a function to call after each event. A random delay spreads the requests of many viewers. `judge` gets the
// plumes: the live feed has no judgements of inspectors either.
export function followNotifications(boot, { timeOfDay }, judge, redraw) {
  const words = boot.notifiedWords;
  const describe = (plume) => {
    const told = plume.notified.filter((receiver) => receiver.notifiedAt);
    if (told.length) return told.map((receiver) => words.at.replace("{receiver}", receiver.receiver).replace("{time}", timeOfDay(receiver.notifiedAt))).join("; ");
    if (plume.notified.length) return words.pending.replace("{receivers}", plume.notified.map((receiver) => receiver.receiver).join(", "));
    return plume.state === "ongoing" ? words.nobody : "";
  };
  let timer = null;
  let hasOpen = Object.keys(boot.notified).length > 0;
  async function read() {
    timer = null;
    const response = await fetch("/api/v1/plumes?limit=20");
    if (!response.ok) return;
    const plumes = (await response.json()).items;
    hasOpen = plumes.some((plume) => plume.state === "ongoing");
    for (const plume of plumes) boot.notified[plume.id] = describe(plume);
    judge(plumes);
    redraw();
  }
  const schedule = (shortest = 2000, spread = 4000) => {
    timer ??= setTimeout(() => read().catch(() => {}), shortest + Math.random() * spread);
  };
  setInterval(() => hasOpen && !document.hidden && schedule(0, 20_000), 60_000);
  return schedule;
}
