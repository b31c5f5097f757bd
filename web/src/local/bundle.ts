/** The parts of `bundle.json` that a verdict needs; see `unmask.bundle.schema`. */

import type { Filter } from "./resample";
import type { Model, Threshold } from "../api/types";

export interface FacePolicy {
  score_threshold: number;
  paddings: readonly number[];
  zoom: boolean;
  iou_threshold: number;
  max_faces: number;
}

export interface Preprocessing {
  size: number;
  resample: Filter;
  face_margin: number;
  native: number;
  faces: FacePolicy | null;
}

export interface Calibration {
  slope: number;
  bias: number;
  points: readonly (readonly [number, number])[];
  prior: number;
}

export interface BundleInfo {
  name: string;
  version: number;
  preprocessing: Preprocessing;
  calibration: Calibration;
  thresholds: readonly Threshold[];
  default_threshold: string;
  uncertain: { low: number; high: number };
  main_face: number;
  out_of_distribution: { threshold: number } | null;
  questions?: readonly { name: string; calibration: Calibration }[];
  abstention?: { smallest_face: number | null } | null;
}

/** `detector/facts.json` of an exported page: the description of the detector, as the service gives it. */
export type Facts = Omit<Model, "bundle"> & { bundle: BundleInfo };
