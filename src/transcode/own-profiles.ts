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
const ownProfile = z.union([
  z.string(),
  z.object({ description: z.string().max(500).optional(), parameters: z.string().max(TEMPLATE_CHARACTERS_MAX) }),
])
const ownProfiles = z.record(profileName, ownProfile)

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
  const parsed = ownProfiles.safeParse(value)
  if (!parsed.success) {
    throw refused(parsed.error.issues.map(({ path: at, message }) => `${at.join('.') || 'the file'}: ${message}`))
  }
  const profiles = Object.entries(parsed.data).map(([name, given]): Profile => {
    const { description, parameters } = typeof given === 'string' ? { parameters: given } : given
    return { name, description: description ?? 'A profile of this gateway', parameters }
  })
  if (profiles.length > PROFILES_MAX) throw refused([`has more than ${PROFILES_MAX} profiles`])
  const problems = profiles.flatMap((profile) => problemsOf(profile).map((problem) => `${profile.name}: ${problem}`))
  if (problems.length > 0) throw refused(problems)
  return profiles
}

function problemsOf({ parameters }: Profile): readonly string[] {
  try {
    // What a request would have to give is anything; the other values are checked when they are known.
    encoderArguments(parameters, {}, standIns(parameters))
    return []
  } catch (error) {
    if (error instanceof ProfileRefused) return error.problems
    throw error
  }
}

function standIns(parameters: string): Readonly<Record<string, string>> {
  const names = [...parameters.matchAll(/\{([a-z][a-z0-9_]{0,31})\}/g)].map(
    ([, name = '']) => [name, STAND_IN] as const,
  )
  return { ...Object.fromEntries(names), ...DEFAULT_VARIABLES }
}
