/**
 * The types of the API. `npm run check` generates `schema.d.ts` from docs/openapi.json, so the page is always checked
 * against the service's own description. Fields that the description leaves open are typed here.
 */

import type { components } from "./schema";

type Schemas = components["schemas"];

export type Face = Schemas["FaceVerdict"];
export type Evidence = Schemas["Evidence"];
export type Detection = Schemas["Detection"];
export type Judged = Schemas["Detected"];
export type Mark = Schemas["Mark"];
export type Threshold = Schemas["Threshold"];
/** Feedback on a verdict. */
export type Answer = Pick<Schemas["FeedbackRecord"], "verdict" | "note">;
export type HistoryItem = Schemas["HistoryItem"];
export type HistoryPage = Schemas["HistoryPage"];

export type ClipFrame = Schemas["ClipFrame"];
export type ClipTrack = Schemas["ClipTrack"];
export type ClipItem = Schemas["ClipItem"];
export type ClipPage = Schemas["ClipPage"];
export type ClipLimits = Schemas["ClipLimits"];

/** What a clip's file says of itself, see `unmask.imaging.video.facts`. */
export interface ClipFacts {
  container: string;
  codec: string;
  profile: string;
  encoder: string;
  fps: number;
  size: [number, number];
  variable_rate: boolean | null;
  hints: string[];
}

export type ClipVerdict = Schemas["ClipVerdict"] & {
  video?: ClipFacts | null;
  out_of_distribution?: { flagged: boolean } | null;
};

/** A clip, from its upload to its verdict. */
export type Clip = Omit<Schemas["Clip"], "verdict"> & { verdict: ClipVerdict | null };

/** A verdict, new or from the history. */
export type Verdict = Schemas["VerdictFields"] & {
  /** How unlike the training images it is, if the detector measures that. */
  out_of_distribution?: { flagged: boolean } | null;
};

export type HistoryRecord = Schemas["HistoryRecord"] & { verdict: Verdict };

/** Part of `bundle.json`, see `unmask.bundle.schema`. */
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

/** Metadata of the file, see `unmask.explain.metadata`. */
export interface Metadata {
  format: string | null;
  camera: string | null;
  lens: string | null;
  software: string | null;
  taken: string | null;
  modified: string | null;
  edits: Record<"action" | "software" | "when" | "changed", string | null>[];
  derived: boolean;
  digital_source_type: string | null;
  has_position: boolean;
  thumbnail: { differs: boolean } | null;
  iptc: Record<string, string>;
  texts: Record<string, string>;
  problems: string[];
}

/** Signed statements in the file. */
export type Credentials = Schemas["Credentials"] & {
  actions: Record<"action" | "software" | "digital_source_type" | "when", string | null>[];
};

export type Figure = Schemas["ForensicFigure"];
export type ForensicView = Schemas["ForensicView"];
export type Explanation = Pick<Schemas["Explained"], "reasons" | "sentences" | "forensics"> & {
  evidence: { reliable: boolean | null };
  metadata: Metadata | null;
  credentials: Credentials | null;
};
