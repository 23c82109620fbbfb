// A station's chart that can be read by pointing, and its figures as they come. The page is complete without this.
import { follow, sayIn } from "./stream.js";
import { writer } from "./figures.js";

const boot = JSON.parse(document.getElementById("boot").textContent);
const write = writer(boot);
const place = document.getElementById("plot");
const minutes = new Map(); // start, s -> [max, mean, corrected mean]
const length = Date.parse(boot.end) - Date.parse(boot.start);
let newest = Date.parse(boot.end);
let plot = null;
const now = () => (boot.replay ? newest : Date.now());

async function read(start) {
  const query = new URLSearchParams({ property: boot.property, averaging: boot.averaging, limit: 10000 });
  if (start) query.set("start", start);
  const answer = await fetch(`/api/v1/stations/${encodeURIComponent(boot.station)}/observations?${query}`);
  if (!answer.ok) throw new Error(answer.statusText);
  for (const item of (await answer.json()).items) minutes.set(Date.parse(item.start) / 1000, [item.max, item.mean, item.corrected]);
}

// Columns for the chart: what is older than the period has left, and where something is missing there is a gap.
function columns() {
  const first = (now() - length) / 1000;
  const times = [];
  const highest = [];
  const mean = [];
  const corrected = [];
  let before = null;
  for (const at of [...minutes.keys()].sort((a, b) => a - b)) {
    if (at < first) {
      minutes.delete(at);
      continue;
    }
    if (before !== null && at - before > boot.step * 1.5) {
      times.push(before + boot.step);
      highest.push(null);
      mean.push(null);
      corrected.push(null);
    }
    times.push(at);
    highest.push(minutes.get(at)[0]);
    mean.push(minutes.get(at)[1]);
    corrected.push(minutes.get(at)[2]);
    before = at;
  }
  return boot.corrected ? [times, highest, mean, corrected] : [times, highest, mean];
}

function behind(u) {
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
  const size = { width: Math.max(280, place.clientWidth), height: 320 };
  const value = (_u, figure) => (figure === null || figure === undefined ? "–" : `${write.figure(figure)} ${boot.unit}`);
  const axis = { stroke: "#3c4540", grid: { stroke: "#e3e7e3", width: 1 }, font: "12px system-ui, sans-serif" };
  const shown = { timeZone: "Europe/Amsterdam", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" };
  const options = {
    ...size,
    tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "Europe/Amsterdam"),
    fmtDate: () => (date) => date.toLocaleString(boot.language, { month: "numeric", day: "numeric", hour: "2-digit", minute: "2-digit" }),
    series: [
      { label: boot.words.when, value: (_u, at) => (at ? new Date(at * 1000).toLocaleString(boot.language, shown) : "–") },
      { label: boot.words.peak, stroke: "#b35a12", width: 1, value, spanGaps: false, points: { show: false } },
      { label: boot.words.mean, stroke: "#1d4d3a", width: 2, value, spanGaps: false, points: { show: false } },
      ...(boot.corrected ? [{ label: boot.words.corrected, stroke: "#1c5d99", width: 1.5, dash: [6, 4], value, spanGaps: false, points: { show: false } }] : []),
    ],
    axes: [
      { ...axis, values: (_u, times) => times.map(label), space: 70 },
      { ...axis, size: 58, values: (_u, figures) => figures.map((one) => String(one).replace(".", boot.language === "nl" ? "," : ".")) },
    ],
    scales: { x: { range: () => [(now() - length) / 1000, now() / 1000] }, y: { range: scale } },
    hooks: { drawClear: [behind] },
  };
  const words = place.querySelector("title")?.textContent ?? "";
  place.replaceChildren();
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", words);
  plot = new uPlot(options, columns(), place);
  addEventListener("resize", () => plot.setSize({ width: Math.max(280, place.clientWidth), height: 320 }));
}

function scale(_plot, low, high) {
  if (low === null || low === undefined) return [0, 1];
  if (boot.fromZero) return [Math.min(0, low), Math.max(1, high * 1.05)];
  const room = Math.max(1, (high - low) * 0.1);
  return [low - room, high + room];
}

function label(at) {
  const hours = length / 3600000 <= 30;
  const form = hours ? { hour: "2-digit", minute: "2-digit" } : { day: "numeric", month: "short" };
  return new Date(at * 1000).toLocaleString(boot.language, { timeZone: "Europe/Amsterdam", ...form });
}

// --- figures ------------------------------------------------------------------------------------

const known = new Map(); // property -> the newest live value

function drawTable() {
  for (const row of document.querySelectorAll("tr[data-property]")) {
    const value = known.get(row.dataset.property);
    const time = row.querySelector("time");
    const at = value?.observedAt ?? time.dateTime;
    const quiet = write.silent(at, now());
    row.classList.toggle("silent", quiet);
    time.dateTime = at;
    time.textContent = write.age(at, now());
    for (const name of ["mean", "max", "corrected"]) {
      const cell = row.querySelector(`.${name}`);
      if (quiet) cell.textContent = "–";
      else if (value?.uncorrected && name === "corrected") cell.textContent = boot.words[value.uncorrected];
      else if (value) cell.textContent = value[name] === null ? "–" : `${write.figure(value[name])} ${write.unit(value.unit)}`;
    }
  }
}

let minute = 0;
async function renew() {
  await read(new Date(now() - Math.max(4 * boot.step * 1000, 240000)).toISOString());
  plot?.setData(columns());
}

function take(values) {
  for (const value of values) {
    if (value.station !== boot.station) continue;
    known.set(value.observedProperty, value);
    newest = Math.max(newest, Date.parse(value.observedAt));
  }
  const turned = Math.floor(newest / 60000);
  if (turned !== minute) {
    minute = turned;
    setTimeout(() => renew().catch(() => {}), 2000 + Math.random() * 3000);
  }
}

if (window.uPlot)
  read(boot.start)
    .then(draw)
    .catch(() => {});
follow({ values: take, event: () => {}, again: () => renew().catch(() => {}), say: sayIn(boot.words) });
setInterval(drawTable, 1000);
