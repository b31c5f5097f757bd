import { type KeyboardEvent, type ReactNode, useId, useRef, useState } from "react";

export interface Tab {
  name: string;
  title: string;
  content: () => ReactNode;
}

/**
 * Tabs by the ARIA practices: arrow keys move between titles, Enter or Space opens one. Moving alone does not open a tab,
 * because its content may have to be loaded first.
 */
export function Tabs({ label, tabs }: { label: string; tabs: readonly Tab[] }) {
  const id = useId();
  const [open, setOpen] = useState(0);
  const list = useRef<HTMLDivElement>(null);
  const shown = tabs[open] ?? tabs[0];

  const move = (event: KeyboardEvent) => {
    const buttons = [...(list.current?.querySelectorAll("button") ?? [])];
    const here = buttons.findIndex((button) => button === document.activeElement);
    const steps: Record<string, number> = {
      ArrowRight: here + 1,
      ArrowLeft: here - 1,
      Home: 0,
      End: buttons.length - 1,
    };
    const to = steps[event.key];
    if (to === undefined) return;
    event.preventDefault();
    buttons.at(to % buttons.length)?.focus();
  };

  return (
    <div className="tabs">
      <div ref={list} className="tab-list" role="tablist" aria-label={label} onKeyDown={move}>
        {tabs.map((tab, place) => (
          <button
            key={tab.name}
            type="button"
            role="tab"
            id={`${id}-${tab.name}`}
            aria-selected={place === open}
            aria-controls={`${id}-panel`}
            tabIndex={place === open ? 0 : -1}
            onClick={() => {
              setOpen(place);
            }}
          >
            {tab.title}
          </button>
        ))}
      </div>
      {shown && (
        <div role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${shown.name}`} tabIndex={0}>
          {shown.content()}
        </div>
      )}
    </div>
  );
}
