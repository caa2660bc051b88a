import { createHash, createPublicKey, generateKeyPairSync, sign, verify, webcrypto,
  type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { checkProof, fingerprint, fromBase64, hex, openCheckpoint, parseCheckpoint, rawEcdsa,
  rootOf, type Proof } from "./proof";

// Node 18 has it only as a module.
globalThis.crypto ??= webcrypto as Crypto;

// --- Another implementation: by the definition of RFC 6962, 2.1, and by Node's own signatures ----

const sha256 = (...parts: Uint8Array[]) => {
  const hash = createHash("sha256");
  for (const one of parts) hash.update(one);
  return new Uint8Array(hash.digest());
};
const leafOf = (line: string) => sha256(Uint8Array.of(0), Buffer.from(line));
const splitOf = (n: number) => {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
};
function treeOf(leaves: Uint8Array[]): Uint8Array {
  if (leaves.length === 1) return leaves[0]!;
  const k = splitOf(leaves.length);
  return sha256(Uint8Array.of(1), treeOf(leaves.slice(0, k)), treeOf(leaves.slice(k)));
}
function pathOf(index: number, leaves: Uint8Array[]): Uint8Array[] {
  if (leaves.length === 1) return [];
  const k = splitOf(leaves.length);
  return index < k
    ? [...pathOf(index, leaves.slice(0, k)), treeOf(leaves.slice(k))]
    : [...pathOf(index - k, leaves.slice(k)), treeOf(leaves.slice(0, k))];
}
const base64 = (data: Uint8Array) => Buffer.from(data).toString("base64");

const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const pem = publicKey.export({ type: "spki", format: "pem" }) as string;
const origin = "polder-hub-TEST";

function noteOf(size: number, root: Uint8Array, key: KeyObject = privateKey): string {
  const text = `${origin}\n${size}\n${base64(root)}\n`;
  const der = createPublicKey(key).export({ type: "spki", format: "der" });
  const signature = sign("sha256", Buffer.from(text), key);
  return `${text}\n— ${origin} ${base64(Buffer.concat([sha256(der).slice(0, 4), signature]))}\n`;
}

const lines = Array.from({ length: 40 }, (_, i) =>
  JSON.stringify({ act: "note", actor: "a", details: {}, object: "é", sequence: i }),
);
const leaves = lines.map(leafOf);
const proofOf = (index: number, size: number): Proof => ({
  format: "polder-audit-inclusion-1",
  checkpoint: noteOf(size, treeOf(leaves.slice(0, size))),
  entry: lines[index]!,
  hashes: pathOf(index, leaves.slice(0, size)).map(base64),
});

describe("an inclusion", () => {
  it("is shown for each entry of logs of each size", async () => {
    for (let size = 1; size <= lines.length; ++size)
      for (let index = 0; index < size; ++index) {
        const shown = await checkProof(proofOf(index, size), pem);
        expect(shown.sequence).toBe(index);
        expect(shown.checkpoint.size).toBe(size);
      }
  });

  it("is not shown by anything that was changed", async () => {
    const good = proofOf(5, 13);
    const bad: Record<string, Proof> = {
      "another entry": { ...good, entry: lines[6]! },
      "a changed entry": { ...good, entry: good.entry.replace("note", "Note") },
      "another number": { ...good, entry: good.entry.replace(':5}', ':4}') },
      "a hash less": { ...good, hashes: good.hashes.slice(1) },
      "a hash more": { ...good, hashes: [...good.hashes, good.hashes[0]!] },
      "hashes swapped": { ...good, hashes: [...good.hashes].reverse() },
      "a short hash": { ...good, hashes: [...good.hashes.slice(1), "AAAA"] },
      "no base64": { ...good, hashes: ["*"] },
      "65 hashes": { ...good, hashes: Array(65).fill(good.hashes[0]) as string[] },
      "another size": { ...good, checkpoint: noteOf(40, treeOf(leaves.slice(0, 13))) },
      "beyond the log": { ...good, checkpoint: noteOf(5, treeOf(leaves.slice(0, 5))) },
      "a changed checkpoint": { ...good, checkpoint: good.checkpoint.replace("\n13\n", "\n14\n") },
      "another format": { ...good, format: "polder-audit-consistency-1" },
      "no JSON": { ...good, entry: "{" },
      "no number": { ...good, entry: "{}" },
    };
    for (const [name, proof] of Object.entries(bad))
      await expect(checkProof(proof, pem), name).rejects.toThrow();
  });

  it("needs as many hashes as the tree is high", async () => {
    await expect(rootOf(leaves[0]!, 0, 2, [])).rejects.toThrow("fewer");
    await expect(rootOf(leaves[0]!, 0, 1, [leaves[1]!])).rejects.toThrow("more");
    await expect(rootOf(leaves[0]!, 3, 3, [])).rejects.toThrow("entry 3 of a log of 3");
  });
});

describe("a checkpoint", () => {
  it("by another key is refused", async () => {
    const other = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const note = noteOf(3, treeOf(leaves.slice(0, 3)), other.privateKey);
    await expect(openCheckpoint(note, pem)).rejects.toThrow("no signature");
  });
  it("with a key that is no P-256 key is refused", async () => {
    const other = generateKeyPairSync("ed25519").publicKey;
    const text = other.export({ type: "spki", format: "pem" }) as string;
    await expect(openCheckpoint(noteOf(1, leaves[0]!), text)).rejects.toThrow("P-256");
  });
  it("has three lines", () => {
    for (const text of ["", "a\n1\n", `a\n01\n${base64(leaves[0]!)}\n`, "a\n1\nAAAA\n",
      `a\n1\n${base64(leaves[0]!)}\nmore\n`])
      expect(() => parseCheckpoint(text), text).toThrow();
  });
});

describe("a signature in DER", () => {
  it("gives its two numbers, however short they are", () => {
    for (let i = 0; i < 300; ++i) {
      const text = Buffer.from(String(i));
      const raw = rawEcdsa(sign("sha256", text, privateKey));
      const key = { key: publicKey, dsaEncoding: "ieee-p1363" as const };
      expect(raw.length).toBe(64);
      expect(verify("sha256", text, key, raw)).toBe(true);
    }
  });
  it("that is none is refused", () => {
    const good = sign("sha256", Buffer.from("x"), privateKey);
    for (const bad of [new Uint8Array(), good.subarray(1), good.subarray(0, 40),
      Buffer.concat([good, Buffer.of(0)])])
      expect(() => rawEcdsa(bad)).toThrow("DER");
  });
});

// --- What Polder itself wrote --------------------------------------------------------------------

describe("a proof by 'polder audit prove'", () => {
  let proof: Proof;
  let key: string;
  beforeAll(() => {
    const folder = join(__dirname, "testdata");
    proof = JSON.parse(readFileSync(join(folder, "proof.json"), "utf8")) as Proof;
    key = readFileSync(join(folder, "audit.pub.pem"), "utf8");
  });
  it("is shown", async () => {
    const shown = await checkProof(proof, key);
    expect(shown.sequence).toBe(3);
    expect(shown.checkpoint.size).toBe(7);
    expect(shown.checkpoint.origin).toBe("example.com/releases");
    expect(hex(shown.root)).toBe(hex(shown.checkpoint.root));
    expect(shown.key).toBe(await fingerprint(key));
  });
  it("is not by another key", async () => {
    await expect(checkProof(proof, pem)).rejects.toThrow("no signature");
  });
  it("has base64 as others read it", () => {
    expect(Buffer.from(fromBase64(proof.hashes[0]!)).toString("base64")).toBe(proof.hashes[0]);
  });
});
