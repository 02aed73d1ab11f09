import { z } from 'zod'
import { HoldfastError, errorMessage } from '../lib/errors.ts'
import { encoderArguments, ProfileRefused } from './encoder-arguments.ts'
import { TEMPLATE_CHARACTERS_MAX } from './profile-template.ts'
import { DEFAULT_VARIABLES } from './profiles.ts'
import type { Profile } from './profiles.ts'

const PROFILES_MAX = 200
const profileName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/, 'must be a name of at most 64 letters, digits, _, . and -')
const DESCRIPTION_CHARACTERS_MAX = 500
const parameters = z
  .string({ error: 'must be the arguments of ffmpeg as one text' })
  .max(TEMPLATE_CHARACTERS_MAX, `must have at most ${TEMPLATE_CHARACTERS_MAX} characters`)
const described = z.strictObject(
  {
    description: z
      .string({ error: 'must be text' })
      .max(DESCRIPTION_CHARACTERS_MAX, `must have at most ${DESCRIPTION_CHARACTERS_MAX} characters`)
      .optional(),
    parameters,
  },
  { error: 'must be the arguments of ffmpeg as one text, or an object with parameters and a description, no more' },
)

/** A variable that stands in for the ones that only a request gives. */
const STAND_IN = '1'

/**
 * Reads the operator's own profiles: a JSON object of names, each with its arguments or with `parameters` and a
 * `description`. Throws invalid_configuration with every problem of the file.
 */
export function readOwnProfiles(text: string, path: string): readonly Profile[] {
  const refused = (problems: readonly string[]) =>
    new HoldfastError(
      'invalid_configuration',
      `TRANSCODE_PROFILES (${path}):\n${problems.map((each) => `  ${each}`).join('\n')}`,
    )
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw refused([`is not JSON: ${errorMessage(error)}`])
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw refused(['must be an object of profiles by their names'])
  }
  const entries = Object.entries(value)
  if (entries.length > PROFILES_MAX) throw refused([`has more than ${PROFILES_MAX} profiles`])
  const problems: string[] = []
  const profiles = entries.flatMap(([name, given]) => {
    const { profile, problems: own } = ownProfile(name, given)
    problems.push(...own.map((problem) => `${name}: ${problem}`))
    return profile ?? []
  })
  if (problems.length > 0) throw refused(problems)
  return profiles
}

/** One entry of the file: what it makes, and everything that is wrong with it. */
function ownProfile(
  name: string,
  given: unknown,
): { readonly profile: Profile | undefined; readonly problems: readonly string[] } {
  const named = profileName.safeParse(name)
  const parsed = described.safeParse(typeof given === 'string' ? { parameters: given } : given)
  const problems = [named, parsed].flatMap((result) => result.error?.issues.map(problemText) ?? [])
  if (!parsed.success) return { profile: undefined, problems }
  const { description = 'A profile of this gateway', parameters: line } = parsed.data
  return { profile: { name, description, parameters: line }, problems: [...problems, ...problemsOf(line)] }
}

function problemText({ path, message }: z.core.$ZodIssue): string {
  return path.length === 0 ? message : `${path.join('.')} ${message}`
}

function problemsOf(line: string): readonly string[] {
  try {
    // What a request would have to give is anything; the other values are checked when they are known.
    encoderArguments(line, {}, standIns(line))
    return []
  } catch (error) {
    if (error instanceof ProfileRefused) return error.problems
    throw error
  }
}

function standIns(line: string): Readonly<Record<string, string>> {
  const names = [...line.matchAll(/\{([a-z][a-z0-9_]{0,31})\}/g)].map(([, name = '']) => [name, STAND_IN] as const)
  return { ...Object.fromEntries(names), ...DEFAULT_VARIABLES }
}
