import { settings } from './settings.ts'
import type { Config } from './settings.ts'
import { settingsWithoutEffect } from './settings-without-effect.ts'
import { errorMessage, HoldfastError } from '../lib/errors.ts'

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Reads the configuration from environment variables; empty counts as unset. Throws one HoldfastError
 * (`invalid_configuration`) that lists every problem: the variable, its value, and what is allowed.
 */
export function readConfig(environment: Environment): Config {
  const values: Record<string, unknown> = {}
  const problems: string[] = []
  for (const [key, setting] of settings) {
    const text = environment[setting.name]?.trim() ?? ''
    try {
      values[key] = text === '' ? setting.defaultValue : setting.parse(text)
    } catch (error) {
      const shown = /TOKEN|PASSWORD|SECRET/.test(setting.name) ? '***' : JSON.stringify(text)
      problems.push(`${setting.name}=${shown}: ${errorMessage(error)}`)
    }
  }
  if (problems.length > 0) throw new HoldfastError('invalid_configuration', problems.join('\n'))
  // Every key of the table was assigned by the loop above, from a setting of that key's own type.
  return values as Config
}

/** The variables that are set although they have no effect, each with the reason. */
export function settingsIgnored(
  environment: Environment,
): readonly { readonly name: string; readonly reason: string }[] {
  return Object.entries(settingsWithoutEffect)
    .filter(([name]) => (environment[name] ?? '') !== '')
    .map(([name, reason]) => ({ name, reason }))
}
