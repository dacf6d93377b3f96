import type { Database } from '../../../database/port.ts';
import type { Original } from '../../../gen/events/bots/v1/events.ts';
import type { SchemaRef } from '../../../gen/fleet/v1/fleet.ts';
import type { Languages } from '../../assign-across.ts';
import { hasWords } from '../../kinds/kind.ts';
import { languageOf, type Task } from '../../task-phase.ts';
import type { Catalogue } from '../catalogue.ts';
import type { WriteBehind } from '../write-behind.ts';
import { Untranslatable } from './convert.ts';
import type { Part } from './parts.ts';
import { addUntranslated, type UntranslatedRow } from './translation-store.ts';

export interface InterpreterPorts {
  readonly database: Database;
  readonly catalogue: Pick<Catalogue, 'view'>;
  /** Tasks that cannot be translated: which is found out again by whoever looks at them. */
  readonly book: Pick<WriteBehind<UntranslatedRow>, 'note'>;
}

/** What a bot reports, for who makes an event of it. */
export interface Heard {
  /** Whose words it is in. */
  readonly kind: string;
  readonly payload: Uint8Array;
  readonly original: Original;
  /** There is nothing in it that those words are for: only the original says it. */
  readonly isSilent: boolean;
}

/** A report that cannot be translated. */
export interface Refused {
  readonly taskId: string;
  readonly fence: number;
  readonly seq: number;
  readonly language: SchemaRef;
  readonly asked: string;
  readonly part: Part;
  readonly payload: Buffer;
}

/** Tasks for bots that speak another major, and their reports for consumers that do not. */
export class Interpreter implements Languages {
  readonly #ports: InterpreterPorts;

  constructor(ports: InterpreterPorts) {
    this.#ports = ports;
  }

  /** The payload that a task is offered with. @throws Untranslatable */
  payloadOf(task: Task): Uint8Array {
    const into = languageOf(task);
    if (into.kind === task.schema.kind) return task.payload;
    return this.#ports.catalogue.view.translate(task.schema, into, 'task', task.payload);
  }

  /** Whether the task cannot be done in another major; noted, so that it does not stand in the way of others. */
  isBarred(task: Task, into: SchemaRef): boolean {
    const { view } = this.#ports.catalogue;
    try {
      view.translate(task.schema, into, 'task', task.payload);
      return false;
    } catch (error) {
      const { kind, digest } = task.schema;
      this.#ports.book.note({
        ...{ taskId: task.taskId, part: 'task' as const, attempted: this.nameOf(kind, into) },
        ...{ fromKind: kind, intoKind: into.kind, digest, reason: (error as Error).message, at: new Date() },
      });
      return true;
    }
  }

  /** Of a translation of tasks. */
  nameOf(kind: string, into: SchemaRef): string {
    return this.#ports.catalogue.view.majors.nameOf(kind, into);
  }

  kindOf(digest: string): string | undefined {
    return this.#ports.catalogue.view.find(digest)?.schema.kind;
  }

  /** Whether a report in `kind` may be about a task of another major. */
  hasMajors(kind: string): boolean {
    return this.#ports.catalogue.view.majors.familyOf(kind).length > 1;
  }

  /**
   * A report in the words of the mall where its kind has an older major that the mall has words for, else in those of the kind that was `asked`.
   * @throws Untranslatable when it cannot be brought into those, anything else when it is not of its schema
   */
  hear(language: SchemaRef, asked: string, part: Part, payload: Buffer): Heard {
    const { view } = this.#ports.catalogue;
    const kind = hasWords(language.kind)
      ? language.kind
      : (view.majors.familyOf(language.kind).find(hasWords) ?? asked);
    const original = { schema: language, payload };
    if (kind === language.kind) return { kind, payload, original, isSilent: false };
    const schema = view.usual(kind)!;
    const translated = Buffer.from(view.translate(language, schema, part, payload));
    const isSilent = translated.length === 0 && payload.length > 0 && part === 'progress';
    return {
      ...{ kind, payload: translated, isSilent },
      original: isSilent ? original : { ...original, translated: { schema, payload: translated } },
    };
  }

  /** A report that `hear` has refused because of `cause` is kept, before its bot hears of that. */
  async keep(cause: unknown, report: Refused): Promise<void> {
    if (!(cause instanceof Untranslatable)) return;
    const { taskId, fence, seq, language, asked, part, payload } = report;
    const row = {
      ...{ taskId, part, attempted: `${fence}:${seq}`, fromKind: language.kind, intoKind: asked },
      ...{ digest: language.digest, payload, reason: cause.message, at: new Date() },
    };
    await this.#ports.database.query((orm) => addUntranslated(orm, [row]));
  }
}
