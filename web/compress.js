// After a build: a .gz and a .br beside every text file of the page, which the service sends to browsers that take them.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const folder = join(import.meta.dirname, "../src/unmask/serve/static");

for (const name of readdirSync(folder, { recursive: true })) {
  if (!/\.(html|js|css|svg|json|txt)$/.test(name)) continue;
  const path = join(folder, name);
  const content = readFileSync(path);
  const gzip = gzipSync(content, { level: 9 });
  const brotli = brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: content.length } });
  if (gzip.length < content.length) writeFileSync(`${path}.gz`, gzip);
  if (brotli.length < content.length) writeFileSync(`${path}.br`, brotli);
}
