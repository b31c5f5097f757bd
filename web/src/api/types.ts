/**
 * What the service answers. `schema.d.ts` is made from docs/openapi.json by `npm run check`, so the page is always checked against
 * the service's own description; what is open there and the page reads is written out here.
 */

import type { components } from "./schema";

type Schemas = components["schemas"];

export type Face = Schemas["FaceVerdict"];
export type Evidence = Schemas["Evidence"];
export type Detection = Schemas["Detection"];
export type Judged = Schemas["Detected"];
export type Threshold = Schemas["Threshold"];
/** What somebody said of a verdict. */
export type Answer = Pick<Schemas["FeedbackRecord"], "verdict" | "note">;
export type HistoryItem = Schemas["HistoryItem"];
export type HistoryPage = Schemas["HistoryPage"];

/** What is shown of a verdict, whether it has just been given or comes from the history. */
export type Verdict = Pick<
  Judged,
  "result" | "fake_probability" | "uncertain" | "faces" | "face_found" | "provenance" | "model" | "bundle_sha256" | "ms"
>;

export type HistoryRecord = Schemas["HistoryRecord"] & { verdict: Verdict };

/** Of `bundle.json`, see `unmask.bundle.schema`. */
export interface Bundle {
  calibration: { provenance: string };
  card: {
    summary: string;
    limits: string[];
    sources: Record<string, Record<string, number>>;
    recipe_digest: string;
    manifest_digest: string;
  };
}

export type Model = Omit<Schemas["Model"], "bundle"> & { bundle: Bundle };

export interface Figure {
  name: string;
  title: string;
  value: number | null;
  unit: string;
  low: number | null;
  high: number | null;
  n: number;
  outside: boolean;
}

export interface ForensicView {
  name: string;
  title: string;
  look_for: string;
  cannot_show: string;
  figures: Figure[];
  picture: string | null;
}

export interface Explanation {
  sentences: { rule: string; tone: "finding" | "warning" | "note"; text: string }[];
  forensics: ForensicView[] | null;
  metadata: Record<string, unknown> | null;
  credentials: Record<string, unknown> | null;
}
