// Hashes and inclusion proofs of an append-only Merkle tree: RFC 6962, section 2.1, with SHA-256.
import { concat, equal, sha256 } from "./bytes.js";
import { require } from "./proof_error.js";

export const HASH_BYTES = 32;
const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

export const hashLeaf = (entry) => sha256(concat(LEAF, entry));
export const hashChildren = (left, right) => sha256(concat(NODE, left, right));

// Root that the proof leads to; `index` and `size` are BigInts.
export async function rootOfInclusion(index, size, leafHash, proof) {
  require(index >= 0n && index < size, "no_leaf", { index, size });
  let node = index;
  let last = size - 1n;
  let root = leafHash;
  for (const sibling of proof) {
    require(last !== 0n, "proof_long");
    if (node % 2n === 1n || node === last) {
      root = await hashChildren(sibling, root);
      while (node % 2n === 0n && node !== 0n) {
        node /= 2n;
        last /= 2n;
      }
    } else {
      root = await hashChildren(root, sibling);
    }
    node /= 2n;
    last /= 2n;
  }
  require(last === 0n, "proof_short");
  return root;
}

// Throws a ProofError unless the proof leads from this leaf to this root.
export async function checkInclusion(index, size, leafHash, proof, root) {
  require(equal(await rootOfInclusion(index, size, leafHash, proof), root), "other_root", { index, size });
}
