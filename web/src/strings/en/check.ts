/** Adding images, and the list of them. */

import { plurals } from "../plurals";

const many = plurals("en");

export const check = {
  add: {
    heading: "Is this portrait a photograph?",
    lead: "unmask looks at every face in an image, says how sure it is, and shows where it looked.",
    drop: "Drop images here",
    orPaste: "or paste one, or choose files",
    choose: "Choose images",
    camera: "Take a photo",
    formats: (size: string | null) =>
      `JPEG, PNG, WebP, HEIC, AVIF, TIFF, GIF or BMP${size ? `, up to ${size} each` : ""}.`,
    kept: "Images go only to this service. It keeps the verdict, and the image only if set up to.",
    keptNothing: "Images go only to this service, which keeps neither them nor the verdict.",
    keptHere: "This browser keeps both, on this machine only, until you clear them.",
    none: "No image found in what you added.",
  },

  queue: {
    heading: "Images",
    counts: (done: number, all: number) => `${done} of ${all} done`,
    totals: "List only",
    all: "All",
    sort: "Sort by",
    orders: { added: "Order added", suspicion: "Suspicion", name: "Name" },
    noneListed: "No such images.",
    keys: "Keys",
    waiting: "Waiting",
    postponed: "The service is busy; trying again soon",
    sending: (percent: string) => `Sending, ${percent}`,
    judging: "Checking",
    failed: "Failed",
    answered: (feedback: string) => `Your feedback: ${feedback}`,
    remove: (name: string) => `Remove ${name}`,
    clear: "Clear all",
    retry: "Try again",
    progress: (name: string) => `Progress of ${name}`,
    finished: (name: string, verdict: string) => `${name}: ${verdict}`,
    finishedAll: (totals: string) => `All images are done. ${totals}.`,
    pasted: "Pasted image",
  },

  kept: {
    kept: "These images and their results are kept in this browser, on this machine only, until you clear them.",
    left: (count: number, images: number, size: string) =>
      `${many(count, "1 image is", "# images are")} not kept: the limit is ${images} images and ${size}.`,
    locked: "Another tab keeps its images in this browser. Those in this tab are lost when you close or reload it.",
    unavailable: "This browser keeps no images here, so these are lost when you close or reload the page.",
    full: "The browser has no room to keep all of these images. Some are lost when you close or reload the page.",
  },

  downloads: {
    results: "All results",
    csv: "CSV",
    json: "JSON",
    saved: "The results are in your downloads.",
  },

  report: {
    save: "Save the report",
    writing: "Writing the report. It takes a few seconds.",
    saved: "The report is in your downloads.",
    note: "A page to cite and to print, with the image, the verdict and the hashes. It has a button for a PDF.",
  },

  keys: {
    heading: "Keys",
    next: "Next image",
    previous: "Previous image",
    right: "Feedback: right",
    wrong: "Feedback: wrong",
    unsure: "Feedback: unsure",
    help: "Show these keys",
    zoom: "Zoom in, zoom out, whole image, while the image has the focus",
    note: "The letters work in the list of images, but not while you type or choose in a field.",
    enabled: "Use these keys",
    close: "Close",
    first: "This is the first image.",
    last: "This is the last image.",
    feedback: (name: string, verdict: string) => `${name}: your feedback is saved, ${verdict}.`,
    noFeedback: (name: string) => `${name}: there is no stored verdict to give feedback on.`,
    notSaved: (name: string) => `${name}: your feedback could not be saved.`,
  },
};
