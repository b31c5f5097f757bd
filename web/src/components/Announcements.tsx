export interface Announcement {
  number: number;
  text: string;
}

/** What a screen reader says of its own accord. */
export function Announcements({ of }: { of: readonly Announcement[] }) {
  return (
    <div className="unseen" role="log" aria-live="polite">
      {of.map(({ number, text }) => (
        <p key={number}>{text}</p>
      ))}
    </div>
  );
}
