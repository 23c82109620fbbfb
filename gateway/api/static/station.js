// The live values of one station, and its own-station star. The page is complete without this script.
import { follow, stateWriter } from "./stream.js";
import { formatter } from "./figures.js";
import { fillMarkList } from "./marks.js";
import { bindStar } from "./own_stations.js";

const boot = JSON.parse(document.getElementById("boot").textContent);
const format = formatter(boot);
const newestValues = new Map(); // property -> the newest live value
let newest = Date.parse(boot.end);
let minute = 0;
let chart = null;
const now = () => (boot.replay ? newest : Date.now());

function drawTable() {
  for (const row of document.querySelectorAll("tr[data-property]")) {
    const value = newestValues.get(row.dataset.property);
    const time = row.querySelector("time");
    const at = value?.observedAt ?? time?.dateTime;
    const noData = format.hasNoData(at, now());
    row.classList.toggle("silent", noData);
    if (time && at) time.dateTime = at;
    setText(time ?? row.querySelector(".age"), format.age(at, now()));
    if (value?.observedAt) linkCheck(row.querySelector(".check-link"), value);
    for (const name of ["mean", "max", "corrected"]) {
      const cell = row.querySelector(`.${name}`);
      if (noData) setText(cell, "–");
      else if (value?.uncorrected && name === "corrected") setText(cell, boot.words[value.uncorrected]);
      else if (value) setText(cell, value[name] === null ? "–" : format.level(value[name], value.unit, boot.backgrounds[row.dataset.property]));
    }
  }
}

// The same text again would make the browser lay out the table again.
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// The link beside a value checks the newest single reading, as the row shows it now.
function linkCheck(link, value) {
  if (!link) return;
  const address = new URL(link.href);
  address.searchParams.set("at", value.observedAt);
  address.searchParams.set("value", value.value);
  link.href = address.pathname + address.search;
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
    setTimeout(() => chart?.refresh(), 2000 + Math.random() * 3000);
  }
}

// The server's chart is on the page already; the one to zoom in is loaded when the browser has nothing else to do.
const whenIdle = (task) => (window.requestIdleCallback ? requestIdleCallback(task, { timeout: 4000 }) : setTimeout(task, 300));

function loadChart() {
  const style = Object.assign(document.createElement("link"), { rel: "stylesheet", href: "/static/vendor/uplot.css" });
  const script = Object.assign(document.createElement("script"), { src: "/static/vendor/uplot.js" });
  script.onload = () => whenIdle(async () => (chart = (await import("./station_chart.js")).openChart(boot, now)));
  document.head.append(style, script);
}

if (document.readyState === "complete") whenIdle(loadChart);
else addEventListener("load", () => whenIdle(loadChart));
bindStar(document.getElementById("star"));

function showMarks(marks) {
  if (boot.moment) return; // the page shows that moment
  fillMarkList(document.getElementById("possible"), marks.filter((mark) => mark.station === boot.station), { boot, format });
}

follow({ onValues: storeValues, onEvent: () => {}, onMarks: showMarks, onStale: () => chart?.refresh(), onState: stateWriter(boot.words) });
setInterval(drawTable, 1000);
