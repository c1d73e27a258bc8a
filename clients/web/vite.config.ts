/**
 * The build, into the server's package, and the tests.
 *
 * Laws:
 * - All but the page itself is below `assets/`, named by its content: the server lets browsers keep that for good.
 * - Addresses are relative, so that the app works below a path, too.
 * - There is one React: the client's own, which it has for its tests, isn't taken.
 * - The licenses of all that is bundled are in `licenses.md`, beside it.
 * - Beside the app is the client by itself, `client.js`, for pages of others: the file that `@interlock/client` builds.
 */

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

const SERVER = process.env["INTERLOCK_URL"] ?? "http://127.0.0.1:7777";

/** Puts the client beside the app; its source map stays where it was built. */
const client: Plugin = {
  name: "client",
  apply: "build",
  generateBundle() {
    const built = readFileSync(resolve(import.meta.dirname, "../typescript/dist/interlock.js"), "utf8");
    const source = built.replace(/^\/\/# sourceMappingURL=.*\n?/m, "");
    this.emitFile({ type: "asset", fileName: "client.js", source });
  },
};

export default defineConfig({
  plugins: [react(), client],
  base: "./",
  resolve: { dedupe: ["react", "react-dom"] },
  build: {
    outDir: "../../server/interlock/web",
    emptyOutDir: true,
    target: "es2022",
    chunkSizeWarningLimit: 700,
    license: { fileName: "licenses.md" }, // of what is bundled; it goes with the package
  },
  server: {
    fs: { allow: ["../.."] }, // the examples of machines
    proxy: {
      "/workflows/ws": { target: SERVER, ws: true },
      "/workflows": { target: SERVER },
      "/api/v1": { target: SERVER },
    },
  },
  test: {
    include: ["test/**/*.test.{ts,tsx}"],
    environment: "jsdom",
    maxWorkers: 2,
    testTimeout: 60_000, // a deadline for machines that others use, too
  },
});
