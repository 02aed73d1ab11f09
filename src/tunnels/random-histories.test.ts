import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../lib/random.ts'
import type { Random } from '../lib/random.ts'
import type { LiveTunnel } from './live-tunnel.ts'
import { ADMIN, endpointAt, fail, idAt, PROBE_MS, succeed, TunnelLab } from './tunnel-lab.fixture.ts'

const HISTORIES = 60
const STEPS = 60
const URLS = ['http://a.example/', 'http://b.example/', 'http://c.example/']

/** What may happen to a tunnel. Each takes the place of an endpoint and a number from 0 to 1. */
const HAPPENINGS: readonly ((lab: TunnelLab, live: LiveTunnel, place: number, chance: number) => unknown)[] = [
  (_lab, live, place, chance) => fail(live, place, Math.ceil(chance * 7)),
  (_lab, live, place) => succeed(live, place),
  (_lab, live) => live.choose({}),
  (_lab, live, place, chance) => live.pin(idAt(live, place), chance < 0.5 ? undefined : chance * 100_000, 'somebody'),
  (_lab, live) => live.unpin(),
  (_lab, live, place) => live.reset(idAt(live, place)),
  (lab, _live, place) => lab.down.add(URLS[place] ?? ''),
  (lab, _live, place) => lab.down.delete(URLS[place] ?? ''),
  async (lab, _live, _place, chance) => lab.clock.advance(chance * 3 * PROBE_MS),
  async (lab, live, _place, chance) => lab.service.setRunning(live.tunnel.id, ADMIN, chance < 0.6),
  async (lab, live, place, chance) => {
    const endpoints = live.tunnel.endpoints.map(({ url, weight, priority }, index) => ({
      ...{ url, priority: index === place ? Math.floor(chance * 4) : priority },
      weight: index === place ? Math.floor(chance * 3) : weight,
    }))
    await lab.service.update(live.tunnel.id, ADMIN, { endpoints })
  },
  async (lab, live, _place, chance) => {
    await live.saved()
    await lab.killAndRestart(Math.floor(chance * 10 * PROBE_MS))
  },
]

function oneOf<Value>(values: readonly Value[], random: Random): Value {
  const value = values[Math.floor(random.next() * values.length)]
  if (value === undefined) throw new Error('nothing to choose from')
  return value
}

test('whatever has happened, endpoints that are up are used again, the best first', async () => {
  for (let seed = 1; seed <= HISTORIES; seed += 1) {
    const random = seededRandom(seed)
    await using lab = await TunnelLab.open()
    const { id } = (await lab.tunnel(URLS.map((url) => ({ url, priority: Math.floor(random.next() * 3) })))).tunnel
    const live = () => lab.service.get(id, ADMIN, 'admin')
    for (let step = 0; step < STEPS; step += 1) {
      const happening = oneOf(HAPPENINGS, random)
      await happening(lab, live(), Math.floor(random.next() * URLS.length), random.next())
      assert.notEqual(live().advise(), undefined, `seed ${seed}: there is always somewhere to go`)
    }
    lab.down.clear()
    live().unpin()
    await lab.service.setRunning(id, ADMIN, true)
    await lab.clock.advance(4 * PROBE_MS)
    const { status, endpoints } = live().snapshot()
    assert.equal(status, 'connected', `seed ${seed}`)
    assert.deepEqual(
      endpoints.map(({ health }) => health),
      ['healthy', 'healthy', 'healthy'],
      `seed ${seed}`,
    )
    const weighted = endpoints.filter(({ endpoint }) => endpoint.weight > 0)
    const best = Math.max(...(weighted.length > 0 ? weighted : endpoints).map(({ endpoint }) => endpoint.priority))
    assert.equal(live().advise()?.endpoint.priority, best, `seed ${seed}`)
    assert.equal(endpointAt(live(), 0).isRecovering, false, `seed ${seed}`)
  }
})
