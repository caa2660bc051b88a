// Whether an entry is in the audit log that the hub has signed: inclusion in the Merkle tree of
// RFC 6962 (verification of RFC 9162, 2.1.3.2) against a checkpoint (c2sp.org/tlog-checkpoint) that
// is a signed note (c2sp.org/signed-note). Everything is computed here, by WebCrypto.
//
//   const shown = await checkProof(proof, publicKeyPem);   // throws a ProofError

const maxHashes = 64; // no proof of a tree of 2^63 leaves is longer
const maxNote = 64 * 1024;

export class ProofError extends Error {}

// As `polder audit prove` and the hub write it.
export interface Proof {
  format: string; // "polder-audit-inclusion-1"
  checkpoint: string; // the signed note
  entry: string; // the line, without its newline
  hashes: string[]; // base64
}

export interface Checkpoint {
  origin: string;
  size: number;
  root: Uint8Array;
}

export interface Shown {
  checkpoint: Checkpoint;
  sequence: number;
  leaf: Uint8Array;
  hashes: Uint8Array[];
  root: Uint8Array; // as computed: that of the checkpoint
  key: string; // SHA-256 of the public key, hex
}

const encoder = new TextEncoder();

function concat(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, one) => sum + one.length, 0));
  let at = 0;
  for (const one of parts) {
    all.set(one, at);
    at += one.length;
  }
  return all;
}

async function sha256(...parts: Uint8Array[]): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", concat(...parts)));
}

export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  let binary: string;
  try {
    binary = atob(text);
  } catch {
    throw new ProofError(`base64 expected, '${text.slice(0, 40)}' found`);
  }
  return Uint8Array.from(binary, (c) => c.charCodeAt(0));
}

export function hex(data: Uint8Array): string {
  return [...data].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

// The tree's root that an entry in this place and these hashes give. Throws where the number of
// hashes is not that of such a tree.
export async function rootOf(
  leaf: Uint8Array,
  index: number,
  size: number,
  hashes: Uint8Array[],
): Promise<Uint8Array> {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size)
    throw new ProofError(`entry ${index} of a log of ${size}`);
  let node = BigInt(index);
  let last = BigInt(size) - 1n;
  let root = leaf;
  for (const hash of hashes) {
    if (last === 0n) throw new ProofError("more hashes than the tree is high");
    if ((node & 1n) === 1n || node === last) {
      root = await sha256(Uint8Array.of(1), hash, root);
      while ((node & 1n) === 0n && node !== 0n) {
        node >>= 1n;
        last >>= 1n;
      }
    } else {
      root = await sha256(Uint8Array.of(1), root, hash);
    }
    node >>= 1n;
    last >>= 1n;
  }
  if (last !== 0n) throw new ProofError("fewer hashes than the tree is high");
  return root;
}

export function parseCheckpoint(text: string): Checkpoint {
  const lines = text.split("\n");
  const [origin, size, root] = lines;
  if (lines.length !== 4 || lines[3] !== "" || !origin || !size || !root)
    throw new ProofError("a checkpoint has three lines: the log's name, its size and the root");
  if (!/^(0|[1-9][0-9]{0,15})$/.test(size))
    throw new ProofError(`a size expected, '${size}' found`);
  const hash = fromBase64(root);
  if (hash.length !== 32) throw new ProofError("a root has 32 bytes");
  return { origin, size: Number(size), root: hash };
}

interface NoteSignature {
  name: string;
  keyId: Uint8Array;
  signature: Uint8Array<ArrayBuffer>;
}

export function parseNote(note: string): { text: string; signatures: NoteSignature[] } {
  if (note.length > maxNote) throw new ProofError("a note has at most 64 KiB");
  const split = note.lastIndexOf("\n\n");
  if (split < 0 || !note.endsWith("\n")) throw new ProofError("a signed note expected");
  const signatures = note
    .slice(split + 2, -1)
    .split("\n")
    .map((line) => {
      const found = /^— (\S+) (\S+)$/.exec(line);
      if (!found) throw new ProofError("a line of a signature expected");
      const data = fromBase64(found[2]!);
      if (data.length <= 4) throw new ProofError("a signature has more than 4 bytes");
      return { name: found[1]!, keyId: data.slice(0, 4), signature: data.slice(4) };
    });
  return { text: note.slice(0, split + 1), signatures };
}

