// Without a network the app shows the offline page and its static files, never an old measurement.

const CACHE_NAME = "piekwacht-2";
const VERIFY_CACHE_NAME = "piekwacht-verify"; // the page that checks figures fills it: static/verify/loading.js
const NOTICE_CACHE_NAME = "piekwacht-notices"; // ids of notices that were shown, so that a repeat disturbs nobody
const MAX_NOTICES = 200;
const ENDPOINT_CACHE_NAME = "piekwacht-endpoint"; // the endpoint of this browser: subscribe.js stores it
const CACHE_NAMES = [CACHE_NAME, VERIFY_CACHE_NAME, NOTICE_CACHE_NAME, ENDPOINT_CACHE_NAME];
const OFFLINE_FILES = ["/nl/offline", "/en/offline", "/static/style.css", "/static/icon.svg", "/static/app.js"];

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE_NAME).then((cache) => cache.addAll(OFFLINE_FILES)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter((name) => !CACHE_NAMES.includes(name)).map((name) => caches.delete(name))))
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

self.addEventListener("push", (event) => {
  event.waitUntil(showNotice(event.data?.json() ?? {}));
});

// The push service gave this browser another endpoint: the subscriptions move to it. Not every browser names the two.
self.addEventListener("pushsubscriptionchange", (event) => {
  event.waitUntil(renewSubscription(event.oldSubscription, event.newSubscription));
});

async function renewSubscription(former, renewed) {
  const cache = await caches.open(ENDPOINT_CACHE_NAME);
  const stored = (await (await cache.match("/endpoint"))?.json()) ?? {};
  const formerEndpoint = former?.endpoint ?? stored.endpoint;
  const key = former?.options?.applicationServerKey ?? stored.key; // a key as base64url is one that browsers accept
  if (!formerEndpoint || !(renewed || key)) return;
  const subscription = renewed ?? (await self.registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key }));
  const { endpoint, keys } = subscription.toJSON();
  const response = await fetch("/waarschuw-mij/browser/vernieuwen", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ former: formerEndpoint, endpoint, keys }),
  });
  if (response.ok) await cache.put("/endpoint", new Response(JSON.stringify({ endpoint, key: stored.key })));
}

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const url = new URL(event.notification.data?.url ?? "/", location.origin);
  if (url.origin === location.origin) event.waitUntil(self.clients.openWindow(url.href));
});

// One notification per plume: a newer notice replaces the older one. A repeat of the same notice makes no sound.
async function showNotice({ id = "", title = "Piekwacht", body = "", url = "/", topic = "", lang = "nl" }) {
  const cache = await caches.open(NOTICE_CACHE_NAME);
  const key = `/notices/${encodeURIComponent(id)}`;
  const isRepeat = (await cache.match(key)) !== undefined;
  if (!isRepeat) {
    await cache.put(key, new Response(""));
    const keys = await cache.keys();
    await Promise.all(keys.slice(0, Math.max(0, keys.length - MAX_NOTICES)).map((old) => cache.delete(old)));
  }
  const tag = topic || id || "piekwacht";
  await self.registration.showNotification(title, { body, tag, lang, data: { url, id }, icon: "/static/icon.svg", renotify: !isRepeat, silent: isRepeat });
}
