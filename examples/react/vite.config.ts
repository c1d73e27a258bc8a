import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [react()],
  // The client comes from a folder with packages of its own, a React among them: the page's is the one.
  resolve: { dedupe: ["react", "react-dom"] },
});
