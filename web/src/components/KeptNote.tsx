import { bytes } from "../logic/format";
import { LIMITS } from "../state/kept";
import type { Keeping } from "../state/useKeptQueue";
import { locale, t } from "../strings";

/** Says whether images and results are kept in the browser. */
export function KeptNote({ keeping }: { keeping: Keeping }) {
  return <p className="dim">{words(keeping)}</p>;
}

function words(keeping: Keeping): string {
  switch (keeping.how) {
    case "opening":
      return "";
    case "kept":
      return keeping.left === 0
        ? t.kept.kept
        : `${t.kept.kept} ${t.kept.left(keeping.left, LIMITS.images, bytes(LIMITS.bytes, locale))}`;
    default:
      return t.kept[keeping.how];
  }
}
