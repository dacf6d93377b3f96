/** As protobuf makes a JSON name of a field's name. */
export const camelCase = (name: string): string => name.replace(/_+(.?)/g, (_, letter: string) => letter.toUpperCase());
