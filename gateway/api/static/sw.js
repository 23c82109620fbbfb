// Without a network the app shows the offline page and its static files, never an old measurement.

const CACHE_NAME = "piekwacht-2";
const VERIFY_CACHE_NAME = "piekwacht-verify"; // the page that checks figures fills it: static/verify/loading.js
const OFFLINE_FILES = ["/nl/offline", "/en/offline", "/static/style.css", "/static/icon.svg", "/static/app.js"];

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE_NAME).then((cache) => cache.addAll(OFFLINE_FILES)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter((name) => name !== CACHE_NAME && name !== VERIFY_CACHE_NAME).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== location.origin) return;
  if (event.request.mode === "navigate") {
    const english = url.pathname.startsWith("/en/") || (!url.pathname.startsWith("/nl/") && !navigator.language.startsWith("nl"));
    // no-cache: the browser's cache would show old values as if they were current
    const response = fetch(url, { cache: "no-cache", credentials: "same-origin", redirect: "manual" });
    event.respondWith(response.catch(async () => (await findVerifyPage(url.pathname)) ?? caches.match(english ? "/en/offline" : "/nl/offline")));
  } else if (OFFLINE_FILES.includes(url.pathname) || url.pathname.startsWith("/static/verify/")) {
    event.respondWith(fetch(event.request).catch(() => caches.match(event.request, { ignoreVary: true })));
  }
});

// The stored page that checks figures, whatever it was asked. It has no measurement of its own.
async function findVerifyPage(path) {
  if (!path.endsWith("/verify")) return undefined;
  return caches.match(path, { ignoreSearch: true, ignoreVary: true });
}
