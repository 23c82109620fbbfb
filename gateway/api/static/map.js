// Makes the page live: the page itself is complete without this. Every text is set as text, never as HTML.
import { follow, sayIn } from "./stream.js";
import { element, writer } from "./figures.js";

const boot = JSON.parse(document.getElementById("boot").textContent);
const words = boot.words;
const home = boot.home;
const { figure, clock, unit, age, times, lasted, ...write } = writer(boot);
const stations = new Map(boot.stations.map((feature) => [feature.id, feature]));
const events = new Map(boot.events.map((event) => [event.id, event]));
const markers = new Map();
let shown = document.getElementById("property").value;
let newest = Math.max(0, ...boot.stations.flatMap((f) => Object.values(f.properties.newest).map((v) => Date.parse(v.observedAt))));


const now = () => (boot.replay ? newest : Date.now());
const silent = (value) => write.silent(value?.observedAt, now());

// --- values -----------------------------------------------------------------------------------

function take(observation) {
  const feature = stations.get(observation.station);
  if (!feature) return;
  const at = Date.parse(observation.observedAt);
  newest = Math.max(newest, at);
  const known = feature.properties.newest[observation.observedProperty];
  if (known && Date.parse(known.observedAt) > at) return;
  feature.properties.newest[observation.observedProperty] = { ...known, ...observation };
}

// --- map --------------------------------------------------------------------------------------

let map = null;
function drawMap() {
  if (!window.L) return;
  document.getElementById("map").classList.add("drawn"); // before Leaflet measures it
  const below = boot.baseMap;
  map = L.map("map", { zoomSnap: below ? 1 : 0.25, attributionControl: false, scrollWheelZoom: false });
  if (below) {
    const attribution = element("span", { textContent: below.attribution }).innerHTML; // escaped: it is shown as HTML
    L.tileLayer("/map/{z}/{x}/{y}.png", { attribution, minZoom: below.minZoom, maxZoom: below.maxZoom }).addTo(map);
    L.control.attribution({ prefix: false }).addTo(map);
  }
  const outline = L.geoJSON(boot.outlines, { style: { color: "#5c7a6b", weight: 2, fillColor: "#f4f2e6", fillOpacity: below ? 0 : 1 }, interactive: false }).addTo(map);
  for (const site of boot.sites) {
    const label = element("span", { textContent: site.name });
    L.marker([site.latitude, site.longitude], { icon: L.divIcon({ className: "site", html: label, iconAnchor: [5, 5] }), keyboard: false, interactive: false, zIndexOffset: -1000 }).addTo(map);
  }
  for (const feature of stations.values()) {
    const [longitude, latitude] = feature.geometry.coordinates;
    const marker = L.marker([latitude, longitude], { icon: icon(feature), zIndexOffset: height(feature), title: feature.properties.name, alt: feature.properties.name }).addTo(map);
    marker.bindPopup(() => popup(feature));
    markers.set(feature.id, marker);
  }
  L.control.scale({ imperial: false }).addTo(map);
  const places = boot.stations.map((f) => [f.geometry.coordinates[1], f.geometry.coordinates[0]]);
  const bounds = places.length ? L.latLngBounds(places).pad(0.15) : outline.getBounds();
  if (bounds.isValid()) map.fitBounds(bounds, { maxZoom: 13 });
}

function peaking(id) {
  return [...events.values()].some((e) => e.station === id && e.kind === "peak" && !e.end && e.change !== "voided");
}

// Where markers overlap the one that matters lies on top.
function height(feature) {
  const value = feature.properties.newest[shown]?.mean ?? 0;
  return (peaking(feature.id) ? 2000 : 0) + Math.max(0, Math.min(1000, Math.round(value)));
}

function icon(feature) {
  const value = feature.properties.newest[shown];
  const quiet = silent(value);
  const steps = boot.colourSteps[shown];
  const step = !quiet && steps && value.mean !== null ? ` c${steps.filter((s) => value.mean >= s).length}` : "";
  const name = `marker${quiet ? " silent" : step}${peaking(feature.id) ? " peaking" : ""}`;
  const text = quiet || value.mean === null ? "–" : Math.abs(value.mean) >= 1000 ? `${Math.round(value.mean / 1000)}k` : String(Math.round(value.mean));
  return L.divIcon({ className: name, html: element("span", { textContent: text }), iconSize: [36, 36] });
}

function popup(feature) {
  const rows = Object.entries(feature.properties.newest)
    .filter(([name]) => document.querySelector(`#property option[value="${name}"]`))
    .map(([name, v]) => element("div", { textContent: `${boot.names[name] ?? name}: ${figure(v.mean)} ${unit(v.unit)}` }));
  const link = element("a", { href: `${home}stations/${encodeURIComponent(feature.id)}`, textContent: feature.properties.name });
  return element("div", {}, element("strong", {}, link), ...rows, element("small", { textContent: words.minute }));
}

function legend() {
  const place = document.getElementById("legend");
  place.querySelectorAll(".step").forEach((one) => one.remove());
  const steps = boot.colourSteps[shown];
  const known = [...stations.values()].map((f) => f.properties.newest[shown]).find(Boolean);
  document.getElementById("legend-unit").textContent = known && unit(known.unit) ? `, ${unit(known.unit)}` : "";
  if (!steps) return;
  [0, ...steps].forEach((from, i) => {
    const colour = element("i", { className: `c${i}` });
    place.append(element("span", { className: "step" }, colour, i < steps.length ? `${from}–${steps[i]}` : `> ${from}`));
  });
}

