// Registers the service worker, which makes the pages an app with an offline page.
if ("serviceWorker" in navigator) navigator.serviceWorker.register("/sw.js").catch(() => {});
