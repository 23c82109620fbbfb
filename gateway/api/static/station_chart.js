// An interactive chart of one station: zoom, the curves of compared stations, and a link to the moment that is shown.
// It replaces the server's chart in the same space, so that nothing on the page moves.
import { formatter, localeOf } from "./figures.js";

const MIN_SPAN = 300; // s, of the deepest zoom

export function openChart(boot, now) {
  const format = formatter(boot);
  const container = document.getElementById("plot");
  const stations = [boot.station, ...boot.compared.map((row) => row.id)];
  const rows = new Map(); // start in s -> [highest, mean, corrected, mean of each compared station]
  const first = Date.parse(boot.start);
  const periodLength = Date.parse(boot.end) - first;
  const axisTime = new Intl.DateTimeFormat(localeOf(boot), timeOptions(periodLength));
  const readoutTime = new Intl.DateTimeFormat(localeOf(boot), { timeZone: "Europe/Amsterdam", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
  let plot = null;
  let zoom = null; // [from, to] in s; null: the whole period

  const period = () => (boot.moment ? [first / 1000, Date.parse(boot.end) / 1000] : [(now() - periodLength) / 1000, now() / 1000]);
  const shown = () => zoom ?? period();

  async function read(station, index, start) {
    const query = new URLSearchParams({ property: boot.property, averaging: boot.averaging, limit: 10000, start });
    if (boot.moment) query.set("end", boot.end);
    const response = await fetch(`/api/v1/stations/${encodeURIComponent(station)}/observations?${query}`);
    if (!response.ok) throw new Error(response.statusText);
    for (const item of (await response.json()).items) {
      const at = Date.parse(item.start) / 1000;
      const row = rows.get(at) ?? new Array(2 + stations.length).fill(null);
      if (index === 0) [row[0], row[1], row[2]] = [item.max, item.mean, item.corrected];
      else row[2 + index] = item.mean;
      rows.set(at, row);
    }
  }

  const readAll = (start) => Promise.all(stations.map((station, index) => read(station, index, start)));

  // Columns for the chart: rows before the period are dropped, and a missing period becomes a gap.
  function columns() {
    const [from] = period();
    const used = boot.corrected ? [0, 1, 2] : [0, 1];
    for (let i = 3; i < 2 + stations.length; i++) used.push(i);
    const result = [[], ...used.map(() => [])];
    const add = (at, row) => {
      result[0].push(at);
      used.forEach((index, i) => result[i + 1].push(row ? row[index] : null));
    };
    let previous = null;
    for (const at of [...rows.keys()].sort((a, b) => a - b)) {
      if (at < from - boot.step) {
        rows.delete(at);
        continue;
      }
      if (previous !== null && at - previous > boot.step * 1.5) add(previous + boot.step, null);
      add(at, rows.get(at));
      previous = at;
    }
    if (previous !== null) add(previous + boot.step, rows.get(previous)); // a step ends where its period ends
    return result;
  }

  function draw() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const steps = uPlot.paths.stepped({ align: 1 }); // a mean is of its whole period, which begins at its time
    const line = (label, stroke, width, dash) => ({ label, stroke: colour(stroke), width, dash, spanGaps: false, points: { show: false }, paths: steps });
    const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") }, font: "12px system-ui, sans-serif" };
    const options = {
      ...size(),
      legend: { show: false },
      cursor: { drag: { x: true, y: false, setScale: false } },
      series: [
        {},
        line(boot.words.peak, "--curve-highest", 1),
        line(boot.averagings[boot.averaging], "--curve-mean", 2),
        ...(boot.corrected ? [line(boot.words.corrected, "--curve-corrected", 1.5, [6, 4])] : []),
        ...boot.compared.map((row, i) => line(row.name, `--compared-${i + 1}`, 1.5, [[8, 3], [2, 3], [10, 3, 2, 3]][i])),
      ],
      axes: [
        { ...axis, values: (_u, times) => times.map((at) => axisTime.format(at * 1000)), space: 70 },
        { ...axis, size: 58, values: (_u, figures) => figures.map((figure) => String(figure).replace(".", boot.language === "nl" ? "," : ".")) },
      ],
      scales: { x: { time: true, range: () => shown() }, y: { range: scale } },
      hooks: {
        drawClear: [(u) => drawBackground(u, boot, now, colour)],
        setCursor: [showReadout],
        setSelect: [
          (u) => {
            if (u.select.width < 4) return;
            const [from, to] = [u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x")];
            u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
            setZoom([from, to]);
          },
        ],
      },
    };
    const description = container.querySelector("title")?.textContent ?? container.getAttribute("aria-label") ?? "";
    container.replaceChildren();
    container.setAttribute("role", "img");
    container.setAttribute("aria-label", description);
    plot = new uPlot(options, columns(), container);
  }

  let height = 0;
  function size() {
    height ||= Math.max(220, Math.round(container.clientHeight));
    return { width: Math.max(260, container.clientWidth), height };
  }

  function scale(_plot, low, high) {
    if (low === null || low === undefined) return [0, 1];
    if (boot.fromZero) return [Math.min(0, low), Math.max(1, high * 1.05)];
    const margin = Math.max(1, (high - low) * 0.1);
    return [low - margin, high + margin];
  }

  function showReadout(u) {
    const i = u.cursor.idx;
    const readout = document.getElementById("readout");
    if (i === null || i === undefined || u.cursor.left < 0) {
      readout.textContent = boot.words.chart_hint;
      return;
    }
    const pointed = u.posToVal(u.cursor.left, "x");
    const isMeasured = u.data[0][i] - boot.step <= pointed && pointed <= u.data[0][i] + boot.step;
    const values = u.series.slice(1).map((series, s) => `${series.label} ${format.number(u.data[s + 1][i])}`);
    const text = isMeasured ? `${values.join(" · ")} ${boot.unit}` : "–";
    readout.textContent = `${readoutTime.format((isMeasured ? u.data[0][i] : pointed) * 1000)}: ${text}`;
  }

  function setZoom(next) {
    const [from, to] = period();
    if (next) {
      const span = Math.max(MIN_SPAN, next[1] - next[0]);
      const middle = (next[0] + next[1]) / 2;
      const start = Math.max(from, Math.min(middle - span / 2, to - span));
      next = span >= to - from ? null : [start, start + span];
    }
    zoom = next;
    plot.setData(columns());
    const [left, right] = shown();
    const link = document.getElementById("moment-link");
    const address = new URL(link.href);
    address.searchParams.set("at", new Date(Math.floor((left + right) / 120) * 60000).toISOString());
    link.href = address.href;
  }

  function scaleZoom(factor) {
    const [from, to] = shown();
    const middle = (from + to) / 2;
    setZoom([middle - ((to - from) * factor) / 2, middle + ((to - from) * factor) / 2]);
  }

  function bindButtons() {
    document.getElementById("zoom-in").addEventListener("click", () => scaleZoom(0.5));
    document.getElementById("zoom-out").addEventListener("click", () => scaleZoom(2));
    document.getElementById("zoom-all").addEventListener("click", () => setZoom(null));
    document.getElementById("zoom").classList.add("ready");
    document.getElementById("readout").textContent = boot.words.chart_hint;
    addEventListener("resize", () => plot.setSize(size()));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  }

  readAll(boot.start)
    .then(() => {
      draw();
      bindButtons();
    })
    .catch(() => {}); // the server's chart stays

  return {
    refresh() {
      if (!plot || boot.moment) return;
      readAll(new Date(now() - Math.max(4 * boot.step * 1000, 240000)).toISOString())
        .then(() => plot.setData(columns()))
        .catch(() => {});
    },
  };
}

function timeOptions(periodLength) {
  const isShort = periodLength / 3600000 <= 30;
  return { timeZone: "Europe/Amsterdam", ...(isShort ? { hour: "2-digit", minute: "2-digit" } : { day: "numeric", month: "short" }) };
}

// Peaks, flagged periods, the background band and the moment of the link, behind the lines.
function drawBackground(u, boot, now, colour) {
  const { ctx, bbox } = u;
  const x = (ms) => Math.min(bbox.left + bbox.width, Math.max(bbox.left, u.valToPos(ms / 1000, "x", true)));
  ctx.save();
  ctx.globalAlpha = 0.14;
  ctx.fillStyle = colour("--alarm");
  for (const [start, end] of boot.peaks) {
    const from = x(Date.parse(start));
    ctx.fillRect(from, bbox.top, Math.max(2, x(end ? Date.parse(end) : now()) - from), bbox.height);
  }
  ctx.globalAlpha = 0.55;
  ctx.strokeStyle = colour("--soft");
  for (const [start, end] of boot.flagged) {
    const from = x(Date.parse(start));
    const to = Math.max(from + 2, x(Date.parse(end)));
    ctx.save();
    ctx.beginPath();
    ctx.rect(from, bbox.top, to - from, bbox.height);
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
    ctx.globalAlpha = 0.18;
    ctx.fillStyle = colour("--green");
    ctx.beginPath();
    for (const [at, , high] of boot.band) ctx.lineTo(x(Date.parse(at)), u.valToPos(high, "y", true));
    for (const [at, low] of [...boot.band].reverse()) ctx.lineTo(x(Date.parse(at)), u.valToPos(low, "y", true));
    ctx.fill();
  }
  if (boot.moment) {
    ctx.globalAlpha = 0.5;
    ctx.fillStyle = colour("--ink");
    const from = x(Date.parse(boot.moment));
    ctx.fillRect(from, bbox.top, Math.max(2, x(Date.parse(boot.moment) + 60000) - from), bbox.height);
  }
  ctx.restore();
}
