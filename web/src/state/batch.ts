/** The results of the whole queue as files, with the columns and fields of `unmask detect`. */

import { csv, harmless } from "../logic/csv";
import { shareOf } from "../logic/meaning";
import { type Item, isSettled } from "./queue";

const COLUMNS = [
  "path",
  "verdict",
  "fake_probability",
  "result",
  "confidence",
  "uncertain",
  "face_found",
  "faces",
  "boxes",
  "marks",
  "notes",
  "sha256",
  "model",
  "error",
] as const;

/** As `unmask detect --csv`: one row per image that is done or failed. */
export function resultsAsCsv(items: readonly Item[]): string {
  return csv(COLUMNS, items.filter(isSettled).map(rowOf));
}

/** As `unmask detect --json`, in one list: one object per image that is done or failed, without evidence. */
export function resultsAsJson(items: readonly Item[]): string {
  return `${JSON.stringify(items.filter(isSettled).map(fieldsOf), null, 1)}\n`;
}

/** Fields that `unmask detect` does not have: evidence is large, and the file's name is its path here. */
const OF_THE_SERVICE = new Set(["evidence", "filename", "id"]);

function fieldsOf({ name, stage }: Item): object {
  if (stage.at === "failed") return { path: name, verdict: null, error: errorOf(stage.problem) };
  if (stage.at !== "done") return {};
  const fields = Object.entries(stage.judged).filter(([field]) => !OF_THE_SERVICE.has(field));
  return { ...Object.fromEntries(fields), path: name };
}

function rowOf({ name, stage }: Item): (string | number | null)[] {
  const path = harmless(name);
  if (stage.at !== "done") {
    const error = stage.at === "failed" ? errorOf(stage.problem).code : null;
    return COLUMNS.map((column) => (column === "path" ? path : column === "error" ? error : null));
  }
  const { judged } = stage;
  const share = shareOf(judged);
  const cells: Record<(typeof COLUMNS)[number], string | number | null> = {
    path,
    verdict: judged.verdict,
    fake_probability: share,
    // Without a face they mean nothing either.
    result: share === null ? null : judged.result,
    confidence: share === null ? null : judged.confidence,
    uncertain: truth(judged.uncertain),
    face_found: truth(judged.face_found),
    faces: judged.faces.length,
    boxes: judged.faces.map(({ box }) => box.join(" ")).join("; "),
    marks: judged.marks.map(({ text }) => text).join("; "),
    notes: judged.notes.join(" "),
    sha256: judged.sha256 ?? null,
    model: judged.model,
    error: null,
  };
  return COLUMNS.map((column) => cells[column]);
}

/** As Python writes it. */
const truth = (value: boolean) => (value ? "True" : "False");

/** Problems of the connection have no code of the service. */
const errorOf = ({ code, status, message }: { code: string; status: number; message: string }) => ({
  code: code || `http_${status}`,
  message,
});