// ECDSA in DER, as OpenSSL writes it, to the two numbers of 32 bytes that WebCrypto takes.
export function rawEcdsa(der: Uint8Array): Uint8Array<ArrayBuffer> {
  const wrong = () => new ProofError("a signature of ECDSA P-256 in DER expected");
  const raw = new Uint8Array(64);
  if (der[0] !== 0x30 || der[1] !== der.length - 2) throw wrong();
  let at = 2;
  for (const end of [32, 64]) {
    const length = der[at + 1];
    if (der[at] !== 0x02 || length === undefined || length < 1 || length > 33) throw wrong();
    let number = der.slice(at + 2, at + 2 + length);
    if (number.length !== length) throw wrong();
    if (number.length === 33) {
      if (number[0] !== 0) throw wrong();
      number = number.slice(1);
    }
    raw.set(number, end - number.length);
    at += 2 + length;
  }
  if (at !== der.length) throw wrong();
  return raw;
}

export function derOfPem(pem: string): Uint8Array<ArrayBuffer> {
  const found = /-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----/.exec(pem);
  if (!found) throw new ProofError("a public key in PEM expected");
  return fromBase64(found[1]!.replace(/\s/g, ""));
}

// SHA-256 of the key's DER: what people compare.
export async function fingerprint(pem: string): Promise<string> {
  return hex(await sha256(derOfPem(pem)));
}

// Of P-256: the object ids of its SubjectPublicKeyInfo.
const p256 = "301306072a8648ce3d020106082a8648ce3d030107";

export async function openCheckpoint(note: string, pem: string): Promise<Checkpoint> {
  const { text, signatures } = parseNote(note);
  const checkpoint = parseCheckpoint(text);
  const der = derOfPem(pem);
  if (!hex(der).includes(p256)) throw new ProofError("a key of ECDSA P-256 expected");
  const keyId = (await sha256(der)).slice(0, 4);
  const signature = signatures.find(
    (one) => one.name === checkpoint.origin && same(one.keyId, keyId),
  );
  if (!signature) throw new ProofError(`no signature of '${checkpoint.origin}' by this key`);
  const key = await crypto.subtle.importKey(
    "spki",
    der,
    { name: "ECDSA", namedCurve: "P-256" },
    false,
    ["verify"],
  );
  const good = await crypto.subtle.verify(
    { name: "ECDSA", hash: "SHA-256" },
    key,
    rawEcdsa(signature.signature),
    encoder.encode(text),
  );
  if (!good) throw new ProofError("the signature under the checkpoint is not right");
  return checkpoint;
}

export async function checkProof(proof: Proof, pem: string): Promise<Shown> {
  if (proof.format !== "polder-audit-inclusion-1")
    throw new ProofError(`a proof of inclusion expected, '${proof.format}' found`);
  if (!Array.isArray(proof.hashes) || proof.hashes.length > maxHashes)
    throw new ProofError(`at most ${maxHashes} hashes expected`);
  const checkpoint = await openCheckpoint(proof.checkpoint, pem);
  let sequence: unknown;
  try {
    sequence = (JSON.parse(proof.entry) as { sequence?: unknown }).sequence;
  } catch {
    throw new ProofError("the entry is no line of JSON");
  }
  if (typeof sequence !== "number") throw new ProofError("the entry has no number");
  const leaf = await sha256(Uint8Array.of(0), encoder.encode(proof.entry));
  const hashes = proof.hashes.map(fromBase64);
  if (hashes.some((hash) => hash.length !== 32)) throw new ProofError("a hash has 32 bytes");
  const root = await rootOf(leaf, sequence, checkpoint.size, hashes);
  if (!same(root, checkpoint.root))
    throw new ProofError("the entry and these hashes do not give the root that was signed");
  return { checkpoint, sequence, leaf, hashes, root, key: await fingerprint(pem) };
}
