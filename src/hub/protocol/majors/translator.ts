import { createFileRegistry, type DescMessage, fromBinary, toBinary } from '@bufbuild/protobuf';
import { reflect } from '@bufbuild/protobuf/reflect';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import type { Revision } from '../../../gen/fleet/v1/fleet.ts';
import type { Translation } from './document.ts';
import type { Part } from './parts.ts';
import { type Direction, type Plan, Planner } from './planner.ts';

/** The three messages of a revision. */
export type Tongue = Readonly<Record<Part, DescMessage>>;

const tongues = new WeakMap<Revision, Tongue>();

/** One registry for each digest that payloads are decoded by, translated or tried: the hub has one object of each. */
export function tongueOf(revision: Revision): Tongue {
  const known = tongues.get(revision);
  if (known) return known;
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, revision.fileDescriptorSet));
  const message = (name: string) => {
    const found = registry.getMessage(name);
    if (!found) throw new Error(`revision ${revision.schema?.digest} has no ${name}`);
    return found;
  };
  const { taskMessage, progressMessage, resultMessage } = revision;
  const tongue = { task: message(taskMessage), progress: message(progressMessage), result: message(resultMessage) };
  tongues.set(revision, tongue);
  return tongue;
}

export interface Translator {
  /**
   * A payload of the source as one of the target. What only the source has a field for is not in it.
   * @throws Untranslatable when a value has no counterpart, Error when the payload is none of the source
   */
  translate(part: Part, payload: Uint8Array): Uint8Array;
}

export function translator(rules: Translation, direction: Direction, source: Tongue, target: Tongue): Translator {
  const planner = new Planner(rules, direction);
  const plans = new Map<Part, Plan>();
  return {
    translate(part, payload) {
      const plan = plans.get(part) ?? planner.plan(source[part], target[part]);
      plans.set(part, plan);
      const message = fromBinary(source[part], payload, { readUnknownFields: false });
      return toBinary(target[part], plan.run(reflect(source[part], message)).message);
    },
  };
}
