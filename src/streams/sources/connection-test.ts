import type { ConnectionTestResult } from '../api/api-options.ts'
import { openHttpSource } from './http-client.ts'
import type { SourceNetwork } from './http-client.ts'

/** Time for the address to answer. */
const TEST_TIMEOUT_MS = 5_000

/** Asks an address as a source would be asked, and closes the connection at the head of its answer. Never throws. */
export async function testConnection(
  url: string,
  userAgent: string,
  network: SourceNetwork,
): Promise<ConnectionTestResult> {
  return new Promise((resolve) => {
    const reader = openHttpSource(
      {
        url,
        method: 'GET',
        headers: {},
        userAgent,
        connectTimeoutMs: TEST_TIMEOUT_MS,
        answerTimeoutMs: TEST_TIMEOUT_MS,
        operatorHosts: new Set([new URL(url).hostname]),
        signal: AbortSignal.timeout(TEST_TIMEOUT_MS * 2),
      },
      {
        onHead: ({ status }) => {
          resolve({ kind: 'answered', statusCode: status })
          reader.close()
          return 'reject'
        },
        onData: () => false,
        onEnd: () => {},
        onFailure: ({ kind, message }) => {
          const isLate = kind === 'connect_timeout' || kind === 'answer_timeout'
          resolve(isLate ? { kind: 'timeout', afterMs: TEST_TIMEOUT_MS } : { kind: 'failed', message })
        },
      },
      network,
    )
  })
}
