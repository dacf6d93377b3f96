import { createFileRegistry, type DescFile, fromBinary, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { descriptors } from '../gen/descriptors.ts';

/** Every proto of this system and of the services that all its servers have. A file comes as FileDescriptorProto, with all that it imports. */
export interface Catalogue {
  /** By its path, such as `fleet/v1/fleet.proto`. */
  byFile(name: string): Buffer[] | undefined;
  /** By the full name of a message, enum or service, or of a field, value or method in it. */
  bySymbol(name: string): Buffer[] | undefined;
}

export function readCatalogue(): Catalogue {
  const set = fromBinary(FileDescriptorSetSchema, Buffer.from(descriptors, 'base64'));
  const registry = createFileRegistry(set);

  const declares = (name: string): DescFile | undefined => {
    const found = registry.get(name);
    if (found) return found.file;
    const dot = name.lastIndexOf('.');
    const parent = registry.get(name.slice(0, Math.max(dot, 0)));
    const member = name.slice(dot + 1);
    return parent && membersOf(parent).includes(member) ? parent.file : undefined;
  };
  const withImports = (file: DescFile | undefined): Buffer[] | undefined =>
    file && [...closure(file)].map(({ proto }) => Buffer.from(toBinary(FileDescriptorProtoSchema, proto)));

  return {
    byFile: (name) => withImports(registry.getFile(name)),
    bySymbol: (name) => withImports(declares(name)),
  };
}

function membersOf(parent: NonNullable<ReturnType<ReturnType<typeof createFileRegistry>['get']>>): string[] {
  switch (parent.kind) {
    case 'message':
      return [...parent.fields, ...parent.oneofs].map(({ name }) => name);
    case 'enum':
      return parent.values.map(({ name }) => name);
    case 'service':
      return parent.methods.map(({ name }) => name);
    case 'extension':
      return [];
    default:
      return parent satisfies never;
  }
}

/** The file itself comes first. */
function closure(file: DescFile, found = new Set<DescFile>()): Set<DescFile> {
  if (found.has(file)) return found;
  found.add(file);
  for (const imported of file.dependencies) closure(imported, found);
  return found;
}
