import { bytes } from "../logic/format";
import { local } from "../local/mode";
import { useApp } from "../state/app";
import { locale, t } from "../strings";
import { FileButton } from "./FileButton";

interface Props {
  /** Whether no images were added yet: then there is room for notes. */
  first: boolean;
  /** Whether files are being dragged over the page. */
  over: boolean;
  /** Whether the browser keeps images and results over a reload. */
  keptHere: boolean;
  add: (files: readonly File[]) => void;
}

export function AddImages({ first, over, keptHere, add }: Props) {
  const limits = useApp().model?.limits;
  return (
    <section className="add" data-over={over} data-first={first}>
      <p className="add-drop">{t.add.drop}</p>
      <p className="dim">{t.add.orPaste}</p>
      <p className="actions">
        <FileButton add={add} accept="image/*" className="primary">
          {t.add.choose}
        </FileButton>
        <FileButton add={add} accept="image/*" className="camera" capture>
          {t.add.camera}
        </FileButton>
      </p>
      {first && (
        <p className="add-notes dim">
          {local ? t.local.formats : t.add.formats(limits ? bytes(limits.max_body_bytes, locale) : null)}{" "}
          {local ? t.local.kept : limits?.keeps_history === false ? t.add.keptNothing : t.add.kept}{" "}
          {keptHere && t.add.keptHere}
        </p>
      )}
    </section>
  );
}
