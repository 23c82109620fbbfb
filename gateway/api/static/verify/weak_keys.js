// Ed25519 keys that prove nothing: those of small order, whose signatures fit any text, and those in a second form.

const FIELD = 2n ** 255n - 19n;
const SMALL_ORDER = [
  0n,
  1n,
  FIELD - 1n,
  0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n,
  0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n,
]; // y coordinates of the points whose order divides 8

export function isWeakKey(publicKey) {
  const y = publicKey.reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n) & (2n ** 255n - 1n);
  return y >= FIELD || SMALL_ORDER.includes(y);
}
