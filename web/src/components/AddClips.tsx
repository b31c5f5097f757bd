import { bytes } from "../logic/format";
import { useApp } from "../state/app";
import { locale, t } from "../strings";
import { FileButton } from "./FileButton";

interface Props {
  /** Whether no clips were added yet: then there is room for notes. */
  first: boolean;
  /** Whether files are being dragged over the page. */
  over: boolean;
  add: (files: readonly File[]) => void;
}

export function AddClips({ first, over, add }: Props) {
  const limits = useApp().model?.limits;
  const clips = limits?.clips;
  return (
    <section className="add" data-over={over} data-first={first}>
      <p className="add-drop">{t.clips.drop}</p>
      <p className="dim">{t.clips.orPaste}</p>
      <p className="actions">
        <FileButton add={add} accept="video/*,.mkv,.mov,.avi" className="primary">
          {t.clips.choose}
        </FileButton>
      </p>
      {first && (
        <p className="add-notes dim">
          {t.clips.formats}{" "}
          {clips && t.clips.limits(bytes(clips.max_bytes, locale), Math.round(clips.max_seconds / 60))}{" "}
          {limits?.keeps_history === false ? t.clips.keptNothing : t.clips.kept}
        </p>
      )}
    </section>
  );
}
