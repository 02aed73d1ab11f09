import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, isAbsolute, join } from 'node:path'

/**
 * What a child is given of the gateway's environment: where programs, libraries and fonts are, language, proxies and graphics
 * drivers. Tokens and passwords of the gateway are none of its business, nor is FFREPORT, which makes ffmpeg write files.
 */
const PASSED_ON =
  /^(?:PATH|HOME|USER|LOGNAME|LANG|LC_\w+|TZ|TMPDIR|TEMP|TMP|SSL_CERT_(?:FILE|DIR)|(?:LD|DYLD)_LIBRARY_PATH|XDG_\w+|FONTCONFIG_\w+|(?:LIBVA|NVIDIA|CUDA|MFX|ONEVPL|VDPAU)_\w+|(?:https?|no|all)_proxy|(?:HTTPS?|NO|ALL)_PROXY|SystemRoot)$/

type Environment = Readonly<Record<string, string | undefined>>

/** The variables that a child process may see. */
export function childEnvironment(environment: Environment = process.env): Record<string, string> {
  const passedOn: Record<string, string> = {}
  for (const [name, value] of Object.entries(environment)) {
    if (value !== undefined && PASSED_ON.test(name)) passedOn[name] = value
  }
  return passedOn
}

/** Where a program is: the first executable file of that name on the PATH; undefined when there is none. */
export function programPath(program: string, environment: Environment = process.env): string | undefined {
  if (program.includes('/')) return isExecutable(program) ? program : undefined
  return (environment['PATH'] ?? '')
    .split(delimiter)
    .filter((directory) => isAbsolute(directory))
    .map((directory) => join(directory, program))
    .find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}
