import { expect, it } from "vitest";
import { type Block, readFacts } from "./file";
import { readMarks } from "./marks";

const bytes = (text: string) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
const text = (body: string): Block => ({ kind: "text", body: bytes(body) });
const xmp = (body: string): Block => ({ kind: "xmp", body: bytes(body) });

it.each([
  ["AUTOMATIC1111's settings", text("parameters\0a cat"), ["png:parameters"]],
  ["a generator as software", text("Software\0NovelAI"), ["software:NovelAI"]],
  ["part of a word is no name", text("Software\0MyReface2"), []],
  ["another key", text("Comment\0parameters"), []],
  ["IPTC's source type", xmp('x:DigitalSourceType="trainedAlgorithmicMedia"'), ["xmp:trainedAlgorithmicMedia"]],
  ["a camera's source type", xmp('x:DigitalSourceType="digitalCapture"'), []],
  ["XMP's tool", xmp("<xmp:CreatorTool>Adobe Firefly 3</xmp:CreatorTool>"), ["software:Adobe Firefly"]],
])("reads marks: %s", (_, block, tags) => {
  expect(readMarks([block]).provenance.generator_tags).toEqual(tags);
});

it("says marks in the words of Python, and never in those of the file", () => {
  expect(readMarks([text("Software\0ComfyUI <b>"), text("prompt\0{}")]).marks).toEqual([
    { kind: "settings", text: "The file holds settings of an image generator, as ComfyUI writes them." },
    { kind: "generator", text: "The file names ComfyUI as its software." },
  ]);
});

it("says that credentials are there and were not checked", () => {
  const { provenance } = readMarks([{ kind: "jumbf", body: bytes("....jumb....c2pa") }]);
  expect(provenance).toMatchObject({ c2pa: "present", credentials_state: "could not be checked" });
});

const gif = (width: number, height: number) =>
  bytes("GIF89a" + String.fromCharCode(width & 255, width >> 8, height & 255, height >> 8) + "\0".repeat(9));

it.each([
  ["empty", new Uint8Array()],
  ["unsupported_format", bytes("hello, this is no image")],
  ["truncated", bytes("\xff\xd8\xff\xe0\0\x10JFIF")],
  ["truncated", bytes("\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR")],
  ["too_small", gif(15, 100)],
  ["side_too_long", gif(16_385, 100)],
  ["too_many_pixels", gif(16_000, 4001)],
])("refuses before decoding: %s", (code, content) => {
  expect(() => readFacts(content)).toThrow(expect.objectContaining({ code }) as Error);
});

it("reads the size of an image within the limits", () => {
  expect(readFacts(gif(640, 480))).toMatchObject({ format: "GIF", width: 640, height: 480 });
});
