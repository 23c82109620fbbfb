// How figures, times and ages are written, the same as on the server.

export function writer(boot) {
  const dutch = boot.language === "nl";
  const words = boot.words;
  const local = { timeZone: "Europe/Amsterdam" };
  const self = {
    figure(value) {
      if (value === null || value === undefined) return "–";
      const size = Math.abs(value);
      const text = value.toFixed(size >= 100 ? 0 : size >= 1 ? 1 : 2);
      return dutch ? text.replace(".", ",") : text;
    },
    unit: (code) => boot.units[code] ?? code,
    clock: (text) => new Date(text).toLocaleTimeString(boot.language, { ...local, hour: "2-digit", minute: "2-digit" }),
    silent: (at, now) => !at || now - Date.parse(at) > boot.silentAfter * 1000,
    age(at, now) {
      if (!at) return words.never;
      if (self.silent(at, now)) return `${words.silent} ${self.clock(at)}`;
      const age = Math.max(0, Math.round((now - Date.parse(at)) / 1000));
      return age < 120 ? `${age} ${words.seconds}` : `${Math.round(age / 60)} ${words.minutes}`;
    },
    lasted(start, end) {
      const seconds = Math.max(1, Math.round((Date.parse(end) - Date.parse(start)) / 1000));
      if (seconds < 90) return `${seconds} ${seconds === 1 ? words.second : words.seconds_long}`;
      if (seconds < 5400) return `${Math.round(seconds / 60)} ${words.minutes_long}`;
      return `${self.figure(seconds / 3600)} ${words.hours_long}`;
    },
    times(peak, background) {
      if (!(background > 0) || peak < 1.5 * background) return "";
      const times = peak / background;
      return `${times < 10 ? self.figure(times) : Math.round(times)}${words.times}`;
    },
  };
  return self;
}

export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}
