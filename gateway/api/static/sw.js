// Without a network there is one honest page and the files that pages are made of; never an old measurement.

const STORE = "piekwacht-1";
const KEPT = ["/nl/offline", "/en/offline", "/static/style.css", "/static/icon.svg", "/static/app.js"];

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(STORE).then((store) => store.addAll(KEPT)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter((name) => name !== STORE).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== location.origin) return;
  if (event.request.mode === "navigate") {
    const english = url.pathname.startsWith("/en/") || (!url.pathname.startsWith("/nl/") && !navigator.language.startsWith("nl"));
    // asked anew each time: the browser's own cache would show old figures as if they were now
    const asked = fetch(url, { cache: "no-cache", credentials: "same-origin", redirect: "manual" });
    event.respondWith(asked.catch(() => caches.match(english ? "/en/offline" : "/nl/offline")));
  } else if (KEPT.includes(url.pathname)) {
    event.respondWith(fetch(event.request).catch(() => caches.match(event.request)));
  }
});
