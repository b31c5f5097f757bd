export interface Announcement {
  number: number;
  text: string;
}

/** A live region that screen readers read out. */
export function Announcements({ of }: { of: readonly Announcement[] }) {
  return (
    <div className="unseen" role="log" aria-live="polite">
      {of.map(({ number, text }) => (
        <p key={number}>{text}</p>
      ))}
    </div>
  );
}
