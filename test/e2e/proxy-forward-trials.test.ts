import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultBreaker, defaultHealth } from '../../src/failover/group.ts'
import { createSimulatedClock } from '../../src/lib/simulated-clock.ts'
import { ForwardLab } from '../lab/forward-lab.ts'
import { until } from '../lab/poll.ts'

/** What an endpoint whose circuit is half open gets of many requests at once. */

const CLIENTS = 50
/** On the simulated clock; far more than a retry waits. */
const OPEN_MS = 60_000

for (const cap of [1, 3]) {
  test(`50 clients at once: ${cap} of them try an endpoint that may be dead, and nobody else waits for it`, async () => {
    const clock = createSimulatedClock()
    await using lab = await ForwardLab.start({
      ...{ upstreams: [{}], clock },
      policy: { firstByteMs: 5_000, trialHedgeMs: 5_000 },
      group: {
        // Its health does not matter here, only its circuit.
        health: { ...defaultHealth, coolDownMs: 600_000 },
        breaker: { ...defaultBreaker, openMs: OPEN_MS, halfOpenProbesMax: cap },
      },
    })
    const upstream = lab.upstream('a')
    await upstream.become({ kind: 'status', status: 503 })
    await until(
      async () => {
        await lab.ask('/', { method: 'POST' })
        return lab.group.endpoints[0]?.breaker === 'open'
      },
      { what: 'the circuit open' },
    )
    await upstream.become({ kind: 'hang' })
    await clock.advance(OPEN_MS)
    assert.equal(lab.group.endpoints[0]?.breaker, 'half_open')
    const before = upstream.requests.length
    const answers = Array.from({ length: CLIENTS }, () => lab.ask('/'))
    let refused = 0
    for (const answer of answers) {
      void answer.then(({ status }) => {
        if (status === 503) refused += 1
      })
    }
    const tried = () => upstream.requests.length - before
    await until(() => refused === CLIENTS - cap && tried() === cap, {
      ...{ what: 'the trials and the refusals', evidence: () => ({ refused, tried: tried() }) },
    })
    assert.equal(lab.group.endpoints[0]?.inFlight, cap)
    upstream.resetConnections()
    await lab.asTimePasses(Promise.all(answers))
    assert.equal(lab.group.endpoints[0]?.breaker, 'open')
    assert.equal(tried(), cap, 'a failed trial is not repeated at the same endpoint')
    assert.deepEqual(lab.faults, [])
  })
}
