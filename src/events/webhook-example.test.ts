import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Agent } from 'undici'
import { systemClock } from '../lib/clock.ts'
import type { Clock } from '../lib/clock.ts'
import type { EventMessage } from './event-message.ts'
import { attemptDelivery } from './webhook-delivery.ts'

const example = fileURLToPath(new URL('../../examples/webhook-receiver.mjs', import.meta.url))
const SECRET = 'a secret for the example'

test('the example receiver takes what is signed, once, and refuses what is not', { timeout: 90_000 }, async () => {
  const child = spawn(process.execPath, [example, '--port', '0', '--secret', SECRET], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const dispatcher = new Agent()
  try {
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    const nextLine = async () => String((await lines.next()).value)
    const url = (await nextLine()).replace('listening on ', '')
    const deliver = async (id: string, secret: string, clock: Clock = systemClock) => {
      const message: EventMessage = {
        event_id: id,
        event_type: 'FAILOVER_TRIGGERED',
        stream_id: 'abc',
        timestamp: '2026-01-01T00:00:00.000Z',
        data: { reason: 'ünusual' },
      }
      const settings = { url, events: [], headers: {}, timeoutSeconds: 10, retryAttempts: 0 }
      const webhook = { ...settings, id: 'w', secret, registeredWallMs: 0 }
      const { signal } = new AbortController()
      const attempt = await attemptDelivery({ webhook, message, attempt: 1, dispatcher, clock, signal })
      return attempt.kind === 'failed' ? attempt.error : attempt.status
    }
    assert.equal(await deliver('e1', SECRET), 204)
    assert.match(await nextLine(), /^2026-01-01T00:00:00.000Z FAILOVER_TRIGGERED abc \{"reason":"ünusual"\}$/)
    assert.equal(await deliver('e1', SECRET), 204)
    assert.equal(await deliver('e2', 'another secret'), 401)
    // The repeat printed nothing, so the next line is about this.
    assert.match(await nextLine(), /^refused/)
    const late: Clock = { ...systemClock, wallMs: () => systemClock.wallMs() - 301_000 }
    assert.equal(await deliver('e3', SECRET, late), 401)
  } finally {
    await dispatcher.destroy()
    child.kill()
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }
})
