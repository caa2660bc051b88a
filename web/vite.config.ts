// How the console is built: into build/console, which polder-hub carries. No asset is inlined, for
// the hub's Content-Security-Policy has no `data:` and no inline script.
import { readFileSync } from "node:fs";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

// What the licences of the packages in it ask for: their text goes where the console goes.
const licences: Plugin = {
  name: "licences",
  generateBundle() {
    const { dependencies } = JSON.parse(readFileSync("package.json", "utf8")) as {
      dependencies: Record<string, string>;
    };
    const texts = Object.entries(dependencies).map(([name, version]) => {
      const text = readFileSync(`node_modules/${name}/LICENSE`, "utf8").trim();
      return `${name} ${version}\n\n${text}\n`;
    });
    const source = texts.join(`\n${"-".repeat(79)}\n\n`);
    this.emitFile({ type: "asset", fileName: "licences.txt", source });
  },
};

export default defineConfig({
  base: "/",
  plugins: [licences],
  esbuild: { jsx: "automatic", jsxImportSource: "preact" },
  build: {
    outDir: "../build/console",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  // No test is to fail for a machine that is busy.
  test: { include: ["src/**/*.test.ts"], testTimeout: 120_000 },
});
