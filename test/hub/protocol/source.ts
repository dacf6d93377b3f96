import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compileDirectory } from '../../../src/hub/protocol/check/compile.ts';
import type { Revision } from '../../../src/hub/protocol/check/revision.ts';

/** A revision of kind `crate` that has one of everything that a kind may have. */
export const crate = `syntax = "proto3";

package kinds.crate.v1;

import "google/protobuf/timestamp.proto";

message CrateTask {
  reserved 20, 30 to 39;
  reserved "weight_class";
  string order_id = 1;
  repeated Crate crates = 2;
  map<string, uint32> stock = 3;
  optional uint32 floor = 4;
  uint32 door = 5;
  bytes seal = 6;
  google.protobuf.Timestamp due = 7;
  Mood mood = 8;
  Colour tint = 9;
  string old_note = 10;
}

message Crate {
  string label = 1;
  sint64 offset = 2;
  float height = 3;
  message Lid {
    bool open = 1;
  }
  Lid lid = 4;
}

message Pallet {
  string label = 1;
}

enum Mood {
  reserved 9;
  reserved "MOOD_BORED";
  MOOD_UNSPECIFIED = 0;
  MOOD_CALM = 1;
  MOOD_ANGRY = 2;
}

enum Colour {
  COLOUR_UNSPECIFIED = 0;
  COLOUR_RED = 1;
}

message CrateProgress {
  oneof step {
    Crate loaded = 1;
    string noted = 2;
  }
  string remark = 3;
  oneof other {
    string aside = 4;
  }
}

message CrateResult {
  repeated uint32 counts = 1;
}
`;

/** `source` with every `[from, to]` done to it; each has to be there once. */
export function edited(source: string, ...edits: ReadonlyArray<readonly [string, string]>): string {
  return edits.reduce((text, [from, to]) => {
    if (text.split(from).length !== 2) throw new Error(`"${from}" is not there once`);
    return text.replace(from, () => to);
  }, source);
}

/** What the compiler makes of one file, or of several by their names. */
export async function compiled(files: string | Readonly<Record<string, string>>): Promise<Revision> {
  const directory = mkdtempSync(join(tmpdir(), 'mallbots-source-'));
  try {
    for (const [name, text] of Object.entries(typeof files === 'string' ? { 'crate.proto': files } : files)) {
      writeFileSync(join(directory, name), text);
    }
    return { ...(await compileDirectory(directory)), label: 'test' };
  } finally {
    rmSync(directory, { recursive: true });
  }
}
