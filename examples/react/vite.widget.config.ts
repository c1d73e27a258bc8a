/** The widget of `widget/`: one file, with React in it, beside the bundles that need no build. */

import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [react()],
  define: { "process.env.NODE_ENV": '"production"' },
  build: {
    outDir: "../widgets/bundles",
    emptyOutDir: false, // the others are there
    lib: { entry: "widget/annotator.tsx", formats: ["es"], fileName: () => "image-annotator.js" },
    target: "es2022",
  },
});
