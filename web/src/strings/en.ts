/**
 * All text of the page. To translate it, copy this file, name the copy by its language tag (`de.ts`), translate the
 * right-hand sides, and add it to `index.ts`. The compiler reports what is missing. See docs/page.md.
 */

const many = (count: number, one: string, other: string) => (count === 1 ? one : other.replace("#", String(count)));

const words = {
  FAKE: "Fake",
  UNCERTAIN: "Uncertain",
  REAL: "No sign of manipulation",
  NO_FACE: "No face",
};

export const en = {
  title: {
    check: "Check images",
    clips: "Check clips",
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
    tokenForgotten: "The token has been forgotten.",
  },
  footer: "A verdict is a lead to follow up, not proof.",

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

  words,

  /** Groups that images are counted and filtered by. */
  groups: {
    ...words,
    MARKS: "With marks",
    FAILED: "Failed",
    PENDING: "Not done",
  },

  verdict: {
    label: "Verdict",
    share: (percent: string) => `${percent} probability of fake`,
    failed: "No verdict",
    scaleSpoken: (percent: string) => `Probability of fake: ${percent}.`,
    scaleThreshold: (percent: string) => `fake from ${percent}`,
    scaleBand: "uncertain",
    scaleReal: "not fake",
    scaleFake: "fake",
  },

  marks: {
    heading: "The file says something about its origin",
    note: "This is not part of the verdict. Anyone can write or remove such marks.",
    count: (count: number) => many(count, "1 mark of origin", "# marks of origin"),
  },

  meaning: {
    heading: "What this means",
    noSign: "The detector found no sign of manipulation. That is not a proof that the image is real.",
    chance:
      "The probability assumes that real and fake are equally likely. Where fakes are rare, a fake is less likely " +
      "than that.",
    threshold: (threshold: string) => `The verdict is fake at ${threshold} or above.`,
    rates: (falseAlarms: number, found: number) =>
      `At this setting, about ${falseAlarms} of 100 real images ${falseAlarms === 1 ? "is" : "are"} called fake, ` +
      `and about ${found} of 100 fakes ${found === 1 ? "is" : "are"} found.`,
    uncertain: (low: string, high: string) =>
      `Between ${low} and ${high}, the detector was often wrong in tests, so it gives no verdict.`,
    noFace: "No face was found. The detector was made for faces, so it cannot judge this image.",
    kinds: { generated: "Probably wholly generated.", manipulated: "Probably a manipulated photograph." } as Record<
      string,
      string
    >,
    otherKind: (name: string) => `Probably: ${name}.`,
    unlike: "The image is unlike those that the detector was trained on, so the verdict is more likely to be wrong.",
    severalFaces: (count: number) =>
      `Of the ${count} faces, the most suspicious of the large ones decides the verdict.`,
  },

  image: {
    alt: (name: string) => `The image ${name}`,
    noPreview: "This browser cannot show the image, but the service has checked it.",
    notKept: "The image was not kept.",
    evidence: "Evidence",
    opacity: (percent: string) => `${percent} opaque`,
    boxes: "Face frames",
    viewport: "Image; keys + and - zoom, 0 shows all of it",
    zoom: "Zoom",
    zoomIn: "Zoom in",
    zoomOut: "Zoom out",
    whole: "Whole image",
    unreliable: "This map did not pass its check: the places that it shows are hardly better than chance.",
    unchecked: "This map has not been checked.",
    towardsFake: "evidence for fake",
    towardsReal: "evidence for real",
    noEvidence: "This detector cannot show where in the image the evidence lies.",
  },

  tabs: {
    label: "More about this image",
    summary: "Summary",
    words: "In words",
    views: "Forensic views",
    origin: "Origin",
  },

  summary: {
    faces: "Faces",
    face: "Face",
    place: "Position, px",
    probability: "Probability of fake",
    noFaces: "No face was found.",
    details: "Details",
    model: "Detector",
    bundle: "Hash of the detector",
    sha256: "Hash of the image",
    time: "Time taken",
    milliseconds: (count: string) => `${count} ms`,
    judgedAt: "Checked",
    limits: "Where the detector fails",
  },

  explanation: {
    reasons: "Reasons",
    loading: "Explaining. A large image takes a few seconds.",
    ready: "The explanation is ready.",
    needsImage: "The image was not kept, so it cannot be explained. Add it again to see why.",
    lookFor: "Look for:",
    cannotShow: "Keep in mind:",
    range: (low: string, high: string) => `${low} to ${high} in most comparable photographs`,
    noReference: "no comparable photographs",
    references: (count: number, which: string) => `The ranges are those of ${count} comparable photographs: ${which}.`,
    noReferences: "There are no comparable photographs, so there are no ranges.",
    outside: "outside the usual range",
    inside: "inside the usual range",
    viewsNote:
      "These views are for a trained eye, and none of them is part of the verdict. About five in a hundred real photographs lie outside any one range.",
    open: (name: string) => `Enlarge: ${name}`,
    close: "Close",
    noViews: "There are no forensic views of this image.",
  },

  origin: {
    note: "Marks in a file are claims: anyone can write or remove them. They are not part of the verdict, and their absence proves nothing.",
    credentials: "Content credentials (C2PA)",
    generators: "Generator marks",
    noGenerators: "None found.",
    state: "State",
    states: {
      none: "None in the file",
      "valid and trusted": "Valid, by a trusted signer",
      "valid, signer unknown": "Valid, but the signer is unknown",
      expired: "Valid, but the certificate has expired",
      "could not be checked": "Could not be checked",
      "changed after signing": "Changed after signing",
      "stored elsewhere": "Stored elsewhere, not in the file",
    },
    advice: "What to do",
    claimedBy: "Claim made by",
    titled: "Title",
    signer: "Signer",
    signedAt: "Signed",
    steps: "Steps",
    ingredients: "Made from other images",
    failed: "Failed checks",
    metadata: "Metadata",
    noMetadata: "The file has no readable metadata.",
    format: "Format",
    camera: "Camera",
    lens: "Lens",
    software: "Software",
    taken: "Taken",
    modified: "Changed",
    edits: "Edit history",
    derived: "Made from another document",
    sourceType: "Source type (IPTC)",
    position: "Position (GPS)",
    hasPosition: "The file records where it was taken. Keep that in mind before you share it.",
    thumbnail: "Embedded thumbnail",
    sameThumbnail: "It matches the image.",
    otherThumbnail: "It does not match the image, which may have been changed after it was taken.",
    iptc: "IPTC",
    texts: "Texts",
    unreadable: "Unreadable",
  },

  feedback: {
    heading: "Was the verdict right?",
    right: "Right",
    wrong: "Wrong",
    unsure: "Unsure",
    note: "Note (optional)",
    noteHint: "How do you know?",
    save: "Save",
    saved: "Your feedback was saved.",
    none: "This service keeps no history, so it cannot store feedback.",
  },

  clips: {
    question: "Is this clip a recording?",
    lead: "unmask judges frames spread over the clip, follows each face, and shows when it looks manipulated.",
    drop: "Drop clips here",
    orPaste: "or choose files",
    choose: "Choose clips",
    formats: "MP4, MOV, WebM, MKV or AVI.",
    limits: (size: string, minutes: number) => `Up to ${size} and ${many(minutes, "1 minute", "# minutes")} each.`,
    kept: "Clips go only to this service. It keeps the verdict, and the clip only if set up to.",
    keptNothing: "Clips go only to this service, which keeps the verdict for an hour and the clip not at all.",
    none: "No clip found in what you added. Images are checked under “Check images”.",
    off: "This service accepts no clips.",

    heading: "Clips",
    unnamed: "Unnamed clip",
    sending: "Sending the clip.",
    reading: "Reading",
    waiting: "Waiting",
    behind: (count: number) => `Waiting behind ${many(count, "1 clip", "# clips")}`,
    running: "Checking",
    frameOf: (judged: number, total: number) => `Checking, frame ${judged} of ${total}`,
    done: "Done",
    failed: "Failed",
    cancelled: "Cancelled",
    cancel: "Cancel",
    cancelOf: (name: string) => `Cancel ${name}`,
    removed: (name: string) => `${name} was removed.`,

    player: (name: string) => `The clip ${name}`,
    noPreview: "This browser cannot play the clip, but the service has read it.",
    notHere: "The clip is not stored. Open its file to see it with its timeline.",
    open: "Open the file",
    otherFile: "This is another file: its size is not that of the clip.",

    noFace: "No face was found in any frame. The detector was made for faces, so it cannot judge this clip.",
    noSign: "The detector found no sign of manipulation. That is not a proof that the clip is real.",
    deciding: (count: number) =>
      count === 1
        ? "The verdict is that of the one face in the clip."
        : `Of the ${count} tracks, the most suspicious of the long and large ones decides the verdict.`,
    frameByFrame: (frames: number) =>
      `${many(frames, "1 frame was", "# frames were")} judged, each as an image; what happens between them was not.`,
    unlike:
      "Most frames are unlike the images that the detector was trained on, so the verdict is more likely to be wrong.",

    timeline: "Timeline",
    timelineNote:
      "The probability of fake of each frame, from 0 at the bottom to 100 % at the top; the dashed line is the " +
      "threshold. Press a timeline to go there, or use the arrow keys; the space bar plays and pauses.",
    timelineOf: (track: string) => `Timeline of ${track}`,
    track: (number: number) => `Track ${number}`,
    decides: "decides",
    frameWords: (time: string, percent: string) => `${time}: ${percent} probability of fake`,
    noFrame: (time: string) => `${time}: no frame of this track`,
    framesTable: "All frames as a table",

    tracks: "Tracks",
    trackHead: "Track",
    from: "From",
    to: "To",
    time: "Time",
    frames: "Frames",
    duration: "Length",
    framesJudged: "Frames judged",
    codec: "Format",
    size: "Size",
    perSecond: "frames per second",
    encoder: "Written by",
    bytes: "File size",
    sha256: "Hash of the clip",
    seconds: (count: string) => `${count} s`,
  },

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

  token: {
    heading: "This service needs a token",
    text: "It is kept in this tab only and forgotten when the tab is closed.",
    rejected: "This token was not accepted.",
    label: "Token",
    use: "Use this token",
    cancel: "Not now",
  },

  loading: "Loading",
  yes: "yes",

  /** By error code, else by HTTP status. */
  problems: {
    offline: "The service does not respond. Is it running, and are you connected to it?",
    unknown: "Something went wrong.",
    retry: (seconds: number) => many(seconds, "Try again in a second.", "Try again in # seconds."),
    codes: {
      empty: "The file is empty.",
      truncated: "The file ends too early: part of it is missing. Download or copy it again.",
      corrupt: "The file is damaged and cannot be read as an image.",
      unsupported_format:
        "This is not an image that unmask reads. It reads JPEG, PNG, WebP, HEIC, AVIF, TIFF, GIF and BMP.",
      file_too_large: "The file is too large for this service.",
      too_many_pixels:
        "The image has too many pixels for this service. Scale it down, though that makes the verdict less reliable.",
      side_too_long: "The image is too wide or too high for this service.",
      too_small: "The image is too small to judge.",
      too_complex: "The file is built in an unusual way that would take too long to read. Save the image again.",
      decode_stopped: "Reading the image took too much time or memory and was stopped. Save the image again.",
      out_of_memory: "The service has too little memory for this image.",
      storage_unavailable: "The service cannot store the image at the moment.",
      interrupted: "The service stopped before the clip was judged. Send it again.",
      no_video: "The file has no video, or none that unmask reads.",
      too_long: "The clip is too long for this service.",
      clip_stopped: "Judging the clip took longer than the service allows. Cut it, or send a smaller one.",
    } as Record<string, string>,
    statuses: {
      400: "The service did not understand the request.",
      401: "The service needs a token.",
      403: "The service does not accept requests from this page.",
      404: "Not found. It may have been deleted.",
      408: "The upload took too long.",
      413: "The file is too large for this service.",
      415: "This is not an image that unmask reads. It reads JPEG, PNG, WebP, HEIC, AVIF, TIFF, GIF and BMP.",
      421: "The service does not accept this host name. Open it under the name that it was set up with.",
      422: "The service cannot use this image.",
      429: "The service is busy.",
      500: "The service failed. This is a fault in unmask, not in your image.",
      503: "The service is not ready, or is shutting down.",
      504: "Checking took longer than the service allows.",
    } as Record<number, string>,
  },
};

export type Strings = typeof en;
