/** Between the page and the worker that judges. */

import type { Judged } from "../api/types";

export interface Request {
  number: number;
  file: Blob;
  name: string;
}

export type Response =
  | { ready: true }
  | { number: number; judged: Judged }
  | { number: number; problem: { status: number; code: string; detail: string } };
