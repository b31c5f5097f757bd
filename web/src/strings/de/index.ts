/** All text of the page, in German. */

import type { Strings } from "../en";
import { check } from "./check";
import { clips } from "./clips";
import { frame } from "./frame";
import { local } from "./local";
import { problems } from "./problems";
import { records } from "./records";
import { result } from "./result";

export const de: Strings = { ...frame, ...check, ...result, ...clips, ...records, ...problems, ...local };
