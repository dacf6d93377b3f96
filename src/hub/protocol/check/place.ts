import type { AnyDesc, DescEnum, DescFile, DescMessage } from '@bufbuild/protobuf';

/** What a finding can point at. */
export type Declared = Exclude<AnyDesc, { kind: 'rpc' }>;

/** From 1, as editors count; undefined where the descriptors have no source info. */
export interface Place {
  readonly file: string;
  readonly line: number | undefined;
  readonly column: number | undefined;
}

/** Field numbers of descriptor.proto: a path of source info is made of them and of indexes. */
const inFile = {
  package: 2,
  dependency: 3,
  syntax: 12,
  edition: 14,
  message: 4,
  enum: 5,
  service: 6,
  extension: 7,
} as const;
const inMessage = { field: 2, message: 3, enum: 4, extension: 6, oneof: 8 } as const;
const inEnum = { value: 2 } as const;

const positions = new WeakMap<DescFile, ReadonlyMap<string, readonly number[]>>();

function positionsOf(file: DescFile): ReadonlyMap<string, readonly number[]> {
  const known = positions.get(file);
  if (known) return known;
  const read = new Map((file.proto.sourceCodeInfo?.location ?? []).map(({ path, span }) => [path.join(), span]));
  positions.set(file, read);
  return read;
}

/** Of a file as a whole, the statement that is meant: its package where nothing else is, or an import by its name. */
export type Statement = 'package' | 'syntax' | { readonly imported: string };

/** Where `declared` stands in its file. A statement that is not there would be at its beginning. */
export function placeOf(declared: Declared, statement: Statement = 'package'): Place {
  const file = fileOf(declared);
  const known = positionsOf(file);
  const path = declared.kind === 'file' ? statementPath(declared, statement) : pathOf(declared);
  const beginning = declared.kind === 'file' && known.size > 0 ? [0, 0] : [];
  const [line, column] = known.get(path.join()) ?? beginning;
  return {
    file: file.proto.name,
    line: line === undefined ? undefined : line + 1,
    column: column === undefined ? undefined : column + 1,
  };
}

export function fileOf(declared: Declared): DescFile {
  switch (declared.kind) {
    case 'file':
      return declared;
    case 'message':
    case 'enum':
    case 'service':
    case 'extension':
      return declared.file;
    default:
      return declared.parent.file;
  }
}

function statementPath({ proto }: DescFile, statement: Statement): number[] {
  if (statement === 'package') return [inFile.package];
  if (statement === 'syntax') return [proto.syntax === 'editions' ? inFile.edition : inFile.syntax];
  return [inFile.dependency, proto.dependency.indexOf(statement.imported)];
}

function pathOf(declared: Exclude<Declared, DescFile>): number[] {
  switch (declared.kind) {
    case 'message':
      return typePath(
        declared,
        inFile.message,
        inMessage.message,
        (of) => of.messageType,
        (of) => of.nestedType,
      );
    case 'enum':
      return typePath(
        declared,
        inFile.enum,
        inMessage.enum,
        (of) => of.enumType,
        (of) => of.enumType,
      );
    case 'extension':
      return typePath(
        declared,
        inFile.extension,
        inMessage.extension,
        (of) => of.extension,
        (of) => of.extension,
      );
    case 'service':
      return [inFile.service, declared.file.proto.service.indexOf(declared.proto)];
    case 'field':
      return [...pathOf(declared.parent), inMessage.field, declared.parent.proto.field.indexOf(declared.proto)];
    case 'oneof':
      return [...pathOf(declared.parent), inMessage.oneof, declared.parent.proto.oneofDecl.indexOf(declared.proto)];
    case 'enum_value':
      return [...pathOf(declared.parent), inEnum.value, declared.parent.proto.value.indexOf(declared.proto)];
  }
}

function typePath<P>(
  declared: { readonly file: DescFile; readonly parent: DescMessage | undefined; readonly proto: P },
  fileNumber: number,
  messageNumber: number,
  ofFile: (file: DescFile['proto']) => readonly P[],
  ofMessage: (message: DescMessage['proto']) => readonly P[],
): number[] {
  const { file, parent, proto } = declared;
  return parent
    ? [...pathOf(parent), messageNumber, ofMessage(parent.proto).indexOf(proto)]
    : [fileNumber, ofFile(file.proto).indexOf(proto)];
}

/** The message or enum that `declared` belongs to, or is. */
export function ownerOf(declared: Declared): DescMessage | DescEnum | undefined {
  switch (declared.kind) {
    case 'message':
    case 'enum':
      return declared;
    case 'field':
    case 'oneof':
    case 'enum_value':
      return declared.parent;
    default:
      return undefined;
  }
}
