import { type Declared, ownerOf, placeOf, type Statement } from './place.ts';
import type { Breaks, Finding } from './violation.ts';

interface Rule {
  readonly breaks: Breaks;
  readonly why: string;
  readonly instead: string;
}

const addInstead = 'leave this field as it is, mark it [deprecated = true], and add a new one under a free number';
const newMajor = 'keep it; a language that cannot do without the change is a kind of its own, the next major';
const bothReserved = 'reserve both its number and its name where it stood';

/**
 * Every rule by its id, which is stable: CI configurations and dashboards name it. Those of a revision by itself stand first, then those between it
 * and each revision that is not retired.
 */
export const rules = {
  NOT_PROTO3: {
    breaks: 'everybody',
    why: 'required fields, defaults, groups, extensions and closed enums of other syntaxes are not understood alike by the decoders of all bots',
    instead: 'begin the file with syntax = "proto3";',
  },
  SERVICE_DEFINED: {
    breaks: 'everybody',
    why: 'bots and hub speak through the one stream that they have; nobody would serve it',
    instead: 'take the service out; a task is a message',
  },
  EXTENSION_DEFINED: {
    breaks: 'everybody',
    why: 'a reader without the extension takes it for an unknown field and cannot name it',
    instead: 'declare a field',
  },
  CUSTOM_OPTION: {
    breaks: 'everybody',
    why: 'what it means is in programs that the check cannot see: a validator that demands what older writers do not send refuses their messages',
    instead: 'take the option out, and check values where they are used',
  },
  PACKAGE_NOT_OF_KIND: {
    breaks: 'everybody',
    why: 'the package is part of every name by which messages are found',
    instead: 'put every file of the kind into its package',
  },
  ROOT_MISSING: {
    breaks: 'everybody',
    why: 'task, progress and result of a kind are found by these names',
    instead: 'declare the message at the top of a file of the package',
  },
  WELL_KNOWN_TYPE: {
    breaks: 'everybody',
    why: 'an Any cannot tell two revisions apart, a Struct has neither numbers nor 64-bit integers, and the others have no generated code with the bots',
    instead: 'use Timestamp, Duration, FieldMask, Empty or the wrappers, or declare a message',
  },
  ENUM_ALIAS: {
    breaks: 'everybody',
    why: 'in JSON a number has one name: which of two it is depends on who writes',
    instead: 'give every value a number of its own',
  },
  DECLARED_TWICE: {
    breaks: 'everybody',
    why: 'a reader cannot tell the two apart, in bytes or in JSON',
    instead: 'give it a number and a name that nothing else in the message has',
  },
  NUMBER_INVALID: {
    breaks: 'everybody',
    why: 'encoders refuse numbers below 1, above 536870911 and from 19000 to 19999',
    instead: 'take a free number from 1 on',
  },
  TOO_LARGE: {
    breaks: 'everybody',
    why: 'every bot is sent a revision in one frame, and every hub keeps all of them in memory',
    instead: 'make it smaller, or make it two kinds',
  },
  MESSAGE_REMOVED: {
    breaks: 'candidate-reads-older',
    why: 'payloads, handlers and the journal name it',
    instead: newMajor,
  },
  ENUM_REMOVED: {
    breaks: 'candidate-reads-older',
    why: 'payloads, handlers and the journal name it',
    instead: newMajor,
  },
  FIELD_RENUMBERED: {
    breaks: 'both',
    why: 'bytes have only the number: each side takes the field of the other for an unknown one',
    instead: 'give the field its number back',
  },
  FIELD_RENAMED: {
    breaks: 'both',
    why: 'JSON, traces and handlers know the field by its name, and do not find it',
    instead: `give it its name back; for another meaning, ${addInstead}`,
  },
  FIELD_NUMBER_NOT_RESERVED: {
    breaks: 'candidate-reads-older',
    why: 'a later revision could give the number to something else, and old payloads would be read as that',
    instead: bothReserved,
  },
  FIELD_NAME_NOT_RESERVED: {
    breaks: 'candidate-reads-older',
    why: 'a later revision could give the name to something else, and old JSON would be read as that',
    instead: bothReserved,
  },
  FIELD_TYPE_CHANGED: { breaks: 'both', why: 'the bytes of one type are not those of the other', instead: addInstead },
  FIELD_TYPE_WIDENED: {
    breaks: 'older-reads-candidate',
    why: 'an older reader cuts what does not fit, without an error',
    instead: addInstead,
  },
  FIELD_MESSAGE_CHANGED: {
    breaks: 'both',
    why: 'each side reads the numbers of one message as the fields of another',
    instead: addInstead,
  },
  FIELD_ENUM_CHANGED: {
    breaks: 'both',
    why: 'the same number is another value to each side, and another name in JSON',
    instead: addInstead,
  },
  FIELD_CARDINALITY_CHANGED: {
    breaks: 'both',
    why: 'one side keeps the last of many, or finds a list where it looks for one value',
    instead: addInstead,
  },
  FIELD_PRESENCE_CHANGED: {
    breaks: 'both',
    why: 'one side tells an unset value from zero and the other does not send the difference',
    instead: 'leave the label as it was',
  },
  FIELD_JSON_NAME_CHANGED: {
    breaks: 'both',
    why: 'JSON of one side has a key that the other does not know',
    instead: 'take json_name back to what it was',
  },
  FIELD_JSON_NAME_REUSED: {
    breaks: 'both',
    why: 'JSON of older payloads has the key with another meaning',
    instead: 'give the new field a name, and a json_name, that no revision had',
  },
  FIELD_ONEOF_CHANGED: {
    breaks: 'both',
    why: 'within a oneof the last member that is set clears the others: one side drops what the other set together',
    instead: 'leave the field where it was and add a new one where it shall be',
  },
  RESERVED_DROPPED: {
    breaks: 'candidate-reads-older',
    why: 'a revision that is still in use reserved it, because older payloads have it',
    instead: 'keep the reserved statement',
  },
  RESERVED_REUSED: {
    breaks: 'candidate-reads-older',
    why: 'payloads from before it was reserved have something else under it',
    instead: 'take a number and a name that were never used, and keep the reserved statement',
  },
  ENUM_VALUE_RENAMED: {
    breaks: 'both',
    why: 'JSON has the name, which the other side does not know',
    instead: 'give the value its name back; for another meaning, add a value',
  },
  ENUM_VALUE_RENUMBERED: {
    breaks: 'both',
    why: 'bytes have only the number: it is another value to each side',
    instead: 'give the value its number back',
  },
  ENUM_VALUE_NUMBER_NOT_RESERVED: {
    breaks: 'candidate-reads-older',
    why: 'a later revision could give the number to another value, and old payloads would be read as that',
    instead: bothReserved,
  },
  ENUM_VALUE_NAME_NOT_RESERVED: {
    breaks: 'candidate-reads-older',
    why: 'a later revision could give the name to another value, and old JSON would be read as that',
    instead: bothReserved,
  },
  PAYLOAD_LOST: {
    breaks: 'both',
    why: 'a real payload does not come back whole from the other side',
    instead: 'find the change of the message that it names, and undo it',
  },
  TRANSLATION_INCOMPLETE: {
    breaks: 'both',
    why: 'bots of the other major would never be told of it, and nobody would have decided that',
    instead: 'add a rule to the fields of the translation',
  },
  TRANSLATION_UNKNOWN: {
    breaks: 'everybody',
    why: 'a rule about what there is not says nothing',
    instead: 'name a message, field or value as the .proto files have it',
  },
  TRANSLATION_TYPES: {
    breaks: 'both',
    why: 'numbers, integers and text, enums and text, one and a list of the same can be converted, all else cannot',
    instead: 'give each side a rule of its own, with a default',
  },
  TRANSLATION_PARTIAL: {
    breaks: 'both',
    why: 'a task with such a value can only be done by bots of its own major, and a report with one is refused',
    instead: 'say in "partial" of the rule why that is not to be expected, or choose another type',
  },
  TRANSLATION_DEFAULT: {
    breaks: 'everybody',
    why: 'the other side would be told what its field cannot say',
    instead: 'give a value of the field, as protobuf writes it in JSON',
  },
  TRANSLATION_LOSES: {
    breaks: 'both',
    why: 'what goes to bots of the other major and back is something else then',
    instead: 'change the rule, or say in its "lossy" why that does no harm',
  },
  TRANSLATION_FAILS: {
    breaks: 'both',
    why: 'the task could not be given to bots of the other major, and the report would be refused',
    instead: 'choose a type that has room for what is really said',
  },
} as const satisfies Readonly<Record<string, Rule>>;

export type RuleId = keyof typeof rules;

/** A breach of `rule` at `declared`. `field` where it is not there any more, `instead` where the very words are known, `statement` where a file is meant. */
export function finding(
  rule: RuleId,
  declared: Declared,
  what: string,
  { field, instead, statement }: { field?: string; instead?: string | undefined; statement?: Statement } = {},
): Finding {
  const isMember = declared.kind === 'field' || declared.kind === 'oneof' || declared.kind === 'enum_value';
  return {
    rule,
    ...placeOf(declared, statement),
    message: ownerOf(declared)?.typeName ?? '',
    field: field ?? (isMember ? declared.name : ''),
    what,
    ...rules[rule],
    ...(instead === undefined ? {} : { instead }),
  };
}
