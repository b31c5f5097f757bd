/** The verdict of an image and what explains it. */

import type { result as english } from "../en/result";
import { plurals } from "../plurals";

const many = plurals("de");

const words = {
  FAKE: "Gefälscht",
  UNCERTAIN: "Unsicher",
  REAL: "Kein Hinweis auf Manipulation",
  NO_FACE: "Kein Gesicht",
};

export const result: typeof english = {
  words,

  /** Groups that images are counted and filtered by. */
  groups: {
    ...words,
    MARKS: "Mit Herkunftsangaben",
    FAILED: "Fehlgeschlagen",
    PENDING: "Nicht fertig",
  },

  verdict: {
    label: "Befund",
    share: (percent: string) => `${percent} Fälschungswahrscheinlichkeit`,
    failed: "Kein Befund",
    scaleSpoken: (percent: string) => `Fälschungswahrscheinlichkeit: ${percent}.`,
    scaleThreshold: (percent: string) => `Fälschung ab ${percent}`,
    scaleBand: "unsicher",
    scaleReal: "keine Fälschung",
    scaleFake: "Fälschung",
  },

  marks: {
    heading: "Die Datei sagt etwas über ihre Herkunft",
    note: "Das gehört nicht zum Befund. Jeder kann solche Angaben schreiben oder entfernen.",
    count: (count: number) => many(count, "1 Herkunftsangabe", "# Herkunftsangaben"),
  },

  meaning: {
    heading: "Was das bedeutet",
    noSign: "Der Detektor hat keinen Hinweis auf Manipulation gefunden. Das beweist nicht, dass das Bild echt ist.",
    chance:
      "Die Wahrscheinlichkeit setzt voraus, dass echte und gefälschte Bilder gleich häufig sind. Wo Fälschungen selten " +
      "sind, ist eine Fälschung weniger wahrscheinlich als hier angegeben.",
    threshold: (threshold: string) => `Ab ${threshold} lautet der Befund „Gefälscht“.`,
    rates: (falseAlarms: number, found: number) =>
      `Bei dieser Einstellung ${falseAlarms === 1 ? "wird" : "werden"} etwa ${falseAlarms} von 100 echten Bildern ` +
      `für gefälscht erklärt und etwa ${found} von 100 Fälschungen gefunden.`,
    uncertain: (low: string, high: string) =>
      `Zwischen ${low} und ${high} lag der Detektor in Tests oft falsch. Deshalb legt er sich hier nicht fest.`,
    noFace:
      "Es wurde kein Gesicht gefunden. Der Detektor ist für Gesichter gemacht und kann dieses Bild nicht beurteilen.",
    kinds: {
      generated: "Wahrscheinlich vollständig generiert.",
      manipulated: "Wahrscheinlich ein manipuliertes Foto.",
    },
    otherKind: (name: string) => `Wahrscheinlich: ${name}.`,
    unlike:
      "Das Bild unterscheidet sich von denen, mit denen der Detektor trainiert wurde. Der Befund ist deshalb mit " +
      "größerer Wahrscheinlichkeit falsch.",
    severalFaces: (count: number) => `Von den ${count} Gesichtern bestimmt das verdächtigste der großen den Befund.`,
  },

  image: {
    alt: (name: string) => `Das Bild ${name}`,
    noPreview: "Dieser Browser kann das Bild nicht anzeigen, aber der Dienst hat es geprüft.",
    notKept: "Das Bild wurde nicht gespeichert.",
    evidence: "Hinweise",
    opacity: (percent: string) => `${percent} deckend`,
    boxes: "Gesichtsrahmen",
    viewport: "Bild; die Tasten + und - vergrößern und verkleinern, 0 zeigt es ganz",
    zoom: "Zoom",
    zoomIn: "Vergrößern",
    zoomOut: "Verkleinern",
    whole: "Ganzes Bild",
    unreliable: "Diese Karte hat ihre Prüfung nicht bestanden: Ihre Stellen sind kaum besser als zufällige.",
    unchecked: "Diese Karte wurde nicht geprüft.",
    towardsFake: "spricht für gefälscht",
    towardsReal: "spricht für echt",
    noEvidence: "Dieser Detektor kann nicht zeigen, wo im Bild die Hinweise liegen.",
  },

  tabs: {
    label: "Mehr zu diesem Bild",
    summary: "Übersicht",
    words: "In Worten",
    views: "Forensische Ansichten",
    origin: "Herkunft",
  },

  summary: {
    faces: "Gesichter",
    face: "Gesicht",
    place: "Position, px",
    // With a place to break the word: it heads a column that is narrow on a phone.
    probability: "Fälschungs\u00adwahr\u00adscheinlich\u00adkeit",
    noFaces: "Es wurde kein Gesicht gefunden.",
    details: "Einzelheiten",
    model: "Detektor",
    bundle: "Hashwert des Detektors",
    sha256: "Hashwert des Bildes",
    time: "Dauer der Prüfung",
    milliseconds: (count: string) => `${count} ms`,
    judgedAt: "Geprüft",
    limits: "Wo der Detektor versagt",
  },

  explanation: {
    reasons: "Gründe",
    loading: "Die Erklärung entsteht. Bei einem großen Bild dauert das einige Sekunden.",
    ready: "Die Erklärung ist fertig.",
    needsImage:
      "Das Bild wurde nicht gespeichert und lässt sich deshalb nicht erklären. Fügen Sie es erneut hinzu, um die Gründe zu sehen.",
    lookFor: "Achten Sie auf:",
    cannotShow: "Bedenken Sie:",
    range: (low: string, high: string) => `${low} bis ${high} bei den meisten vergleichbaren Fotos`,
    noReference: "keine vergleichbaren Fotos",
    references: (count: number, which: string) => `Die Bereiche stammen von ${count} vergleichbaren Fotos: ${which}.`,
    noReferences: "Es gibt keine vergleichbaren Fotos und deshalb keine Bereiche.",
    outside: "außerhalb des üblichen Bereichs",
    inside: "im üblichen Bereich",
    viewsNote:
      "Diese Ansichten sind für ein geübtes Auge, und keine gehört zum Befund. Etwa fünf von hundert echten Fotos liegen außerhalb eines einzelnen Bereichs.",
    open: (name: string) => `Vergrößern: ${name}`,
    close: "Schließen",
    noViews: "Von diesem Bild gibt es keine forensischen Ansichten.",
  },

  origin: {
    note: "Angaben in einer Datei sind Behauptungen: Jeder kann sie schreiben oder entfernen. Sie gehören nicht zum Befund, und ihr Fehlen beweist nichts.",
    credentials: "Herkunftsnachweis (C2PA)",
    generators: "Spuren von Generatoren",
    noGenerators: "Keine gefunden.",
    state: "Zustand",
    states: {
      none: "Keiner in der Datei",
      "valid and trusted": "Gültig, von vertrauenswürdiger Stelle signiert",
      "valid, signer unknown": "Gültig, aber der Unterzeichner ist unbekannt",
      expired: "Gültig, aber das Zertifikat ist abgelaufen",
      "could not be checked": "Nicht prüfbar",
      "changed after signing": "Nach dem Signieren geändert",
      "stored elsewhere": "Nicht in der Datei, sondern anderswo gespeichert",
    },
    advice: "Was zu tun ist",
    claimedBy: "Angegeben von",
    titled: "Titel",
    signer: "Unterzeichner",
    signedAt: "Signiert",
    steps: "Schritte",
    ingredients: "Aus anderen Bildern gemacht",
    failed: "Nicht bestandene Prüfungen",
    metadata: "Metadaten",
    noMetadata: "Die Datei hat keine lesbaren Metadaten.",
    format: "Format",
    camera: "Kamera",
    lens: "Objektiv",
    software: "Software",
    taken: "Aufgenommen",
    modified: "Geändert",
    edits: "Bearbeitungen",
    derived: "Aus einem anderen Dokument gemacht",
    sourceType: "Art der Quelle (IPTC)",
    position: "Ort (GPS)",
    hasPosition: "Die Datei nennt den Ort der Aufnahme. Bedenken Sie das, bevor Sie sie weitergeben.",
    thumbnail: "Eingebettetes Vorschaubild",
    sameThumbnail: "Es stimmt mit dem Bild überein.",
    otherThumbnail: "Es stimmt nicht mit dem Bild überein, das nach der Aufnahme geändert worden sein kann.",
    iptc: "IPTC",
    texts: "Texte",
    unreadable: "Nicht lesbar",
  },

  feedback: {
    heading: "War der Befund richtig?",
    right: "Richtig",
    wrong: "Falsch",
    unsure: "Unsicher",
    note: "Notiz (freiwillig)",
    noteHint: "Woher wissen Sie das?",
    save: "Speichern",
    saved: "Ihre Rückmeldung wurde gespeichert.",
    none: "Dieser Dienst führt keinen Verlauf und kann keine Rückmeldung speichern.",
  },
};
