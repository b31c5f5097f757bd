import { expect, it } from "vitest";
import { eventParser, type ServerEvent } from "./events";

const stream = 'event: state\ndata: {"a":1}\n\n: waiting\n\ndata: first\r\ndata:second\r\n\r\nevent: cut';

it.each([1, 2, 7, 1000])("reads events in pieces of %i characters", (size) => {
  const found: ServerEvent[] = [];
  const parse = eventParser((event) => found.push(event));
  for (let at = 0; at < stream.length; at += size) parse(stream.slice(at, at + size));
  expect(found).toEqual([
    { name: "state", data: '{"a":1}' },
    { name: "message", data: "first\nsecond" },
  ]);
});
