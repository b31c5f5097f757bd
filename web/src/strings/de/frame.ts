/** The frame around every view. */

import type { frame as english } from "../en/frame";

export const frame: typeof english = {
  title: {
    check: "Bilder prüfen",
    clips: "Videos prüfen",
    history: "Verlauf",
    record: "Eintrag",
    detector: "Der Detektor",
  },

  header: {
    navigation: "Hauptmenü",
    skip: "Zum Inhalt springen",
    language: "Sprache",
    toLight: "Helle Darstellung",
    toDark: "Dunkle Darstellung",
    forgetToken: "Token vergessen",
    tokenForgotten: "Das Token wurde vergessen.",
  },

  footer: "Ein Befund ist ein Anhaltspunkt, kein Beweis.",

  token: {
    heading: "Dieser Dienst verlangt ein Token",
    text: "Es bleibt nur in diesem Tab und wird vergessen, wenn Sie ihn schließen.",
    rejected: "Dieses Token wurde nicht angenommen.",
    label: "Token",
    use: "Dieses Token verwenden",
    cancel: "Jetzt nicht",
  },

  loading: "Wird geladen",

  yes: "ja",
};
