// The popup of a station: the leading property first, with averaging and age; the peak of today, the wind, and the chart.
import { element } from "./figures.js";
import { describeMark } from "./marks.js";
import { describeWind, stationWind } from "./wind.js";

const TIME_ZONE = "Europe/Amsterdam";
const SEVERITIES = ["minor", "moderate", "severe", "extreme"];
export const isOpenPeak = (event) => event.kind === "peak" && !event.end && event.change !== "voided";

// The most severe first; of equals the property that comes first on the page.
export function bySeverity(a, b) {
  const order = propertyOrder();
  const position = (event) => (order.includes(event.observedProperty) ? order.indexOf(event.observedProperty) : order.length);
  return SEVERITIES.indexOf(b.severity) - SEVERITIES.indexOf(a.severity) || position(a) - position(b);
}

const propertyOrder = () => [...document.querySelectorAll("#property option")].map((option) => option.value);

// Properties of a station as the popup lists them: those of its open peaks, then the order of the page.
function orderProperties(feature, events) {
  const open = [...events.values()].filter((event) => event.station === feature.id && isOpenPeak(event)).sort(bySeverity);
  const names = [...open.map((event) => event.observedProperty), ...propertyOrder()];
  return [...new Set(names)].filter((name) => feature.properties.newest[name]);
}

export function buildPopup(feature, page) {
  const { boot, events, marksOf, hasNoData, now, format } = page;
  const newest = feature.properties.newest;
  const url = `${boot.home}stations/${encodeURIComponent(feature.id)}`;
  const content = element("div", { className: "station-popup" }, element("strong", {}, element("a", { href: url, textContent: feature.properties.name })));
  for (const mark of marksOf(feature.id)) content.append(element("div", { className: "possible-line", textContent: describeMark(mark, page) }));
  orderProperties(feature, events).forEach((name, i) => {
    const value = newest[name];
    const isMissing = hasNoData(value) || value.mean === null;
    const age = format.age(value.observedAt, now());
    const text = isMissing ? age : `${format.level(value.mean, value.unit, boot.backgrounds[feature.id]?.[name])}, ${boot.averagings[value.averaging]}`;
    const line = element("div", { className: i ? "more" : "leading" }, `${boot.names[name] ?? name}: `, element(i ? "span" : "b", { textContent: text }));
    if (!i && !isMissing) line.append(element("span", { className: "age", textContent: ` ${age}` }));
    content.append(line);
    if (!i) content.append(element("div", { className: "today", textContent: boot.mapWords.looking }));
  });
  const wind = stationWind(newest, hasNoData);
  if (wind) content.append(element("div", { textContent: `${boot.mapWords.wind} ${describeWind(wind, boot.wind, format.number)}` }));
  content.append(element("a", { href: url, className: "to-chart", textContent: boot.mapWords.chart }));
  return content;
}

// The strongest detected peak since midnight of the property that the popup begins with; asked when it is opened.
export async function fillPeakOfToday(line, feature, { boot, events, now, format }) {
  const [property] = orderProperties(feature, events);
  if (!line || !property) return;
  const query = new URLSearchParams({ station: feature.id, property, kind: "peak", limit: "200", start: startOfDay(now()) });
  try {
    const response = await fetch(`/api/v1/events?${query}`);
    if (!response.ok) throw new Error(`${response.status}`);
    const peaks = (await response.json()).items.filter((event) => event.change !== "voided");
    const [strongest] = peaks.sort((a, b) => Math.abs(b.excess) - Math.abs(a.excess));
    if (!strongest) {
      line.textContent = boot.mapWords.no_peak_today;
      return;
    }
    const figure = `${format.peak(strongest)}, ${boot.averagings[strongest.peakAveraging]}`;
    const text = `${boot.mapWords.peak_today}: ${figure}, ${format.timeOfDay(strongest.peakAt)}`;
    line.replaceChildren(element("a", { href: strongest.plume ? `${boot.home}plumes/${encodeURIComponent(strongest.plume)}` : `${boot.home}events/${encodeURIComponent(strongest.id)}`, textContent: text }));
  } catch {
    line.remove(); // nothing is better than a line that is not true
  }
}

// Midnight of the local day in which a moment lies, as UTC text.
function startOfDay(milliseconds) {
  const local = new Intl.DateTimeFormat("sv-SE", { timeZone: TIME_ZONE, dateStyle: "short", timeStyle: "medium" });
  const asUtc = (at) => Date.parse(`${local.format(at).replace(" ", "T")}Z`);
  const midnight = Date.parse(`${local.format(milliseconds).slice(0, 10)}T00:00:00Z`);
  let at = midnight;
  for (let i = 0; i < 2; i += 1) at += midnight - asUtc(at); // twice: the offset may change in between
  return new Date(at).toISOString();
}
