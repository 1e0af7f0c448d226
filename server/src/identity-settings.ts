import type { Setting } from './setting.ts'
import {
  claim,
  cookieName,
  headerName,
  issuers,
  list,
  oneOf,
  safeUrl,
  secrets,
  whole,
} from './setting-values.ts'

/** The rows of the table of settings that say how users are identified. */
export const identitySettings = {
  AUTH: {
    group: 'identity',
    default: null,
    unset: 'as open in development without other settings of identity; otherwise they decide',
    values: oneOf('open'),
    meaning:
      'open: the server believes the user id in the URL (?userId=), in production too. It then checks no tokens.',
    whenToChange:
      'A proxy in front of the server checks the user id. In production, this or one of AUTH_ISSUER, AUTH_JWKS_URL, AUTH_SECRET, AUTH_URL and AUTH_HEADER must be set.',
  },
  AUTH_ISSUER: {
    group: 'identity',
    default: null,
    unset: 'any issuer, and no keys are looked up',
    values: issuers,
    meaning:
      'The issuers of your tokens (the claim iss). The server finds their public keys with OpenID Connect Discovery, unless AUTH_JWKS_URL is set. Tokens of other issuers are refused, also those that AUTH_SECRET signs. A slash at the end makes no difference.',
    whenToChange: 'Your users have tokens of a provider such as Auth0, Clerk or Keycloak.',
  },
  AUTH_JWKS_URL: {
    group: 'identity',
    default: null,
    unset: 'the keys are found by AUTH_ISSUER',
    values: safeUrl,
    meaning:
      'Where the public keys of your tokens are (JWKS). Tokens are signed with RS256, ES256 or EdDSA. New keys are found by themselves.',
    whenToChange: 'Your issuer has no /.well-known/openid-configuration, or a wrong one.',
  },
  AUTH_SECRET: {
    group: 'identity',
    default: null,
    unset: 'tokens with HS256 are refused',
    values: secrets,
    isSecret: true,
    meaning:
      'The secrets with which your backend signs tokens (HS256). All of them verify, so you can change a secret without an interruption; the first one signs (command token).',
    whenToChange: 'Your own backend signs the tokens. Make a secret with openssl rand -base64 32.',
  },
  AUTH_AUDIENCE: {
    group: 'identity',
    default: null,
    unset: 'not checked; must be set with AUTH_ISSUER or AUTH_JWKS_URL',
    values: list('a list of audiences, separated by commas, or `any`'),
    meaning:
      'The applications whose tokens are accepted: one of them must be in the claim aud, azp or client_id of the token. any: tokens for every application of the issuer are accepted.',
    whenToChange:
      'Always with AUTH_ISSUER or AUTH_JWKS_URL. docs/auth.md says which value your provider uses.',
  },
  AUTH_USER_CLAIM: {
    group: 'identity',
    default: 'sub',
    values: claim,
    meaning: 'The claim with the user id: its name, or else a path with dots such as user.id.',
    whenToChange: 'Your application knows its users by another claim, such as email.',
  },
  AUTH_NAME_CLAIM: {
    group: 'identity',
    default: 'name',
    values: claim,
    meaning:
      'The claim with the name that others see. If a token has it, the user cannot choose another name.',
    whenToChange: 'The name is in another claim.',
  },
  AUTH_CLAIMS: {
    group: 'identity',
    default: 'presence',
    values: claim,
    meaning:
      'The claim with the rights of the user: an object with watch ("all", "named" or a list of user ids), rooms (a list of names) and observer (true: the connection only reads, and the user is not present). All are optional.',
    whenToChange: 'Your provider requires a prefix for its claims, such as https://app.example.com/presence.',
  },
  AUTH_WATCH: {
    group: 'identity',
    default: 'named',
    values: oneOf('named', 'all'),
    meaning:
      'What users may see if their token does not say it. named: the presence of any user whose id they know, but no lists and counts of all users. all: everybody. Clients of protocol v1 that show all users need all.',
    whenToChange: 'All your users may see each other: set all.',
  },
  AUTH_COOKIE: {
    group: 'identity',
    default: null,
    unset: 'tokens in cookies are ignored',
    values: cookieName,
    meaning:
      'The cookie that has the token, if the request has no other token. Requests with this cookie need an Origin that may connect (ALLOWED_ORIGINS).',
    whenToChange:
      'Your pages and this server share a domain, and the token is in a cookie, such as __session of Clerk.',
  },
  AUTH_URL: {
    group: 'identity',
    default: null,
    unset: 'no application is asked',
    values: safeUrl,
    meaning:
      'A URL of your application that is asked who a user is: a POST with the Cookie, Authorization and Origin of the client, and its address in X-Forwarded-For. It answers 200 with {"userId": "…"} and optionally name, watch, rooms, observer and expiresAt; 401 or 403 refuse. It must answer within 2 s and is asked at most 100 times at once. A positive answer is used for 30 s, so a user who signed out can still connect for that time.',
    whenToChange: 'Your application has sessions in cookies and no tokens.',
  },
  AUTH_HEADER: {
    group: 'identity',
    default: null,
    unset: 'no header is believed',
    values: headerName,
    meaning:
      'The header in which a proxy gives the user id, such as X-Forwarded-User. It is believed only if the connection comes from an address in TRUST_PROXY, which must be a list of CIDR ranges.',
    whenToChange: 'A proxy such as oauth2-proxy, Envoy or Traefik signs users in.',
  },
  AUTH_LEEWAY_MS: {
    group: 'identity',
    default: '10000',
    values: whole(0, 300_000, 'ms'),
    meaning: 'How much the clocks of the issuer and of the server may differ.',
    whenToChange: 'The log says that new tokens are not valid yet. It is better to correct the clock.',
  },
  AUTH_EXPIRED_GRACE_MS: {
    group: 'identity',
    default: '300000',
    values: whole(0, 86_400_000, 'ms'),
    meaning:
      'How long a connection stays open after its token has expired and was not renewed. Then it is closed with 4401. Tabs in the background may take minutes to renew a token.',
    whenToChange: 'Lower it if access must end soon after the token.',
  },
} as const satisfies Record<string, Setting<unknown>>
