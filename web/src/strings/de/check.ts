/** Adding images, and the list of them. */

import type { check as english } from "../en/check";
import { plurals } from "../plurals";

const many = plurals("de");

export const check: typeof english = {
  add: {
    heading: "Ist dieses Porträt ein Foto?",
    lead: "unmask untersucht jedes Gesicht in einem Bild, sagt, wie sicher der Befund ist, und zeigt, worauf er sich stützt.",
    drop: "Bilder hier ablegen",
    orPaste: "oder einfügen oder Dateien auswählen",
    choose: "Bilder auswählen",
    camera: "Foto aufnehmen",
    formats: (size: string | null) =>
      `JPEG, PNG, WebP, HEIC, AVIF, TIFF, GIF oder BMP${size ? `, je bis zu ${size}` : ""}.`,
    kept: "Bilder gehen nur an diesen Dienst. Er speichert den Befund und, nur wenn er so eingerichtet ist, das Bild.",
    keptNothing: "Bilder gehen nur an diesen Dienst. Er speichert weder sie noch den Befund.",
    keptHere: "Dieser Browser bewahrt beides auf, nur auf diesem Gerät und bis Sie es löschen.",
    none: "Unter den hinzugefügten Dateien ist kein Bild.",
  },

  queue: {
    heading: "Bilder",
    counts: (done: number, all: number) => `${done} von ${all} fertig`,
    totals: "Nur anzeigen",
    all: "Alle",
    sort: "Sortieren nach",
    orders: { added: "Reihenfolge", suspicion: "Verdacht", name: "Name" },
    noneListed: "Keine solchen Bilder.",
    keys: "Tasten",
    waiting: "Wartet",
    postponed: "Der Dienst ist ausgelastet; gleich folgt ein neuer Versuch",
    sending: (percent: string) => `Wird gesendet, ${percent}`,
    judging: "Wird geprüft",
    failed: "Fehlgeschlagen",
    answered: (feedback: string) => `Ihre Rückmeldung: ${feedback}`,
    remove: (name: string) => `${name} entfernen`,
    clear: "Alle entfernen",
    retry: "Erneut versuchen",
    progress: (name: string) => `Fortschritt von ${name}`,
    finished: (name: string, verdict: string) => `${name}: ${verdict}`,
    finishedAll: (totals: string) => `Alle Bilder sind fertig. ${totals}.`,
    pasted: "Eingefügtes Bild",
  },

  kept: {
    kept: "Diese Bilder und ihre Ergebnisse bleiben in diesem Browser, nur auf diesem Gerät, bis Sie sie entfernen.",
    left: (count: number, images: number, size: string) =>
      `${many(count, "1 Bild wird", "# Bilder werden")} nicht aufbewahrt: Die Grenze liegt bei ${images} Bildern und ${size}.`,
    locked:
      "Ein anderer Tab bewahrt seine Bilder in diesem Browser auf. Die Bilder in diesem Tab gehen beim Schließen oder Neuladen verloren.",
    unavailable:
      "Dieser Browser bewahrt hier keine Bilder auf. Sie gehen verloren, wenn Sie die Seite schließen oder neu laden.",
    full: "Der Browser hat nicht für alle Bilder Platz. Einige gehen verloren, wenn Sie die Seite schließen oder neu laden.",
  },

  downloads: {
    results: "Alle Ergebnisse",
    csv: "CSV",
    json: "JSON",
    saved: "Die Ergebnisse liegen bei Ihren Downloads.",
  },

  report: {
    save: "Bericht speichern",
    writing: "Der Bericht wird geschrieben. Das dauert einige Sekunden.",
    saved: "Der Bericht liegt bei Ihren Downloads.",
    note: "Eine Seite zum Zitieren und Drucken, auf Englisch, mit Bild, Befund und Hashwerten. Sie hat eine Schaltfläche für ein PDF.",
  },

  keys: {
    heading: "Tasten",
    next: "Nächstes Bild",
    previous: "Vorheriges Bild",
    right: "Rückmeldung: richtig",
    wrong: "Rückmeldung: falsch",
    unsure: "Rückmeldung: unsicher",
    help: "Diese Tasten anzeigen",
    zoom: "Vergrößern, verkleinern, ganzes Bild, während das Bild den Fokus hat",
    note: "Die Buchstaben wirken in der Bilderliste, aber nicht, während Sie in einem Feld tippen oder auswählen.",
    enabled: "Diese Tasten verwenden",
    close: "Schließen",
    first: "Das ist das erste Bild.",
    last: "Das ist das letzte Bild.",
    feedback: (name: string, verdict: string) => `${name}: Ihre Rückmeldung ist gespeichert, ${verdict}.`,
    noFeedback: (name: string) => `${name}: Es gibt keinen gespeicherten Befund, zu dem Sie etwas sagen könnten.`,
    notSaved: (name: string) => `${name}: Ihre Rückmeldung konnte nicht gespeichert werden.`,
  },
};
