/** The history, a record, and the detector. */

import { plurals } from "../plurals";

const many = plurals("en");

export const records = {
  history: {
    heading: "History",
    search: "Search",
    searchHint: "Name, note or start of a hash",
    verdict: "Verdict",
    feedback: "Feedback",
    any: "Any",
    noFeedback: "None yet",
    found: (count: number) => many(count, "1 record", "# records"),
    foundMore: (count: number) => `First ${count} records`,
    empty: "Nothing here yet. Verdicts appear as images are checked.",
    noMatch: "No matching records.",
    more: "Show more",
    export: "Export",
    exported: "The export is in your downloads.",
    exportNote:
      "All records, to open in a spreadsheet; or verdicts marked right or wrong, as a manifest for unmask train and unmask calibrate. Uncertain verdicts and images without a face are not in the manifest.",
    exportAll: "All records (CSV)",
    exportLabelled: "Manifest (CSV)",
    unnamed: "Unnamed image",
    off: "This service keeps no history.",
  },

  record: {
    back: "All records",
    delete: "Delete this record",
    deleteHeading: "Delete this record?",
    deleteText: "The verdict, your feedback and any kept image will be deleted for good.",
    confirm: "Delete",
    cancel: "Cancel",
    deleted: "The record was deleted.",
  },

  detector: {
    heading: "The detector",
    thresholds: "Thresholds",
    threshold: "Setting",
    fakeFrom: "Fake at or above",
    budget: "Real called fake, per 100",
    found: "Fakes found, per 100",
    inUse: "in use",
    thresholdsNote: "Measured on images held out from training. Expect worse on sources that training never saw.",
    uncertain: (low: string, high: string, accuracy: string, rate: string) =>
      `Between ${low} and ${high} a verdict is shown as uncertain, as it was for ${rate} of the held-out images. ` +
      `Of the other verdicts, ${accuracy} were right.`,
    limits: "Where it fails",
    sources: "What it was trained on",
    source: "Source",
    label: "Label",
    images: "Images",
    real: "Real",
    fake: "Fake",
    hashes: "Hashes",
    recipe: "Hash of the recipe",
    manifest: "Hash of the training data",
    calibration: "Calibrated on",
  },
};
