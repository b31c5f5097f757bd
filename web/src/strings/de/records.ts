/** The history, a record, and the detector. */

import type { records as english } from "../en/records";
import { plurals } from "../plurals";

const many = plurals("de");

export const records: typeof english = {
  history: {
    heading: "Verlauf",
    search: "Suche",
    searchHint: "Name, Notiz oder Anfang eines Hashwerts",
    verdict: "Befund",
    feedback: "Rückmeldung",
    any: "Alle",
    noFeedback: "Noch keine",
    found: (count: number) => many(count, "1 Eintrag", "# Einträge"),
    foundMore: (count: number) => `Die ersten ${count} Einträge`,
    empty: "Noch nichts. Befunde erscheinen hier, sobald Bilder geprüft werden.",
    noMatch: "Keine passenden Einträge.",
    more: "Mehr anzeigen",
    export: "Export",
    exported: "Der Export liegt bei Ihren Downloads.",
    exportNote:
      "Alle Einträge, für eine Tabellenkalkulation; oder die als richtig oder falsch gemeldeten Befunde, als Manifest für unmask train und unmask calibrate. Unsichere Befunde und Bilder ohne Gesicht stehen nicht im Manifest.",
    exportAll: "Alle Einträge (CSV)",
    exportLabelled: "Manifest (CSV)",
    unnamed: "Bild ohne Namen",
    off: "Dieser Dienst führt keinen Verlauf.",
  },

  record: {
    back: "Alle Einträge",
    delete: "Diesen Eintrag löschen",
    deleteHeading: "Diesen Eintrag löschen?",
    deleteText: "Der Befund, Ihre Rückmeldung und das Bild, falls es gespeichert ist, werden endgültig gelöscht.",
    confirm: "Löschen",
    cancel: "Abbrechen",
    deleted: "Der Eintrag wurde gelöscht.",
  },

  detector: {
    heading: "Der Detektor",
    thresholds: "Schwellenwerte",
    threshold: "Einstellung",
    fakeFrom: "Fälschung ab",
    budget: "Fehlalarme je 100 echte Bilder",
    found: "Treffer je 100 ge\u00adfälschte Bilder",
    inUse: "in Gebrauch",
    thresholdsNote:
      "Gemessen an Bildern, die im Training nicht vorkamen. Bei Quellen, die dem Training fremd sind, ist Schlechteres zu erwarten.",
    uncertain: (low: string, high: string, accuracy: string, rate: string) =>
      `Zwischen ${low} und ${high} heißt der Befund „Unsicher“, wie bei ${rate} der zurückgehaltenen Bilder. ` +
      `Von den übrigen Befunden waren ${accuracy} richtig.`,
    limits: "Wo er versagt",
    sources: "Womit er trainiert wurde",
    source: "Quelle",
    label: "Klasse",
    images: "Bilder",
    real: "Echt",
    fake: "Gefälscht",
    hashes: "Hashwerte",
    recipe: "Hashwert des Rezepts",
    manifest: "Hashwert der Trainingsdaten",
    calibration: "Kalibriert an",
  },
};
