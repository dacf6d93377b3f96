import type { ServerDuplexStream, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import { Code, MallError, quoted } from '../contract/errors.ts';
import {
  type ServerReflectionRequest,
  ServerReflectionResponse,
  ServerReflectionService,
} from '../gen/grpc/reflection/v1/reflection.ts';
import { rootMessage } from '../kit/root-message.ts';
import type { Catalogue } from './catalogue.ts';
import { toStatus } from './errors.ts';

type Call = ServerDuplexStream<ServerReflectionRequest, ServerReflectionResponse>;
type Answer = NonNullable<ServerReflectionResponse['messageResponse']>;

const { serverReflectionInfo } = ServerReflectionService;
/** The same messages under the name that older tools ask for. */
const alpha = {
  serverReflectionInfo: { ...serverReflectionInfo, path: serverReflectionInfo.path.replace('.v1.', '.v1alpha.') },
};

/** `/package.Service/Method` to `package.Service`. */
export const serviceOf = (definition: ServiceDefinition): string => Object.values(definition)[0]!.path.split('/')[1]!;

export interface Reflection {
  readonly services: ReadonlyArray<{ definition: ServiceDefinition; implementation: UntypedServiceImplementation }>;
  /** Ends the streams that are open: a tool that keeps one must not hold up a restart. */
  end(): void;
}

/**
 * gRPC reflection, v1 and v1alpha, for a server that has these services: tools can list and call them without the protos. The descriptors
 * are loaded at the first question.
 */
export function reflection(definitions: readonly ServiceDefinition[]): Reflection {
  const names = [...definitions, ServerReflectionService].map(serviceOf).sort();
  const calls = new Set<Call>();
  let loading: Promise<Catalogue> | undefined;
  const load = () => {
    loading ??= import('./catalogue.ts').then(({ readCatalogue }) => readCatalogue());
    return loading;
  };
  const serverReflectionInfo = (call: Call) => {
    calls.add(call);
    call.on('close', () => calls.delete(call));
    converse(call, names, load);
  };
  return {
    services: [ServerReflectionService, alpha].map((definition) => ({
      definition,
      implementation: { serverReflectionInfo },
    })),
    end() {
      for (const call of calls) call.end();
    },
  };
}

/** One question at a time: who asks without reading the answers is not read any more. */
function converse(call: Call, services: readonly string[], load: () => Promise<Catalogue>): void {
  const reply = async (request: ServerReflectionRequest): Promise<void> => {
    const messageResponse = answer(await load(), services, request);
    if (call.cancelled || call.writableEnded) return;
    const response = ServerReflectionResponse.create({ validHost: request.host, originalRequest: request });
    if (call.write({ ...response, messageResponse })) call.resume();
    else call.once('drain', () => call.resume());
  };
  call.on('data', (request: ServerReflectionRequest) => {
    call.pause();
    reply(request).catch((error: unknown) => call.emit('error', toStatus(unreadable(error))));
  });
  call.on('end', () => call.end());
}

const unreadable = (cause: unknown): MallError =>
  new MallError('INTERNAL', `the descriptors of this server cannot be read: ${rootMessage(cause)}`, {
    reason: 'DESCRIPTORS',
  });

function answer(
  catalogue: Catalogue,
  services: readonly string[],
  { messageRequest: asked }: ServerReflectionRequest,
): Answer {
  switch (asked?.$case) {
    case 'listServices':
      return { $case: 'listServicesResponse', value: { service: services.map((name) => ({ name })) } };
    case 'fileByFilename':
      return files(catalogue.byFile(asked.value), `file ${quoted(asked.value)}`);
    case 'fileContainingSymbol':
      return files(catalogue.bySymbol(asked.value), `symbol ${quoted(asked.value)}`);
    case 'fileContainingExtension':
      return refuse('NOT_FOUND', `${quoted(asked.value.containingType)} has no extensions`);
    case 'allExtensionNumbersOfType':
      if (!catalogue.bySymbol(asked.value)) return refuse('NOT_FOUND', `type ${quoted(asked.value)} is not known here`);
      return {
        $case: 'allExtensionNumbersResponse',
        value: { baseTypeName: asked.value, extensionNumber: [] },
      };
    case undefined:
      return refuse('INVALID_ARGUMENT', 'message_request is unset; ask for list_services, a file or a symbol');
    default:
      return asked satisfies never;
  }
}

const files = (found: Buffer[] | undefined, what: string): Answer =>
  found
    ? { $case: 'fileDescriptorResponse', value: { fileDescriptorProto: found } }
    : refuse('NOT_FOUND', `${what} is not known here; list_services says what is`);

const refuse = (code: Code, errorMessage: string): Answer => ({
  $case: 'errorResponse',
  value: { errorCode: Code[code], errorMessage },
});
