// Reads a push of ours from stdin, decrypts and verifies it with npm web-push and its libraries, prints what it holds.

const webPush = require("web-push");
const ece = require("http_ece");
const jws = require("jws");
const crypto = require("node:crypto");

const push = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const receiver = crypto.createECDH("prime256v1");
receiver.setPrivateKey(Buffer.from(push.privateKey, "base64"));
const payload = ece.decrypt(Buffer.from(push.body, "base64"), {
  version: "aes128gcm",
  privateKey: receiver,
  authSecret: push.authSecret,
});

const [, token, key] = push.headers.authorization.match(/^vapid t=([^,]+), ?k=(.+)$/);
const point = Buffer.from(key, "base64url");
const publicKey = crypto.createPublicKey({
  key: { kty: "EC", crv: "P-256", x: point.subarray(1, 33).toString("base64url"), y: point.subarray(33).toString("base64url") },
  format: "jwk",
});
const isSigned = jws.verify(token, "ES256", publicKey.export({ type: "spki", format: "pem" }));

// The same request as web-push makes it: it refuses a topic, an urgency and a TTL that are none.
const subscription = { endpoint: push.endpoint, keys: { p256dh: receiver.getPublicKey().toString("base64url"), auth: push.authSecret } };
const own = webPush.generateVAPIDKeys();
const expected = webPush.generateRequestDetails(subscription, payload, {
  TTL: Number(push.headers.ttl),
  urgency: push.headers.urgency,
  topic: push.headers.topic,
  contentEncoding: "aes128gcm",
  vapidDetails: { subject: "mailto:a@example.org", publicKey: own.publicKey, privateKey: own.privateKey },
});
const headers = Object.fromEntries(Object.entries(expected.headers).map(([name, value]) => [name.toLowerCase(), String(value)]));
delete headers.authorization;
console.log(JSON.stringify({ payload: JSON.parse(payload), claims: jws.decode(token).payload, isSigned, headers, length: expected.body.length }));
