import type { SourceSession } from '../sources/session.ts'
import type { SessionFailure, SessionListener } from '../sources/session.ts'
import type { Clock, Timer } from '../../lib/clock.ts'

/** What a look at a source found. Durations in milliseconds from the begin of the look. */
export type ProbeResult =
  | {
      readonly kind: 'good'
      readonly connectMs: number
      readonly firstMediaMs: number
      /** Until a decoder could have begun. */
      readonly firstJoinMs: number | undefined
    }
  | { readonly kind: 'bad'; readonly failure: SessionFailure }
  /** Nothing was learnt: the account has no connection left, or it was needed elsewhere. */
  | { readonly kind: 'skipped'; readonly reason: string }

export interface ProbeOptions {
  readonly clock: Clock
  /** A session with the source, not opened yet; `onRevoked` is for the connection that is needed elsewhere. */
  readonly createSession: (
    listener: SessionListener,
    onRevoked: () => void,
  ) => SourceSession | 'no_connection_left' | 'close_present_first'
  /** How long media may come without a join point before it is good enough without one. */
  readonly joinWaitMs: number
  readonly signal?: AbortSignal
}

/** After the first join point it is received so much longer, so that its codecs show. */
const LOOK_MS = 700

/**
 * Connects a source, makes sure that media comes and that a decoder could begin, reads what it is made of, and closes.
 * The session's own limits apply to connecting and to silence. Never rejects.
 */
export async function probeSource({ clock, createSession, joinWaitMs, signal }: ProbeOptions): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const startedMs = clock.nowMs()
    let firstMediaMs: number | undefined
    let firstJoinMs: number | undefined
    const end = (result: ProbeResult) => {
      if (typeof session !== 'string') session.close()
      timer?.cancel()
      resolve(result)
    }
    const good = (): ProbeResult => ({
      kind: 'good',
      connectMs: (typeof session === 'string' ? undefined : session.connectMs) ?? 0,
      firstMediaMs: firstMediaMs ?? 0,
      firstJoinMs,
    })
    let timer: Timer | undefined
    const listener: SessionListener = {
      media: (_data, joinOffsets) => {
        const elapsedMs = clock.nowMs() - startedMs
        if (firstMediaMs === undefined) {
          firstMediaMs = elapsedMs
          timer = clock.schedule(joinWaitMs, () => end(good()))
        }
        if (joinOffsets.length === 0 || firstJoinMs !== undefined) return
        firstJoinMs = elapsedMs
        timer?.cancel()
        timer = clock.schedule(LOOK_MS, () => end(good()))
      },
      failed: (failure) => end({ kind: 'bad', failure }),
    }
    const session = createSession(listener, () =>
      end({ kind: 'skipped', reason: 'its connection was needed elsewhere' }),
    )
    if (typeof session === 'string') {
      resolve({ kind: 'skipped', reason: 'its account has no connection left' })
      return
    }
    signal?.addEventListener('abort', () => end({ kind: 'skipped', reason: 'it was called off' }), { once: true })
    session.open()
  })
}
