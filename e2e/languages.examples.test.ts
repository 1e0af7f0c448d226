import { execFile } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { TestClient } from '@who-is-online/testing/client'
import { signToken } from '@who-is-online/testing/sign-token'
import { temporaryDir } from '@who-is-online/testing/start-server'
import { useServer } from '@who-is-online/testing/use-server'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { missing } from './deploy/needed-programs.ts'

// Runs the samples of docs/other-languages.md, exactly as printed, against a real server.

const run = promisify(execFile)
const root = fileURLToPath(new URL('..', import.meta.url))
const page = readFileSync(join(root, 'docs/other-languages.md'), 'utf8')
const dir = temporaryDir()
afterAll(dir.remove)

const KEY = 'k'.repeat(32)
const AUTH_SECRET = 'a secret of thirty-two bytes or m'
const WEBHOOK_KEY = Buffer.alloc(32, 9)
const server = useServer({ AUTH_SECRET, AUTH_WATCH: 'all', API_KEYS: `shop:read:${KEY}` })

interface Language {
  readonly name: string
  readonly program: string
  /** The files with the sample, and a program that reads what the test asks for, and prints the answers as JSON. */
  readonly files: (sample: string) => Record<string, string>
  /** Before the first run, such as a compiler. */
  readonly prepare?: readonly string[]
  readonly command: readonly [string, ...string[]]
}

const LANGUAGES: readonly Language[] = [
  {
    name: 'Python',
    program: 'python3',
    files: sample => ({
      'presence.py': sample,
      'main.py': `
import json, os
from presence import query_users, sign_token, verify_webhook
asked = json.loads(os.environ["ASKED"])
verdicts = [verify_webhook(body.encode(), *headers) for body, *headers in asked["webhooks"]]
users = [[user["userId"], user["status"]] for user in query_users(asked["userIds"])]
print(json.dumps({"token": sign_token(asked["userId"]), "users": users, "verdicts": verdicts}))
`,
    }),
    command: ['python3', 'main.py'],
  },
  {
    name: 'PHP',
    program: 'php',
    files: sample => ({
      'presence.php': `<?php\n${sample}`,
      'main.php': `<?php
require 'presence.php';
$asked = json_decode(getenv('ASKED'), true);
echo json_encode([
    'token' => sign_token($asked['userId']),
    'users' => array_map(fn ($user) => [$user['userId'], $user['status']], query_users($asked['userIds'])),
    'verdicts' => array_map(fn ($webhook) => verify_webhook(...$webhook), $asked['webhooks']),
]);
`,
    }),
    command: ['php', 'main.php'],
  },
  {
    name: 'Ruby',
    program: 'ruby',
    files: sample => ({
      'presence.rb': sample,
      'main.rb': `
require_relative "presence"
asked = JSON.parse(ENV.fetch("ASKED"))
puts({
  token: sign_token(asked["userId"]),
  users: query_users(asked["userIds"]).map { |user| user.values_at("userId", "status") },
  verdicts: asked["webhooks"].map { |webhook| verify_webhook(*webhook) },
}.to_json)
`,
    }),
    command: ['ruby', 'main.rb'],
  },
  {
    name: 'Go',
    program: 'go',
    files: sample => ({
      'presence/presence.go': sample,
      'go.mod': 'module example\n\ngo 1.18\n',
      'main.go': `package main

import (
	"encoding/json"
	"fmt"
	"os"

	"example/presence"
)

func main() {
	var asked struct {
		UserID   string
		UserIDs  []string
		Webhooks [][]string
	}
	if err := json.Unmarshal([]byte(os.Getenv("ASKED")), &asked); err != nil {
		panic(err)
	}
	found, err := presence.QueryUsers(asked.UserIDs)
	if err != nil {
		panic(err)
	}
	users, verdicts := [][]string{}, []bool{}
	for _, user := range found {
		users = append(users, []string{user.UserID, user.Status})
	}
	for _, webhook := range asked.Webhooks {
		verdicts = append(verdicts, presence.VerifyWebhook(webhook[0], webhook[1], webhook[2], webhook[3]))
	}
	answer, _ := json.Marshal(map[string]any{
		"token": presence.SignToken(asked.UserID), "users": users, "verdicts": verdicts,
	})
	fmt.Println(string(answer))
}
`,
    }),
    prepare: ['go', 'build', '-o', 'main'],
    command: ['./main'],
  },
]

/** The sample of a language, as the page has it. */
function sampleOf(name: string): string {
  const section = page.split(`\n## ${name}\n`)[1]?.split('\n## ')[0] ?? ''
  const code = /```\w+\n(.*?)```/s.exec(section)?.[1]
  if (code === undefined) throw new Error(`docs/other-languages.md has no sample of ${name}`)
  return code
}

