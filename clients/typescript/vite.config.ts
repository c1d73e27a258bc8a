/** The bundle for pages without a build, `dist/interlock.js`, and the tests. */

import { defineConfig } from "vitest/config";

export default defineConfig({
  build: {
    emptyOutDir: false, // the modules are there already: `npm run build`
    lib: { entry: "src/index.ts", formats: ["es"], fileName: () => "interlock.js" },
    sourcemap: true,
    target: "es2022",
  },
  test: {
    include: ["test/**/*.test.{ts,tsx}"],
    globalSetup: "test/server.setup.ts",
    testTimeout: 180_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
    diff: { truncateThreshold: 40 },
    chaiConfig: { truncateThreshold: 200 },
  },
});
