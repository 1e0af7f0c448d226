import { apiKeys } from './api-keys.ts'
import { identitySettings } from './identity-settings.ts'
import type { Setting } from './setting.ts'
import {
  host,
  hosts,
  key,
  oneOf,
  origins,
  proxies,
  redisUrl,
  shortName,
  text,
  whole,
} from './setting-values.ts'
import { webhookSettings } from './webhooks/settings.ts'

// Every setting stands here once. The type, .env.example, docs/settings.md, --help and the start-up errors are made
// from this table. A number brings its reason.

/** The table of all settings. */
export const settingsTable = {
  PORT: {
    group: 'basics',
    default: '3050',
    values: whole(0, 65_535),
    meaning: 'The TCP port to listen on. With 0 the system picks a free port.',
    whenToChange: 'Another program uses the port.',
  },
  HOST: {
    group: 'basics',
    default: null,
    developmentDefault: '127.0.0.1',
    unset: 'all interfaces',
    values: host,
    meaning: 'The address to listen on, such as 127.0.0.1 or ::1. 0.0.0.0 and :: are all interfaces.',
    whenToChange:
      'In production, if a proxy runs on the same machine: set 127.0.0.1. In development, if other devices must connect: set 0.0.0.0.',
  },
  METRICS_PORT: {
    group: 'basics',
    default: null,
    unset: '/metrics is at PORT, for programs on the same machine and for write keys of API_KEYS',
    values: whole(1, 65_535),
    meaning:
      'The TCP port of /metrics, at the address of HOST. Everybody who can reach this port sees the figures, which tell how many hidden users there are. Then /metrics is not at PORT.',
    whenToChange:
      'Prometheus runs on another machine or in another container, and has no write key. Do not make this port public.',
  },
  ENVIRONMENT: {
    group: 'basics',
    default: 'production',
    values: oneOf('development', 'production'),
    meaning:
      'development: readable logs with debug lines; the live page is on; pages from this machine and from private networks may connect; identity need not be set. production: JSON logs, no debug lines, no live page, no extra origins, and identity must be set. If .env says development, a production start ignores that and logs a warning.',
    whenToChange: 'Use --dev (pnpm dev) instead. It sets development for one start.',
  },
  DASHBOARD: {
    group: 'basics',
    default: 'off',
    developmentDefault: 'on',
    values: oneOf('on', 'off'),
    meaning:
      'on: the live page at / shows all users with name, status and last seen. In production it needs API_KEY. off: there is no such page.',
    whenToChange: 'You want the live page in production.',
  },
  COMPRESSION: {
    group: 'basics',
    default: 'off',
    values: oneOf('on', 'off'),
    meaning:
      'on: clients that offer permessage-deflate get changes and large replies compressed. Data that many clients get is compressed only once. A busy server then sends a sixth of the bytes with the same CPU time. Each client that sends compressed messages, as browsers do, costs 20 to 30 kB of memory. A large reply to a single client takes longer.',
    whenToChange: 'Network traffic costs more than memory.',
  },
  LOG_DIR: {
    group: 'basics',
    default: 'logs',
    values: text('a directory'),
    meaning: 'The directory of the log files. Each log has at most 5 files of 10 MiB; the oldest is deleted.',
    whenToChange:
      'Logs belong on another volume, such as /var/log/who-is-online. Use an absolute path if you deploy each version into a new directory.',
  },
  LOG_LEVEL: {
    group: 'basics',
    default: 'info',
    developmentDefault: 'debug',
    values: oneOf('error', 'info', 'debug'),
    meaning:
      'Which lines are logged. error: only errors. info: errors and info. debug: all lines; it has lines for each connection and names users; it is for development only.',
    whenToChange: 'You want errors only, or fewer lines in development.',
  },
  ...identitySettings,
  API_KEY: {
    group: 'security',
    default: null,
    unset: 'the live page is open in development and not available in production',
    values: key,
    isSecret: true,
    meaning:
      'The password of the live page. A browser asks for it and accepts any user name; programs can send it as a Bearer token. It is also a read key of the HTTP API. With AUTH=open, everybody who can connect to /ws sees the same users. The server never prints it.',
    whenToChange: 'You turn the live page on in production. Make a key with openssl rand -base64 32.',
  },
  API_KEYS: {
    group: 'security',
    default: null,
    unset: 'the API is off in production, and in development open for programs on the same machine',
    values: apiKeys,
    isSecret: true,
    meaning:
      'The keys with which backends call the HTTP API, as Authorization: Bearer KEY. A read key sees what other users see. A write key can also set the status of users and end their sessions. The log has the names of keys, and never the keys. API_KEY is one more read key.',
    whenToChange:
      'A backend of yours asks who is online. Make a key with openssl rand -base64 32. To replace a key, add a second one with another name.',
  },
  ...webhookSettings,
  ALLOWED_ORIGINS: {
    group: 'security',
    default: '',
    values: origins,
    meaning:
      'The origins of the web pages and apps that may connect, such as https://app.example.com or capacitor://localhost. Pages from the host of the server may connect too: see ALLOWED_HOSTS. null allows pages without an origin, such as files and sandboxed frames of any page.',
    whenToChange: 'Your pages come from another host. The log names the origin of a page that was refused.',
  },
  ALLOWED_HOSTS: {
    group: 'security',
    default: '',
    values: hosts,
    meaning:
      'The names of this server, such as presence.example.com. Web pages that were loaded from one of these names, or from localhost or an IP address, may connect to the same name. Other names are refused, because anybody can let a name point to this server and so read it with a browser in your network (DNS rebinding). Where a client must prove who it is, this setting is not needed and has no effect.',
    whenToChange:
      'With AUTH=open, with AUTH_HEADER or in development, if your pages and /ws have the same name. The log has the name of a page that was refused.',
  },
  TRUST_PROXY: {
    group: 'security',
    default: null,
    unset: 'no proxy is trusted, and private addresses do not count against limits per address',
    values: proxies,
    meaning:
      'The proxies whose X-Forwarded-For header the server believes: the number of proxies in front of it, or their addresses as CIDR ranges.',
    whenToChange:
      'The server is behind a proxy. Without this setting, all clients seem to have the address of the proxy.',
  },
  OFFLINE_GRACE_MS: {
    group: 'timing',
    default: '5000',
    values: whole(0, 3_600_000, 'ms'),
    meaning:
      'How long a user stays online after the connection was lost. 5 s is enough for a page reload or a change of network.',
    whenToChange: 'Raise it if users on poor networks flicker. Lower it to show lost connections sooner.',
  },
  RESTART_GRACE_MS: {
    group: 'timing',
    default: '30000',
    values: whole(0, 3_600_000, 'ms'),
    meaning:
      'How long users who were online when the server stopped stay online after a start. The client library needs at most 30 s to come back: an attempt that hangs for 10 s, a wait of up to 10 s, and a new attempt. In a cluster, it applies when all nodes have restarted.',
    whenToChange: 'Your own clients wait longer between attempts to connect.',
  },
  INACTIVE_GRACE_MS: {
    group: 'timing',
    default: '75000',
    values: whole(0, 3_600_000, 'ms'),
    meaning:
      'Used instead of OFFLINE_GRACE_MS and RESTART_GRACE_MS, if it is longer, for a session in a hidden tab (client_state inactive). Browsers let a hidden tab run only once a minute.',
    whenToChange: 'Rarely. Below 75 s, users with hidden tabs may flicker.',
  },
  HIDDEN_KEEP_MS: {
    group: 'timing',
    default: '3600000',
    values: whole(0, 86_400_000, 'ms'),
    meaning:
      'How long the server remembers that a user chose to appear offline, after the connection was lost. A user who comes back within this time is still hidden. Closing the connection on purpose ends the hiding at once. For the same time the server remembers when any other status was chosen, so that an older choice of another device does not replace a newer one.',
    whenToChange: 'Hidden users lose their connection for longer than an hour.',
  },
  PING_MS: {
    group: 'timing',
    default: '15000',
    values: whole(100, 3_600_000, 'ms'),
    meaning:
      'The server pings a connection on which no frame arrived for this time (± 10 %). With the defaults of PONG_TIMEOUT_MS and OFFLINE_GRACE_MS, a client that vanished is offline within 30 s.',
    whenToChange: 'A proxy closes idle connections sooner: use less than its timeout.',
  },
  PONG_TIMEOUT_MS: {
    group: 'timing',
    default: '8000',
    values: whole(100, 3_600_000, 'ms'),
    meaning:
      'How long the server waits for an answer to a ping before it closes the connection with 4508. 8 s is enough for a mobile network to wake up.',
    whenToChange: 'Clients on very slow networks are closed with 4508.',
  },
  LIMITS: {
    group: 'limits',
    default: 'on',
    values: oneOf('on', 'off'),
    meaning:
      'off: no limits on connections, handshakes, messages and status changes. For benchmarks; production does not start with it.',
    whenToChange: 'You run a benchmark.',
  },
  MAX_CONNECTIONS: {
    group: 'limits',
    default: null,
    unset: '20,000, or fewer if the open-file limit is lower',
    values: whole(1, 1_000_000),
    meaning:
      'How many connections the server accepts. Each one needs an open file, so the maximum is the larger of two numbers: the open-file limit minus 256, and half of that limit. If the maximum is less than this setting, the server logs it at the start.',
    whenToChange: 'You expect more users. Raise the open-file limit (ulimit -n) as well.',
  },
  MAX_CONNECTIONS_PER_USER: {
    group: 'limits',
    default: '50',
    values: whole(1),
    meaning:
      'How many connections one user may have. 50 is more than the number of tabs that a user has. Where several nodes share one log, this limit holds over all nodes, and all other limits on connections, handshakes, requests, messages and subscriptions hold for each node. One user gets at most half of all connections of a node: where that is less, the limit is called MAX_CONNECTIONS_SHARE.',
    whenToChange: 'One user id stands for many devices.',
  },
  MAX_CONNECTIONS_PER_ADDRESS: {
    group: 'limits',
    default: '1000',
    values: whole(1),
    meaning:
      'How many connections one address, or one IPv6 network (/64), may have, WebSocket and plain HTTP together: enough for an office behind one router. One address gets at most half of all connections: where that is less, the limit is called MAX_CONNECTIONS_SHARE. Private addresses are not counted unless TRUST_PROXY is set.',
    whenToChange: 'More than 1,000 of your users share one address.',
  },
  HANDSHAKES_PER_SECOND: {
    group: 'limits',
    default: '1000',
    values: whole(1),
    meaning:
      'How many new connections per second the server accepts, and twice as many in a burst. One core can accept about 1,000 per second. Beyond that it answers 503 with Retry-After.',
    whenToChange: 'Lower it on a small machine.',
  },
  HANDSHAKES_PER_SECOND_PER_ADDRESS: {
    group: 'limits',
    default: '50',
    values: whole(1),
    meaning:
      'How many new connections per second one address, or one IPv6 network (/64), may open after its burst. One address gets at most half of HANDSHAKES_PER_SECOND: where that is less, the limit is called HANDSHAKES_PER_SECOND_SHARE. Beyond that the server answers 429 with Retry-After.',
    whenToChange: 'Change it together with HANDSHAKES_BURST_PER_ADDRESS.',
  },
  HANDSHAKES_BURST_PER_ADDRESS: {
    group: 'limits',
    default: '1000',
    values: whole(1),
    meaning:
      'How many new connections one address may open in a burst. One address gets at most half of the burst of all, which is as many as HANDSHAKES_PER_SECOND: where that is less, the limit is called HANDSHAKES_PER_SECOND_SHARE. After a restart, 1,000 clients behind one router are back within RESTART_GRACE_MS.',
    whenToChange: 'More than 1,000 of your users share one address. Raise HANDSHAKES_PER_SECOND too.',
  },
  HTTP_REQUESTS_PER_SECOND_PER_ADDRESS: {
    group: 'limits',
    default: '50',
    values: whole(1),
    meaning:
      'How many plain HTTP requests per second one address, or one IPv6 network (/64), may send, and ten times as many in a burst. 50 are more than a page and its files need. Beyond that the server answers 429 with Retry-After.',
    whenToChange: 'A program of yours polls the server often.',
  },
  API_REQUESTS_PER_SECOND: {
    group: 'limits',
    default: '100',
    values: whole(1),
    meaning:
      'How many requests per second one key may send to the HTTP API, and as many in a burst. A query counts as one more for each 1,000 ids. Beyond that the server answers 429 with Retry-After. Requests without a right key count for HTTP_REQUESTS_PER_SECOND_PER_ADDRESS instead.',
    whenToChange: 'A backend of yours gets 429.',
  },
  MESSAGES_PER_SECOND: {
    group: 'limits',
    default: '20',
    values: whole(1),
    meaning:
      'How many messages per second one connection may send after its burst. Faster messages wait: the server stops reading from the client and answers them later, in order. After ten seconds of this, or if ten bursts wait, it closes the connection with 4429. A message counts as one, and one more for each 100 values and each 16 KiB in it; so a list of 1,000 ids counts as eleven. Pings count too.',
    whenToChange: 'A backend of yours sends many requests over one connection.',
  },
  MESSAGES_BURST: {
    group: 'limits',
    default: '200',
    values: whole(1),
    meaning: 'How many messages one connection may send in a burst.',
    whenToChange: 'Change it together with MESSAGES_PER_SECOND.',
  },
  STATUS_CHANGES_PER_WINDOW: {
    group: 'limits',
    default: '10',
    values: whole(1, 30_000),
    meaning:
      'How often the visible presence of one user may change in 30 s, on all nodes together. Beyond that, other users see it some seconds later. Hiding never waits.',
    whenToChange: 'Users change their status often, and a delay of some seconds matters.',
  },
  ALL_USERS_LIMIT: {
    group: 'limits',
    default: '10000',
    values: whole(1, 100_000),
    meaning: 'How many users an all_users reply lists, online users first. 10,000 users are about 1 MB.',
    whenToChange: 'More than 10,000 users are online, and clients of protocol v1 need all of them.',
  },
  MAX_WATCHED_USERS: {
    group: 'limits',
    default: '10000',
    values: whole(1),
    meaning: 'How many users one connection may subscribe to by id. 10,000 is more contacts than a user has.',
    whenToChange: 'One connection, such as a backend, subscribes to more users.',
  },
  MAX_WATCHED_IDS: {
    group: 'limits',
    default: '2000000',
    values: whole(1),
    meaning:
      'How many user ids all connections together may subscribe to. Each subscription to an id counts and costs about 80 bytes, or ten times that if no other connection subscribes to that user. One user, and one address, gets at most three quarters. Of the last quarter, it may take ids only while it holds fewer than are left.',
    whenToChange:
      'The gauge wio_watched_ids, which shows how many ids there are, comes close to three quarters of this setting. Beyond that, a large client that unsubscribes may be refused when it subscribes again.',
  },
  RECENT_CHANGES: {
    group: 'limits',
    default: '100000',
    values: whole(1, 10_000_000),
    meaning:
      'How many changes the server keeps for clients that come back and ask what they missed. 100,000 are three minutes at 500 changes a second, and about 17 MB. A client that was away longer gets the full state.',
    whenToChange: 'Raise it if clients are often away longer. Lower it to save memory.',
  },
  MAX_BUFFERED_BYTES: {
    group: 'limits',
    default: '1048576',
    values: whole(65_536, undefined, 'bytes'),
    meaning:
      'How many bytes may wait for a client that reads too slowly. Beyond that the server closes its connection with 4508. 1 MiB is about 10,000 changes.',
    whenToChange: 'Lower it to save memory with many slow clients.',
  },
  DATA_DIR: {
    group: 'storage',
    default: 'data',
    values: text('a directory'),
    meaning:
      'The directory of the state files. Only one process on one host may use it. Use a local disk, not a network volume.',
    whenToChange:
      'State belongs on another volume, such as /var/lib/who-is-online. Use an absolute path if you deploy each version into a new directory.',
  },
  SAVE_EVERY_MS: {
    group: 'storage',
    default: '30000',
    values: whole(1_000, 3_600_000, 'ms'),
    meaning:
      'How often the state file is rewritten while users change. A crash does not lose the changes in between: the journal stores each change within 150 ms, unless the disk is slow.',
    whenToChange: 'Raise it to write less. The journal files then grow longer, and a start takes longer.',
  },
  KEEP_DAYS: {
    group: 'storage',
    default: '30',
    values: whole(1, 36_500, 'days'),
    meaning:
      'For how many days the server remembers a user who does not come back. Only days on which a server ran count, so a wrong clock cannot delete users.',
    whenToChange: 'You must delete data sooner, or want to show “last seen” for longer.',
  },
  MAX_KNOWN_USERS: {
    group: 'storage',
    default: '1000000',
    values: whole(1, 16_000_000),
    meaning:
      'How many users the server remembers. Beyond that it forgets one user for each new one: one who has been offline for long. If it finds no such user, it forgets one who is kept hidden. With ids of 32 characters, plan 400 bytes of memory for each user.',
    whenToChange: 'You have more users. One JavaScript Map can hold about 16,000,000.',
  },
  REDIS_URL: {
    group: 'cluster',
    default: null,
    unset: 'there is one server, which keeps its state in DATA_DIR',
    values: redisUrl,
    isSecret: true,
    meaning:
      'The Redis that several servers share: Redis 7.0 or newer, or Valkey 7.2 or newer. All servers with the same Redis and the same REDIS_PREFIX show the same users. USER:PASSWORD@ may stand before the first host, percent-encoded, and rediss instead of redis asks for TLS. With this setting the server keeps no state in DATA_DIR.',
    whenToChange: 'One server is not enough, or an update must not interrupt anybody.',
  },
  REDIS_PREFIX: {
    group: 'cluster',
    default: 'wio',
    values: shortName,
    meaning: 'What the names of all keys in Redis begin with. Each cluster needs its own.',
    whenToChange: 'Several clusters share one Redis.',
  },
  NODE_NAME: {
    group: 'cluster',
    default: null,
    unset: 'the host name of the machine',
    values: shortName,
    meaning:
      'The name of this server for people, in the log, the metrics and the live page. It need not be unique.',
    whenToChange: 'The host name says nothing to you.',
  },
} as const satisfies Record<string, Setting<unknown>>

/** All settings, in the order and with the types of the table. */
export const allSettings: readonly (readonly [name: string, setting: Setting<unknown>])[] =
  Object.entries(settingsTable)
