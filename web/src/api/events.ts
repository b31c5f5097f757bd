/** Server-sent events from a response, which may carry a token; the browser's own EventSource sends none. */

export interface ServerEvent {
  name: string;
  data: string;
}

/** Splits a stream into events, whatever the pieces in which it arrives. Comments are left out. */
export function eventParser(take: (event: ServerEvent) => void): (text: string) => void {
  let rest = "";
  return (text) => {
    const blocks = (rest + text).replaceAll("\r\n", "\n").split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const fields = block.split("\n").map(fieldOf);
      const data = fields.filter(([name]) => name === "data").map(([, value]) => value);
      if (data.length > 0) {
        take({ name: fields.find(([name]) => name === "event")?.[1] ?? "message", data: data.join("\n") });
      }
    }
  };
}

/** Takes the events of a response until it ends. */
export async function readEvents(response: Response, take: (event: ServerEvent) => void): Promise<void> {
  if (response.body === null) return;
  const parse = eventParser(take);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    parse(value);
  }
}

function fieldOf(line: string): readonly [string, string] {
  const colon = line.indexOf(":");
  if (colon < 0) return [line, ""];
  return [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, "")];
}
