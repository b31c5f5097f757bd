/** All text of the page, in English. Other languages have the same entries: see docs/page.md. */

import { check } from "./check";
import { clips } from "./clips";
import { frame } from "./frame";
import { local } from "./local";
import { problems } from "./problems";
import { records } from "./records";
import { result } from "./result";

export const en = { ...frame, ...check, ...result, ...clips, ...records, ...problems, ...local };

export type Strings = typeof en;
