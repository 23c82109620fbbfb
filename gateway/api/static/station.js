// An interactive chart of one station, and its live values. The page is complete without this script.
import { follow, stateWriter } from "./stream.js";
import { formatter, localeOf } from "./figures.js";

const boot = JSON.parse(document.getElementById("boot").textContent);
const format = formatter(boot);
const container = document.getElementById("plot");
const minutes = new Map(); // start, s -> [max, mean, corrected mean]
const periodLength = Date.parse(boot.end) - Date.parse(boot.start);
let newest = Date.parse(boot.end);
let plot = null;
const now = () => (boot.replay ? newest : Date.now());

async function read(start) {
  const query = new URLSearchParams({ property: boot.property, averaging: boot.averaging, limit: 10000 });
  if (start) query.set("start", start);
  const response = await fetch(`/api/v1/stations/${encodeURIComponent(boot.station)}/observations?${query}`);
  if (!response.ok) throw new Error(response.statusText);
  for (const item of (await response.json()).items) minutes.set(Date.parse(item.start) / 1000, [item.max, item.mean, item.corrected]);
}

// Columns for the chart: minutes before the period are dropped, and a missing minute becomes a gap.
function columns() {
  const first = (now() - periodLength) / 1000;
  const times = [];
  const highest = [];
  const mean = [];
  const corrected = [];
  let previous = null;
  for (const at of [...minutes.keys()].sort((a, b) => a - b)) {
    if (at < first) {
      minutes.delete(at);
      continue;
    }
    if (previous !== null && at - previous > boot.step * 1.5) {
      times.push(previous + boot.step);
      highest.push(null);
      mean.push(null);
      corrected.push(null);
    }
    times.push(at);
    highest.push(minutes.get(at)[0]);
    mean.push(minutes.get(at)[1]);
    corrected.push(minutes.get(at)[2]);
    previous = at;
  }
  if (previous !== null) {
    times.push(previous + boot.step);
    highest.push(minutes.get(previous)[0]);
    mean.push(minutes.get(previous)[1]);
    corrected.push(minutes.get(previous)[2]);
  }
  return boot.corrected ? [times, highest, mean, corrected] : [times, highest, mean];
}

function drawBackground(u) {
  const { ctx, bbox } = u;
  const x = (ms) => Math.min(bbox.left + bbox.width, Math.max(bbox.left, u.valToPos(ms / 1000, "x", true)));
  ctx.save();
  ctx.fillStyle = "rgba(179, 38, 30, 0.12)";
  for (const [start, end] of boot.peaks) {
    const from = x(Date.parse(start));
    ctx.fillRect(from, bbox.top, Math.max(2, x(end ? Date.parse(end) : now()) - from), bbox.height);
  }
  ctx.strokeStyle = "rgba(85, 96, 90, 0.55)";
  for (const [start, end] of boot.flagged) {
    const from = x(Date.parse(start));
    const to = Math.max(from + 2, x(Date.parse(end)));
    ctx.beginPath();
    ctx.rect(from, bbox.top, to - from, bbox.height);
    ctx.save();
    ctx.clip();
    ctx.beginPath();
    for (let at = from - bbox.height; at < to; at += 7) {
      ctx.moveTo(at, bbox.top + bbox.height);
      ctx.lineTo(at + bbox.height, bbox.top);
    }
    ctx.stroke();
    ctx.restore();
  }
  if (boot.band.length > 1) {
    ctx.fillStyle = "rgba(29, 77, 58, 0.18)";
    ctx.beginPath();
    for (const [at, , high] of boot.band) ctx.lineTo(x(Date.parse(at)), u.valToPos(high, "y", true));
    for (const [at, low] of [...boot.band].reverse()) ctx.lineTo(x(Date.parse(at)), u.valToPos(low, "y", true));
    ctx.fill();
  }
  ctx.restore();
}

