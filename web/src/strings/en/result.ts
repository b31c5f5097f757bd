/** The verdict of an image and what explains it. */

import { plurals } from "../plurals";

const many = plurals("en");

const words = {
  FAKE: "Fake",
  UNCERTAIN: "Uncertain",
  REAL: "No sign of manipulation",
  NO_FACE: "No face",
};

export const result = {
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
    kinds: { generated: "Probably wholly generated.", manipulated: "Probably a manipulated photograph." },
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
};
