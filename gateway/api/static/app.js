// Makes the pages an app: a page for when there is no network, nothing else.
if ("serviceWorker" in navigator) navigator.serviceWorker.register("/sw.js").catch(() => {});
