import { defineConfig } from "vite";

// Address of `unmask serve` on this machine.
const service = "http://127.0.0.1:8000";
const routes = ["/v1", "/predict", "/health"];

export default defineConfig({
  base: "./",
  build: {
    outDir: "../src/unmask/serve/static",
    emptyOutDir: true,
    // Inline nothing: the content security policy allows styles and scripts from files only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
  },
  esbuild: { jsx: "automatic" },
  server: { proxy: Object.fromEntries(routes.map((route) => [route, service])) },
});