// --- table and lists ----------------------------------------------------------------------------

function drawTable() {
  for (const feature of stations.values()) {
    const row = document.querySelector(`tr[data-station="${CSS.escape(feature.id)}"]`);
    if (!row) continue;
    let latest = null;
    for (const [name, value] of Object.entries(feature.properties.newest)) {
      if (!latest || value.observedAt > latest) latest = value.observedAt;
      const cell = row.querySelector(`td[data-property="${CSS.escape(name)}"]`);
      if (cell && silent(value)) cell.textContent = "–";
      else if (cell) cell.replaceChildren(`${figure(value.mean)} `, element("span", { className: "unit", textContent: unit(value.unit) }));
    }
    row.classList.toggle("silent", silent(latest && { observedAt: latest }));
    const text = age(latest, now());
    row.querySelector(".age").replaceChildren(latest ? element("time", { dateTime: latest, textContent: text, title: new Date(latest).toString() }) : text);
  }
}

// The same as on the server: what begins at one station within two minutes is shown as one,
// each property once.
const SEVERITIES = ["minor", "moderate", "severe", "extreme"];
const order = [...document.querySelectorAll("#property option")].map((option) => option.value);
const place = (event) => (order.includes(event.observedProperty) ? order.indexOf(event.observedProperty) : order.length);
const rank = (a, b) => SEVERITIES.indexOf(b.severity) - SEVERITIES.indexOf(a.severity) || place(a) - place(b);

function grouped(list) {
  const groups = [];
  for (const event of list) {
    const apart = (one) => Math.abs(Date.parse(one[0].onset) - Date.parse(event.onset));
    const again = (one) => one.some((member) => member.observedProperty === event.observedProperty);
    const near = (one) => one[0].station === event.station && !again(one) && apart(one) <= 120000;
    const [there] = groups.filter(near).sort((a, b) => apart(a) - apart(b));
    if (there) there.push(event);
    else groups.push([event]);
  }
  return groups.map((one) => one.sort(rank));
}

function peakRow([event, ...others]) {
  const name = stations.get(event.station)?.properties.name ?? event.station;
  const over = Boolean(event.end) || event.change === "voided";
  const parts = [boot.names[event.observedProperty] ?? event.observedProperty, words[event.severity]];
  if (times(event.peak, event.background)) parts.push(times(event.peak, event.background));
  parts.push(event.end ? `${clock(event.onset)}, ${lasted(event.onset, event.end)}` : `${words.since} ${clock(event.onset)}`);
  const row = element(
    "li",
    { className: `peak ${event.severity}${over ? " over" : ""}` },
    element("a", { href: `${home}events/${encodeURIComponent(event.id)}`, textContent: name }),
    element("strong", { textContent: `${figure(event.peak)} ${unit(event.unit)}` }),
    element("span", { className: "what", textContent: parts.join(" · ") }),
  );
  row.dataset.id = event.id;
  if (others.length) {
    const links = others.flatMap((one, i) => [
      i ? ", " : `${words.also}: `,
      element("a", { href: `${home}events/${encodeURIComponent(one.id)}`, textContent: boot.names[one.observedProperty] ?? one.observedProperty }),
    ]);
    row.append(element("span", { className: "what" }, ...links));
  }
  return row;
}

function drawPeaks() {
  const known = [...events.values()].filter((e) => e.kind === "peak").sort((a, b) => (a.onset < b.onset ? 1 : -1));
  const open = known.filter((e) => !e.end && e.change !== "voided");
  const past = known.filter((e) => e.end && e.change !== "voided");
  document.getElementById("peaks").replaceChildren(...grouped(open).slice(0, 12).map(peakRow));
  document.getElementById("past").replaceChildren(...grouped(past).slice(0, 5).map(peakRow));
  document.getElementById("no-peaks").hidden = open.length > 0;
  document.getElementById("no-past").hidden = past.length > 0;
}

function drawMarkers() {
  for (const [id, marker] of markers) {
    const next = icon(stations.get(id));
    const before = marker.getIcon();
    marker.setZIndexOffset(height(stations.get(id)));
    if (before.options.className !== next.options.className || before.options.html.textContent !== next.options.html.textContent) marker.setIcon(next);
  }
}

let waiting = false;
function soon() {
  if (waiting) return;
  waiting = true;
  setTimeout(() => {
    waiting = false;
    drawTable();
    drawMarkers();
  }, 250);
}

// --- the stream ---------------------------------------------------------------------------------

async function readAgain() {
  const [found, peaks] = await Promise.all(["/api/v1/stations", "/api/v1/events?limit=60"].map((url) => fetch(url).then((answer) => answer.json())));
  // what came meanwhile is newer than what was asked for
  for (const { id, properties } of found.features) for (const [name, value] of Object.entries(properties.newest)) take({ station: id, observedProperty: name, ...value });
  peaks.items.forEach(keep);
  drawPeaks();
  soon();
}

function keep(event) {
  const known = events.get(event.id);
  if (!known || known.revision <= event.revision) events.set(event.id, event);
}

function changed(event) {
  keep(event);
  drawPeaks();
  drawMarkers();
}

function came(values) {
  values.forEach(take);
  soon();
}

document.getElementById("property").addEventListener("change", (change) => {
  shown = change.target.value;
  legend();
  drawMarkers();
});

drawMap();
legend();
drawTable();
follow({ values: came, event: changed, again: () => readAgain().catch(() => {}), say: sayIn(words) });
setInterval(soon, 5000);
