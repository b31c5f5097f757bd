/** The page that judges in the browser, without a service. */

import type { local as english } from "../en/local";

export const local: typeof english = {
  local: {
    formats: "JPEG, PNG, WebP, AVIF, GIF oder BMP.",
    kept: "Bilder werden in diesem Browser beurteilt. Nichts wird irgendwohin gesendet.",
    noExplanation:
      "In diesem Browser beurteilt. Für Gründe, forensische Ansichten und Berichte brauchen Sie unmask selbst.",
    noClips: "Für Videos brauchen Sie unmask selbst. Diese Seite beurteilt nur Bilder.",
  },
};
