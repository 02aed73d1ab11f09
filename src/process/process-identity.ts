import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { childEnvironment } from './environment.ts'

/** Fields of /proc/<pid>/stat behind the command, of which `starttime` is the 20th (proc(5), field 22). */
const START_TIME_FIELD = 19
const STATE_FIELD = 0
const PS_LIMIT_MS = 2_000

/**
 * What tells a process from another that gets the same number later: when the kernel started it, and in which boot.
 * Undefined when there is no such process (a zombie counts as none) or the system does not tell.
 */
export function processIdentity(pid: number): string | undefined {
  return process.platform === 'linux' ? linuxIdentity(pid) : psIdentity(pid)
}

function linuxIdentity(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is the command in brackets and may contain anything: count from behind the last bracket.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    const startTime = fields[START_TIME_FIELD]
    if (startTime === undefined || fields[STATE_FIELD] === 'Z' || fields[STATE_FIELD] === 'X') return undefined
    return `${bootId()} ${startTime}`
  } catch {
    return undefined
  }
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return ''
  }
}

function psIdentity(pid: number): string | undefined {
  try {
    const options = { encoding: 'utf8', timeout: PS_LIMIT_MS, env: { ...childEnvironment(), LC_ALL: 'C' } } as const
    const started = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], {
      ...options,
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
    return started === '' ? undefined : started
  } catch {
    return undefined
  }
}
