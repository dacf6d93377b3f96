/** What a revision may be at most. Each is far above what a task kind says and far below what would trouble a bot or the hub. */
export const bounds = {
  /** Bytes of a FileDescriptorSet with its comments and positions: what a check at a hub can be asked of in one call, which takes 256 KiB. */
  sourceBytes: 240 * 1024,
  /** Bytes of that, the source files and the translation together: publishing is one call too. The rest of it is for who publishes, and why. */
  publishedBytes: 252 * 1024,
  /** Bytes without them: what every bot is sent and keeps. Half of the largest frame of the stream, so that an offer of one always fits. */
  wireBytes: 128 * 1024,
  files: 64,
  /** Messages and enums: each is a decoder that every hub and every bot builds. */
  types: 500,
  /** Fields of a message, values of an enum. */
  members: 500,
  /** Messages declared within messages. Generated code repeats every level in each name. */
  nesting: 8,
  /** Characters of a name. */
  nameChars: 128,
  /** Characters of the full names of all types: more than as many types have that are nested as deep as they may be. */
  fullNamesChars: 1024 * 1024,
} as const;
