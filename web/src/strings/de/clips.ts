/** Checking clips. */

import type { clips as english } from "../en/clips";
import { plurals } from "../plurals";

const many = plurals("de");

export const clips: typeof english = {
  clips: {
    question: "Ist dieses Video eine Aufnahme?",
    lead: "unmask beurteilt Einzelbilder aus dem ganzen Video, verfolgt jedes Gesicht und zeigt, wann es manipuliert wirkt.",
    drop: "Videos hier ablegen",
    orPaste: "oder Dateien auswählen",
    choose: "Videos auswählen",
    formats: "MP4, MOV, WebM, MKV oder AVI.",
    limits: (size: string, minutes: number) => `Je bis zu ${size} und ${many(minutes, "1 Minute", "# Minuten")}.`,
    kept: "Videos gehen nur an diesen Dienst. Er speichert den Befund und, nur wenn er so eingerichtet ist, das Video.",
    keptNothing: "Videos gehen nur an diesen Dienst. Er speichert den Befund eine Stunde lang und das Video gar nicht.",
    none: "Unter den hinzugefügten Dateien ist kein Video. Bilder werden unter „Bilder prüfen“ geprüft.",
    off: "Dieser Dienst nimmt keine Videos an.",

    heading: "Videos",
    unnamed: "Video ohne Namen",
    sending: "Das Video wird gesendet.",
    reading: "Wird gelesen",
    waiting: "Wartet",
    behind: (count: number) => `Wartet hinter ${many(count, "1 Video", "# Videos")}`,
    running: "Wird geprüft",
    frameOf: (judged: number, total: number) => `Wird geprüft, Einzelbild ${judged} von ${total}`,
    done: "Fertig",
    failed: "Fehlgeschlagen",
    cancelled: "Abgebrochen",
    cancel: "Abbrechen",
    cancelOf: (name: string) => `${name} abbrechen`,
    removed: (name: string) => `${name} wurde entfernt.`,

    player: (name: string) => `Das Video ${name}`,
    noPreview: "Dieser Browser kann das Video nicht abspielen, aber der Dienst hat es gelesen.",
    notHere: "Das Video ist nicht gespeichert. Öffnen Sie seine Datei, um es mit seinem Zeitverlauf zu sehen.",
    open: "Datei öffnen",
    otherFile: "Das ist eine andere Datei: Ihre Größe ist nicht die des Videos.",

    noFace:
      "In keinem Einzelbild wurde ein Gesicht gefunden. Der Detektor ist für Gesichter gemacht und kann dieses Video nicht beurteilen.",
    noSign: "Der Detektor hat keinen Hinweis auf Manipulation gefunden. Das beweist nicht, dass das Video echt ist.",
    deciding: (count: number) =>
      count === 1
        ? "Der Befund ist der des einzigen Gesichts im Video."
        : `Von den ${count} Spuren bestimmt die verdächtigste der langen und großen den Befund.`,
    frameByFrame: (frames: number) =>
      `${many(frames, "1 Einzelbild wurde als Bild", "# Einzelbilder wurden jeweils als Bild")} beurteilt; was zwischen ihnen geschieht, nicht.`,
    unlike:
      "Die meisten Einzelbilder unterscheiden sich von den Bildern, mit denen der Detektor trainiert wurde. Der Befund ist deshalb mit größerer Wahrscheinlichkeit falsch.",

    timeline: "Zeitverlauf",
    timelineNote:
      "Die Fälschungswahrscheinlichkeit jedes Einzelbilds, von 0 unten bis 100 % oben; die gestrichelte Linie ist der " +
      "Schwellenwert. Drücken Sie auf einen Zeitverlauf, um dorthin zu springen, oder nehmen Sie die Pfeiltasten; die " +
      "Leertaste spielt ab und hält an.",
    timelineOf: (track: string) => `Zeitverlauf von ${track}`,
    track: (number: number) => `Spur ${number}`,
    decides: "entscheidet",
    frameWords: (time: string, percent: string) => `${time}: ${percent} Fälschungswahrscheinlichkeit`,
    noFrame: (time: string) => `${time}: kein Einzelbild dieser Spur`,
    framesTable: "Alle Einzelbilder als Tabelle",

    tracks: "Spuren",
    trackHead: "Spur",
    from: "Von",
    to: "Bis",
    time: "Zeit",
    frames: "Einzelbilder",
    duration: "Länge",
    framesJudged: "Beurteilte Einzelbilder",
    codec: "Format",
    size: "Größe",
    perSecond: "Bilder pro Sekunde",
    encoder: "Geschrieben von",
    bytes: "Dateigröße",
    sha256: "Hashwert des Videos",
    seconds: (count: string) => `${count} s`,
  },
};
