/** What a process is for; how many of each may run at once is a limit of its own. */
export type ProcessKind = 'source' | 'resolver' | 'transcoder' | 'broadcast' | 'decoder' | 'slate' | 'probe'

/** A program to run. It never goes through a shell: each argument arrives as it is. */
export interface ProcessSpec {
  readonly kind: ProcessKind
  /** A name on the PATH, or a path. */
  readonly program: string
  readonly args: readonly string[]
  /** Standard input; `ignore` (an empty one) by default. */
  readonly stdin?: 'pipe' | 'ignore'
  /** Standard output; `pipe` by default. What is piped must be read, or the process waits. */
  readonly stdout?: 'pipe' | 'ignore'
  /** Pipes that it writes to on descriptors 3, 4, …; none by default. */
  readonly extraPipes?: number
  /** The directory it runs in; the gateway's own by default. */
  readonly directory?: string
  /** Added to the few variables that a child gets of the gateway's. */
  readonly environment?: Readonly<Record<string, string>>
  /** Texts that must not show in what it says. Credentials in URLs never do. */
  readonly secrets?: readonly string[]
  /** Beside viewers, which come first; `normal` by default. */
  readonly priority?: 'normal' | 'below_normal' | 'low'
  /** `started()` must have been called within so long, or the process is killed; without: no limit. */
  readonly startLimitMs?: number
  /** It is killed after so long; without: no limit. */
  readonly runLimitMs?: number
  /** Between SIGTERM and SIGKILL when it is stopped; 2,000 by default. */
  readonly stopLimitMs?: number
  /** Each line that it says on standard error, without credentials. */
  readonly onLine?: (line: string) => void
}

/** How a process ended. */
export interface ProcessExit {
  /**
   * `exited` by itself (or by somebody else's signal), `stopped` as asked, or killed because of a limit; `not_started`: the
   * system refused to run it.
   */
  readonly reason: 'exited' | 'stopped' | 'start_timeout' | 'run_timeout' | 'not_started'
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** The last lines that it said on standard error, without credentials, oldest first. */
  readonly stderrTail: readonly string[]
}

/** Why a process could not be started at all. */
export class ProcessUnavailable extends Error {
  readonly reason: 'program_missing' | 'limit_reached' | 'refused' | 'closed'

  constructor(reason: ProcessUnavailable['reason'], message: string) {
    super(message)
    this.name = 'ProcessUnavailable'
    this.reason = reason
  }
}

/** How it ended, in words: `ended with code 1: <last line>`. */
export function describeExit({ reason, code, signal, stderrTail }: ProcessExit, program: string): string {
  const last = stderrTail.at(-1)
  const said = last === undefined ? '' : `: ${last}`
  switch (reason) {
    case 'start_timeout':
      return `${program} did not start in time${said}`
    case 'run_timeout':
      return `${program} took too long${said}`
    case 'not_started':
      return `${program} could not be run${said}`
    case 'stopped':
      return `${program} was stopped`
    case 'exited':
      return signal === null
        ? `${program} ended with code ${code ?? 0}${said}`
        : `${program} was ended by ${signal}${said}`
    default:
      return reason satisfies never
  }
}
