// Bundles src/ into the package, where `veclab map` finds it. `node build.mjs DIRECTORY` writes
// elsewhere: the test that the committed bundle is what these sources give does so.
import { build } from "esbuild";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2] ?? join(here, "../veclab/maps/web");
await mkdir(out, { recursive: true });
const common = { bundle: true, minify: true, charset: "utf8", legalComments: "none", logLevel: "warning" };
await build({
  ...common,
  entryPoints: [join(here, "src/main.ts")],
  outfile: join(out, "map.js"),
  format: "iife",
  target: "es2022",
});
await build({ ...common, entryPoints: [join(here, "src/map.css")], outfile: join(out, "map.css") });