function draw() {
  const steps = uPlot.paths.stepped({ align: 1 }); // a mean is of its whole period, which begins at its time
  const size = { width: Math.max(280, container.clientWidth), height: 320 };
  const formatValue = (_u, value) => (value === null || value === undefined ? "–" : `${format.number(value)} ${boot.unit}`);
  const axis = { stroke: "#3c4540", grid: { stroke: "#e3e7e3", width: 1 }, font: "12px system-ui, sans-serif" };
  const timeOptions = { timeZone: "Europe/Amsterdam", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" };
  const options = {
    ...size,
    tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "Europe/Amsterdam"),
    fmtDate: () => (date) => date.toLocaleString(localeOf(boot), { month: "numeric", day: "numeric", hour: "2-digit", minute: "2-digit" }),
    series: [
      { label: boot.words.when, value: (_u, at) => (at ? new Date(at * 1000).toLocaleString(localeOf(boot), timeOptions) : "–") },
      { label: `${boot.words.peak} (${boot.averagings.raw})`, stroke: "#b35a12", width: 1, value: formatValue, spanGaps: false, points: { show: false }, paths: steps },
      { label: boot.averagings[boot.averaging], stroke: "#1d4d3a", width: 2, value: formatValue, spanGaps: false, points: { show: false }, paths: steps },
      ...(boot.corrected ? [{ label: `${boot.averagings[boot.averaging]}, ${boot.words.corrected}`, stroke: "#1c5d99", width: 1.5, dash: [6, 4], value: formatValue, spanGaps: false, points: { show: false }, paths: steps }] : []),
    ],
    axes: [
      { ...axis, values: (_u, times) => times.map(label), space: 70 },
      { ...axis, size: 58, values: (_u, figures) => figures.map((figure) => String(figure).replace(".", boot.language === "nl" ? "," : ".")) },
    ],
    scales: { x: { range: () => [(now() - periodLength) / 1000, now() / 1000] }, y: { range: scale } },
    hooks: { drawClear: [drawBackground] },
  };
  const description = container.querySelector("title")?.textContent ?? "";
  container.replaceChildren();
  container.setAttribute("role", "img");
  container.setAttribute("aria-label", description);
  plot = new uPlot(options, columns(), container);
  addEventListener("resize", () => plot.setSize({ width: Math.max(280, container.clientWidth), height: 320 }));
}

function scale(_plot, low, high) {
  if (low === null || low === undefined) return [0, 1];
  if (boot.fromZero) return [Math.min(0, low), Math.max(1, high * 1.05)];
  const margin = Math.max(1, (high - low) * 0.1);
  return [low - margin, high + margin];
}

function label(at) {
  const isShort = periodLength / 3600000 <= 30;
  const timeOptions = isShort ? { hour: "2-digit", minute: "2-digit" } : { day: "numeric", month: "short" };
  return new Date(at * 1000).toLocaleString(localeOf(boot), { timeZone: "Europe/Amsterdam", ...timeOptions });
}

// --- values -------------------------------------------------------------------------------------

const newestValues = new Map(); // property -> the newest live value

function drawTable() {
  for (const row of document.querySelectorAll("tr[data-property]")) {
    const value = newestValues.get(row.dataset.property);
    const time = row.querySelector("time");
    const at = value?.observedAt ?? time?.dateTime;
    const noData = format.hasNoData(at, now());
    row.classList.toggle("silent", noData);
    if (time && at) time.dateTime = at;
    (time ?? row.querySelector(".age")).textContent = format.age(at, now());
    if (value?.observedAt) linkCheck(row.querySelector(".check-link"), value);
    for (const name of ["mean", "max", "corrected"]) {
      const cell = row.querySelector(`.${name}`);
      if (noData) cell.textContent = "–";
      else if (value?.uncorrected && name === "corrected") cell.textContent = boot.words[value.uncorrected];
      else if (value) cell.textContent = value[name] === null ? "–" : `${format.number(value[name])} ${format.unit(value.unit)}`;
    }
  }
}

// The link beside a value checks the newest single reading, as the row shows it now.
function linkCheck(link, value) {
  if (!link) return;
  const address = new URL(link.href);
  address.searchParams.set("at", value.observedAt);
  address.searchParams.set("value", value.value);
  link.href = address.pathname + address.search;
}

let minute = 0;
async function refresh() {
  await read(new Date(now() - Math.max(4 * boot.step * 1000, 240000)).toISOString());
  plot?.setData(columns());
}

function storeValues(values) {
  for (const value of values) {
    if (value.station !== boot.station) continue;
    newestValues.set(value.observedProperty, value);
    if (value.observedAt) newest = Math.max(newest, Date.parse(value.observedAt));
  }
  const newestMinute = Math.floor(newest / 60000);
  if (newestMinute !== minute) {
    minute = newestMinute;
    setTimeout(() => refresh().catch(() => {}), 2000 + Math.random() * 3000);
  }
}

if (window.uPlot)
  read(boot.start)
    .then(draw)
    .catch(() => {});
follow({ onValues: storeValues, onEvent: () => {}, onStale: () => refresh().catch(() => {}), onState: stateWriter(boot.words) });
setInterval(drawTable, 1000);
