import { defineConfig, type Plugin } from "vite";

// Address of `unmask serve` on this machine.
const service = "http://127.0.0.1:8000";
const routes = ["/v1", "/predict", "/health"];

// Without a service the page gets its policy from itself. WebAssembly is compiled from its own files only.
const policy =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; " +
  "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'";

const withPolicy: Plugin = {
  name: "policy",
  transformIndexHtml: () => [
    { tag: "meta", attrs: { "http-equiv": "Content-Security-Policy", content: policy }, injectTo: "head-prepend" },
  ],
};

export default defineConfig(({ mode }) => ({
  base: "./",
  plugins: mode === "browser" ? [withPolicy] : [],
  worker: { format: "es" },
  resolve: {
    // Vite writes the files of a worker even where no code is left that starts it.
    alias: mode === "browser" ? [] : [{ find: /^\.\/local\/client$/, replacement: "./local/absent" }],
  },
  build: {
    outDir: mode === "browser" ? "../src/unmask/serve/static-local" : "../src/unmask/serve/static",
    emptyOutDir: true,
    // Inline nothing: the content security policy allows styles and scripts from files only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
  },
  esbuild: { jsx: "automatic" },
  server: { proxy: Object.fromEntries(routes.map((route) => [route, service])) },
}));
