// Notices in this browser: asks permission when the button is pressed, subscribes, and sends the form with the endpoint.

const form = document.getElementById("subscribe");
const button = document.getElementById("browser-button");
const state = document.getElementById("browser-state");

if (form.dataset.key && "PushManager" in window && "serviceWorker" in navigator && "Notification" in window) {
  document.getElementById("browser").hidden = false;
  button.addEventListener("click", subscribe);
}

async function subscribe() {
  button.disabled = true;
  state.textContent = "";
  try {
    if ((await Notification.requestPermission()) !== "granted") throw new Error(state.dataset.denied);
    const registration = await navigator.serviceWorker.ready;
    const subscription = await registration.pushManager.subscribe({
      userVisibleOnly: true,
      applicationServerKey: decodeBase64(form.dataset.key),
    });
    const { endpoint, keys } = subscription.toJSON();
    const fields = Object.fromEntries(new FormData(form));
    delete fields.email;
    const response = await fetch(`${form.dataset.home}waarschuw-mij/browser`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ endpoint, keys, fields }),
    });
    const document_ = await response.json();
    if (!response.ok) throw new Error(document_.detail ?? state.dataset.failed);
    await rememberEndpoint(endpoint);
    location.assign(document_.manage);
  } catch (error) {
    state.textContent = error.message || state.dataset.failed;
    button.disabled = false;
  }
}

// For sw.js: a browser may change its endpoint without a word about the former one.
async function rememberEndpoint(endpoint) {
  const cache = await caches.open("piekwacht-endpoint");
  await cache.put("/endpoint", new Response(JSON.stringify({ endpoint, key: form.dataset.key })));
}

function decodeBase64(text) {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}
