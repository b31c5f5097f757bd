import { type ReactNode, useRef } from "react";
import { bytes } from "../logic/format";
import { useApp } from "../state/app";
import { locale, t } from "../strings";

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
          {t.add.formats(limits ? bytes(limits.max_body_bytes, locale) : null)}{" "}
          {limits?.keeps_history === false ? t.add.keptNothing : t.add.kept} {keptHere && t.add.keptHere}
        </p>
      )}
    </section>
  );
}

interface FileButtonProps {
  add: (files: readonly File[]) => void;
  accept: string;
  className: string;
  /** Open the camera, if there is one. */
  capture?: boolean;
  children: ReactNode;
}

function FileButton({ add, accept, className, capture = false, children }: FileButtonProps) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <button type="button" className={className} onClick={() => input.current?.click()}>
        {children}
      </button>
      <input
        ref={input}
        type="file"
        hidden
        accept={accept}
        multiple={!capture}
        capture={capture ? "environment" : undefined}
        onChange={({ currentTarget }) => {
          add([...(currentTarget.files ?? [])]);
          // Reset, so that the same file can be chosen again.
          currentTarget.value = "";
        }}
      />
    </>
  );
}
