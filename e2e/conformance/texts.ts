import { textFrame } from '@who-is-online/testing/raw-client'
import type { Case } from './case.ts'
import { COUNT, countOf, repeat, text, together } from './frames.ts'

/** A text message, and the lines that it is answered with. */
const answered = (title: string, message: string | Uint8Array, ...lines: string[]): Case => ({
  title,
  send: [text(message)],
  expect: [...lines, 'open'],
})

const BAD_JSON = 'error bad_json'
const BAD = 'error bad_message'

/** What text messages may contain: JSON and the messages of protocol v1. */
export const texts: readonly Case[] = [
  ...[
    '{',
    '}',
    '',
    ' ',
    'hello',
    "{'type':'get_online_count'}",
    '{type:"get_online_count"}',
    '{"type":"get_online_count",}',
    '{"type":"get_online_count"}}',
    `${COUNT}${COUNT}`,
    `${COUNT}\n${COUNT}`,
    '{"type":"get_online_count"} // why',
    '{"type":NaN}',
    '{"type":01}',
    '{"type":"a\nb"}',
    '{"type":"\\x41"}',
    '{"type":"get_online_count"',
    '\ufeff{"type":"get_online_count"}',
    '\0',
    'undefined',
  ].map(message => answered(`not JSON: ${JSON.stringify(message)}`, message, BAD_JSON)),
  ...['null', 'true', '0', '-1e999', '"get_online_count"', '[]', '[{"type":"get_online_count"}]'].map(
    message => answered(`JSON, but not an object: ${message}`, message, BAD),
  ),
  ...['{}', '{"Type":"get_online_count"}', '{"__proto__":{"type":"get_online_count"}}'].map(message =>
    answered(`no type: ${message}`, message, `${BAD} "type"`),
  ),
  ...['null', '1', 'true', '[]', '{}', '["get_online_count"]', '{"toString":"get_online_count"}'].map(type =>
    answered(`a type of ${type}`, `{"type":${type}}`, `${BAD} "type"`),
  ),
  ...[
    '',
    'dance',
    'GET_ONLINE_COUNT',
    'get_online_count ',
    '__proto__',
    'constructor',
    'toString',
    'welcome',
    'refusal',
    'subscribe',
  ].map(type =>
    answered(
      `an unknown type, ${JSON.stringify(type)}`,
      JSON.stringify({ type }),
      'error unknown_type "type"',
    ),
  ),
  answered(
    'an unknown type with a quote, a line end and half an emoji at the point of truncation',
    JSON.stringify({ type: `"\n${'x'.repeat(37)}👋` }),
    'error unknown_type "type"',
  ),
  answered('an unknown type with a lone surrogate', '{"type":"\\ud800"}', 'error unknown_type "type"'),
  answered(
    'an unknown type of 60,000 characters',
    JSON.stringify({ type: 'x'.repeat(60_000) }),
    'error unknown_type "type"',
  ),
  answered('white space around', ` \t\r\n${COUNT}\r\n `, 'online_count'),
  answered('a type in escapes', '{"type":"\\u0067et_online_count"}', 'online_count'),
  answered(
    'the type last, unknown keys before',
    '{"id":1,"userId":"x","__proto__":{"a":1},"type":"get_online_count"}',
    'online_count',
  ),
  answered('two types: the last one applies', '{"type":"dance","type":"get_online_count"}', 'online_count'),
  answered('nested 4 deep', '{"type":"get_online_count","x":[[[1]]]}', 'online_count'),
  answered('nested 5 deep', '{"type":"get_online_count","x":[[[[]]]]}', BAD),
  answered(
    'nested 10,000 deep in arrays',
    `{"type":"get_online_count","x":${'['.repeat(10_000)}${']'.repeat(10_000)}}`,
    BAD,
  ),
  answered(
    'nested 5,000 deep in objects',
    `{"type":"get_online_count","x":${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}}`,
    BAD,
  ),
  answered('30,000 brackets that never close', '['.repeat(30_000), BAD_JSON),
  answered(
    '20,000 keys',
    `{"type":"get_online_count",${repeat(5_000, index => `"k${index}":0`).join()}}`,
    'online_count',
  ),
  { title: '65 KiB of JSON', send: [text(countOf(65 * 1024))], expect: ['close 1009', 'end'] },
  answered('check_user_status', '{"type":"check_user_status","targetUserId":"raw"}', 'user_status raw true'),
  answered(
    'check_user_status of an unknown user',
    '{"type":"check_user_status","targetUserId":"?"}',
    'user_status ? false',
  ),
  answered('check_user_status of 7', '{"type":"check_user_status","targetUserId":7}', 'user_status 7 false'),
  answered(
    'check_user_status of 7.0',
    '{"type":"check_user_status","targetUserId":7.0}',
    'user_status 7 false',
  ),
  answered(
    'check_user_status of -0',
    '{"type":"check_user_status","targetUserId":-0}',
    'user_status 0 false',
  ),
  answered(
    'check_user_status of the largest safe integer',
    '{"type":"check_user_status","targetUserId":9007199254740991}',
    'user_status 9007199254740991 false',
  ),
  ...['__proto__', 'constructor', 'hasOwnProperty', 'toString', 'valueOf'].map(id =>
    answered(
      `check_user_status of ${id}`,
      `{"type":"check_user_status","targetUserId":"${id}"}`,
      `user_status ${id} false`,
    ),
  ),
  ...[
    '',
    ',"targetUserId":null',
    ',"targetUserId":true',
    ',"targetUserId":[]',
    ',"targetUserId":{}',
    ',"targetUserId":["raw"]',
    ',"targetUserId":""',
    ',"targetUserId":1.5',
    ',"targetUserId":9007199254740992',
    ',"targetUserId":1e400',
    ',"targetUserId":"a\\u0000"',
    ',"targetUserId":"\\ud83d"',
    `,"targetUserId":"${'x'.repeat(129)}"`,
    ',"targetuserid":"raw"',
    ',"userId":"raw"',
    ',"__proto__":{"targetUserId":"raw"}',
  ].map(field =>
    answered(
      `check_user_status with ${field.slice(1, 40) || 'nothing'}`,
      `{"type":"check_user_status"${field}}`,
      `${BAD} "targetUserId"`,
    ),
  ),
  answered('set_status online', '{"type":"set_status","status":"online"}', 'status_updated online'),
  ...[
    '',
    ',"status":null',
    ',"status":1',
    ',"status":"away"',
    ',"status":"ONLINE"',
    ',"status":"online "',
    ',"status":["online"]',
    ',"status":"constructor"',
  ].map(field =>
    answered(
      `set_status with ${field.slice(1) || 'nothing'}`,
      `{"type":"set_status"${field}}`,
      `${BAD} "status"`,
    ),
  ),
  answered('identify', '{"type":"identify","username":"Ann"}'),
  ...[
    '',
    ',"username":null',
    ',"username":7',
    ',"username":""',
    ',"username":"a\\nb"',
    ',"username":"\\u007f"',
    ',"username":"\\udc00"',
    `,"username":"${'ä'.repeat(65)}"`,
  ].map(field =>
    answered(
      `identify with ${field.slice(1, 40) || 'nothing'}`,
      `{"type":"identify"${field}}`,
      `${BAD} "username"`,
    ),
  ),
  answered('identify with 128 bytes in 64 characters', `{"type":"identify","username":"${'ä'.repeat(64)}"}`),
  answered('get_all_users', '{"type":"get_all_users"}', 'all_users'),
  {
    title: 'requests of every type in one segment are answered in order',
    send: together(
      ...[
        COUNT,
        '{"type":"check_user_status","targetUserId":"raw"}',
        '{"type":"dance"}',
        '{"type":"set_status","status":"online"}',
        '{',
      ].map(message => textFrame(message)),
    ),
    expect: [
      'online_count',
      'user_status raw true',
      'error unknown_type "type"',
      'status_updated online',
      BAD_JSON,
      'open',
    ],
  },
  {
    title: '100 texts that are not JSON',
    send: together(...repeat(100, () => text('{'))),
    expect: [...repeat(100, () => BAD_JSON), 'open'],
  },
]
