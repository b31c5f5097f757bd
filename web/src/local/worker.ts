/** Judges images one at a time, away from the page's own thread. */

import { Problem } from "../api/problem";
import { loadEngine } from "./engine";
import type { Request, Response } from "./messages";

// The worker has no other way to learn it before its first message.
const base = self.name;
const engine = loadEngine(base);
engine.then(
  () => {
    send({ ready: true });
  },
  () => undefined, // each image reports it
);

let last: Promise<unknown> = Promise.resolve();

self.onmessage = ({ data }: MessageEvent<Request>) => {
  last = last.then(() => answer(data));
};

async function answer({ number, file, name }: Request): Promise<void> {
  try {
    const bytes = new Uint8Array(await file.arrayBuffer());
    send({ number, judged: await (await engine).judge(bytes, name) });
  } catch (caught) {
    const { status, code, detail } =
      caught instanceof Problem ? caught : new Problem(500, "", caught instanceof Error ? caught.message : "");
    send({ number, problem: { status, code, detail } });
  }
}

function send(response: Response): void {
  self.postMessage(response);
}
