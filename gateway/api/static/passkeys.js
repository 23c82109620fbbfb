// Passkeys on the account page: sign in with one, or add one. The server's sentence of a refusal is shown as it is.

const useForm = document.getElementById("use-passkey");
const addForm = document.getElementById("add-passkey");
const form = useForm ?? addForm;
const state = document.getElementById("passkey-state");

if (window.PublicKeyCredential && form) {
  form.hidden = false;
  document.getElementById("no-passkeys")?.setAttribute("hidden", "");
  form.addEventListener("submit", submit);
}

async function submit(event) {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  state.textContent = "";
  try {
    if (location.origin !== form.dataset.site) throw new Error(state.dataset.elsewhere);
    location.assign(await (useForm ? signIn() : addPasskey()));
  } catch (error) {
    state.textContent = describe(error);
    button.disabled = false;
  }
}

async function signIn() {
  const options = await post("/account/passkey/options");
  const publicKey = { ...options, challenge: decode(options.challenge) };
  const credential = await navigator.credentials.get({ publicKey });
  return (await post("/account/passkey/sign-in", { credential: toDocument(credential) })).location + returnPath();
}

// The page to return to, as the address of this page has it.
function returnPath() {
  const to = new URLSearchParams(location.search).get("to");
  return to ? `&${new URLSearchParams({ to })}` : "";
}

async function addPasskey() {
  const name = form.elements.name.value;
  const options = await post("/account/passkeys/options");
  const credential = await navigator.credentials.create({
    publicKey: {
      ...options,
      challenge: decode(options.challenge),
      user: { ...options.user, id: decode(options.user.id) },
      excludeCredentials: options.excludeCredentials.map((known) => ({ ...known, id: decode(known.id) })),
    },
  });
  return (await post("/account/passkeys", { name, credential: toDocument(credential) })).location;
}

async function post(path, document_ = {}) {
  const response = await fetch(`${path}?lang=${document.documentElement.lang}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(document_),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.detail);
  return answer;
}

// The browser's own errors are in its language and its words: people get ours.
function describe(error) {
  if (error instanceof DOMException) {
    if (error.name === "InvalidStateError" && state.dataset.known) return state.dataset.known;
    return error.name === "NotAllowedError" || error.name === "AbortError" ? state.dataset.cancelled : state.dataset.failed;
  }
  return error instanceof TypeError || error instanceof SyntaxError ? state.dataset.failed : error.message;
}

function toDocument(credential) {
  const { clientDataJSON, attestationObject, authenticatorData, signature, userHandle } = credential.response;
  const parts = { clientDataJSON, attestationObject, authenticatorData, signature, userHandle };
  const present = Object.entries(parts).filter(([, part]) => part);
  return {
    id: credential.id,
    rawId: encode(credential.rawId),
    type: credential.type,
    response: Object.fromEntries(present.map(([name, part]) => [name, encode(part)])),
  };
}

function encode(buffer) {
  const binary = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

function decode(text) {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}
