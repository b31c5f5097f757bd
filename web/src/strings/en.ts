/**
 * Every word of the page. To translate: copy this file, name it by its language tag (`de.ts`), translate the right-hand
 * sides, and add it to `index.ts`. The compiler says what is missing. See docs/page.md.
 */

const many = (count: number, one: string, other: string) => (count === 1 ? one : other.replace("#", String(count)));

export const en = {
  title: {
    check: "Check pictures",
    history: "History",
    record: "Record",
    detector: "The detector",
  },
  header: {
    navigation: "Main",
    skip: "Skip to content",
    toLight: "Light theme",
    toDark: "Dark theme",
    forgetToken: "Forget the token",
    tokenForgotten: "The token is forgotten.",
  },
  footer: "A verdict is a lead to follow up, not proof.",

  add: {
    heading: "Is this portrait a photograph?",
    lead: "unmask looks at every face in a picture, says how sure it is, and shows where it looked.",
    drop: "Drop pictures here",
    orPaste: "or paste one, or choose files",
    choose: "Choose pictures",
    camera: "Take a photo",
    formats: (size: string | null) => `JPEG, PNG, WebP, AVIF, TIFF, GIF or BMP${size ? `, up to ${size} each` : ""}.`,
    kept: "Pictures go only to this service. It keeps the verdict, and the picture only if it was set up to.",
    keptNothing: "Pictures go only to this service, which keeps neither them nor the verdict.",
    none: "There was no picture in what you added.",
  },

  queue: {
    heading: "Pictures",
    counts: (done: number, all: number) => `${done} of ${all} done`,
    waiting: "Waiting",
    postponed: "The service is busy; trying again soon",
    sending: (share: string) => `Sending, ${share}`,
    judging: "Judging",
    failed: "Not judged",
    remove: (name: string) => `Remove ${name}`,
    clear: "Clear all",
    retry: "Try again",
    progress: (name: string) => `Progress of ${name}`,
    finished: (name: string, verdict: string) => `${name}: ${verdict}`,
    pasted: "Pasted picture",
    pick: "Choose a picture to see its verdict.",
  },

  verdict: {
    label: "Verdict",
    FAKE: "Fake",
    REAL: "Real",
    UNCERTAIN: "Uncertain",
    confidence: (share: string) => `${share} confidence`,
    leans: { FAKE: (share: string) => `leans fake, ${share}`, REAL: (share: string) => `leans real, ${share}` },
    spoken: (verdict: string, detail: string) => `${verdict}, ${detail}`,
    failed: "No verdict",
    scale: "Probability of a fake",
    scaleSpoken: (share: string) => `Probability of a fake: ${share}.`,
    scaleCut: (share: string) => `fake from ${share}`,
    scaleBand: "often wrong",
    scaleReal: "real",
    scaleFake: "fake",
  },

  meaning: {
    heading: "What this means",
    chance: (share: string) =>
      `The detector puts the probability of a fake at ${share}, taking real and fake as equally likely beforehand. ` +
      "Where fakes are rare, it means less.",
    threshold: (cut: string) => `From ${cut} on the verdict is fake.`,
    rates: (falseAlarms: number, found: number) =>
      `At this setting, of 100 real pictures about ${falseAlarms} ${falseAlarms === 1 ? "is" : "are"} called fake, ` +
      `and of 100 fakes about ${found} ${found === 1 ? "is" : "are"} found.`,
    uncertain: (low: string, high: string) =>
      `Between ${low} and ${high} verdicts were often wrong in tests, so take this as no answer.`,
    noFace: "No face was found. The detector was made for faces, so take its answer on the whole picture as no answer.",
    severalFaces: (count: number) => `Of the ${count} faces, the most suspicious of the large ones decides.`,
  },

  picture: {
    alt: (name: string) => `The picture ${name}`,
    noPreview: "This browser cannot show the picture. It was judged all the same.",
    notKept: "The picture is not kept.",
    controls: "What is drawn on the picture",
    evidence: "Evidence",
    opacity: (share: string) => `${share} opaque`,
    boxes: "Face frames",
    face: (number: number) => `Face ${number}`,
    towardsFake: "speaks for fake",
    towardsReal: "speaks for real",
    noEvidence: "This detector cannot say which places its answer comes from.",
  },

  tabs: {
    label: "More about this picture",
    summary: "Summary",
    words: "In words",
    views: "Forensic views",
    origin: "Origin",
  },

  summary: {
    faces: "Faces",
    face: "Face",
    place: "Place, px",
    probability: "Probability of a fake",
    noFaces: "No face was found.",
    details: "Details",
    model: "Detector",
    bundle: "Hash of the detector",
    sha256: "Hash of the picture",
    time: "Judged in",
    milliseconds: (count: string) => `${count} ms`,
    judgedAt: "Judged",
    name: "Name",
    limits: "Where the detector fails",
  },

  explanation: {
    loading: "Explaining. A large picture takes a few seconds.",
    ready: "The explanation is ready.",
    needsPicture: "The picture is not kept, so it cannot be explained again. Check it once more to see why.",
    lookFor: "Look for",
    cannotShow: "It cannot show",
    range: (low: string, high: string) => `${low} to ${high} in real photographs`,
    outside: "outside the usual range",
    inside: "inside the usual range",
    viewsNote: "These views are for a trained eye. None of them is part of the verdict.",
    open: (name: string) => `Enlarge: ${name}`,
    close: "Close",
    noViews: "There are no forensic views of this picture.",
  },

  origin: {
    note: "Marks in a file are claims: anyone can write or remove them. They are no part of the verdict, and their absence proves nothing.",
    credentials: "Content credentials (C2PA)",
    c2pa: {
      none: "None in the file.",
      present: "The file carries content credentials. They were not checked.",
    } as Record<string, string>,
    generators: "Marks of generators",
    noGenerators: "None found.",
    metadata: "Metadata",
    noMetadata: "The file carries none that could be read.",
  },

  feedback: {
    heading: "Was the verdict right?",
    right: "Right",
    wrong: "Wrong",
    unsure: "Unsure",
    note: "Note (optional)",
    noteHint: "How do you know?",
    save: "Save",
    saved: "Your answer is saved.",
    choose: "Choose an answer first.",
    none: "This service keeps no history, so there is nowhere to put an answer.",
  },

  history: {
    heading: "History",
    search: "Search",
    searchHint: "Name, note or beginning of a hash",
    verdict: "Verdict",
    feedback: "Answer",
    any: "Any",
    noFeedback: "None yet",
    found: (count: number) => many(count, "1 record", "# records"),
    foundMore: (count: number) => `${count} records, and more`,
    empty: "Nothing here yet. Verdicts appear as pictures are checked.",
    noMatch: "No record matches.",
    more: "Show more",
    export: "Export",
    exported: "The export is in your downloads.",
    exportNote:
      "Every record, to read in a spreadsheet; or those called right or wrong, as a manifest that unmask train and unmask calibrate accept.",
    exportAll: "All records (CSV)",
    exportLabelled: "Manifest (CSV)",
    unnamed: "Unnamed picture",
    off: "This service keeps no history.",
  },

  record: {
    back: "All records",
    delete: "Delete this record",
    deleteHeading: "Delete this record?",
    deleteText: "The verdict, your answer and any kept picture are gone for good.",
    confirm: "Delete",
    cancel: "Cancel",
    deleted: "The record is deleted.",
  },

  detector: {
    heading: "The detector",
    thresholds: "Thresholds",
    threshold: "Setting",
    cut: "Fake from",
    budget: "Real called fake, of 100",
    found: "Fakes found, of 100",
    inUse: "in use",
    thresholdsNote: "Counted on pictures set aside while training. Expect worse on sources that training never saw.",
    uncertain: (low: string, high: string, accuracy: string, share: string) =>
      `Between ${low} and ${high} a verdict is shown as uncertain, which it was for ${share} of those pictures. ` +
      `Outside, ${accuracy} were right.`,
    limits: "Where it fails",
    sources: "What it was trained on",
    source: "Source",
    label: "Label",
    pictures: "Pictures",
    real: "Real",
    fake: "Fake",
    hashes: "Hashes",
    recipe: "Hash of the recipe",
    manifest: "Hash of the training data",
    calibration: "Calibrated on",
  },

  token: {
    heading: "This service asks for a token",
    text: "It is kept in this tab only and forgotten when the tab is closed.",
    rejected: "That token was not accepted.",
    label: "Token",
    use: "Use this token",
    cancel: "Not now",
  },

  loading: "Loading",
  yes: "yes",
  no: "no",

  /** By the code of an error, else by its HTTP status. */
  problems: {
    offline: "The service does not answer. Is it running, and are you connected to it?",
    aborted: "Stopped.",
    unknown: "Something went wrong.",
    retry: (seconds: number) => many(seconds, "Try again in a second.", "Try again in # seconds."),
    codes: {
      empty: "The file is empty.",
      truncated: "The file ends too early: part of it is missing. Get it again from where it came from.",
      corrupt: "The file is damaged and cannot be read as a picture.",
      unsupported_format: "This is not a picture that unmask reads. It reads JPEG, PNG, WebP, AVIF, TIFF, GIF and BMP.",
      file_too_large: "The file is too large for this service.",
      too_many_pixels:
        "The picture has too many pixels for this service. Make it smaller, though that weakens the answer.",
      side_too_long: "The picture is too wide or too high for this service.",
      too_small: "The picture is too small to judge.",
      bad_icc_profile: "The picture's colour profile is damaged, so its colours cannot be trusted.",
      bad_exif: "The picture's metadata is damaged, so it is unclear which way up it is.",
      out_of_memory: "The service has too little memory for this picture.",
    } as Record<string, string>,
    statuses: {
      400: "The service did not understand the request.",
      401: "The service asks for a token.",
      403: "This token does not allow that.",
      404: "This is not here, or not any more.",
      408: "Sending took too long.",
      413: "The file is too large for this service.",
      415: "This is not a picture that unmask reads. It reads JPEG, PNG, WebP, AVIF, TIFF, GIF and BMP.",
      422: "The service cannot use this picture.",
      429: "The service has more to do than it can take just now.",
      500: "The service failed. This is a fault in unmask, not in your picture.",
      503: "The service is not ready, or is closing down.",
      504: "Judging took longer than the service allows.",
    } as Record<number, string>,
  },
};

export type Strings = typeof en;
