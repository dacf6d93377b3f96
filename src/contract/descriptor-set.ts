import { createHash } from 'node:crypto';
import { clearField, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type FileDescriptorProto, FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';

/** What `buf build` adds to each FileDescriptorProto for itself (buf.alpha.image.v1.ImageFile.buf_extension). */
const bufExtension = 8042;

/**
 * The one form of a FileDescriptorSet that is hashed, stored and sent: the same for every order of its files, wherever the root of their imports
 * was, and whatever comments, spacing and compiler they had. A file is named by its package (`kinds/shop/v1/shop.proto`) and comes behind those that
 * it imports, else by name, so that any protobuf library can load them in this order. What is declared inside of a file keeps its order.
 * @throws Error when the bytes are no FileDescriptorSet, name a file twice or lack one that is imported
 */
export function canonicalDescriptorSet(fileDescriptorSet: Uint8Array): Uint8Array {
  const set = fromBinary(FileDescriptorSetSchema, fileDescriptorSet);
  const canonical = new Map(set.file.map((file) => [file.name, canonicalName(file)]));
  const files = new Map(set.file.map((file) => [canonicalName(file), file]));
  if (files.size < set.file.length) throw new Error('a file is in it twice');
  const placed: FileDescriptorProto[] = [];
  const seen = new Set<string>();
  const place = (name: string): void => {
    if (seen.has(name)) return;
    seen.add(name);
    const file = files.get(name)!;
    file.dependency = file.dependency.map((imported) => {
      const found = canonical.get(imported);
      if (found === undefined) throw new Error(`${file.name} imports ${imported}, which is not in it`);
      return found;
    });
    for (const imported of file.dependency.toSorted()) place(imported);
    file.name = name;
    clearField(file, FileDescriptorProtoSchema.field.sourceCodeInfo);
    file.$unknown = file.$unknown?.filter(({ no }) => no !== bufExtension);
    placed.push(file);
  };
  for (const name of [...files.keys()].sort()) place(name);
  set.file = placed;
  set.$unknown = undefined;
  return toBinary(FileDescriptorSetSchema, set);
}

const canonicalName = ({ name, package: scope }: FileDescriptorProto): string =>
  [...scope.split('.').filter(Boolean), name.slice(name.lastIndexOf('/') + 1)].join('/');

/** The name of a revision. @returns `sha256:` and 64 hexadecimal digits */
export const schemaDigest = (canonical: Uint8Array): string =>
  `sha256:${createHash('sha256').update(canonical).digest('hex')}`;
