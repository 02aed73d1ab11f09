import { describeExit } from '../../process/process-spec.ts'
import type { ProcessExit, ProcessUnavailable } from '../../process/process-spec.ts'
import type { SourceFailure, SourceFailureKind } from './http-failure.ts'

/** What ffmpeg says on standard error, and what it means. The first that fits counts. */
const MEANINGS: readonly { readonly pattern: RegExp; readonly kind: SourceFailureKind; readonly text: string }[] = [
  {
    pattern: /Protocol not found|Unknown input format|Option \S+ not found/,
    kind: 'process_unavailable',
    text: 'this ffmpeg cannot read it',
  },
  {
    pattern: /Failed to resolve hostname|Name or service not known|nodename nor servname/,
    kind: 'dns',
    text: 'the host name did not resolve',
  },
  {
    pattern: /Connection refused|Connection to srt:\S+ failed|ERROR:(?:PEER|BADSECRET|REJ)/,
    kind: 'refused',
    text: 'the connection was refused',
  },
  { pattern: /No route to host|Network is unreachable/, kind: 'refused', text: 'the host cannot be reached' },
  {
    pattern: /[Cc]onnection timed out|Operation timed out|setup failure: connection time/,
    kind: 'connect_timeout',
    text: 'no connection in time',
  },
  { pattern: /Connection reset by peer|Broken pipe/, kind: 'reset', text: 'the connection broke' },
  {
    pattern: /handshake failed|certificate verify failed|TLS|SSL routines/,
    kind: 'tls',
    text: 'the TLS handshake failed',
  },
]

/** `method DESCRIBE failed: 401 Unauthorized`, `Server returned 404 Not Found`. */
const STATUS = /(?:failed:|returned) ([45]\d\d)\b/
/** RTMP servers answer in words. */
const RTMP_MISSING = /Play\.StreamNotFound|Play\.Failed|Stream not found/i
const NOTHING_INSIDE = /Output file #0 does not contain any stream|Invalid data found when processing input/

/** Names what ended an ffmpeg that was reading a source. Its last words are the evidence. */
export function remuxFailure(exit: ProcessExit): SourceFailure {
  const text = exit.stderrTail.join('\n')
  const evidence = {
    exit_code: exit.code,
    exit_signal: exit.signal,
    stderr: exit.stderrTail.slice(-EVIDENCE_LINES).join('\n'),
  }
  const status = STATUS.exec(text)?.[1] ?? (RTMP_MISSING.test(text) ? '404' : undefined)
  if (status !== undefined) {
    return { kind: 'http_status', message: `the source answered ${status}`, status: Number(status), evidence }
  }
  const meaning = MEANINGS.find(({ pattern }) => pattern.test(text))
  if (meaning !== undefined) {
    const last = exit.stderrTail.at(-1) ?? ''
    return { kind: meaning.kind, message: `${meaning.text} (${last})`, evidence }
  }
  const message = NOTHING_INSIDE.test(text)
    ? 'ffmpeg found nothing in it that can be carried'
    : describeExit(exit, 'the ffmpeg that reads it')
  return { kind: 'process_failed', message, evidence }
}

const EVIDENCE_LINES = 5

/** There is no ffmpeg, or no more of them may run. */
export function remuxUnavailable({ message, reason }: ProcessUnavailable): SourceFailure {
  return { kind: 'process_unavailable', message, evidence: { cause: reason } }
}
