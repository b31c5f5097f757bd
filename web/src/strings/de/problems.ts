/** What went wrong. */

import type { problems as english } from "../en/problems";
import { plurals } from "../plurals";

const many = plurals("de");

export const problems: typeof english = {
  problems: {
    offline: "Der Dienst antwortet nicht. Läuft er, und sind Sie mit ihm verbunden?",
    unknown: "Etwas ist schiefgegangen.",
    retry: (seconds: number) =>
      many(seconds, "Versuchen Sie es in einer Sekunde erneut.", "Versuchen Sie es in # Sekunden erneut."),
    codes: {
      empty: "Die Datei ist leer.",
      truncated: "Die Datei endet zu früh: Ein Teil fehlt. Laden oder kopieren Sie sie noch einmal.",
      corrupt: "Die Datei ist beschädigt und lässt sich nicht als Bild lesen.",
      unsupported_format:
        "Dieses Bildformat liest unmask nicht. Es liest JPEG, PNG, WebP, HEIC, AVIF, TIFF, GIF und BMP.",
      file_too_large: "Die Datei ist zu groß für diesen Dienst.",
      too_many_pixels:
        "Das Bild hat zu viele Pixel für diesen Dienst. Verkleinern Sie es; der Befund wird dadurch aber weniger verlässlich.",
      side_too_long: "Das Bild ist zu breit oder zu hoch für diesen Dienst.",
      too_small: "Das Bild ist zu klein, um es zu beurteilen.",
      too_complex:
        "Die Datei ist ungewöhnlich aufgebaut, und sie zu lesen würde zu lange dauern. Speichern Sie das Bild neu.",
      decode_stopped:
        "Das Bild zu lesen brauchte zu viel Zeit oder Speicher und wurde abgebrochen. Speichern Sie das Bild neu.",
      out_of_memory: "Der Dienst hat zu wenig Speicher für dieses Bild.",
      storage_unavailable: "Der Dienst kann das Bild im Moment nicht speichern.",
      interrupted: "Der Dienst wurde beendet, bevor das Video beurteilt war. Senden Sie es noch einmal.",
      no_video: "Die Datei enthält kein Video oder keines, das unmask liest.",
      too_long: "Das Video ist zu lang für diesen Dienst.",
      clip_stopped:
        "Das Video zu beurteilen dauerte länger, als der Dienst erlaubt. Kürzen Sie es oder senden Sie ein kleineres.",
    },
    statuses: {
      400: "Der Dienst hat die Anfrage nicht verstanden.",
      401: "Der Dienst verlangt ein Token.",
      403: "Der Dienst nimmt von dieser Seite keine Anfragen an.",
      404: "Nicht gefunden. Vielleicht wurde es gelöscht.",
      408: "Das Hochladen dauerte zu lange.",
      413: "Die Datei ist zu groß für diesen Dienst.",
      415: "Dieses Bildformat liest unmask nicht. Es liest JPEG, PNG, WebP, HEIC, AVIF, TIFF, GIF und BMP.",
      421: "Der Dienst nimmt diesen Rechnernamen nicht an. Öffnen Sie ihn unter dem Namen, für den er eingerichtet wurde.",
      422: "Der Dienst kann mit diesem Bild nichts anfangen.",
      429: "Der Dienst ist ausgelastet.",
      500: "Im Dienst ist ein Fehler aufgetreten. Er liegt an unmask, nicht an Ihrem Bild.",
      503: "Der Dienst ist noch nicht bereit oder wird gerade beendet.",
      504: "Die Prüfung dauerte länger, als der Dienst erlaubt.",
    },
  },
};
