/** The icons of the page. Each only repeats what the text beside it says. */

import type { ReactNode } from "react";
import type { Word } from "../logic/meaning";

function Icon({ children }: { children: ReactNode }) {
  return (
    <svg className="drawing" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

/** Differ in shape as well as colour: a full diamond, a ring, a half-filled ring, a dashed ring. */
export function VerdictMark({ of }: { of: Word }) {
  return (
    <Icon>
      {of === "FAKE" && <path className="filled" d="M8 1.5 14.5 8 8 14.5 1.5 8Z" />}
      {of === "REAL" && <circle className="drawn" cx="8" cy="8" r="5.75" />}
      {of === "NO_FACE" && <circle className="drawn" cx="8" cy="8" r="5.75" strokeDasharray="2.4 3.6" />}
      {of === "UNCERTAIN" && (
        <>
          <circle className="drawn" cx="8" cy="8" r="5.75" />
          <path className="filled" d="M8 2.25a5.75 5.75 0 0 1 0 11.5Z" />
        </>
      )}
    </Icon>
  );
}

export function Sun() {
  return (
    <Icon>
      <circle className="drawn" cx="8" cy="8" r="2.75" />
      <path className="drawn" d="M8 1v2M8 13v2M1 8h2M13 8h2M3 3l1.5 1.5M11.5 11.5 13 13M13 3l-1.5 1.5M4.5 11.5 3 13" />
    </Icon>
  );
}

export function Moon() {
  return (
    <Icon>
      <path className="drawn" d="M13.5 9.5A6 6 0 0 1 6.5 2.5a6 6 0 1 0 7 7Z" />
    </Icon>
  );
}

export function Cross() {
  return (
    <Icon>
      <path className="drawn" d="m4 4 8 8M12 4l-8 8" />
    </Icon>
  );
}

export function Plus() {
  return (
    <Icon>
      <path className="drawn" d="M3 8h10M8 3v10" />
    </Icon>
  );
}

export function Minus() {
  return (
    <Icon>
      <path className="drawn" d="M3 8h10" />
    </Icon>
  );
}

export function Flag() {
  return (
    <Icon>
      <path className="drawn" d="M4 14.5V2h8.5l-2 3 2 3H4" />
    </Icon>
  );
}
