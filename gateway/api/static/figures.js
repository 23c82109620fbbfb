// Formats of numbers, times and ages, the same as on the server.

// British English: 24 hours, and the day before the month, as the server writes them.
export const localeOf = (boot) => (boot.language === "nl" ? "nl-NL" : "en-GB");

export function formatter(boot) {
  const dutch = boot.language === "nl";
  const texts = boot.words;
  const local = { timeZone: "Europe/Amsterdam" };
  const format = {
    number(value) {
      if (value === null || value === undefined) return "–";
      const size = Math.abs(value);
      const text = value.toFixed(size >= 100 ? 0 : size >= 1 ? 1 : 2);
      return dutch ? text.replace(".", ",") : text;
    },
    unit: (code) => boot.units[code] ?? code,
    isRawSignal: (code) => Boolean(boot.peakPhrases?.units.includes(code)),
    // A peak with its unit; of a raw signal its share or multiple of the background, because its number means nothing.
    peak(event) {
      if (!format.isRawSignal(event.unit) || !(event.background > 0)) return `${format.number(event.peak)} ${format.unit(event.unit)}`;
      const ratio = format.ratio(event);
      if (ratio) return boot.peakPhrases.times.replace("{ratio}×", ratio);
      return boot.peakPhrases.share.replace("{share}", Math.round((100 * event.peak) / event.background));
    },
    // A value with its unit; of a raw signal its share of the background, and a dash without a background.
    level(value, code, background) {
      if (!format.isRawSignal(code) || value === null || value === undefined) return `${format.number(value)} ${format.unit(code)}`.trim();
      return background > 0 ? format.peak({ peak: value, background, unit: code }) : "–";
    },
    timeOfDay: (text) => new Date(text).toLocaleTimeString(localeOf(boot), { ...local, hour: "2-digit", minute: "2-digit" }),
    hasNoData: (at, now) => !at || now - Date.parse(at) > boot.silentAfter * 1000,
    age(at, now) {
      if (!at) return texts.no_valid;
      if (format.hasNoData(at, now)) return `${texts.silent} ${format.timeOfDay(at)}`;
      const age = Math.max(0, Math.round((now - Date.parse(at)) / 1000));
      return age < 120 ? `${age} ${texts.seconds}` : `${Math.round(age / 60)} ${texts.minutes}`;
    },
    duration(start, end) {
      const seconds = Math.max(1, Math.round((Date.parse(end) - Date.parse(start)) / 1000));
      if (seconds < 90) return `${seconds} ${seconds === 1 ? texts.second : texts.seconds_long}`;
      if (seconds < 5400) return `${Math.round(seconds / 60)} ${texts.minutes_long}`;
      if (seconds >= 172800) return `${Math.round(seconds / 86400)} ${texts.days_long}`;
      const hours = (seconds / 3600).toFixed(1).replace(/\.0$/, "");
      return `${dutch ? hours.replace(".", ",") : hours} ${texts.hours_long}`;
    },
    ratio({ peak, background, unit }) {
      const isLevel = unit.startsWith("dB"); // a logarithm: 80 dB is not twice as much as 40 dB
      if (isLevel || !(background > 0) || peak < 1.5 * background) return "";
      const ratio = peak / background;
      const text = ratio.toFixed(ratio < 10 ? 1 : 0);
      return `${dutch ? text.replace(".", ",") : text}${texts.times}`;
    },
  };
  return format;
}

export function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}