/** The headers of a webhook: id, time and signatures. */
function signed(
  body: string,
  { age = 0, before = '', key = WEBHOOK_KEY } = {},
): readonly [string, string, string, string] {
  const timestamp = String(Math.floor(Date.now() / 1_000) - age)
  const digest = createHmac('sha256', key).update(`msg_1.${timestamp}.${body}`).digest('base64')
  return [body, 'msg_1', timestamp, `${before}v1,${digest}`]
}

const BODY = '{"text":"größer"}'

/** Webhooks, and whether each of them must be believed. */
function webhooks(): readonly [isBelieved: boolean, webhook: readonly string[]][] {
  const [, ...headers] = signed(BODY)
  const [body, id, timestamp] = signed(BODY)
  return [
    [true, signed(BODY)],
    [true, signed(BODY, { before: 'v1,AAAA v1a,BBBB ' })],
    [true, signed(BODY, { age: 200 })],
    [false, [`${BODY} `, ...headers]],
    [false, signed(BODY, { age: 400 })],
    [false, signed(BODY, { age: -400 })],
    [false, [body, id, timestamp, '']],
    [false, [body, id, 'now', 'v1,AAAA']],
  ]
}

describe.each(LANGUAGES)('$name', ({ name, program, files, prepare, command }) => {
  const lacking = missing([program])
  const folder = join(dir.path, name)
  if (lacking.length > 0) {
    const problem = `${program} missing: the sample of ${name} in docs/other-languages.md was not run`
    if (process.env['CI']) throw new Error(problem)
    process.stderr.write(`\nSKIPPED: ${problem}\n\n`)
  }

  /** Runs a program in the folder of the sample. */
  const start = ([file = '', ...args]: readonly string[], settings: Record<string, string> = {}) =>
    run(file, args, {
      cwd: folder,
      timeout: 120_000,
      env: {
        PATH: process.env['PATH'],
        HOME: folder,
        // Compiling the standard library takes long.
        GOCACHE: join(root, 'node_modules/.cache/go-build'),
        GOTOOLCHAIN: 'local',
        // Otherwise it needs a C compiler.
        CGO_ENABLED: '0',
        PRESENCE_URL: server.origin,
        PRESENCE_KEY: KEY,
        PRESENCE_SECRET: AUTH_SECRET,
        WEBHOOK_SECRET: `whsec_${WEBHOOK_KEY.toString('base64')}`,
        ASKED: JSON.stringify({
          userId: `${name}-bot`,
          userIds: ['nobody', `${name}-bot`],
          webhooks: webhooks().map(([, webhook]) => webhook),
        }),
        ...settings,
      },
    })

  beforeAll(async () => {
    if (lacking.length > 0) return
    for (const [path, text] of Object.entries(files(sampleOf(name)))) {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), text)
    }
    if (prepare) await start(prepare)
  }, 120_000)

  test.skipIf(lacking.length > 0)(
    'the sample signs a token, asks for users and checks webhooks',
    async () => {
      const first = JSON.parse((await start(command)).stdout)
      expect(first.users).toEqual([
        ['nobody', 'offline'],
        [`${name}-bot`, 'offline'],
      ])
      expect(first.verdicts).toEqual(webhooks().map(([isBelieved]) => isBelieved))
      const client = await TestClient.open(`${server.url}?token=${first.token}`)
      const second = JSON.parse((await start(command)).stdout)
      expect(second.users[1]).toEqual([`${name}-bot`, 'online'])
      await client.leave()
    },
  )

  test.skipIf(lacking.length > 0)('with an empty secret, no webhook is believed', async () => {
    const webhook = signed(BODY, { key: Buffer.alloc(0) })
    const asked = JSON.stringify({ userId: 'ann', userIds: [], webhooks: [webhook] })
    const answer = await start(command, { WEBHOOK_SECRET: '', ASKED: asked }).catch(() => undefined)
    expect(JSON.parse(answer?.stdout ?? '{"verdicts":[false]}').verdicts).toEqual([false])
  })

  test.skipIf(lacking.length > 0)('the negative control: with a wrong key it fails', async () => {
    await expect(start(command, { PRESENCE_KEY: 'x'.repeat(32) })).rejects.toThrow()
  })
})

test('the negative control: a token that was signed with another secret is refused', async () => {
  const token = signToken({ sub: 'ann', exp: 4_000_000_000 }, `${AUTH_SECRET}!`)
  await expect(TestClient.open(`${server.url}?token=${token}`)).rejects.toThrow('401')
})
