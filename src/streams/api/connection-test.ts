import { openHttpSource } from '../sources/http-client.ts'
import type { SourceNetwork } from '../sources/http-client.ts'
import type { ConnectionTestResult } from './api-options.ts'

const TIMEOUT_MS = 5000

/** Asks addresses the way sources are asked (redirects, credentials in the URL, TLS), and reads nothing but the head. */
export function createConnectionTest(
  network: SourceNetwork,
  userAgent: string,
): (url: string) => Promise<ConnectionTestResult> {
  return (url) =>
    new Promise((resolve) => {
      openHttpSource(
        {
          url,
          method: 'GET',
          headers: {},
          userAgent,
          connectTimeoutMs: TIMEOUT_MS,
          answerTimeoutMs: TIMEOUT_MS,
          operatorHosts: new Set([new URL(url).hostname]),
          signal: new AbortController().signal,
        },
        {
          onHead: ({ status }) => {
            resolve({ kind: 'answered', statusCode: status })
            return 'reject'
          },
          onData: () => true,
          onEnd: () => {},
          // After a rejected head the promise is settled, and this changes nothing.
          onFailure: (failure) => {
            const isLate = failure.kind === 'connect_timeout' || failure.kind === 'answer_timeout'
            resolve(isLate ? { kind: 'timeout', afterMs: TIMEOUT_MS } : { kind: 'failed', message: failure.message })
          },
        },
        network,
      )
    })
}
