// Checks the signature of a bundle with Sigstore's own verifier: PACKAGES BUNDLE PUBLIC_KEY
import { createHash, createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [packages, bundlePath, keyPath] = process.argv.slice(2);
const require = createRequire(`${packages}/`);
const { bundleFromJSON } = require("@sigstore/bundle");
const { Verifier, toSignedEntity, toTrustMaterial } = require("@sigstore/verify");

const pem = readFileSync(keyPath);
const hint = createHash("sha256").update(pem).digest("hex");
const rawBytes = createPublicKey(pem).export({ type: "spki", format: "der" });
const none = { certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [] };
const trust = toTrustMaterial(none, { [hint]: { rawBytes } });
const verifier = new Verifier(trust, { ctlogThreshold: 0, tlogThreshold: 0, tsaThreshold: 0 });
verifier.verify(toSignedEntity(bundleFromJSON(JSON.parse(readFileSync(bundlePath, "utf8")))));
