/* Bundles the modeler of the admin, its styles and fonts into processes/static/modeler, which git does not know. */

import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const into = join(here, "..", "static", "modeler");

/* Some libraries write style attributes into markup, which the policy of the site refuses. In icons they become what
SVG has attributes for; of the two panels of properties they go, and modeler.css has the same. */
const STYLED = /(?:AlignElementsIcons|DistributeElementsIcons)\.js$|bpmn-js-properties-panel.dist.index\.esm\.js$/;

const unstyled = {
  name: "unstyled",
  setup(building) {
    building.onLoad({ filter: STYLED }, ({ path }) => ({
      contents: readFileSync(path, "utf8").replace(/ style="([^"]*)"/g, (_, style) =>
        path.endsWith("Icons.js") ? style.replace(/([\w-]+):([^;]*);?/g, ' $1="$2"') : "",
      ),
      loader: "js",
    }));
  },
};

mkdirSync(into, { recursive: true });
await build({
  absWorkingDir: here,
  entryPoints: { modeler: "modeler.js", libraries: "modeler.css" },
  outdir: into,
  bundle: true,
  minify: true,
  target: "es2022",
  legalComments: "linked",
  loader: { ".woff": "file", ".woff2": "file", ".ttf": "file", ".eot": "file", ".svg": "file" },
  logLevel: "warning",
  plugins: [unstyled],
});
/* Its licence asks that the mark of bpmn.io stays, and the notice beside what is made of it. */
copyFileSync(join(here, "node_modules", "bpmn-js", "LICENSE"), join(into, "LICENSE.bpmn-js.txt"));
