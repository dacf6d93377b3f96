import type { JsonObject } from '@bufbuild/protobuf';
import type { Logger } from 'pino';
import { originalPart, type PayloadReader, payloadReader } from '../../contract/describe-payload.ts';
import { MallError } from '../../contract/errors.ts';
import type { MessageName } from '../../contract/events.ts';
import type { RegistryService, RevisionDetail } from '../../gen/protocol/v1/protocol.ts';
import type { Api } from '../../rpc/api.ts';

/** Revisions whose names are kept: all that a fleet has in use at once, many times over. Each some 100 kB. */
const maxKept = 32;
/** Whoever shows an event does not wait longer for a hub. ms */
const askDeadlineMs = 1_500;
/** How long a hub that could not say is not asked again, ms: the events of a second would each wait for it. */
const askAgainMs = 5_000;

interface Language {
  readonly revision: RevisionDetail['revision'];
  readonly reader: PayloadReader;
}

/** Shows what bots really said by the names of the revision that they spoke, which any hub knows, also of revisions that are younger than this program. */
export class Originals {
  readonly #registry: Pick<Api<RegistryService>, 'get'>;
  readonly #logger: Logger;
  /** By digest, the one that was wanted last at the end. A digest never means anything else. */
  readonly #languages = new Map<string, Promise<Language | undefined>>();

  constructor(registry: Pick<Api<RegistryService>, 'get'>, logger: Logger) {
    this.#registry = registry;
    this.#logger = logger;
  }

  /** `fields` of an event, its original's payload as an object in place of base64, where a hub can say the names. */
  async named(name: MessageName, fields: JsonObject): Promise<JsonObject> {
    const part = originalPart(name);
    const { schema, payload } = (fields.original ?? {}) as { schema?: { digest?: string }; payload?: string };
    if (!part || !schema?.digest || payload === undefined) return fields;
    const language = await this.#languageOf(schema.digest);
    const message = language?.revision?.[part === 'result' ? 'resultMessage' : 'progressMessage'];
    if (!language || !message) return fields;
    try {
      const named = language.reader.read(message, Buffer.from(payload, 'base64'));
      return { ...fields, original: { ...(fields.original as JsonObject), payload: named } };
    } catch (error) {
      this.#logger.warn({ err: error, digest: schema.digest, name }, 'what a bot said cannot be read');
      return fields;
    }
  }

  #languageOf(digest: string): Promise<Language | undefined> {
    const known = this.#languages.get(digest) ?? this.#ask(digest);
    this.#languages.delete(digest);
    this.#languages.set(digest, known);
    for (const oldest of this.#languages.keys()) {
      if (this.#languages.size <= maxKept) break;
      this.#languages.delete(oldest);
    }
    return known;
  }

  async #ask(digest: string): Promise<Language | undefined> {
    try {
      const request = { digest, kind: '', revision: 0 };
      const { revision, fileDescriptorSet } = await this.#registry.get(request, { deadlineMs: askDeadlineMs });
      return { revision, reader: payloadReader(fileDescriptorSet) };
    } catch (thrown) {
      const { code, message } = MallError.from(thrown);
      this.#logger.warn({ digest, code, detail: message }, 'the names of a revision are not known');
      setTimeout(() => this.#languages.delete(digest), askAgainMs).unref();
      return undefined;
    }
  }
}
