import { type ReactNode, useRef } from "react";

interface Props {
  add: (files: readonly File[]) => void;
  accept: string;
  className: string;
  /** Open the camera, if there is one. */
  capture?: boolean;
  /** Whether several files may be chosen. */
  many?: boolean;
  children: ReactNode;
}

/** A button that lets the user choose files. */
export function FileButton({ add, accept, className, capture = false, many = !capture, children }: Props) {
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
        multiple={many}
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
